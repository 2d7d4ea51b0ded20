"""The operator's Prometheus series. Counts only; decides nothing, serves nothing (adapters/http does)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from headgate_operator.api.spool import LeftReason

ROLLOUT_BUCKETS = (10, 30, 60, 120, 300, 600, 1_800, 3_600, 7_200, 21_600, 86_400)
SPOOL_GAUGES = {
    "backlog_records": "Records in the spools of a fleet that Kafka is still to get.",
    "backlog_bytes": "Their bytes.",
    "oldest_seconds": "Since the oldest of them was accepted.",
    "left_claims": "Claims of a fleet's spools that no gateway has.",
    "left_records": "Records on such claims, parked ones included, as their gateways said last.",
}
"""In the order of SpoolFigures."""
DIRECTORY_GAUGES = {
    "left_directories": "Directories of a claim that gateways share which none of them delivers, by reason.",
    "left_directory_bytes": "What they take.",
}
RECONCILE_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


@dataclass(frozen=True, slots=True)
class SpoolFigures:
    """The spools of a fleet."""

    records: int
    bytes: int
    oldest: float
    """Seconds."""
    left: int
    """Claims without a gateway."""
    left_records: int
    """Those on such claims, parked ones included."""
    directories: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    """By reason: directories of a shared claim that no gateway delivers, and their bytes."""


@dataclass
class Metrics:
    """All series, on a registry of their own so that tests do not share state."""

    registry: CollectorRegistry = field(default_factory=CollectorRegistry)

    def __post_init__(self) -> None:
        registry = self.registry
        self.reconcile_seconds = Histogram(
            "headgate_reconcile_duration_seconds",
            "Duration of one reconcile of a fleet.",
            ["result"],
            registry=registry,
            buckets=RECONCILE_BUCKETS,
        )
        self.queue_depth = Gauge("headgate_queue_depth", "Keys that wait to be reconciled.", registry=registry)
        self.queue_age = Gauge(
            "headgate_queue_oldest_age_seconds", "Age of the oldest waiting notice.", registry=registry
        )
        self.writes = Counter("headgate_writes", "Writes to the API server.", ["verb", "kind"], registry=registry)
        self.write_errors = Counter(
            "headgate_write_errors",
            "Writes that the API server refused or did not take.",
            ["verb", "kind"],
            registry=registry,
        )
        self.repos = Gauge(
            "headgate_repos",
            "EventRepos by condition.",
            ["fleet_namespace", "fleet", "condition", "status"],
            registry=registry,
        )
        self.gateways = Gauge(
            "headgate_gateways", "Ready gateways by fleet.", ["fleet_namespace", "fleet"], registry=registry
        )
        self.leader = Gauge("headgate_leader", "1 while this replica holds the lease.", registry=registry)
        self.polls = Counter("headgate_gateway_polls", "Polls of gateways' /status.", ["result"], registry=registry)
        self.events = Counter(
            "headgate_events", "Kubernetes Events written or given up.", ["result"], registry=registry
        )
        self.relists = Counter("headgate_relists", "Listings of a watched kind.", ["kind", "result"], registry=registry)
        self.rollouts = Gauge(
            "headgate_rollouts",
            "EventRepos by the phase of their rollout.",
            ["fleet_namespace", "fleet", "phase"],
            registry=registry,
        )
        self.rollout_weight = Gauge(
            "headgate_rollout_weight",
            "Per cent of a repo's requests that its canary is to get, of rollouts under way.",
            ["namespace", "repo"],
            registry=registry,
        )
        self.rollout_outcomes = Counter(
            "headgate_rollout_outcomes", "Rollouts that have ended.", ["result", "reason"], registry=registry
        )
        self.rollout_seconds = Histogram(
            "headgate_rollout_duration_seconds",
            "From leaving the line to the end of a rollout.",
            ["result"],
            registry=registry,
            buckets=ROLLOUT_BUCKETS,
        )
        self.rollout_errors = Counter(
            "headgate_rollout_errors",
            "What could not be decided, stored or rendered of single rollouts, by an error of the operator or its input.",
            ["verb"],
            registry=registry,
        )
        self._spools = {
            name: Gauge(f"headgate_fleet_spool_{name}", text, ["fleet_namespace", "fleet"], registry=registry)
            for name, text in SPOOL_GAUGES.items()
        }
        self._directories = [
            Gauge(f"headgate_fleet_spool_{name}", text, ["fleet_namespace", "fleet", "reason"], registry=registry)
            for name, text in DIRECTORY_GAUGES.items()
        ]
        self._phases: dict[tuple[str, str], set[str]] = {}
        self._weights: dict[tuple[str, str], set[tuple[str, str]]] = {}
        self._repo_series: dict[tuple[str, str], set[tuple[str, str]]] = {}

    def set_repos(self, fleet: tuple[str, str], counts: Mapping[tuple[str, str], int]) -> None:
        """Set the fleet's repos by (condition, status); series that have no repos any more leave."""
        known = self._repo_series.setdefault(fleet, set())
        for gone in known - counts.keys():
            self.repos.remove(*fleet, *gone)
        for series, count in counts.items():
            self.repos.labels(*fleet, *series).set(count)
        self._repo_series[fleet] = set(counts)

    def set_rollouts(
        self, fleet: tuple[str, str], phases: Mapping[str, int], weights: Mapping[tuple[str, str], int]
    ) -> None:
        """Set the fleet's repos by phase, and the weights of rollouts under way; series of what is over leave."""
        for gone in self._phases.get(fleet, set()) - phases.keys():
            drop(self.rollouts, (*fleet, gone))
        for over in self._weights.get(fleet, set()) - weights.keys():
            drop(self.rollout_weight, over)
        for phase, count in phases.items():
            self.rollouts.labels(*fleet, phase).set(count)
        for repo, weight in weights.items():
            self.rollout_weight.labels(*repo).set(weight)
        self._phases[fleet], self._weights[fleet] = set(phases), set(weights)

    def set_spool(self, fleet: tuple[str, str], figures: SpoolFigures | None) -> None:
        """Set what the spools of a fleet hold; of a fleet without any nothing is said."""
        self._set_directories(fleet, figures.directories if figures is not None else None)
        if figures is None:
            for gauge in self._spools.values():
                drop(gauge, fleet)
            return
        values = (figures.records, figures.bytes, figures.oldest, figures.left, figures.left_records)
        for gauge, value in zip(self._spools.values(), values, strict=True):
            gauge.labels(*fleet).set(value)

    def _set_directories(self, fleet: tuple[str, str], found: Mapping[str, tuple[int, int]] | None) -> None:
        for reason in map(str, LeftReason):
            for gauge, value in zip(self._directories, (found or {}).get(reason, (0, 0)), strict=True):
                if found is None:
                    drop(gauge, (*fleet, reason))
                else:
                    gauge.labels(*fleet, reason).set(value)

    def rollout_ended(self, result: str, reason: str, seconds: float) -> None:
        """Count a rollout that ended, and how long it took."""
        self.rollout_outcomes.labels(result, reason).inc()
        self.rollout_seconds.labels(result).observe(seconds)

    def drop_fleet(self, fleet: tuple[str, str]) -> None:
        """Remove the series of a fleet that is gone."""
        self.set_repos(fleet, {})
        self.set_rollouts(fleet, {}, {})
        self.set_spool(fleet, None)
        del self._repo_series[fleet], self._phases[fleet], self._weights[fleet]
        drop(self.gateways, fleet)

    def drop_all_fleets(self, fleets: Iterable[tuple[str, str]]) -> None:
        """Remove the series of all fleets: another replica reports them now."""
        for fleet in list(fleets):
            self.drop_fleet(fleet)

    @property
    def fleets(self) -> tuple[tuple[str, str], ...]:
        """Fleets that have series."""
        return tuple(self._repo_series)


def drop(gauge: Gauge, labels: tuple[str, ...]) -> None:
    """Remove one series, whether or not it was ever set."""
    gauge.remove(*labels)
