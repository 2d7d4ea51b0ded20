"""The values of a fleet's image upgrade: its stored state, and what is observed of the world. Decides nothing.

Beside `model`, whose states repos have while they move: a repo that moves to a new image walks the steps of its own
policy by the same machine, with hashes of the two images for revisions.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from headgate_gateway.config import content_hash
from headgate_operator.api.rollout import Rollout
from headgate_operator.rollout import transitions
from headgate_operator.rollout.model import (
    HISTORY_KEPT,
    TOKENS_KEPT,
    Announce,
    CanarySight,
    Command,
    Obeyed,
    Observation,
    Outcome,
    RolloutState,
    StoredModel,
)

RepoKey = tuple[str, str]

ALL = 100
"""Per cent of the requests of a repo that has moved."""


class UpgradePhase(StrEnum):
    """Where a new image is."""

    STABLE = "Stable"
    UPGRADING = "Upgrading"
    PROMOTING = "Promoting"
    ROLLING_BACK = "RollingBack"
    ROLLED_BACK = "RolledBack"


class UpgradeStage(StrEnum):
    """What an upgrade is doing within its phase."""

    STARTING = "Starting"
    """Gateways of the new image start and load the whole stable config; no request goes there."""
    MOVING = "Moving"
    """Repos move, one by one."""
    CONFIRMING = "Confirming"
    """All have moved: the stable gateways take the image."""
    DRAINING = "Draining"
    """All weights are zero, and requests may still arrive."""
    REMOVING = "Removing"
    """The upgrade's objects and pods go."""


class Image(StoredModel):
    """What gateways run."""

    name: str
    pull_policy: str = "IfNotPresent"

    @property
    def revision(self) -> str:
        """What commands, labels and the states of moving repos call it: 16 hex digits."""
        return content_hash(self.name.encode())


class UpgradeState(StoredModel):
    """All that is remembered of a fleet's image upgrade. Repos are named `namespace/name`."""

    phase: UpgradePhase = UpgradePhase.STABLE
    stage: UpgradeStage = UpgradeStage.STARTING
    stable: Image
    """What the stable gateways run; while Promoting, what they ran before."""
    candidate: Image | None = None
    """The image on its way; after a rollback the one that was refused."""
    began: float = 0.0
    entered: float = 0.0
    """When the present phase and stage began."""
    reason: str = ""
    message: str = ""
    replicas: int = 0
    """Gateways of the new image; never fewer than before during an upgrade."""
    shares: dict[str, float] = Field(default_factory=dict)
    """Each repo's share of the fleet's requests when the first one began to move: the order, and the sizes."""
    moved: tuple[str, ...] = ()
    """Repos that have moved, in the order in which they did."""
    under_way: dict[str, RolloutState] = Field(default_factory=dict)
    """Repos that are moving."""
    failed: dict[str, RolloutState] = Field(default_factory=dict)
    """Repos that refused the image, as they were then."""
    dropped: bool = False
    """Whether all weights are zero though the stage would have some: the new image's gateways are gone."""
    drained: int | None = None
    """All requests that the upgrade's gateways had counted at `quiet_since`."""
    quiet_since: float = 0.0
    obeyed: Annotated[tuple[Obeyed, ...], Field(max_length=TOKENS_KEPT)] = ()
    """The last commands to the fleet, newest last."""
    answered: dict[str, tuple[Obeyed, ...]] = Field(default_factory=dict)
    """The last commands to repos that moved: the annotations may outlive several upgrades."""
    history: Annotated[tuple[Outcome, ...], Field(max_length=HISTORY_KEPT)] = ()
    """How earlier upgrades ended, newest last."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """One repo that the fleet serves."""

    policy: Rollout
    busy: bool = False
    """Whether a change of its own is under way: it moves once that has ended."""
    immediate: bool = False
    """Whether it moves in one go."""


@dataclass(frozen=True, slots=True)
class UpgradeSeen:
    """The world around a fleet's image at one moment."""

    now: float
    image: Image
    """What the spec asks for."""
    possible: bool = True
    """Whether repos can be moved: there are some, there are routes to split, and nobody wants it at once."""
    alive: bool = True
    """Whether the old image's gateways serve: where none does there is nothing to compare with, or to protect."""
    repos: Mapping[RepoKey, Waiting] = field(default_factory=dict)
    """Every repo that is served."""
    moves: Mapping[RepoKey, Observation] = field(default_factory=dict)
    """Of each repo under way."""
    lost: Mapping[RepoKey, str] = field(default_factory=dict)
    """Repos under way that nobody can decide about any longer, and why: requests of theirs go to the new image."""
    pods: CanarySight = field(default_factory=CanarySight)
    """The upgrade's gateways."""
    objections: Mapping[RepoKey, str] = field(default_factory=dict)
    """Repos that a gateway of the new image cannot serve, though those of the old one can."""
    requests: Mapping[RepoKey, float] = field(default_factory=dict)
    """What the stable gateways have counted of each repo, as far as it was asked for."""
    settled: bool = False
    """While Promoting: whether all stable gateways run the new image and serve the newest config."""
    stuck: str = ""
    """Why they do not get there."""
    routed: bool = False
    """Whether the ingress has accepted the routes of all repos that were touched, with their weights."""
    carried: bool = False
    """While Draining: whether some live route object still gives requests to the upgrade's gateways, whatever was asked."""
    counted: int = 0
    """All requests that the upgrade's gateways have counted."""
    fresh: bool = False
    """Whether the counters of every ready gateway were read within the last few seconds."""
    replicas: int = 1
    """Gateways of the fleet."""
    max_concurrent: int = 5
    failure_budget: int = 1
    progress_deadline: float = 600.0
    """Seconds."""
    command: Command | None = None
    """What somebody asks of the fleet."""
    repo_commands: Mapping[RepoKey, Command] = field(default_factory=dict)
    """What somebody asks of repos, as far as it names the image."""


