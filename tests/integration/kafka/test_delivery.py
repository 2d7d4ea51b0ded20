"""Records as they arrive in a real Kafka, read back with another client."""

import asyncio
import os
import random
from dataclasses import replace

import pytest
from tests.testbed.kafka import Kafka
from tests.unit.kafka.builders import partition_for_key

from headgate_gateway.config.producer import Acks, Compression, CompressionType, Flush
from headgate_gateway.kafka.outcome import FailureReason

from .producing import make_config, make_records, new_name, now_ms, producing, read_all, read_once_there, settled, until

pytestmark = pytest.mark.kafka

CODECS = [
    Compression(type=CompressionType.NONE),
    Compression(type=CompressionType.GZIP),
    Compression(type=CompressionType.GZIP, level=9),
    Compression(type=CompressionType.SNAPPY),
    Compression(type=CompressionType.LZ4),
    Compression(type=CompressionType.LZ4, level=12),
    Compression(type=CompressionType.ZSTD),
    Compression(type=CompressionType.ZSTD, level=1),
    Compression(type=CompressionType.ZSTD, level=15),
]


@pytest.mark.parametrize("compression", CODECS, ids=lambda each: f"{each.type}-{each.level}")
async def test_values_arrive_byte_for_byte_with_every_codec(kafka: Kafka, compression: Compression) -> None:
    topic = new_name("codec")
    kafka.create_topic(topic, partitions=1)
    values = [b"", b"\x00\xff\xfe", os.urandom(3000), "čau".encode()] + [b'{"status":"404"}' * 30] * 1200
    async with producing(make_config(kafka.bootstrap, compression=compression)) as producer:
        outcome = await producer.submit(make_records(topic, values), now_ms())
        assert outcome.complete, outcome.message
    assert [read.value for read in read_all(kafka.bootstrap, topic)] == values


@pytest.mark.parametrize("acks", list(Acks))
async def test_every_acks_delivers(kafka: Kafka, acks: Acks) -> None:
    topic = new_name("acks")
    kafka.create_topic(topic, partitions=2)
    # A broker that does not lead a new partition yet has no way to say so to one who wants no answer.
    assert read_all(kafka.bootstrap, topic) == []
    async with producing(make_config(kafka.bootstrap, acks=acks)) as producer:
        outcomes = [await producer.submit(make_records(topic, [b"a", b"b"]), now_ms()) for _ in range(5)]
        assert all(outcome.complete for outcome in outcomes)
        offsets = [ack.base_offset for outcome in outcomes for ack in outcome.acks]
        assert (set(offsets) == {-1}) == (acks is Acks.NONE)
        assert len(await asyncio.to_thread(read_once_there, kafka.bootstrap, topic, 10)) == 10


async def test_key_timestamp_and_headers_arrive_and_offsets_are_told(kafka: Kafka) -> None:
    topic = new_name("fields")
    kafka.create_topic(topic, partitions=7)
    stamp = now_ms() - 5000
    records = replace(
        make_records(topic, [b"one", b"two"], keys=[b"k1", None]),
        timestamps=[stamp, stamp + 1],
        headers=(("traceparent", b"00-1"),),
        row_headers=[(("line", b"1"),), ()],
    )
    async with producing(make_config(kafka.bootstrap)) as producer:
        outcome = await producer.submit(records, now_ms())
    found = {read.value: read for read in read_all(kafka.bootstrap, topic)}
    assert found[b"one"].partition == partition_for_key(b"k1", 7)
    assert (found[b"one"].key, found[b"two"].key) == (b"k1", None)
    assert (found[b"one"].timestamp, found[b"two"].timestamp) == (stamp, stamp + 1)
    assert found[b"one"].headers == [("traceparent", b"00-1"), ("line", b"1")]
    told = {(ack.partition, ack.base_offset + index) for ack in outcome.acks for index in range(ack.count)}
    assert told == {(read.partition, read.offset) for read in found.values()}


async def test_order_per_key_holds_under_concurrency(kafka: Kafka) -> None:
    topic = new_name("order")
    kafka.create_topic(topic, partitions=4)
    source = random.Random(5)
    sent: dict[bytes, list[bytes]] = {}
    async with producing(make_config(kafka.bootstrap)) as producer:
        submissions = []
        for number in range(3000):
            keys = [b"key-%d" % source.randrange(20) for _ in range(source.randrange(1, 4))]
            values = [b"%d.%d" % (number, index) for index in range(len(keys))]
            for key, value in zip(keys, values, strict=True):
                sent.setdefault(key, []).append(value)
            submissions.append(producer.submit(make_records(topic, values, keys), now_ms()))
            if number % 50 == 0:
                await asyncio.sleep(0.002)
        outcomes = [await submission for submission in submissions]
    assert all(outcome.complete for outcome in outcomes)
    arrived: dict[bytes, list[bytes]] = {}
    for read in read_all(kafka.bootstrap, topic):
        assert read.key is not None
        arrived.setdefault(read.key, []).append(read.value)
    assert arrived == sent


