"""What a gateway says about itself at `/status` on its admin port: the operator reads it, so it is contract.

Fields are only ever added. An operator of another version reads it too, so unknown fields are passed over here,
unlike everywhere else in the contract.
"""

import hashlib
from collections.abc import Mapping
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


def credentials_hash(files: Mapping[str, bytes]) -> str:
    """One hash over all credential files: over (name, NUL, bytes, NUL) in order of name; 16 hex digits."""
    digest = hashlib.sha256()
    for name in sorted(files):
        digest.update(b"%b\0%b\0" % (name.encode(), files[name]))
    return digest.hexdigest()[:16]


CREDENTIAL_PREFIX = "credential."
"""Names of credential files in the config directory start with this, and no others do."""
