"""Samples, states and observations that show only what matters."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from headgate_gateway.config.analysis import LATENCY_BOUNDS, LineSums, RecordSums, RepoSample, WrittenRange
from headgate_operator.api.rollout import Rollout
from headgate_operator.rollout.model import (
    CanarySight,
    Gauge,
    Marks,
    Observation,
    Phase,
    Preflight,
    RolloutState,
    Stage,
)
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
    lost: int = 0,
    rejected: int = 0,
    dropped: int = 0,
    dead_lettered: int = 0,
    slow: int = 0,
    excluded: int = 0,
    topic: str = "events",
    written: Iterable[WrittenRange] = (),
) -> RepoSample:
    """Counters after so many requests of `size` lines; `rejected`, `dropped` and `dead_lettered` are whole bodies."""
    kept = requests - rejected - dropped - dead_lettered
    return RepoSample(
        namespace="team", name="access", revision=revision,
        requests=requests, excluded=excluded, server_errors=errors, lost=lost,
        received=requests * size, received_squares=requests * size * size,
        rejected=line_sums(requests, size, rejected), dropped=line_sums(requests, size, dropped),
        dead_lettered=line_sums(requests, size, dead_lettered),
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


START = 1_000.0
HEALTHY = CanarySight(exists=True, desired=1, ready=1, loaded=True, preflight=Preflight.PASSED)


def policy(**fields: Any) -> Rollout:
    """The default policy with some fields as in a resource."""
    return Rollout.model_validate(fields)


def observe(now: float = START, **fields: Any) -> Observation:
    """A healthy world that asks for NEW: pods ready, counters fresh, the route accepted, nothing counted."""
    base = Observation(
        now=now, exists=True, desired=NEW, canary=HEALTHY, route_accepted=True, fresh=True,
        gauges_canary=(gauge("c", 0),), gauges_stable=(gauge("s", 0, revision=OLD),),
    )  # fmt: skip
    return replace(base, **fields)


def counted(canary: int, stable: int, **bad: Any) -> dict[str, Any]:
    """Gauges of both sides after so many requests; `bad` are the canary's counters."""
    return {
        "gauges_canary": (gauge("c", canary, **bad),),
        "gauges_stable": (gauge("s", stable, revision=OLD),),
    }


def state(phase: Phase = Phase.STABLE, stage: Stage = Stage.STARTING, **fields: Any) -> RolloutState:
    """A state that has been where it is for a minute, with a tenth of the requests where its stage has any."""
    weighted = phase in (Phase.PROGRESSING, Phase.PAUSED) and stage is not Stage.STARTING
    marks = Marks(at=START - 60, canary=(gauge("c"),), stable=(gauge("s", revision=OLD),)) if weighted else None
    base = RolloutState(
        phase=phase, stable=OLD, candidate=None if phase is Phase.STABLE else NEW, stage=stage,
        weight=10 if weighted else 0, size_for=10, began=START - 100, queued=START - 100, entered=START - 60,
        clock=START - 60 if weighted and stage is not Stage.SHIFTING else None, marks=marks, split_marks=marks,
    )  # fmt: skip
    return base.model_copy(update=fields)
