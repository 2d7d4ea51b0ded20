"""What is known of gateways: values that adapters observe and status judges. Pure: decides nothing, reads nothing."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from headgate_gateway.config.analysis import PreflightReport
from headgate_operator.api.names import TRACK_CANARY

RepoKey = tuple[str, str]

HELD_SECONDS = 5.0
"""Events that are younger than this are on their way, as those of Async delivery always are."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A repo whose newest config a gateway does not serve."""

    reason: str
    revision: str
    serving: bool
    """Whether its last good revision is still served."""


@dataclass(frozen=True, slots=True)
class Directories:
    """Spools of pods that are gone, of which nobody knows how many records they hold."""

    count: int = 0
    bytes: int = 0

    def __add__(self, other: "Directories") -> "Directories":
        return Directories(self.count + other.count, self.bytes + other.bytes)


@dataclass(frozen=True, slots=True)
class SpoolReport:
    """What a gateway says of the queue on its disk."""

    state: str
    problem: str = ""
    """Why it takes no records."""
    backlog_records: int = 0
    backlog_bytes: int = 0
    oldest_seconds: float = 0.0
    """Since the oldest of them was accepted."""
    parked: int = 0
    damaged: int = 0
    owner: str = ""
    """Under which uid it is in a directory that gateways share; empty: it is in none."""
    adopted: int = 0
    """Spools of pods that are gone, which it has taken over."""
    foreign: tuple[str, ...] = ()
    """By their uids: other pods that have spools in that directory."""
    foreign_bytes: Mapping[str, int] = field(default_factory=dict)
    """What each of them has there."""
    waiting: Directories = Directories()
    """Of those that it has taken over, the ones whose turn has not come."""
    unopened: Directories = Directories()
    """Those that it cannot open."""

    @property
    def holds(self) -> bool:
        """Whether it has events that Kafka does not take, or may have: in what it has taken over and not opened."""
        held = self.backlog_records > 0 and self.oldest_seconds >= HELD_SECONDS
        return held or self.waiting.count + self.unopened.count > 0

    @property
    def news(self) -> tuple[object, ...]:
        """What of it is worth a look at once: figures move with every event, and events that are on their way come and go."""
        held = self.holds, self.parked > 0, self.damaged
        return self.state, self.problem, *held, self.adopted, self.foreign, self.waiting.count, self.unopened.count


@dataclass(frozen=True, slots=True)
class GatewayReport:
    """The part of a gateway's `/status` that conditions depend on; equal reports need no new reconcile."""

    contract_versions: tuple[int, ...]
    shards: Mapping[int, str]
    """Hash of each loaded shard, by index."""
    credentials_hash: str
    refused: Mapping[RepoKey, Refusal] = field(default_factory=dict)
    refused_shards: Mapping[int, tuple[str, str]] = field(default_factory=dict)
    """(hash, reason) of shards refused as a whole; their last good content is still served."""
    preflights: Mapping[RepoKey, PreflightReport] = field(default_factory=dict)
    """Of a canary: whether it could deliver."""
    spool: SpoolReport | None = field(default=None, compare=False)
    """None: it has none. Reports that differ in its figures alone are equal."""
    spool_news: tuple[object, ...] = ()
    """What of it makes a difference."""


@dataclass(frozen=True, slots=True)
class PodView:
    """The part of a gateway pod that matters."""

    namespace: str
    name: str
    uid: str
    fleet: str
    track: str
    ip: str
    ready: bool
    leaving: bool
    """Being deleted, or finished."""
    config_hash: str
    """Value of the config-hash annotation."""
    trouble: str = ""
    """Why a container does not run, from its waiting state: `ImagePullBackOff: …`."""
    too_old: bool = False
    """Whether that is its image, which does not know an argument that it is given."""
    repo: RepoKey | None = None
    """The repo whose canary it is; None: it serves all of them, with the stable image or a new one."""
    revision: str = ""
    """Of a canary: the revision that it was made for; of a new image: its hash."""
    restarts: int = 0
    """How often its containers were started again."""
    finished: bool = False
    """Nothing runs in it any more."""
    controller: str = ""
    """The kind of what made it: ReplicaSet or StatefulSet."""
    spooling: bool = False
    """Whether it has a disk for events and a gateway has run in it, so that some may be there."""


@dataclass(frozen=True, slots=True)
class Tracks:
    """The gateway pods of a fleet, by whom they serve."""

    stable: tuple[PodView, ...]
    canaries: Mapping[RepoKey, tuple[PodView, ...]]
    upgrade: tuple[PodView, ...] = ()
    """Those of a new image: they serve all repos."""

    def of(self, repo: RepoKey) -> tuple[PodView, ...]:
        """The pods of one repo's canary."""
        return self.canaries.get(repo, ())


def split_tracks(pods: Iterable[PodView]) -> Tracks:
    """Sort pods by track."""
    stable: list[PodView] = []
    canaries: dict[RepoKey, list[PodView]] = {}
    upgrade: list[PodView] = []
    for pod in pods:
        if pod.track != TRACK_CANARY:
            stable.append(pod)
        elif pod.repo is not None:
            canaries.setdefault(pod.repo, []).append(pod)
        else:
            upgrade.append(pod)
    return Tracks(tuple(stable), {repo: tuple(found) for repo, found in canaries.items()}, tuple(upgrade))


@dataclass(frozen=True, slots=True)
class GatewayView:
    """One ready gateway: its name, and what it last said; None where it has not been reached."""

    name: str
    report: GatewayReport | None


@dataclass(frozen=True, slots=True)
class WorkloadProgress:
    """How far a fleet's Deployment or StatefulSet is."""

    desired: int
    updated: int
    ready: int
    total: int
    observed: bool
    """Whether its controller has seen the newest generation."""
    settled: bool = False
    """Whether the newest template has been rolled out once: what is missing since is missing for another reason."""
    stuck: str = ""
    """Why its controller has given up on the newest template."""
    refused: str = ""
    """Why the API server takes no pod of it: a quota, a policy."""
    revision: str = ""
    """Of a StatefulSet: its newest template's. Its controller says nothing of being stuck."""

    @property
    def complete(self) -> bool:
        """Whether all pods asked for run the newest template and no older one is left."""
        return self.observed and self.updated == self.ready == self.total == self.desired
