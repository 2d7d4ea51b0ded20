"""Percentiles and slow requests out of latency buckets. Pure arithmetic over LATENCY_BOUNDS; `analysis` calls it."""

from collections.abc import Sequence
from itertools import accumulate

from headgate_gateway.config.analysis import LATENCY_BOUNDS


def percentile(buckets: Sequence[int], share: float) -> float:
    """Seconds within which this share of requests was answered, interpolated within its bucket; 0 without requests.

    What lies beyond the last bound counts as infinite.
    """
    total = sum(buckets)
    if not total:
        return 0.0
    wanted = share * total
    index = next(i for i, below in enumerate(accumulate(buckets)) if below >= wanted)
    if index >= len(LATENCY_BOUNDS):
        return float("inf")
    low = LATENCY_BOUNDS[index - 1] if index else 0.0
    before = sum(buckets[:index])
    return low + (LATENCY_BOUNDS[index] - low) * (wanted - before) / buckets[index]


def count_slower(buckets: Sequence[int], seconds: float) -> int:
    """Requests that surely took longer: those of buckets that begin at or above the limit."""
    lows = (0.0, *LATENCY_BOUNDS)
    return sum(count for low, count in zip(lows, buckets, strict=False) if low >= seconds)


def show_seconds(seconds: float) -> str:
    """`38ms`, `1.2s`, or `over 60s` beyond the last bucket."""
    if seconds > LATENCY_BOUNDS[-1]:
        return f"over {LATENCY_BOUNDS[-1]:g}s"
    return f"{seconds * 1_000:.3g}ms" if seconds < 1.0 else f"{seconds:.3g}s"
