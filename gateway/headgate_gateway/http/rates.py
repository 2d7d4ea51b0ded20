"""How fast a repo's requests may come at this gateway: token buckets, with time as an argument. Pure.

What is left in the buckets belongs to a repo's name and lives as long as something of that name is served, so that a
reload fills none; the rates belong to a config. A bucket is one number, the time at which it will be full again, as in
ITU-T I.371's generic cell rate algorithm.
"""

from math import ceil, inf
from typing import Final

from headgate_gateway.config.repo import Limits

RATE_LIMITED: Final = 429
"""What a request over a limit counts as in a canary's analysis, whatever its answer's status."""

ROUNDING: Final = 1e-7
"""Of a second: what sums of fractions may be off by."""


class Bucket:
    """What is left of one rate, as the time at which all of it will be there again. Full at first."""

    __slots__ = ("full_at",)

    def __init__(self) -> None:
        self.full_at = -inf


class Buckets:
    """Of one repo."""

    __slots__ = ("requests", "volume")

    def __init__(self) -> None:
        self.requests = Bucket()
        self.volume = Bucket()


class Rate:
    """One limit: so much a second, and `depth` at once after a quiet time."""

    __slots__ = ("bucket", "burst", "each", "name", "per_second")

    def __init__(self, name: str, per_second: int, depth: int, bucket: Bucket) -> None:
        self.name = name
        """As the resource calls it."""
        self.per_second = per_second
        self.each = 1 / per_second
        self.burst = depth / per_second
        """Seconds that fill the bucket."""
        self.bucket = bucket

    def after(self, amount: int, now: float) -> float:
        """When the bucket will be full once so much, which is `depth` at most, has been taken."""
        full_at = self.bucket.full_at
        return (max(now, full_at)) + amount * self.each

    def missing(self, full_at: float, now: float) -> float:
        """Seconds until there is enough for that; 0 or less, up to ROUNDING: there is."""
        return full_at - now - self.burst


class OverLimit:
    """Why a request has to wait."""

    __slots__ = ("limit", "per_second", "retry_after")

    def __init__(self, rate: Rate, wait: float) -> None:
        self.limit = rate.name
        self.per_second = rate.per_second
        self.retry_after = max(1, ceil(wait - ROUNDING))
        """Whole seconds until the request would fit, were it the only one."""


class RepoRates:
    """The limits of one config of a repo."""

    __slots__ = ("most", "requests", "volume")

    def __init__(self, limits: Limits, buckets: Buckets) -> None:
        rates = limits.per_gateway
        requests = rates.requests_per_second if rates is not None else None
        nbytes = rates.bytes_per_second if rates is not None else None
        self.requests = None if requests is None else Rate("requestsPerSecond", requests, requests, buckets.requests)
        # The largest body must fit, or it could never come.
        self.most = depth = max(nbytes or 0, limits.body_bytes)
        self.volume = None if nbytes is None else Rate("bytesPerSecond", nbytes, depth, buckets.volume)

    def begin(self, nbytes: int, now: float) -> OverLimit | None:
        """Charge a request and the bytes that it announces, both or none."""
        requests, volume = self.requests, self.volume
        if requests is not None:
            requests_full = requests.after(1, now)
            if requests_full - now - requests.burst > ROUNDING:
                return OverLimit(requests, requests.missing(requests_full, now))
        if volume is not None:
            volume_full = volume.after(nbytes, now)
            if volume_full - now - volume.burst > ROUNDING:
                return OverLimit(volume, volume.missing(volume_full, now))
            volume.bucket.full_at = volume_full
        if requests is not None:
            requests.bucket.full_at = requests_full
        return None

    def give_back(self, nbytes: int) -> None:
        """Take back what `begin` has charged for a request that the gateway itself had no room for."""
        if self.requests is not None:
            self.requests.bucket.full_at -= self.requests.each
        if self.volume is not None:
            self.volume.bucket.full_at -= nbytes * self.volume.each

    def go_on(self, nbytes: int, before: int, now: float) -> OverLimit | None:
        """Charge bytes of a body that announced none, as they come; `before`: those that came before these.

        A refused body has to come again as a whole: the wait is for all of it that is known.
        """
        volume = self.volume
        if volume is None:
            return None
        full_at = volume.after(nbytes, now)
        if volume.missing(full_at, now) > ROUNDING:
            whole = min(before + nbytes, self.most)
            return OverLimit(volume, volume.missing(volume.after(whole, now), now))
        volume.bucket.full_at = full_at
        return None
