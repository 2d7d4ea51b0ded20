"""Which repo serves a path. A router is never changed: a reload makes a new one and swaps it in.

A served repo counts its users: the router that lists it, and every request that began with it. With the last one its
producers' leases and its counters are given back.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from headgate_gateway.config.endpoint import Endpoint
from headgate_gateway.config.kafka import Delivery, OnFailure
from headgate_gateway.config.repo import RepoConfig
from headgate_gateway.http import refusals
from headgate_gateway.http.auth import Authenticator
from headgate_gateway.http.counters import ProfileCounters, TrafficCounters
from headgate_gateway.http.guard import Guard
from headgate_gateway.http.messages import Response
from headgate_gateway.http.ports import Lease, Producer, Spool
from headgate_gateway.http.rates import RepoRates
from headgate_gateway.http.receipt import Durability
from headgate_gateway.pipeline.compile import CompiledEndpoint, CompiledRepo


class ServedRepo:
    """A compiled repo with its producers and counters."""

    __slots__ = (
        "_users",
        "analysis",
        "compiled",
        "config",
        "counters",
        "durability",
        "guard",
        "lease",
        "leases",
        "profiles",
        "spool",
        "traffic",
    )

    def __init__(
        self,
        compiled: CompiledRepo,
        leases: Mapping[str, Lease],
        traffic: TrafficCounters,
        auth: Authenticator | None = None,
        spool: Spool | None = None,
    ) -> None:
        """`spool` is the gateway's, where it has one; the producers of a repo that uses it have it behind them."""
        self.compiled = compiled
        self.config: RepoConfig = compiled.config
        self.spool = spool if uses_spool(self.config) else None
        """None: its lines never go to disk."""
        self.durability = _promised(self.config, self.spool)
        """What a 200 promises of lines of which no more is known."""
        self.leases = leases
        """By profile name."""
        self.lease = leases[self.config.kafka.producer_profile]
        """That of the repo's own profile."""
        self.traffic = traffic
        self.counters = traffic.repos.acquire(self.config.name)
        self.analysis = traffic.analysis.acquire(self.full_name, self.config.revision)
        self.profiles: dict[str, ProfileCounters] = {name: traffic.profiles.acquire(name) for name in leases}
        self.guard = self._build_guard(auth)
        """None: anybody may come, at any rate."""
        self._users = 1

    def _build_guard(self, auth: Authenticator | None) -> Guard | None:
        config, buckets = self.config, self.traffic.buckets.acquire(self.config.name)
        rates = None if config.limits.per_gateway is None else RepoRates(config.limits, buckets)
        return None if auth is None and rates is None else Guard(config.name, auth, rates, self.counters)

    def refuse_target(self, profile: str, topic: str, producer: Producer, request_id: str) -> Response | None:
        """An answer where records would surely not reach the topic now, nor the disk."""
        down = producer.down
        refused = producer.refusal(topic) if down is None else None
        if down is None and refused is None:
            return None
        full = self.spool.refusal if self.spool is not None else None
        if full is not None:
            return refusals.spool_refused(full, request_id)
        if down is not None:
            return refusals.producer_down(profile, down, request_id)
        return refusals.topic_refused(refused or "", request_id)

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
            for lease in self.leases.values():
                lease.release()
            self.traffic.repos.release(self.config.name)
            self.traffic.buckets.release(self.config.name)
            self.traffic.analysis.release(self.full_name, self.config.revision)
            for profile in self.profiles:
                self.traffic.profiles.release(profile)


def uses_spool(config: RepoConfig) -> bool:
    """Whether lines of the repo go to disk, in a gateway that has one for them."""
    return config.kafka.delivery is Delivery.ASYNC or config.kafka.on_failure is OnFailure.SPOOL


def _promised(config: RepoConfig, spool: Spool | None) -> Durability:
    if config.kafka.delivery is Delivery.SYNC:
        return Durability.KAFKA
    return Durability.MEMORY if spool is None else Durability.DISK


@dataclass(frozen=True, slots=True)
class Route:
    """An endpoint of a served repo."""

    repo: ServedRepo
    compiled: CompiledEndpoint

    @property
    def endpoint(self) -> Endpoint:
        """Its config."""
        return self.compiled.endpoint


Router = dict[str, Route]


def build_router(repos: Iterable[ServedRepo]) -> Router:
    """Routes by exact path. Paths are known to be distinct (`reload` refuses a repo whose path is taken)."""
    return {e.endpoint.path: Route(repo, e) for repo in repos for e in repo.compiled.endpoints}
