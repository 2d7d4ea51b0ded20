"""What one pass over a fleet's rollouts begins with, and what it decided. Values only."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from headgate_operator.api.fleet import GatewayFleet
from headgate_operator.api.repo import EventRepo
from headgate_operator.reconcile.apply import Failure, ObjectKey
from headgate_operator.reconcile.ledger import Stored
from headgate_operator.reconcile.store import FleetKey
from headgate_operator.render.judge import Judged
from headgate_operator.render.world import CanaryPlan, RepoKey, RepoRollout
from headgate_operator.rollout.model import RolloutState
from headgate_operator.status.observation import GatewayReport, Tracks, WorkloadProgress
from headgate_operator.status.rollout import Shown
from headgate_operator.status.transitions import EventNote


@dataclass(frozen=True, slots=True)
class FleetSightings:
    """What a pass begins with, of the whole fleet."""

    key: FleetKey
    fleet: GatewayFleet
    repos: Mapping[RepoKey, EventRepo]
    """Those that parse."""
    commands: Mapping[RepoKey, str]
    judged: Judged
    stored: Stored
    tracks: Tracks
    workload: WorkloadProgress | None
    versions: Mapping[ObjectKey, str]
    plans: Mapping[RepoKey, CanaryPlan]
    """The canaries as this process rendered them last."""
    confirmed: Callable[[RepoKey, str], bool]
    """Whether every ready stable gateway serves this revision of a repo."""
    is_current: Callable[[GatewayReport], bool]
    """Whether a gateway reports the newest config, as this process rendered it last."""
    troubles: Mapping[RepoKey, str] = field(default_factory=dict)
    """Objects of repos that could not be written last, in the API server's words."""
    unrendered: Mapping[RepoKey, str] = field(default_factory=dict)
    """Canaries that this process could not render last, and why."""
    fleet_command: str = ""
    held: Mapping[RepoKey, str] = field(default_factory=dict)
    """Repos that may not begin a change now, and why: they move to a new image."""


@dataclass(slots=True)
class Advanced:
    """What one pass decided."""

    rollouts: dict[RepoKey, RepoRollout] = field(default_factory=dict)
    shown: dict[RepoKey, Shown] = field(default_factory=dict)
    active: set[RepoKey] = field(default_factory=set)
    """Repos whose counters are to be read."""
    notes: list[tuple[RepoKey, EventNote]] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    ended: list[tuple[RolloutState, RolloutState]] = field(default_factory=list)
    """(before, after) of rollouts that ended, for metrics."""
