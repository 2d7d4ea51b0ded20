"""Kafka from outside: topics are made, and records counted, by librdkafka, which shares no code with the gateway."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

READ_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Record:
    """One record as Kafka holds it."""

    partition: int
    offset: int
    key: bytes | None
    value: bytes
    headers: tuple[tuple[str, bytes], ...] = ()


def create_topic(bootstrap: str, topic: str, partitions: int = 4) -> None:
    """Make a topic; one that exists stays as it is."""
    admin = AdminClient({"bootstrap.servers": bootstrap})
    future = admin.create_topics([NewTopic(topic, num_partitions=partitions, replication_factor=1)])[topic]
    try:
        future.result(30)
    except KafkaException as error:
        if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
            raise
    _wait_for_leaders(admin, topic)


def _wait_for_leaders(admin: AdminClient, topic: str) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        found = admin.list_topics(topic, timeout=10).topics[topic]
        if found.error is None and found.partitions and all(part.leader >= 0 for part in found.partitions.values()):
            return
        time.sleep(0.1)
    raise TimeoutError(f"topic {topic} has no leaders")


def end_offsets(bootstrap: str, topic: str) -> dict[int, int]:
    """The offset after the last record, by partition."""
    consumer = _consumer(bootstrap)
    try:
        partitions = consumer.list_topics(topic, timeout=10).topics[topic].partitions
        return {part: consumer.get_watermark_offsets(TopicPartition(topic, part), timeout=10)[1] for part in partitions}
    finally:
        consumer.close()


def read(bootstrap: str, topic: str, since: dict[int, int] | None = None) -> list[Record]:
    """Every record of a topic from `since` (the beginning where a partition is not named) to where it ends now."""
    ends = end_offsets(bootstrap, topic)
    begins = {part: (since or {}).get(part, 0) for part in ends}
    consumer = _consumer(bootstrap)
    try:
        consumer.assign([TopicPartition(topic, part, begins[part]) for part in ends if ends[part] > begins[part]])
        return sorted(_until(consumer, begins, ends), key=lambda record: (record.partition, record.offset))
    finally:
        consumer.close()


def _until(consumer: Consumer, begins: dict[int, int], ends: dict[int, int]) -> Iterator[Record]:
    wanted = sum(ends[part] - begins[part] for part in ends)
    deadline = time.monotonic() + READ_SECONDS
    while wanted > 0:
        if time.monotonic() > deadline:
            raise TimeoutError(f"{wanted} records of the topic did not come")
        for message in consumer.consume(num_messages=min(wanted, 10_000), timeout=1):
            if message.error():
                raise RuntimeError(str(message.error()))
            partition, offset = message.partition(), message.offset()
            if partition is None or offset is None or offset >= ends[partition]:
                continue
            wanted -= 1
            yield Record(partition, offset, message.key(), message.value() or b"", _headers(message))


def _headers(message: Message) -> tuple[tuple[str, bytes], ...]:
    found: Any = message.headers() or ()
    return tuple((name, value or b"") for name, value in found)


def _consumer(bootstrap: str) -> Consumer:
    return Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": "headgate-tests",
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            "allow.auto.create.topics": False,
        }
    )