@dataclass(frozen=True, slots=True)
class UpgradeStep:
    """What `advance_upgrade` answers."""

    state: UpgradeState
    announcements: tuple[Announce, ...] = ()
    """On the fleet."""
    repo_announcements: tuple[tuple[RepoKey, Announce], ...] = ()
    ended: tuple[tuple[RolloutState, RolloutState], ...] = ()
    """(before, after) of repos whose move ended, for metrics."""


def clamp(state: UpgradeState, now: float) -> UpgradeState:
    """The state with no time in the future, as `transitions.clamp` has it: a clock may be set back."""
    late: dict[str, object] = {name: now for name in ("began", "entered", "quiet_since") if getattr(state, name) > now}
    moves = {name: transitions.clamp(move, now) for name, move in state.under_way.items()}
    if moves != state.under_way:
        late["under_way"] = moves
    return state.model_copy(update=late) if late else state


def name_of(key: RepoKey) -> str:
    """`namespace/name`."""
    return "/".join(key)


def key_of(name: str) -> RepoKey:
    """The key of `namespace/name`."""
    namespace, _, repo = name.partition("/")
    return namespace, repo


def touched(state: UpgradeState) -> tuple[str, ...]:
    """Repos whose routes know the upgrade's gateways, in the order in which they came to."""
    return tuple(dict.fromkeys((*state.moved, *state.under_way, *state.failed)))


def weights_of(state: UpgradeState) -> dict[RepoKey, int]:
    """Per cent of each touched repo's requests that go to the new image; empty once nothing does any more."""
    if state.phase in (UpgradePhase.STABLE, UpgradePhase.ROLLED_BACK) or state.stage is UpgradeStage.REMOVING:
        return {}
    weighted = state.stage in (UpgradeStage.MOVING, UpgradeStage.CONFIRMING) and not state.dropped
    if not weighted:
        return dict.fromkeys(map(key_of, touched(state)), 0)
    moving = {name: move.weight for name, move in state.under_way.items()}
    found = dict.fromkeys(state.moved, ALL) | moving | dict.fromkeys(state.failed, 0)
    return {key_of(name): weight for name, weight in found.items()}


def has_weight(state: UpgradeState) -> bool:
    """Whether any request is to go to the new image."""
    return any(weights_of(state).values())


def names_image(command: Command | None, state: UpgradeState) -> bool:
    """Whether a command speaks of an image of this fleet, present or past, and not of a repo's revision."""
    if command is None or command.problem:
        return False
    known = [state.stable.revision, *(outcome.revision for outcome in state.history)]
    known += [state.candidate.revision] if state.candidate is not None else []
    return any(revision.startswith(command.revision) for revision in known)


def in_order(state: UpgradeState, repos: Iterable[RepoKey]) -> Iterator[RepoKey]:
    """Least traffic first, then by namespace and name; repos that came later at the end."""
    return iter(sorted(repos, key=lambda key: (state.shares.get(name_of(key), float("inf")), key)))
