"""What a producer counts, as plain numbers: the admin package exports them. Decides nothing."""

from bisect import bisect_left
from dataclasses import dataclass, field, replace
from math import inf

LATENCY_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
"""Upper bounds in seconds; a last bucket takes what is above."""


@dataclass(slots=True)
class Histogram:
    """Counts of observations by bucket, not cumulated."""

    bounds: tuple[float, ...] = LATENCY_BUCKETS
    counts: list[int] = field(default_factory=list)
    total: float = 0.0
    _bucket: int = field(default=0, init=False, compare=False, repr=False)
    """The bucket of the last observation: the next one mostly belongs there, too."""
    _above: float = field(default=inf, init=False, compare=False, repr=False)
    """That bucket takes what is above this..."""
    _up_to: float = field(default=-inf, init=False, compare=False, repr=False)
    """...and no more than this."""

    def __post_init__(self) -> None:
        self.counts = self.counts or [0] * (len(self.bounds) + 1)

    def observe(self, value: float) -> None:
        """Count one observation."""
        if not self._above < value <= self._up_to:
            self._find(value)
        self.counts[self._bucket] += 1
        self.total += value

    def _find(self, value: float) -> None:
        bounds = self.bounds
        self._bucket = bucket = bisect_left(bounds, value)
        self._above = bounds[bucket - 1] if bucket else -inf
        self._up_to = bounds[bucket] if bucket < len(bounds) else inf

    def copy(self) -> "Histogram":
        """A copy that later observations leave alone."""
        return Histogram(self.bounds, list(self.counts), self.total)

    def add(self, other: "Histogram") -> None:
        """Count another's observations, in the same buckets, as one's own."""
        self.counts = [mine + theirs for mine, theirs in zip(self.counts, other.counts, strict=True)]
        self.total += other.total


@dataclass(slots=True)
class Counters:
    """Totals since the producer was made."""

    accepted: int = 0
    """Records submitted: delivered + failed + unknown + pending."""
    delivered: int = 0
    failed: int = 0
    """Surely not written."""
    unknown: int = 0
    """Sent without an answer in time."""
    requests: int = 0
    """Produce requests sent."""
    batches: int = 0
    """Batches that Kafka has taken."""
    batch_bytes: int = 0
    """Bytes of those batches, as sent."""
    raw_bytes: int = 0
    """Bytes of all batches before compression."""
    retries: int = 0
    """Batches sent again, for whatever reason."""
    retried_records: int = 0
    """Records sent again that Kafka may have had already: with `unknown`, the most that can be there twice."""
    splits: int = 0
    """Refused batches that were cut to find the record that Kafka does not want."""
    connects: int = 0
    """Connections opened."""
    request_seconds: Histogram = field(default_factory=Histogram)
    """From sending a produce request to its answer."""


@dataclass(frozen=True, slots=True)
class ProducerSnapshot:
    """The state of a producer's numbers at one moment."""

    profile: str
    counters: Counters
    pending_records: int
    """Records accepted whose fate is open."""
    buffered_bytes: int
    """Bytes reserved by requests."""
    down: bool = False
    """Whether it cannot deliver now."""


def copy_counters(counters: Counters) -> Counters:
    """A copy that later counting leaves alone."""
    return replace(counters, request_seconds=counters.request_seconds.copy())
