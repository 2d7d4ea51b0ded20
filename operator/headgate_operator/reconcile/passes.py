"""The values of one reconcile of a fleet: what is remembered between two, what one begins with, what it decides."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

from headgate_operator.metrics import Metrics
from headgate_operator.ports import Clock
from headgate_operator.reconcile.adoptions import Adoptions
from headgate_operator.reconcile.apply import Applier, Failure, ObjectKey
from headgate_operator.reconcile.directories import LeftDirectories
from headgate_operator.reconcile.gather import Gatherer, ServedEntries
from headgate_operator.reconcile.hashing import FleetHasher, PasswordHashing
from headgate_operator.reconcile.holders import Holders, Reports
from headgate_operator.reconcile.holds import Holds, HoldTiming
from headgate_operator.reconcile.nudge import Nudger
from headgate_operator.reconcile.profiles import ProfileLedger
from headgate_operator.reconcile.progress import ProgressWatch
from headgate_operator.reconcile.publish import Publisher
from headgate_operator.reconcile.records import ResourceRecord
from headgate_operator.reconcile.rollouts import RolloutKeeper, RolloutParts
from headgate_operator.reconcile.secrets import SecretReader
from headgate_operator.reconcile.sightings import Advanced
from headgate_operator.reconcile.spools import SeenSpools, SpoolLedger
from headgate_operator.reconcile.statuses import Settled, Told
from headgate_operator.reconcile.store import FleetKey, Store
from headgate_operator.reconcile.traffic_guard import TrafficGuard
from headgate_operator.reconcile.upgrades import Upgraded, UpgradeKeeper
from headgate_operator.render.memo import RenderMemo
from headgate_operator.render.templates import Templates
from headgate_operator.render.world import FleetPlan, RepoKey
from headgate_operator.rollout.model import TOKENS_KEPT, Obeyed, Phase, Stage
from headgate_operator.rollout.upgrade_model import UpgradeStage
from headgate_operator.status.delivery import ShardHistory
from headgate_operator.status.rollout import Shown

TICK_SECONDS = 1.0
"""Between looks at a fleet with rollouts under way, where nothing else brings one."""
IDLE_SECONDS = 5.0
"""The same where all of them wait for a person: a canary that dies brings a look by itself."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a reconcile ended."""

    succeeded: bool
    awaiting: bool = False
    """Whether gateways have yet to confirm the newest config."""
    again: float | None = None
    """In how many seconds to reconcile again, whether or not anything happens."""


@dataclass(frozen=True)
class Parts:
    """What a reconciler works with."""

    store: Store
    gatherer: Gatherer
    applier: Applier
    publisher: Publisher
    nudger: Nudger
    secrets: SecretReader
    profiles: ProfileLedger
    templates: Templates
    metrics: Metrics
    reports: Reports
    holders: Holders
    now: Callable[[], str]
    """The time as RFC 3339, for conditions."""
    clock: Clock
    holding: HoldTiming
    rollouts: RolloutParts
    hashing: PasswordHashing
    watch: Callable[[FleetKey, Iterable[RepoKey]], None]
    """Has the counters of these repos of a fleet read from now on."""


def count_truths(parts: Parts, key: FleetKey, truths: Iterable[tuple[str, str]], gateways: int) -> None:
    """Count a fleet's repos by (condition, status), and its gateways."""
    parts.metrics.set_repos(key, Counter(truths))
    parts.metrics.gateways.labels(*key).set(gateways)


