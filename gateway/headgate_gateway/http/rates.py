"""How fast a repo's requests may come at this gateway: token buckets, with time as an argument. Pure.

What is left in the buckets belongs to a repo's name and lives as long as something of that name is served, so that a
reload fills none; the rates belong to a config.
"""

from math import ceil, inf
from typing import Final

from headgate_gateway.config.repo import Limits

RATE_LIMITED: Final = 429
"""What a request over a limit counts as in a canary's analysis, whatever its answer's status."""

ROUNDING: Final = 0.001
"""Of a request or byte: what sums of fractions of seconds may lack."""


class Bucket:
    """What is left of one rate. Full at first."""

    __slots__ = ("at", "held")

    def __init__(self) -> None:
        self.held = inf
        self.at = 0.0


class Buckets:
    """Of one repo."""

    __slots__ = ("requests", "volume")

    def __init__(self) -> None:
        self.requests = Bucket()
        self.volume = Bucket()


class Rate:
    """One limit: so much a second, and `depth` at once after a quiet time."""

    __slots__ = ("bucket", "depth", "name", "per_second")

    def __init__(self, name: str, per_second: int, depth: int, bucket: Bucket) -> None:
        self.name = name
        """As the resource calls it."""
        self.per_second = per_second
        self.depth = depth
        self.bucket = bucket

    def wait(self, amount: int, now: float) -> float:
        """Seconds until so much, which is `depth` at most, will be there; 0.0: it is."""
        bucket = self.bucket
        held = bucket.held + (now - bucket.at) * self.per_second
        bucket.held = held = min(held, self.depth)
        bucket.at = now
        return 0.0 if held + ROUNDING >= amount else (amount - held) / self.per_second

    def take(self, amount: int) -> None:
        """Take what `wait` has found."""
        self.bucket.held -= amount


class OverLimit:
    """Why a request has to wait."""

    __slots__ = ("limit", "per_second", "retry_after")

    def __init__(self, rate: Rate, wait: float) -> None:
        self.limit = rate.name
        self.per_second = rate.per_second
        self.retry_after = max(1, ceil(wait))
        """Whole seconds until the request would fit, were it the only one."""


class RepoRates:
    """The limits of one config of a repo."""

    __slots__ = ("requests", "volume")

    def __init__(self, limits: Limits, buckets: Buckets) -> None:
        rates = limits.per_gateway
        requests = rates.requests_per_second if rates is not None else None
        nbytes = rates.bytes_per_second if rates is not None else None
        self.requests = None if requests is None else Rate("requestsPerSecond", requests, requests, buckets.requests)
        # The largest body must fit, or it could never come.
        depth = max(nbytes or 0, limits.body_bytes)
        self.volume = None if nbytes is None else Rate("bytesPerSecond", nbytes, depth, buckets.volume)

    def begin(self, nbytes: int, now: float) -> OverLimit | None:
        """Charge a request and the bytes that it announces, both or none."""
        requests, volume = self.requests, self.volume
        if requests is not None:
            wait = requests.wait(1, now)
            if wait:
                return OverLimit(requests, wait)
        if volume is not None and nbytes:
            wait = volume.wait(nbytes, now)
            if wait:
                return OverLimit(volume, wait)
            volume.take(nbytes)
        if requests is not None:
            requests.take(1)
        return None

    def go_on(self, nbytes: int, before: int, now: float) -> OverLimit | None:
        """Charge bytes of a body that announced none, as they come; `before`: those that came before these.

        A refused body has to come again as a whole: the wait is for all of it that is known.
        """
        volume = self.volume
        if volume is None:
            return None
        if volume.wait(nbytes, now):
            return OverLimit(volume, volume.wait(min(before + nbytes, volume.depth), now))
        volume.take(nbytes)
        return None
