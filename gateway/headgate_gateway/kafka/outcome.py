"""What became of a request's records. Pure data, shared by the producer and the HTTP side."""

from dataclasses import dataclass
from enum import StrEnum


class FailureReason(StrEnum):
    """Why lines did not reach Kafka; part of the answer's body."""

    TIMEOUT = "DeliveryTimeout"
    PRODUCER_DOWN = "ProducerDown"
    REFUSED = "KafkaRefused"
    """For good, until somebody changes something in Kafka: no right to write, no such topic."""
    RECORD_TOO_LARGE = "RecordTooLarge"
    """For good: the record is larger than the topic takes."""
    RECORD_INVALID = "RecordInvalid"
    """For good: such as a timestamp out of the topic's range, or a record without a key for a compacted topic."""
    STOPPING = "Stopping"
    RECALLED = "Recalled"
    """Whoever submitted them has taken them back, to submit them again behind others."""
    SPOOL_FULL = "SpoolFull"
    """Kafka did not take the lines, or has others before them, and the gateway's disk has no room."""
    SPOOL_FAILED = "SpoolFailed"
    """The same, and the gateway's disk does not take what is written."""


REFUSALS = frozenset({FailureReason.REFUSED, FailureReason.RECORD_TOO_LARGE, FailureReason.RECORD_INVALID})
"""Reasons that are Kafka's own word about these records, and not the lack of one."""


@dataclass(slots=True, init=False)
class PartitionAck:
    """A run of a request's records that lies contiguously in one partition.

    Not frozen, and its `__init__` written out: each request makes one, and what a dataclass makes itself is not compiled.
    """

    topic: str
    partition: int
    base_offset: int
    """Offset of the first record; -1 with acks none."""
    count: int

    def __init__(self, topic: str, partition: int, base_offset: int, count: int) -> None:
        self.topic = topic
        self.partition = partition
        self.base_offset = base_offset
        self.count = count


@dataclass(slots=True, init=False)
class Outcome:
    """The fate of every record of one submission: each line number is in exactly one of the four lists."""

    acked: list[int]
    failed: list[int]
    """Surely not written."""
    unknown: list[int]
    """Sent, and no answer: may be written."""
    acks: list[PartitionAck]
    reason: FailureReason | None
    """Why the first line that did not arrive did not."""
    reasons: set[FailureReason]
    """Why any line did not arrive."""
    halved: int
    """How many of `unknown` are lines of several records, of which some are surely written and the others surely not."""
    message: str
    """What Kafka or the connection said, for people."""
    refused: dict[int, tuple[FailureReason, str]] | None
    """By line, of those in `failed` and `unknown` that Kafka itself refuses: why. None: it refuses none."""
    spooled: list[int]
    """Durably on this gateway's disk, and from there to Kafka."""
    retry_after: int
    """Seconds until the spool, which had no room, is expected to have some; 0: nobody said."""

    def __init__(
        self,
        acked: list[int] | None = None,
        failed: list[int] | None = None,
        unknown: list[int] | None = None,
        acks: list[PartitionAck] | None = None,
        reason: FailureReason | None = None,
        reasons: set[FailureReason] | None = None,
        halved: int = 0,
        message: str = "",
        refused: dict[int, tuple[FailureReason, str]] | None = None,
        spooled: list[int] | None = None,
        retry_after: int = 0,
    ) -> None:
        self.acked = [] if acked is None else acked
        self.failed = [] if failed is None else failed
        self.unknown = [] if unknown is None else unknown
        self.acks = [] if acks is None else acks
        self.reason = reason
        self.reasons = set() if reasons is None else reasons
        self.halved = halved
        self.message = message
        self.refused = refused
        self.spooled = [] if spooled is None else spooled
        self.retry_after = retry_after

    @property
    def complete(self) -> bool:
        """Whether every record is in Kafka or on disk."""
        return not self.failed and not self.unknown

    @property
    def certain(self) -> bool:
        """Whether the fate of every record is known, if not of every line."""
        return len(self.unknown) == self.halved