async def test_requests_gather_while_one_is_under_way(kafka: Kafka) -> None:
    topic = new_name("gather")
    kafka.create_topic(topic, partitions=1)
    async with producing(make_config(kafka.bootstrap)) as producer:
        await producer.submit(make_records(topic, [b"warm"]), now_ms())
        before = producer.counters.requests
        submissions = [producer.submit(make_records(topic, [b"x"]), now_ms()) for _ in range(500)]
        for submission in submissions:
            assert (await submission).complete
        assert producer.counters.requests - before <= 3


async def test_flush_waits_for_its_frequency_and_not_longer(kafka: Kafka) -> None:
    topic = new_name("flush")
    kafka.create_topic(topic, partitions=1)
    loop = asyncio.get_running_loop()
    async with producing(make_config(kafka.bootstrap, flush=Flush(messages=10, frequency=400))) as producer:
        producer.watch([topic])
        await settled(producer)
        await asyncio.sleep(0.3)
        began = loop.time()
        await producer.submit(make_records(topic, [b"slow"]), now_ms())
        assert 0.38 <= loop.time() - began < 1.5
        began = loop.time()
        await producer.submit(make_records(topic, [b"x"] * 10), now_ms())
        assert loop.time() - began < 0.38


async def test_line_too_large_for_the_topic_fails_alone(kafka: Kafka) -> None:
    topic = new_name("large")
    kafka.create_topic(topic, partitions=1, config={"max.message.bytes": "20000"})
    async with producing(make_config(kafka.bootstrap, compression=Compression(type=CompressionType.NONE))) as producer:
        producer.watch([topic])
        await settled(producer)
        strangers = [producer.submit(make_records(topic, [b"x" * 900] * 10), now_ms()) for _ in range(20)]
        mixed = producer.submit(make_records(topic, [b"fits", os.urandom(50_000), b"fits too"]), now_ms())
        strangers += [producer.submit(make_records(topic, [b"y"] * 10), now_ms()) for _ in range(20)]
        outcome = await mixed
        assert (outcome.acked, outcome.failed, outcome.unknown) == ([1, 3], [2], [])
        assert outcome.reason is FailureReason.RECORD_TOO_LARGE
        assert "MESSAGE_TOO_LARGE" in outcome.message
        for stranger in strangers:
            assert (await stranger).complete
    assert len(read_all(kafka.bootstrap, topic)) == 402


async def test_topic_with_a_small_limit_is_learnt(kafka: Kafka) -> None:
    topic = new_name("small")
    kafka.create_topic(topic, partitions=1, config={"max.message.bytes": "50000"})
    async with producing(make_config(kafka.bootstrap, compression=Compression(type=CompressionType.NONE))) as producer:
        first = [producer.submit(make_records(topic, [b"x" * 900] * 10), now_ms()) for _ in range(200)]
        for submission in first:
            assert (await submission).complete
        splits = producer.counters.splits
        second = [producer.submit(make_records(topic, [b"x" * 900] * 10), now_ms()) for _ in range(200)]
        for submission in second:
            assert (await submission).complete
        assert producer.counters.splits - splits <= 3
    assert len(read_all(kafka.bootstrap, topic)) == 4000


async def test_line_above_kafkas_default_limit_is_refused_by_kafka(kafka: Kafka) -> None:
    topic = new_name("huge")
    kafka.create_topic(topic, partitions=1)
    async with producing(make_config(kafka.bootstrap)) as producer:
        outcome = await producer.submit(make_records(topic, [b"a", os.urandom(1_200_000), b"b"]), now_ms())
    assert (outcome.acked, outcome.failed) == ([1, 3], [2])


async def test_bad_timestamp_fails_alone(kafka: Kafka) -> None:
    topic = new_name("stamps")
    kafka.create_topic(topic, partitions=1, config={"message.timestamp.after.max.ms": "3600000"})
    future = now_ms() + 10 * 86_400_000
    async with producing(make_config(kafka.bootstrap)) as producer:
        producer.watch([topic])
        await settled(producer)
        stranger = producer.submit(make_records(topic, [b"s"] * 50), now_ms())
        mixed = replace(make_records(topic, [b"a", b"b", b"c"]), timestamps=[now_ms(), future, now_ms()])
        outcome = await producer.submit(mixed, now_ms())
        assert (outcome.acked, outcome.failed) == ([1, 3], [2])
        assert "INVALID_TIMESTAMP" in outcome.message
        assert (await stranger).complete


