"""What a gateway says about itself at `/status` on its admin port: the operator reads it, so it is contract.

Fields are only ever added. An operator of another version reads it too, so unknown fields are passed over here,
unlike everywhere else in the contract.
"""

import hashlib
from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from headgate_gateway.config.analysis import PreflightReport
from headgate_gateway.config.base import StatusModel


class RefusedRepo(StatusModel):
    """A repo whose newest config this gateway does not serve."""

    namespace: str
    name: str
    reason: str
    """What is wrong with it, for people."""
    revision: str = ""
    """The revision that was refused; empty when it could not even be read."""
    serving_revision: str | None = None
    """The last good revision, which is still served; None: the repo is not served at all."""


class RefusedShard(StatusModel):
    """A shard file that could not be read as a whole; its last good content is still served."""

    shard: str
    """Two digits, as in `shards`."""
    hash: str
    """Hash of the bytes that were refused."""
    reason: str


class TopicStatus(StatusModel):
    """One topic that a producer writes to."""

    name: str
    partitions: int = 0
    """0: not known."""
    problem: str = ""
    """Why records for it cannot be delivered, such as that it does not exist; empty while they can."""


class BrokerStatus(StatusModel):
    """One broker that leads partitions which a producer writes to."""

    node_id: int
    address: str
    connected: bool
    error: str = ""


class ProducerStatus(StatusModel):
    """One producer of this gateway. A profile has several while contents or credentials change."""

    profile: str
    hash: str = ""
    """Of the profile's content, and of its credentials where it has any."""
    state: str = "Connecting"
    """Connecting, Ready, Unreachable, AuthenticationFailed or Closed."""
    down: str | None = None
    """Why it cannot deliver now; None while it can, or has not tried yet."""
    last_error: str = ""
    candidate: bool = False
    """Whether it has new credentials that are being tried while an older producer serves."""
    users: int = 0
    """Repos that use it."""
    pending_bytes: int = 0
    """Bytes that requests hold of the profile's `maxBufferBytes`."""
    pending_records: int = 0
    """Records handed in whose fate is not known yet."""
    brokers: tuple[BrokerStatus, ...] = ()
    topics: tuple[TopicStatus, ...] = ()


class MemoryStatus(StatusModel):
    """The one budget over received, decoded and batched bytes."""

    reserved_bytes: int = 0
    limit_bytes: int = 0
    resident_bytes: int = 0
    """The process's resident set, for comparison."""


class SpoolState(StrEnum):
    """Whether the spool takes records."""

    READY = "Ready"
    FULL = "Full"
    """It holds as much as it may, or the disk has no room; it takes records again once Kafka has taken some of them."""
    FAILED = "Failed"
    """The disk does not take what is written; it is tried again and again."""


class SpoolTargetStatus(StatusModel):
    """One topic of one profile that has records in the spool."""

    profile: str
    hash: str = ""
    """Of the profile's content."""
    topic: str
    backlog_records: int = 0
    backlog_bytes: int = 0
    oldest_seconds: float = 0.0
    """Since its oldest record was accepted."""
    blocked: str = ""
    """Why its records are not delivered now; empty while they are."""
    retry_seconds: float = 0.0
    """Until it is tried again; 0 while it is not blocked."""
    own_log: bool = False
    """Whether its records lie in a log of their own, since they have been blocked for long."""


class AdoptedSpool(StatusModel):
    """A spool of a pod that is gone, which this gateway has taken over. What it holds is in the figures of SpoolStatus."""

    directory: str
    """Its name: this pod's uid, `.adopted.`, and the uid of the pod whose it was."""
    bytes: int = 0
    backlog_records: int = 0
    backlog_bytes: int = 0
    parked: int = 0
    damaged: int = 0
    problem: str = ""
    """Why it is not delivered now."""
    opened: bool = True
    """Whether this gateway knows what it holds; where it does not, figures other than `bytes` say nothing."""


class ForeignSpool(StatusModel):
    """Spools of another pod in the directory that gateways share."""

    owner: str
    """The pod's uid."""
    bytes: int = 0


class SpoolStatus(StatusModel):
    """The queue on the gateway's disk."""

    state: str = SpoolState.READY.value
    """A SpoolState."""
    problem: str = ""
    """Why it takes no records; empty while it does."""
    retry_after: int = 0
    """Seconds until there is room again, at the rate at which Kafka takes records; 0 while there is."""
    bytes: int = 0
    """What its files take."""
    max_bytes: int = 0
    """What they may take."""
    backlog_records: int = 0
    """Records that are to be delivered still, those in flight included; parked ones are not."""
    backlog_bytes: int = 0
    oldest_seconds: float = 0.0
    """Since the oldest of them was accepted."""
    in_flight: int = 0
    """Of them, records handed to producers."""
    parked: int = 0
    """Records that Kafka refuses for good and no dead letter takes; `headgate spool` shows and replays them."""
    damaged: int = 0
    """Damaged places that were set aside since the gateway started."""
    targets: tuple[SpoolTargetStatus, ...] = ()
    """Those with the most bytes first, and not all of them where there are many."""
    owner: str = ""
    """The pod's uid, where the spool is in a directory that gateways share; empty: it is in none."""
    adopted: tuple[AdoptedSpool, ...] = ()
    foreign: tuple[ForeignSpool, ...] = ()
    """Of other pods, whether they live or not; not all of them where there are many hundreds."""


class GatewayStatus(StatusModel):
    """The body of `GET /status` on the admin port."""

    version: str
    """Headgate's version of this process."""
    track: str = "stable"
    contract_versions: tuple[int, ...]
    """Contract versions that this gateway reads."""
    shards: Annotated[dict[str, str], Field(default_factory=dict)]
    """Content hash of the file bytes of each shard that is loaded, by two-digit index. A shard without a file is absent.
    A refused shard keeps the hash of its last good bytes."""
    credentials_hash: str = ""
    """`credentials_hash` of the credential files that were last loaded."""
    repos: int = 0
    """Repos served."""
    refused: tuple[RefusedRepo, ...] = ()
    refused_shards: tuple[RefusedShard, ...] = ()
    producers: tuple[ProducerStatus, ...] = ()
    preflights: tuple[PreflightReport, ...] = ()
    """Of every repo served, on the canary track; a stable gateway runs none."""
    ready: bool = False
    draining: bool = False
    memory: MemoryStatus = MemoryStatus()
    spool: SpoolStatus | None = None
    """None: the gateway has none."""


def credentials_hash(files: Mapping[str, bytes]) -> str:
    """One hash over all credential files: over (name, NUL, bytes, NUL) in order of name; 16 hex digits."""
    digest = hashlib.sha256()
    for name in sorted(files):
        digest.update(b"%b\0%b\0" % (name.encode(), files[name]))
    return digest.hexdigest()[:16]


CREDENTIAL_PREFIX = "credential."
"""Names of credential files in the config directory start with this, and no others do."""