@dataclass(slots=True)
class FleetState:
    """What is remembered of a fleet: memos, and nothing that the cluster does not know."""

    holds: Holds
    keeper: RolloutKeeper
    upgrades: UpgradeKeeper
    guard: TrafficGuard
    hasher: FleetHasher
    adoptions: Adoptions
    spools: SpoolLedger = field(default_factory=SpoolLedger)
    directories: LeftDirectories = field(default_factory=LeftDirectories)
    progress: ProgressWatch = field(default_factory=ProgressWatch)
    memo: RenderMemo = field(default_factory=RenderMemo)
    served: ServedEntries = field(default_factory=ServedEntries)
    history: ShardHistory = field(default_factory=ShardHistory)
    entry_digests: dict[RepoKey, tuple[bytes, str]] = field(default_factory=dict)
    settled: dict[RepoKey, Settled] = field(default_factory=dict)
    failing: dict[ObjectKey, int] = field(default_factory=dict)
    """How often in a row each object could not be written for now."""
    told: dict[Told, Failure] = field(default_factory=dict)
    """What failed in the last pass, in the words in which it was told."""
    plan: FleetPlan | None = None
    """The last one: what gateways report is compared with what was rendered."""
    shown: dict[RepoKey, tuple[float, Shown]] = field(default_factory=dict)
    """What status shows of each rollout, and since when."""
    troubles: dict[RepoKey, str] = field(default_factory=dict)
    """What could not be done for each repo in the last pass."""


@dataclass(frozen=True, slots=True)
class Begun:
    """What a reconcile started from: what changes meanwhile is judged by the next one."""

    fleet: ResourceRecord
    state: FleetState
    repos: Mapping[RepoKey, str]
    """Intent of each repo."""
    profiles: dict[str, str]
    """Intent of each profile."""
    versions: Mapping[ObjectKey, str]
    """resourceVersion of each child."""
    commands: Mapping[RepoKey, str]
    """What somebody asks of each repo's rollout."""
    spools: SeenSpools


@dataclass(frozen=True, slots=True)
class Decided:
    """What a reconcile decided, before it is carried out."""

    upgraded: Upgraded
    advanced: Advanced
    """Rollouts, and repos that move to a new image."""
    plan: FleetPlan
    unfinished: bool = False
    """Whether something is left that only the next pass does, and nothing else brings one."""


def take_together(advanced: Advanced, upgraded: Upgraded) -> Advanced:
    """With the repos that move: what happens to their requests is shown, told and counted like a rollout."""
    answered = {
        key: _with_answers(advanced.shown[key], upgraded.answered[key])
        for key in upgraded.answered.keys() & advanced.shown.keys()
    }
    return replace(
        advanced,
        shown=advanced.shown | answered | upgraded.shown,
        active=advanced.active | upgraded.shown.keys(),
        notes=[*advanced.notes, *upgraded.repo_notes],
        failures=[*advanced.failures, *upgraded.failures],
        ended=[*advanced.ended, *upgraded.ended],
    )


def pace(advanced: Advanced, upgraded: Upgraded) -> float | None:
    """Seconds until the next look, where nothing else brings one; None where nothing is under way."""
    if not advanced.active and not upgraded.active:
        return None
    states = [advanced.shown[key].state for key in advanced.active & advanced.shown.keys()]
    idle = all(state.phase is Phase.PAUSED or state.stage is Stage.GATED for state in states)
    return IDLE_SECONDS if states and idle and not upgraded.active else TICK_SECONDS


def is_hurried(advanced: Advanced, upgraded: Upgraded) -> bool:
    """Whether something waits for what gateways report: all of them are then asked many times a second."""
    states = (advanced.shown[key].state for key in advanced.active & advanced.shown.keys())
    stages = (Stage.STARTING, Stage.CONFIRMING)
    move = upgraded.status.state if upgraded.status is not None and upgraded.active else None
    awaited = move is not None and move.stage in (UpgradeStage.STARTING, UpgradeStage.CONFIRMING)
    return awaited or any(state.stage in stages and state.phase is not Phase.PAUSED for state in states)


def _with_answers(shown: Shown, answers: tuple[Obeyed, ...]) -> Shown:
    """With what became of commands to a move that is over: whoever gave them waits for that."""
    known = sorted((*shown.state.obeyed, *answers), key=lambda each: each.at)
    return replace(shown, state=shown.state.model_copy(update={"obeyed": tuple(known[-TOKENS_KEPT:])}))
