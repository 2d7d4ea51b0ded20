"""The values of a rollout: its stored state, what is observed of the world, and what is to be done. Decides nothing.

The state is all that a rollout remembers: it is stored as JSON in the fleet's namespace, and `step` can go on from it
in another process. Times are seconds since the epoch, since they outlive processes.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from headgate_gateway.config.analysis import RepoSample
from headgate_operator.api.rollout import Rollout


class Phase(StrEnum):
    """Where a repo's change is."""

    STABLE = "Stable"
    """Nothing is on its way."""
    WAITING = "Waiting"
    """In line: for one of the fleet's slots, or behind a wave that has stopped."""
    PROGRESSING = "Progressing"
    PAUSED = "Paused"
    PROMOTING = "Promoting"
    ROLLING_BACK = "RollingBack"
    ROLLED_BACK = "RolledBack"
    SUPERSEDED = "Superseded"
    """The canary of a revision that is no longer wanted is on its way out; then the newer one begins."""


class Stage(StrEnum):
    """What a rollout is doing within its phase. The last three belong to phases in which a canary leaves."""

    STARTING = "Starting"
    """The canary's pods start, load the revision and try their brokers; no traffic yet, or only the former step's."""
    SHIFTING = "Shifting"
    """The step's weight is asked for; the counted split does not fit it yet."""
    MEASURING = "Measuring"
    """The step's clock runs."""
    GATED = "Gated"
    """Measured well, and waiting for an approval."""
    UNDECIDED = "Undecided"
    """The hold is over, and the measurements cannot decide."""
    CONFIRMING = "Confirming"
    """Promoting: the stable gateways take the revision."""
    DRAINING = "Draining"
    """The weight is zero, and requests may still reach the canary."""
    REMOVING = "Removing"
    """The canary's objects and pods go."""


class StoredModel(BaseModel):
    """A part of the stored state: fields are only ever added, those of a newer operator are passed over."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Verdict(StrEnum):
    """What a measurement says."""

    PASS = "Pass"  # noqa: S105 - a verdict, no password
    FAIL = "Fail"
    INCONCLUSIVE = "Inconclusive"
    WAITING = "Waiting"
    """Too few requests so far."""


class Measurement(StoredModel):
    """One figure of the analysis, with all that led to its verdict."""

    name: str
    value: str
    stable: str | None = None
    threshold: str
    requests: int
    verdict: Verdict
    explanation: str = ""
    """Why, in a sentence."""


class Gauge(StoredModel):
    """The counters of one gateway process for one revision, as they were at one moment."""

    process: str
    """The pod's uid and the run of its process: counters of another run start at zero."""
    sample: RepoSample


class Marks(StoredModel):
    """Where the counters of both tracks stood when something began."""

    at: float
    canary: tuple[Gauge, ...] = ()
    stable: tuple[Gauge, ...] = ()


class Obeyed(StoredModel):
    """A command's token, and what became of it. Each token is obeyed once."""

    token: str
    verb: str
    result: str
    at: float


class Written(StoredModel):
    """What a revision wrote to one partition."""

    topic: str
    partition: int
    first: int
    last: int
    records: int


class Outcome(StoredModel):
    """How an earlier rollout ended; the history."""

    revision: str
    result: str
    """Promoted, RolledBack, Superseded or Reverted."""
    reason: str
    message: str
    started: float
    ended: float


class Cause(StoredModel):
    """What made the change: the repo's own spec, or something that it shares with others, and then which wave it is in."""

    kind: str = "Spec"
    """Spec, Profile, Fleet (its limits) or Image."""
    wave: str = ""
    """Equal for all repos that one edit touches: `Profile/main@HASH`; empty for a change of the repo alone."""


OWN_SPEC = Cause()

HISTORY_KEPT = 10
TOKENS_KEPT = 10


class RolloutState(StoredModel):
    """All that is remembered of one repo."""

    phase: Phase = Phase.STABLE
    stable: str
    """The promoted revision: what stable gateways serve, whatever the spec says."""
    candidate: str | None = None
    """The revision on its way; after a rollback the one that was refused."""
    cause: Cause = Cause()
    stage: Stage = Stage.STARTING
    step: int = 0
    """Index of the step under way."""
    weight: int = 0
    """Per cent that the route is to carry to the canary."""
    size_for: int = 0
    """The weight that the canary is to be large enough for: the next step's, before the route carries it."""
    began: float = 0.0
    """When the rollout began: left the line."""
    queued: float = 0.0
    """When it came into line."""
    entered: float = 0.0
    """When the present phase and stage began."""
    clock: float | None = None
    """When the step's clock started."""
    verified: bool = False
    """Whether the counted split fitted the weight when the clock started."""
    reason: str = ""
    message: str = ""
    marks: Marks | None = None
    """Counters when the step's weight was first asked for: measurements count from here."""
    split_marks: Marks | None = None
    """Counters from which the split is counted; moves on while it does not fit."""
    accepted_since: float | None = None
    """Since when the ingress has accepted the route with the step's weight, as far as seen."""
    unresolved_since: float | None = None
    """Since when the ingress does not find what the route with the step's weight names."""
    unreadable_since: float | None = None
    """Since when the EventRepo cannot be read, while its rollout is under way."""
    restarts: int = 0
    """Restarts of the canary's containers when the step's weight was first asked for."""
    looks: int = 0
    """Statistical looks taken at this rollout's data."""
    looked_at: int = 0
    """Requests of the canary at the last look."""
    measurements: tuple[Measurement, ...] = ()
    drained: int | None = None
    """All requests that the canary had counted at `quiet_since`."""
    quiet_since: float = 0.0
    """Since when the canary's count has not moved, with no weight on it."""
    written: tuple[Written, ...] = ()
    """What the candidate wrote so far."""
    obeyed: Annotated[tuple[Obeyed, ...], Field(max_length=TOKENS_KEPT)] = ()
    """The last commands, newest last."""
    history: Annotated[tuple[Outcome, ...], Field(max_length=HISTORY_KEPT)] = ()
    """How earlier rollouts ended, newest last."""
    gone_since: float | None = None
    """Since when the repo no longer exists."""


