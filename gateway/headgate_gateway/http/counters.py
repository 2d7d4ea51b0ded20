"""What happened, as plain integers on the hot path; `admin.metrics` makes series of them. Counts, decides nothing.

Counters belong to a name (a repo's, a profile's) and live as long as something of that name is served: a reload does
not reset them, and those of what is gone leave.
"""

from collections.abc import Callable, ItemsView
from typing import Generic, TypeVar

from headgate_gateway.http.analysis import AnalysisCounters
from headgate_gateway.http.rates import Buckets
from headgate_gateway.kafka.counters import Histogram

RECORD_BUCKETS = (1.0, 5.0, 10.0, 50.0, 100.0, 500.0, 1_000.0, 5_000.0, 10_000.0, 100_000.0)


class RepoCounters:
    """Of one repo. Lines: received = accepted + dropped + rejected. Records made from accepted lines =
    delivered + dead_lettered + spooled + failed + unknown + in_flight.
    """

    __slots__ = (
        "accepted",
        "bytes_received",
        "dead_lettered",
        "delivered",
        "dropped",
        "failed",
        "in_flight",
        "over_limit",
        "received",
        "rejected",
        "requests",
        "spooled",
        "unauthenticated",
        "unknown",
    )

    def __init__(self) -> None:
        self.bytes_received = 0
        self.received = self.accepted = self.dropped = self.rejected = 0
        self.delivered = self.dead_lettered = self.spooled = self.failed = self.unknown = self.in_flight = 0
        self.unauthenticated = self.over_limit = 0
        """Requests that were refused before anything else was looked at."""
        self.requests: dict[int, int] = {}
        """Answers by status; 499: the client left before its request was complete."""

    def count_request(self, status: int) -> None:
        """One request was answered."""
        self.requests[status] = self.requests.get(status, 0) + 1


class ProfileCounters:
    """Of the requests on one profile."""

    __slots__ = ("delivery_seconds", "records_per_request")

    def __init__(self) -> None:
        self.delivery_seconds = Histogram()
        """From handing records to the producer until their fate was known."""
        self.records_per_request = Histogram(RECORD_BUCKETS)


T = TypeVar("T")


class Registry(Generic[T]):
    """Counters by name, shared by all users of the name."""

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._held: dict[str, T] = {}
        self._users: dict[str, int] = {}

    def acquire(self, name: str) -> T:
        """The counters of a name, made for its first user."""
        self._users[name] = self._users.get(name, 0) + 1
        if name not in self._held:
            self._held[name] = self._make()
        return self._held[name]

    def release(self, name: str) -> None:
        """One user fewer; with the last one the counters leave."""
        self._users[name] -= 1
        if not self._users[name]:
            del self._users[name], self._held[name]

    def items(self) -> ItemsView[str, T]:
        """All names in use."""
        return self._held.items()


class TrafficCounters:
    """All counters of the traffic port."""

    def __init__(self) -> None:
        self.repos: Registry[RepoCounters] = Registry(RepoCounters)
        self.profiles: Registry[ProfileCounters] = Registry(ProfileCounters)
        self.analysis = AnalysisCounters()
        self.buckets: Registry[Buckets] = Registry(Buckets)
        """What repos have left of their limits."""
        self.elsewhere = RepoCounters()
        """Requests that belong to no repo: unknown paths, heads that could not be understood."""
