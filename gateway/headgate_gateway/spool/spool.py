"""The spool as the rest of the gateway sees it: opened before traffic, bound to repos, closed last.

Wires directory, logs, courier and producers together; decides nothing itself. Used by the composition root and reload.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from headgate_gateway.config.repo import RepoConfig
from headgate_gateway.config.status import SpoolStatus
from headgate_gateway.kafka.counters import Histogram
from headgate_gateway.kafka.outcome import FailureReason
from headgate_gateway.kafka.pool import Lease, ProducerPool
from headgate_gateway.spool.disk import Disk
from headgate_gateway.spool.producer import SpoolingLease


@dataclass(frozen=True, slots=True)
class SpoolSettings:
    """What the command line says of it."""

    directory: str
    """Absolute; made if it is missing."""
    max_bytes: int
    segment_bytes: int = 64 * 2**20
    track: str = "stable"
    unknown_topic_patience: float = 600.0
    """Seconds for which what Kafka refuses as a topic (missing, not authorised) is tried again, before it is given up."""


@dataclass(frozen=True, slots=True)
class SpoolRefusal:
    """Why the spool takes no records now."""

    reason: FailureReason
    """SPOOL_FULL or SPOOL_FAILED."""
    message: str
    retry_after: int
    """Seconds until it is expected to take some again, from the measured drain rate: 1 to 300."""


@dataclass(frozen=True, slots=True)
class SpoolMetrics:
    """The numbers of this moment; counters are totals of records since the process began."""

    appended: int
    """Made durable, moves within the spool not counted."""
    delivered: int
    """Acknowledged by Kafka, of those that were durable."""
    replayed: int
    """Of them, read back from disk."""
    dead_lettered: int
    """Given to a dead letter, since Kafka refuses them for good."""
    parked_total: int
    """Parked since the process began."""
    damaged: int
    """Damaged places that were set aside."""
    state: str
    bytes: int
    max_bytes: int
    backlog_records: int
    backlog_bytes: int
    in_flight: int
    parked: int
    """Parked on disk now."""
    oldest_seconds: float
    blocked_targets: int
    commit_seconds: Histogram
    """From writing a group to its being durable."""


class Spool:
    """One directory's queue. Everything but `open` belongs to the event loop."""

    @classmethod
    async def open(cls, settings: SpoolSettings, pool: ProducerPool, disk: Disk | None = None) -> Self:
        """Lock the directory and find out what is there, in a thread. Raises SpoolLockedError, SpoolVersionError, OSError."""
        raise NotImplementedError

    def start(self) -> None:
        """Begin to deliver what is there. Targets whose credentials are not known yet wait for `set_credentials`."""
        raise NotImplementedError

    def set_credentials(self, credentials: Mapping[str, bytes]) -> None:
        """The contents of all credential files, at each load: for profiles with a backlog that no repo uses any more."""
        raise NotImplementedError

    def bind(self, config: RepoConfig, profile: str, lease: Lease) -> SpoolingLease:
        """A repo's way to one of its profiles, with the disk behind it. Takes over the lease: releasing it is its release.

        For repos with Async delivery, or `onFailure: Spool`.
        """
        raise NotImplementedError

    @property
    def refusal(self) -> SpoolRefusal | None:
        """Why it takes no records now; None: it does."""
        raise NotImplementedError

    def status(self) -> SpoolStatus:
        """What `/status` says."""
        raise NotImplementedError

    def metrics(self) -> SpoolMetrics:
        """What `/metrics` says."""
        raise NotImplementedError

    async def close(self, seconds: float) -> int:
        """Deliver what can be delivered in that time, stop, and make the rest ready for the next process: its records.

        Before the pool is closed. Takes at most about a second more.
        """
        raise NotImplementedError
