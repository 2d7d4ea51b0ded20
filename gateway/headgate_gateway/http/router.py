"""Which repo serves a path. A router is never changed: a reload makes a new one and swaps it in.

A served repo counts its users: the router that lists it, and every request that began with it. With the last one its
producer's lease and its counters are given back.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from headgate_gateway.config.endpoint import Endpoint
from headgate_gateway.config.repo import RepoConfig
from headgate_gateway.http.counters import TrafficCounters
from headgate_gateway.http.ports import Lease
from headgate_gateway.pipeline.compile import CompiledRepo


class ServedRepo:
    """A compiled repo with its producer and counters."""

    __slots__ = ("_users", "analysis", "compiled", "config", "counters", "lease", "profile_counters", "traffic")

    def __init__(self, compiled: CompiledRepo, lease: Lease, traffic: TrafficCounters) -> None:
        self.compiled = compiled
        self.config: RepoConfig = compiled.config
        self.lease = lease
        self.traffic = traffic
        self.counters = traffic.repos.acquire(self.config.name)
        self.analysis = traffic.analysis.acquire(self.full_name, self.config.revision)
        self.profile_counters = traffic.profiles.acquire(self.config.kafka.producer_profile)
        self._users = 1

    @property
    def full_name(self) -> tuple[str, str]:
        """Namespace and name."""
        return self.config.namespace, self.config.name

    def enter(self) -> None:
        """One user more."""
        self._users += 1

    def leave(self) -> None:
        """One user fewer."""
        self._users -= 1
        if not self._users:
            self.lease.release()
            self.traffic.repos.release(self.config.name)
            self.traffic.analysis.release(self.full_name, self.config.revision)
            self.traffic.profiles.release(self.config.kafka.producer_profile)


@dataclass(frozen=True, slots=True)
class Route:
    """An endpoint of a served repo."""

    repo: ServedRepo
    endpoint: Endpoint


Router = dict[str, Route]


def build_router(repos: Iterable[ServedRepo]) -> Router:
    """Routes by exact path. Paths are known to be distinct (`reload` refuses a repo whose path is taken)."""
    return {endpoint.path: Route(repo, endpoint) for repo in repos for endpoint in repo.config.endpoints}
