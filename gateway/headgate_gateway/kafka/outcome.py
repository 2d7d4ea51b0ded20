"""What became of a request's records. Pure data, shared by the producer and the HTTP side."""

from dataclasses import dataclass, field
from enum import StrEnum


class FailureReason(StrEnum):
    """Why lines did not reach Kafka; part of the 503's body."""

    TIMEOUT = "DeliveryTimeout"
    PRODUCER_DOWN = "ProducerDown"
    REFUSED = "KafkaRefused"
    STOPPING = "Stopping"


@dataclass(frozen=True, slots=True)
class PartitionAck:
    """A run of a request's records that lies contiguously in one partition."""

    topic: str
    partition: int
    base_offset: int
    """Offset of the first record; -1 with acks none."""
    count: int


@dataclass(slots=True)
class Outcome:
    """The fate of every record of one submission: each line number is in exactly one of the three lists."""

    acked: list[int] = field(default_factory=list)
    failed: list[int] = field(default_factory=list)
    """Surely not written."""
    unknown: list[int] = field(default_factory=list)
    """Sent, and no answer: may be written."""
    acks: list[PartitionAck] = field(default_factory=list)
    reason: FailureReason | None = None
    """Why the first line that did not arrive did not."""
    message: str = ""
    """What Kafka or the connection said, for people."""

    @property
    def complete(self) -> bool:
        """Whether every record is in Kafka."""
        return not self.failed and not self.unknown
