"""Builders of what the Kafka tests need; each shows only what a test says about it."""

from collections.abc import Sequence

from aiokafka.record.memory_records import MemoryRecords

from headgate_gateway.kafka.accumulator import Accumulator
from headgate_gateway.kafka.batch import compress_batch
from headgate_gateway.kafka.lanes import Batch, Topic
from headgate_gateway.kafka.partition import KeyHasher
from headgate_gateway.kafka.submission import Submission
from headgate_gateway.pipeline.records import Records

NOW_MS = 1_800_000_000_000
LEADER = 1


def records(*values: str, keys: Sequence[str | None] | None = None, topic: str = "events") -> Records:
    return Records(
        profile="main",
        topic=topic,
        values=[value.encode() for value in values],
        lines=list(range(1, len(values) + 1)),
        keys=None if keys is None else [None if key is None else key.encode() for key in keys],
    )


def submit(accumulator: Accumulator, wanted: Records, now: float = 0.0) -> Submission:
    submission = Submission(wanted, NOW_MS, now)
    accumulator.add(submission, now)
    return submission


def with_topic(accumulator: Accumulator, partitions: int = 1, leader: int = LEADER, name: str = "events") -> Topic:
    topic = accumulator.watch(name, 0.0)
    accumulator.set_leaders(topic, [leader] * partitions)
    return topic


def decode(
    batch: bytes | bytearray,
) -> list[tuple[bytes | None, bytes | None, int | None, list[tuple[str, bytes | None]]]]:
    """(key, value, timestamp, headers) of each record, read with aiokafka's reader, checksum checked."""
    found = []
    memory = MemoryRecords(bytes(batch))
    while memory.has_next():
        read = memory.next_batch()
        assert read is not None
        assert read.validate_crc()
        found += [(record.key, record.value, record.timestamp, list(record.headers)) for record in read]
    return found


def partition_for_key(key: bytes, partition_count: int) -> int:
    """The partition that the Java client chooses among all partitions of the topic, reachable or not."""
    return KeyHasher().positive_hash(key) % partition_count


def values_of(batch: Batch) -> list[str]:
    assert batch.raw is not None
    return [(value or b"").decode() for _, value, _, _ in decode(compress_batch(batch.raw, None))]
