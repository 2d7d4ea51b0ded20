"""From counters of gateway processes to what each track did since some moment. Pure arithmetic, no judgement.

Counters run since their process started: the same process is subtracted, one that the marks do not know, or whose
counters began anew, counts from zero, one that is gone counts nothing. Revisions are kept apart. `analysis` and the machine call it.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import zip_longest

from headgate_gateway.config.analysis import LineSums, RecordSums, RepoSample
from headgate_operator.rollout.model import Gauge, Marks, Observation, Written
from headgate_operator.rollout.statistics import Interval, wilson

_NO_LINES = LineSums()
WRITTEN_KEPT = 256
"""Partitions that a state names; as many as status shows."""
SPLIT_CONFIDENCE = 0.99


@dataclass(frozen=True, slots=True)
class Totals:
    """What one track did, summed over its processes; fields as in RepoSample."""

    requests: int = 0
    excluded: int = 0
    server_errors: int = 0
    lost: int = 0
    received: int = 0
    received_squares: int = 0
    rejected: LineSums = _NO_LINES
    dropped: LineSums = _NO_LINES
    dead_lettered: LineSums = _NO_LINES
    records: dict[str, RecordSums] = field(default_factory=dict)
    latency: tuple[int, ...] = ()

    @property
    def failed(self) -> int:
        """Requests that were answered 5xx, or from memory (delivery Async) and lost then."""
        return self.server_errors + self.lost


@dataclass(frozen=True, slots=True)
class Split:
    """How requests really went, those that say nothing about a revision included: the ingress splits them too."""

    canary: int
    stable: int

    @property
    def total(self) -> int:
        """Requests counted on both tracks."""
        return self.canary + self.stable

    @property
    def share(self) -> float:
        """The canary's share; 0 where nothing was counted."""
        return self.canary / self.total if self.total else 0.0

    def interval(self) -> Interval:
        """Where the true share lies with 99 % confidence (Wilson)."""
        return wilson(self.canary, self.total, SPLIT_CONFIDENCE)


def mark(seen: Observation) -> Marks:
    """Marks of the present counters, without what only matters after a rollback."""
    return Marks(at=seen.now, canary=_slim(seen.gauges_canary), stable=_slim(seen.gauges_stable))


def mark_split(seen: Observation) -> Marks:
    """Marks from which a split can be counted, and nothing else: they are stored, with an entry for each process."""
    return Marks(at=seen.now, canary=_bare(seen.gauges_canary), stable=_bare(seen.gauges_stable))


def count_totals(gauges: Iterable[Gauge], since: Iterable[Gauge]) -> Totals:
    """What the processes did since the marks."""
    marks = {_identity(gauge): gauge.sample for gauge in since}
    total = Totals()
    for gauge in gauges:
        total = _add(total, _difference(gauge.sample, marks.get(_identity(gauge))))
    return total


def count_split(seen: Observation, since: Marks) -> Split:
    """How requests went since the marks."""
    canary = count_totals(seen.gauges_canary, since.canary)
    stable = count_totals(seen.gauges_stable, since.stable)
    return Split(canary.requests + canary.excluded, stable.requests + stable.excluded)


def count_all(gauges: Iterable[Gauge]) -> int:
    """All requests that the processes have counted since they started."""
    return sum(gauge.sample.requests + gauge.sample.excluded for gauge in gauges)


def merge_written(known: Iterable[Written], gauges: Iterable[Gauge]) -> tuple[Written, ...]:
    """What was written by partition, merged over processes, and with what was known before.

    Counters of processes that are gone cannot be told from those that are there, so `records` is the larger of both
    counts: at least so many.
    """
    present: dict[tuple[str, int], Written] = {}
    for gauge in gauges:
        for part in gauge.sample.written:
            one = Written(**part.model_dump())
            other = present.get((one.topic, one.partition))
            present[one.topic, one.partition] = _span(one, other, one.records + (other.records if other else 0))
    for earlier in known:
        now = present.get((earlier.topic, earlier.partition))
        present[earlier.topic, earlier.partition] = _span(
            earlier, now, max(earlier.records, now.records if now else 0)
        )  # fmt: skip
    return tuple(present[key] for key in sorted(present))[:WRITTEN_KEPT]


def _span(one: Written, other: Written | None, records: int) -> Written:
    if other is None:
        return one
    return Written(
        topic=one.topic, partition=one.partition,
        first=min(one.first, other.first), last=max(one.last, other.last), records=records,
    )  # fmt: skip


def _identity(gauge: Gauge) -> tuple[str, str]:
    return gauge.process, gauge.sample.revision


def _slim(gauges: Iterable[Gauge]) -> tuple[Gauge, ...]:
    return tuple(
        Gauge(process=gauge.process, sample=gauge.sample.model_copy(update={"written": ()})) for gauge in gauges
    )


def _bare(gauges: Iterable[Gauge]) -> tuple[Gauge, ...]:
    kept = {"namespace", "name", "revision", "requests", "excluded"}
    return tuple(
        Gauge(process=gauge.process, sample=RepoSample(**gauge.sample.model_dump(include=kept))) for gauge in gauges
    )


def _difference(sample: RepoSample, mark: RepoSample | None) -> Totals:
    present = _totals(sample)
    if mark is None or sample.requests < mark.requests or sample.excluded < mark.excluded:
        return present  # counters that begin anew, as in another process
    return _combine(present, _totals(mark), -1)


def _add(one: Totals, other: Totals) -> Totals:
    return _combine(one, other, 1)


def _totals(sample: RepoSample) -> Totals:
    return Totals(
        requests=sample.requests,
        excluded=sample.excluded,
        server_errors=sample.server_errors,
        lost=sample.lost,
        received=sample.received,
        received_squares=sample.received_squares,
        rejected=sample.rejected,
        dropped=sample.dropped,
        dead_lettered=sample.dead_lettered,
        records=dict(sample.records),
        latency=sample.latency,
    )


def _combine(one: Totals, other: Totals, sign: int) -> Totals:
    return Totals(
        requests=one.requests + sign * other.requests,
        excluded=one.excluded + sign * other.excluded,
        server_errors=one.server_errors + sign * other.server_errors,
        lost=one.lost + sign * other.lost,
        received=one.received + sign * other.received,
        received_squares=one.received_squares + sign * other.received_squares,
        rejected=_lines(one.rejected, other.rejected, sign),
        dropped=_lines(one.dropped, other.dropped, sign),
        dead_lettered=_lines(one.dead_lettered, other.dead_lettered, sign),
        records=_records(one.records, other.records, sign),
        latency=tuple(a + sign * b for a, b in zip_longest(one.latency, other.latency, fillvalue=0)),
    )


def _lines(one: LineSums, other: LineSums, sign: int) -> LineSums:
    return LineSums(
        total=one.total + sign * other.total,
        squares=one.squares + sign * other.squares,
        products=one.products + sign * other.products,
    )


def _records(one: dict[str, RecordSums], other: dict[str, RecordSums], sign: int) -> dict[str, RecordSums]:
    nothing = RecordSums()
    return {
        topic: RecordSums(
            total=one.get(topic, nothing).total + sign * other.get(topic, nothing).total,
            squares=one.get(topic, nothing).squares + sign * other.get(topic, nothing).squares,
        )
        for topic in sorted(one.keys() | other.keys())
    }
