"""Topics of the bench: made for a contender, counted by their offsets, gone afterwards."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager

from confluent_kafka import Consumer, TopicPartition
from tests.testbed.kafka import Kafka

PARTITIONS = 4


@contextmanager
def fresh_topic(kafka: Kafka, purpose: str, partitions: int = PARTITIONS) -> Iterator[str]:
    """A topic of its own; what it held leaves the disk soon after."""
    name = f"bench-{purpose}-{uuid.uuid4().hex[:8]}"
    kafka.create_topic(name, partitions, {"file.delete.delay.ms": "1000"})
    try:
        yield name
    finally:
        kafka.delete_topics(name)


class Offsets:
    """Reads how many records topics have; one client for all of a run."""

    def __init__(self, bootstrap: str) -> None:
        self._consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "bench"})

    def count(self, topic: str) -> int:
        """Records written so far."""
        partitions = self._consumer.list_topics(topic, timeout=30).topics[topic].partitions
        ends = (self._consumer.get_watermark_offsets(TopicPartition(topic, n), timeout=30)[1] for n in partitions)
        return sum(ends)

    def close(self) -> None:
        """Disconnect."""
        self._consumer.close()
