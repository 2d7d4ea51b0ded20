"""What the spool tells of itself: refusals, the rows of `/status`, the numbers of `/metrics`. Pure; clocks are arguments."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from headgate_gateway.config.status import SpoolState, SpoolTargetStatus
from headgate_gateway.kafka.counters import Histogram
from headgate_gateway.kafka.outcome import FailureReason
from headgate_gateway.spool.errors import LogState
from headgate_gateway.spool.log import COMMIT_BUCKETS, LogReport
from headgate_gateway.spool.targets import TargetState

TARGETS_NAMED = 100
SHORTEST_WAIT, LONGEST_WAIT = 1, 300
"""Seconds that clients are told to wait."""
FAILED_WAIT = 5
"""A disk that fails is tried again each second."""
RATE_OVER = 10.0
"""Seconds over which the drain rate is measured."""


@dataclass(frozen=True, slots=True)
class SpoolRefusal:
    """Why the spool takes no records now."""

    reason: FailureReason
    """SPOOL_FULL or SPOOL_FAILED."""
    message: str
    retry_after: int
    """Seconds until it is expected to take some again, from the measured drain rate: 1 to 300."""


@dataclass(frozen=True, slots=True)
class SpoolMetrics:
    """The numbers of this moment; counters are totals of records since the process began."""

    appended: int
    """Made durable, moves within the spool not counted."""
    delivered: int
    """Acknowledged by Kafka, of those that were durable."""
    replayed: int
    """Of them, read back from disk."""
    dead_lettered: int
    """Given to a dead letter, since Kafka refuses them for good."""
    parked_total: int
    """Parked since the process began."""
    damaged: int
    """Damaged places that were set aside."""
    state: str
    bytes: int
    max_bytes: int
    backlog_records: int
    backlog_bytes: int
    in_flight: int
    parked: int
    """Parked on disk now."""
    oldest_seconds: float
    blocked_targets: int
    commit_seconds: Histogram
    """From writing a group to its being durable."""

    def of_the_past(self) -> "SpoolMetrics":
        """Its totals alone: it is closed."""
        gone: dict[str, Any] = dict.fromkeys(_HELD, 0)
        return replace(self, oldest_seconds=0.0, **gone)


_TOTALS = ("appended", "delivered", "replayed", "dead_lettered", "parked_total", "damaged")
_HELD = ("backlog_records", "backlog_bytes", "in_flight", "parked", "blocked_targets")


def add_metrics(each: Sequence[SpoolMetrics]) -> SpoolMetrics:
    """Several spools together: the state, bytes, bound and commits are the first one's."""
    sums: dict[str, Any] = {name: sum(getattr(one, name) for one in each) for name in (*_TOTALS, *_HELD)}
    return replace(each[0], oldest_seconds=max(one.oldest_seconds for one in each), **sums)


class DrainRate:
    """Bytes a second that leave the spool, averaged over about RATE_OVER seconds."""

    __slots__ = ("_at", "_freed", "bytes_per_second")

    def __init__(self, now: float) -> None:
        self._at = now
        self._freed = 0
        self.bytes_per_second = 0.0

    def look(self, freed: int, now: float) -> None:
        """`freed`: bytes that have left since the process began."""
        seconds = now - self._at
        if seconds <= 0:
            return
        share = min(seconds / RATE_OVER, 1.0)
        self.bytes_per_second += share * ((freed - self._freed) / seconds - self.bytes_per_second)
        self._at, self._freed = now, freed

    def seconds_for(self, nbytes: int) -> int:
        """How long that many bytes take, within what clients are told."""
        if self.bytes_per_second * LONGEST_WAIT <= nbytes:
            return LONGEST_WAIT
        return max(SHORTEST_WAIT, round(nbytes / self.bytes_per_second))


def decide_refusal(state: LogState, problem: str, excess: int, rate: DrainRate, parked: int = 0) -> SpoolRefusal | None:
    """Whether records are refused. `excess`: bytes that have to leave before there is room again; `parked`: that never do."""
    match state:
        case LogState.READY:
            return None
        case LogState.FULL:
            message = problem or "the spool holds as much as it may"
            if parked and parked >= excess:
                message += f"; {parked} bytes of it are parked, and stay until somebody replays them"
            return SpoolRefusal(FailureReason.SPOOL_FULL, message, rate.seconds_for(max(excess, 0)))
        case LogState.FAILED | LogState.CLOSED:
            return SpoolRefusal(FailureReason.SPOOL_FAILED, problem or "the spool is closed", FAILED_WAIT)


def state_name(state: LogState) -> str:
    """The state in the contract's words."""
    return SpoolState.FAILED.value if state is LogState.CLOSED else SpoolState(state.value).value


def build_rows(states: Iterable[TargetState], now: float, now_ms: int) -> tuple[SpoolTargetStatus, ...]:
    """The largest of those that have records or are blocked."""
    told = [state for state in states if state.records or not state.is_open]
    told.sort(key=lambda state: -state.nbytes)
    return tuple(_row(state, now, now_ms) for state in told[:TARGETS_NAMED])


def _row(state: TargetState, now: float, now_ms: int) -> SpoolTargetStatus:
    oldest = state.oldest_ms
    return SpoolTargetStatus(
        profile=state.profile,
        hash=state.target.profile_hash,
        topic=state.target.topic,
        backlog_records=state.records,
        backlog_bytes=state.nbytes,
        oldest_seconds=0.0 if oldest is None else max((now_ms - oldest) / 1000, 0.0),
        blocked="" if state.is_open else state.problem,
        retry_seconds=0.0 if state.blocked_until is None else max(state.blocked_until - now, 0.0),
        own_log=state.in_side > 0,
    )


def commit_histogram(reports: Iterable[LogReport]) -> Histogram:
    """How long commits took, in all logs."""
    merged = Histogram(COMMIT_BUCKETS)
    for report in reports:
        merged.add(Histogram(COMMIT_BUCKETS, list(report.commit_seconds), report.commit_seconds_sum))
    return merged
