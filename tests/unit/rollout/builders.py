"""Samples, gauges and totals that show only what matters."""

from collections.abc import Iterable
from typing import Any

from headgate_gateway.config.analysis import LATENCY_BOUNDS, LineSums, RecordSums, RepoSample, WrittenRange
from headgate_operator.rollout.model import Gauge
from headgate_operator.rollout.samples import Totals

OLD, NEW, NEWER = "aaaaaaaaaaaaaaaa", "bbbbbbbbbbbbbbbb", "cccccccccccccccc"


def line_sums(requests: int, size: int, bad: int) -> LineSums:
    """`bad` whole bodies of `size` lines."""
    return LineSums(total=bad * size, squares=bad * size * size, products=bad * size * size)


def latency(requests: int, slow: int = 0, *, seconds: float = 0.01, slow_seconds: float = 0.5) -> tuple[int, ...]:
    """Buckets of requests that took this long, `slow` of them that long."""
    buckets = [0] * (len(LATENCY_BOUNDS) + 1)
    for count, took in ((requests - slow, seconds), (slow, slow_seconds)):
        buckets[next((i for i, bound in enumerate(LATENCY_BOUNDS) if took <= bound), len(LATENCY_BOUNDS))] += count
    return tuple(buckets)


def sample(
    requests: int = 0,
    *,
    revision: str = NEW,
    size: int = 10,
    errors: int = 0,
    rejected: int = 0,
    dropped: int = 0,
    slow: int = 0,
    excluded: int = 0,
    topic: str = "events",
    written: Iterable[WrittenRange] = (),
) -> RepoSample:
    """Counters after so many requests of `size` lines; `rejected` and `dropped` are whole bodies."""
    kept = requests - rejected - dropped
    return RepoSample(
        namespace="team", name="access", revision=revision,
        requests=requests, excluded=excluded, server_errors=errors,
        received=requests * size, received_squares=requests * size * size,
        rejected=line_sums(requests, size, rejected), dropped=line_sums(requests, size, dropped),
        records={topic: RecordSums(total=kept * size, squares=kept * size * size)} if requests else {},
        latency=latency(requests, slow), written=tuple(written),
    )  # fmt: skip


def gauge(process: str, requests: int = 0, **counters: Any) -> Gauge:
    return Gauge(process=process, sample=sample(requests, **counters))


def totals(requests: int = 0, **counters: Any) -> Totals:
    """Totals of one track that did all this in one process."""
    counted = sample(requests, **counters)
    fields = {name: getattr(counted, name) for name in Totals.__dataclass_fields__}
    return Totals(**fields)
