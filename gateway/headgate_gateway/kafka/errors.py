"""Kafka's error codes for produced batches, and what each means for the records: our own table. Pure.

aiokafka knows codes up to 79 and flags only some of them as retriable. The leader link asks `verdict` for every
partition of a produce response. Source of codes: Kafka's `org.apache.kafka.common.protocol.Errors`.
"""

from enum import Enum, auto
from typing import NamedTuple


class Fate(Enum):
    """What to do with a batch that Kafka answered with an error."""

    RETRY = auto()
    """The same batch again, later."""
    REFRESH = auto()
    """Ask who leads now, then the same batch again."""
    RETRY_THEN_CUT = auto()
    """Again, since the network may have done it; then find the record that does it."""
    CUT = auto()
    """Find the record that Kafka does not want: strangers' records go through."""
    REFUSE = auto()
    """No attempt will ever succeed: fail all records of the batch."""


class KafkaCode(NamedTuple):
    """One row of the table."""

    name: str
    fate: Fate
    ambiguous: bool = False
    """Whether the records may be in the log although Kafka answered with an error."""


NONE = 0

CODES: dict[int, KafkaCode] = {
    # Unexpected exception while appending. Some records provoke it (facts: linked lz4 blocks), so it is cut down.
    -1: KafkaCode("UNKNOWN_SERVER_ERROR", Fate.CUT, ambiguous=True),
    2: KafkaCode("CORRUPT_MESSAGE", Fate.RETRY_THEN_CUT),
    3: KafkaCode("UNKNOWN_TOPIC_OR_PARTITION", Fate.REFRESH),
    5: KafkaCode("LEADER_NOT_AVAILABLE", Fate.REFRESH),
    6: KafkaCode("NOT_LEADER_OR_FOLLOWER", Fate.REFRESH),
    # The leader has written, the replicas did not answer in time.
    7: KafkaCode("REQUEST_TIMED_OUT", Fate.RETRY, ambiguous=True),
    8: KafkaCode("BROKER_NOT_AVAILABLE", Fate.REFRESH),
    9: KafkaCode("REPLICA_NOT_AVAILABLE", Fate.REFRESH),
    10: KafkaCode("MESSAGE_TOO_LARGE", Fate.CUT),
    13: KafkaCode("NETWORK_EXCEPTION", Fate.REFRESH, ambiguous=True),
    17: KafkaCode("INVALID_TOPIC_EXCEPTION", Fate.REFUSE),
    18: KafkaCode("RECORD_LIST_TOO_LARGE", Fate.CUT),
    19: KafkaCode("NOT_ENOUGH_REPLICAS", Fate.RETRY),
    20: KafkaCode("NOT_ENOUGH_REPLICAS_AFTER_APPEND", Fate.RETRY, ambiguous=True),
    21: KafkaCode("INVALID_REQUIRED_ACKS", Fate.REFUSE),
    29: KafkaCode("TOPIC_AUTHORIZATION_FAILED", Fate.REFUSE),
    31: KafkaCode("CLUSTER_AUTHORIZATION_FAILED", Fate.REFUSE),
    32: KafkaCode("INVALID_TIMESTAMP", Fate.CUT),
    35: KafkaCode("UNSUPPORTED_VERSION", Fate.REFUSE),
    42: KafkaCode("INVALID_REQUEST", Fate.REFUSE),
    43: KafkaCode("UNSUPPORTED_FOR_MESSAGE_FORMAT", Fate.REFUSE),
    44: KafkaCode("POLICY_VIOLATION", Fate.REFUSE),
    56: KafkaCode("KAFKA_STORAGE_ERROR", Fate.REFRESH),
    72: KafkaCode("LISTENER_NOT_FOUND", Fate.REFRESH),
    74: KafkaCode("FENCED_LEADER_EPOCH", Fate.REFRESH),
    75: KafkaCode("UNKNOWN_LEADER_EPOCH", Fate.REFRESH),
    76: KafkaCode("UNSUPPORTED_COMPRESSION_TYPE", Fate.REFUSE),
    87: KafkaCode("INVALID_RECORD", Fate.CUT),
    89: KafkaCode("THROTTLING_QUOTA_EXCEEDED", Fate.RETRY),
    100: KafkaCode("UNKNOWN_TOPIC_ID", Fate.REFRESH),
}


def code_of(number: int) -> KafkaCode:
    """The row of a code. An unlisted one may be newer than this table: retried, and never called surely unwritten."""
    return CODES.get(number) or KafkaCode(f"KAFKA_ERROR_{number}", Fate.RETRY, ambiguous=True)


def is_ambiguous(number: int, base_offset: int) -> bool:
    """Whether an answer with this error leaves open if the records are in the log.

    With acks all the leader appends first and may then lose its leadership while it waits for the replicas; its
    answer then carries an error *and* the base offset of the append, which is -1 where nothing was appended
    (Kafka's `DelayedProduce` and `LogAppendInfo.UNKNOWN_LOG_APPEND_INFO`).
    """
    return base_offset >= 0 or code_of(number).ambiguous


TOPIC_REFUSALS = frozenset({17, 29})
"""Codes of a metadata answer that no waiting will change: the topic's name is illegal, or it may not be described."""

MISSING_TOPIC = 3

TOO_LARGE = frozenset({10, 18})
"""Codes that are about the size of a batch, or of a record in it."""

INVALID = frozenset({32, 87})
"""Codes that are about what a record holds."""