class Preflight(StrEnum):
    """Whether the canary could deliver."""

    PENDING = "Pending"
    PASSED = "Passed"
    FAILED = "Failed"


@dataclass(frozen=True, slots=True)
class CanarySight:
    """What is seen of a canary's pods."""

    exists: bool = False
    """Whether any of its objects or pods is still there."""
    desired: int = 0
    """Pods that it should have for the state's `size_for`, not what its Deployment happens to ask for."""
    ready: int = 0
    loaded: bool = False
    """Whether every ready pod reports the candidate's config as loaded."""
    refused: str = ""
    """Why a pod refuses the config: it does not compile."""
    unrendered: str = ""
    """Why its objects cannot be rendered."""
    preflight: Preflight = Preflight.PENDING
    preflight_problem: str = ""
    trouble: str = ""
    """Why a pod does not run: an image that cannot be pulled, a crash loop."""
    restarts: int = 0
    """Restarts of its containers."""
    holding: bool = False
    """Whether events are on the disk of one that Kafka does not take."""


@dataclass(frozen=True, slots=True)
class QueryResult:
    """What Prometheus answered to one query."""

    value: float | None
    problem: str = ""
    """Why there is no value."""


@dataclass(frozen=True, slots=True)
class Change:
    """What a candidate alters, as far as the analysis has to know."""

    constraint: bool = False
    """Lines are dropped by another rule (constraint, sampling)."""
    topics: bool = False
    """Records go to other topics, or another number of them is made."""
    dead_letter: bool = False
    """Lines that cannot be processed go elsewhere: to a dead letter that was not there, or are refused again."""


@dataclass(frozen=True, slots=True)
class Command:
    """What somebody asked for by annotation: `<verb> <revision> <step> <token>`."""

    verb: str
    revision: str
    step: int | None
    """1-based; None where the command was written with `-`, which only fits verbs that need no step."""
    token: str
    problem: str = ""
    """Why the annotation could not be read; such a command is answered, never obeyed."""


@dataclass(frozen=True, slots=True)
class Observation:
    """The world around one repo at one moment."""

    now: float
    exists: bool
    """Whether the EventRepo is there."""
    desired: str | None
    """The revision that its accepted spec asks for; None while the spec is not accepted."""
    refusal: str = ""
    """Why the spec is not accepted."""
    unreadable: str = ""
    """Why the EventRepo cannot be read now: what is known of its spec, its policy and its commands may be old."""
    policy: Rollout = field(default_factory=Rollout)
    immediate: bool = False
    """Whether changes go straight to all traffic: by strategy, or because the fleet has no routing."""
    cause: Cause = OWN_SPEC
    change: Change = Change()
    may_start: bool = True
    """Whether the fleet has a slot for it."""
    line: str = ""
    """Why not, and its place in line."""
    canary: CanarySight = CanarySight()
    stable_confirmed: bool = False
    """Whether every ready stable gateway serves `state.stable`."""
    route_accepted: bool = False
    """Whether the ingress has accepted the route as it is now, with the weight of the state."""
    gauges_canary: tuple[Gauge, ...] = ()
    """Counters of the candidate in the canary's gateways."""
    gauges_stable: tuple[Gauge, ...] = ()
    """Counters of the stable revision in the stable gateways."""
    fresh: bool = False
    """Whether the gauges of every ready gateway of both tracks were read within the last few seconds."""
    canary_fresh: bool = False
    """Whether the gauges of the canary's ready gateways and of at least one stable one were read within the last few
    seconds: enough to judge that it fails. `fresh` implies it."""
    live_weight: int | None = None
    """Per cent that the live route object carries to the canary, accepted or not; None: no route object is known."""
    unresolved: str = ""
    """What the ingress does not find of what the route names, as it is now and with requests for the canary."""
    queries: Mapping[str, QueryResult] = field(default_factory=dict)
    """Results of the policy's queries, by name."""
    command: Command | None = None
    few_suffice: bool = False
    """Whether a step passes in which too few requests would come by the deadline, and none failed: an image is judged by
    the repos that have traffic."""

    @property
    def judgeable(self) -> bool:
        """Whether the canary was read: enough to go back, too little to go on."""
        return self.fresh or self.canary_fresh


# What is to be done: all of it follows from the state, so that doing it twice equals doing it once.


@dataclass(frozen=True, slots=True)
class ServeStable:
    """The stable shard carries this revision."""

    revision: str


@dataclass(frozen=True, slots=True)
class RunCanary:
    """A canary of this revision runs, sized for this weight at least."""

    revision: str
    weight: int


@dataclass(frozen=True, slots=True)
class RouteWeight:
    """The repo's route carries this many per cent to the canary."""

    weight: int


@dataclass(frozen=True, slots=True)
class RemoveCanary:
    """No object of a canary is left."""


@dataclass(frozen=True, slots=True)
class Announce:
    """A transition that people should hear of, as an Event: Normal or Warning."""

    type: str
    reason: str
    message: str


Action = ServeStable | RunCanary | RouteWeight | RemoveCanary | Announce


@dataclass(frozen=True, slots=True)
class Step:
    """What `step` answers."""

    state: RolloutState
    actions: tuple[Action, ...]