async def test_compacted_topic_refuses_the_keyless_record_alone(kafka: Kafka) -> None:
    topic = new_name("compacted")
    kafka.create_topic(topic, partitions=1, config={"cleanup.policy": "compact"})
    async with producing(make_config(kafka.bootstrap)) as producer:
        records = make_records(topic, [b"a", b"b", b"c"], keys=[b"1", None, b"2"])
        outcome = await producer.submit(records, now_ms())
    assert (outcome.acked, outcome.failed) == ([1, 3], [2])
    assert "INVALID_RECORD" in outcome.message


async def test_unknown_topic_fails_by_name_within_the_deadline_and_is_not_created(kafka: Kafka) -> None:
    topic = new_name("missing")
    loop = asyncio.get_running_loop()
    async with producing(make_config(kafka.bootstrap, delivery_timeout=1500)) as producer:
        await settled(producer)
        began = loop.time()
        outcome = await producer.submit(make_records(topic, [b"a"]), now_ms())
        assert 1.4 <= loop.time() - began < 1.8
    assert (outcome.failed, outcome.unknown) == ([1], [])
    assert topic in outcome.message
    assert topic not in kafka.admin().list_topics(timeout=10).topics


async def test_known_missing_topic_is_refused_at_once_and_taken_once_it_is_made(kafka: Kafka) -> None:
    topic = new_name("missing")
    async with producing(make_config(kafka.bootstrap, delivery_timeout=10_000)) as producer:
        assert producer.refusal(topic) is None  # never heard of: let it come
        waiting = producer.submit(make_records(topic, [b"a"]), now_ms())
        await until(lambda: "does not exist" in (producer.refusal(topic) or ""), 5.0)
        assert not waiting.resolved
        await asyncio.to_thread(kafka.create_topic, topic, 1)
        await until(lambda: producer.refusal(topic) is None, 3.0)
        assert (await producer.submit(make_records(topic, [b"b"]), now_ms())).complete
        assert (await waiting).complete


async def test_topic_made_within_the_deadline_takes_what_waited(kafka: Kafka) -> None:
    topic = new_name("late")
    async with producing(make_config(kafka.bootstrap)) as producer:
        keyed = producer.submit(make_records(topic, [b"a", b"b"], keys=[b"1", b"2"]), now_ms())
        keyless = producer.submit(make_records(topic, [b"c"]), now_ms())
        await asyncio.sleep(0.7)
        await asyncio.to_thread(kafka.create_topic, topic, 3)
        assert (await keyed).complete
        assert (await keyless).complete
    assert sorted(read.value for read in read_all(kafka.bootstrap, topic)) == [b"a", b"b", b"c"]


async def test_callback_comes_once_and_never_from_within_submit(kafka: Kafka) -> None:
    topic = new_name("callback")
    kafka.create_topic(topic, partitions=1)
    async with producing(make_config(kafka.bootstrap)) as producer:
        told: list[bool] = []
        submission = producer.submit(make_records(topic, [b"a"]), now_ms(), lambda done: told.append(done.resolved))
        assert told == []
        await submission
        assert told == [True]
        empty = producer.submit(make_records(topic, []), now_ms(), lambda done: told.append(done.resolved))
        assert told == [True]
        assert (await empty).complete
    closed = producer.submit(make_records(topic, [b"b"]), now_ms())
    assert (await closed).reason is FailureReason.STOPPING


async def test_closing_sends_what_a_threshold_still_holds_back(kafka: Kafka) -> None:
    topic = new_name("closing")
    kafka.create_topic(topic, partitions=1)
    async with producing(make_config(kafka.bootstrap, flush=Flush(frequency=9_000))) as producer:
        submission = producer.submit(make_records(topic, [b"a"]), now_ms())
        await asyncio.sleep(0.3)
        await producer.close(5)
        assert (await submission).complete


async def test_buffer_is_counted(kafka: Kafka) -> None:
    async with producing(make_config(kafka.bootstrap, max_buffer_bytes=100_000)) as producer:
        assert producer.reserve(60_000)
        assert not producer.reserve(60_000)
        producer.release(60_000)
        assert producer.reserve(100_000)
        assert producer.snapshot().buffered_bytes == 100_000
