"""Everything that is in topics, read by another client than the gateway's: to the end, however long brokers take."""

import time
from collections.abc import Sequence
from typing import Any

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, TopicPartition

from .oracle import Found

FAR = 1_000
"""Partitions of the second of several topics are numbered from here on, those of the third from twice that on."""
_PATIENCE = 120.0
_GOES_BY = {
    KafkaError.NOT_LEADER_FOR_PARTITION,
    KafkaError.LEADER_NOT_AVAILABLE,
    KafkaError.OFFSET_NOT_AVAILABLE,
    KafkaError._TIMED_OUT,
    KafkaError._TRANSPORT,
    KafkaError._ALL_BROKERS_DOWN,
}
"""What a client meets while brokers are just back."""


def read_to_end(bootstrap: str, topics: Sequence[str]) -> list[Found]:
    """All records. Raises TimeoutError where brokers do not come to their senses."""
    settings = {"bootstrap.servers": bootstrap, "group.id": "faults", "check.crcs": True, "enable.partition.eof": True}
    consumer = Consumer({**settings, "log_level": 3})
    try:
        known = consumer.list_topics(timeout=20).topics
        parts = [TopicPartition(name, number, OFFSET_BEGINNING) for name in topics for number in known[name].partitions]
        consumer.assign(parts)
        return _read(consumer, topics, len(parts))
    finally:
        consumer.close()


def _read(consumer: Consumer, topics: Sequence[str], partitions: int) -> list[Found]:
    numbers = {name: FAR * index for index, name in enumerate(topics)}
    found: list[Found] = []
    ended: set[tuple[str, int]] = set()
    until = time.monotonic() + _PATIENCE
    message: Any
    while len(ended) < partitions:
        if time.monotonic() > until:
            raise TimeoutError(f"{partitions - len(ended)} partitions of {', '.join(topics)} could not be read")
        for message in consumer.consume(500, timeout=0.1):
            error = message.error()
            if error is None:
                partition = numbers[message.topic()] + message.partition()
                found.append(Found(partition, message.offset(), message.key(), message.value()))
            elif error.code() == KafkaError._PARTITION_EOF:
                ended.add((message.topic(), message.partition()))
            else:
                assert error.code() in _GOES_BY, error
    return found
