"""What the producer's tests share: making producers and records, and reading topics with another client."""

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, TopicPartition

from headgate_gateway.config.producer import ProducerConfig
from headgate_gateway.kafka.producer import Producer
from headgate_gateway.kafka.status import ProducerState
from headgate_gateway.pipeline.records import Records


class Read(NamedTuple):
    """A record as an independent client (librdkafka) reads it."""

    partition: int
    offset: int
    key: bytes | None
    value: bytes
    timestamp: int
    headers: list[tuple[str, bytes]]


def read_all(bootstrap: str, topic: str) -> list[Read]:
    """Every record of a topic, by partition and offset; checksums are checked."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "tests", "check.crcs": True})
    try:
        partitions = [
            TopicPartition(topic, n) for n in consumer.list_topics(topic, timeout=20).topics[topic].partitions
        ]
        consumer.assign([TopicPartition(topic, each.partition, OFFSET_BEGINNING) for each in partitions])
        found: list[Read] = []
        until = time.monotonic() + 30
        # Asked again at the end: a leader that was frozen believes for a moment that nobody has written since.
        while unread := _count(consumer, partitions) - len(found):
            assert unread > 0 or time.monotonic() < until, "more was read than is there"
            found += _read_some(consumer, unread, until)
    finally:
        consumer.close()
    return sorted(found)


def read_once_there(bootstrap: str, topic: str, count: int) -> list[Read]:
    """The same, once there are so many, or will be no more: with acks none nobody says when they are."""
    until = time.monotonic() + 30
    while len(found := read_all(bootstrap, topic)) < count and time.monotonic() < until:
        time.sleep(0.1)
    return found


def _count(consumer: Consumer, partitions: Sequence[TopicPartition]) -> int:
    marks = [_watermarks(consumer, each) for each in partitions]
    return sum(high - low for low, high in marks)


def _read_some(consumer: Consumer, count: int, until: float) -> list[Read]:
    """So many records, or a few more; none of a negative number, after a moment."""
    found: list[Read] = []
    while len(found) < count:
        assert time.monotonic() < until, f"{count - len(found)} records did not come"
        for message in consumer.consume(1000, timeout=1):
            assert message.error() is None, message.error()
            found.append(_read(message))
    if not found:
        time.sleep(0.3)
    return found


# What a broker that is just back says of partitions until it leads them again and knows how far they go.
_NOT_YET = {
    KafkaError.NOT_LEADER_FOR_PARTITION,
    KafkaError.LEADER_NOT_AVAILABLE,
    KafkaError.OFFSET_NOT_AVAILABLE,
    KafkaError._TIMED_OUT,
    KafkaError._TRANSPORT,
    # Its own, of a partition that a listing has just named.
    KafkaError._UNKNOWN_PARTITION,
}


def _watermarks(consumer: Consumer, partition: TopicPartition) -> tuple[int, int]:
    """Where a partition begins and ends. A broker that is just back gets its partitions back: one asks again, elsewhere."""
    until = time.monotonic() + 20
    while True:
        try:
            low, high = consumer.get_watermark_offsets(partition, timeout=20)
        except KafkaException as error:
            if error.args[0].code() not in _NOT_YET or time.monotonic() > until:
                raise
            time.sleep(0.3)
            consumer.list_topics(partition.topic, timeout=20)
        else:
            return low, high


def _read(message: Any) -> Read:
    return Read(
        message.partition(),
        message.offset(),
        message.key(),
        message.value(),
        message.timestamp()[1],
        list(message.headers() or []),
    )


def new_name(purpose: str) -> str:
    return f"{purpose}-{uuid.uuid4().hex[:12]}"


def now_ms() -> int:
    return int(time.time() * 1000)


async def until(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    """Wait for something that the producer tells nobody about."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def settled(producer: Producer) -> ProducerState:
    """Wait until its first attempt to connect has ended, well or not."""
    await until(lambda: producer.state is not ProducerState.CONNECTING, 30.0)
    return producer.state


def make_records(topic: str, values: Sequence[bytes], keys: Sequence[bytes | None] | None = None) -> Records:
    return Records(
        profile="main",
        topic=topic,
        values=list(values),
        lines=list(range(1, len(values) + 1)),
        keys=None if keys is None else list(keys),
    )


def make_config(bootstrap: str, **fields: Any) -> ProducerConfig:
    fields.setdefault("delivery_timeout", 10_000)
    return ProducerConfig(name="main", bootstrap_servers=tuple(bootstrap.split(",")), **fields)


@asynccontextmanager
async def producing(config: ProducerConfig, credentials: Mapping[str, bytes] | None = None) -> AsyncIterator[Producer]:
    """A started producer, closed at the end."""
    producer = Producer(config, credentials or {})
    producer.start()
    try:
        yield producer
    finally:
        await producer.close(1)
