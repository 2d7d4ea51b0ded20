"""Brokers that are not there, go away, hang and come back: what is told, and that nothing told is wrong."""

import asyncio
import socket
from collections import Counter

import pytest
from tests.testbed.kafka import Kafka

from headgate_gateway.config.producer import Acks
from headgate_gateway.kafka.outcome import FailureReason, Outcome
from headgate_gateway.kafka.producer import Producer
from headgate_gateway.kafka.status import ProducerState

from .producing import make_config, make_records, new_name, now_ms, producing, read_all, settled, until

pytestmark = pytest.mark.kafka


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


async def test_broker_that_does_not_exist_fails_within_the_deadline() -> None:
    loop = asyncio.get_running_loop()
    async with producing(make_config(f"127.0.0.1:{free_port()}", delivery_timeout=800)) as producer:
        began = loop.time()
        outcome = await producer.submit(make_records("any", [b"a", b"b"]), now_ms())
        assert 0.75 <= loop.time() - began < 1.1
        assert (outcome.failed, outcome.unknown) == ([1, 2], [])
        assert outcome.reason is FailureReason.PRODUCER_DOWN
        assert producer.state is ProducerState.UNREACHABLE
        assert producer.down is not None
        assert "127.0.0.1" in producer.down


async def test_host_that_does_not_resolve_is_down_with_the_reason() -> None:
    async with producing(make_config("nowhere.invalid:9092", delivery_timeout=500)) as producer:
        assert await settled(producer) is ProducerState.UNREACHABLE
        assert "nowhere.invalid" in (producer.down or "")


class Feed:
    """A steady flow of small requests, keyed and keyless; remembers what was told about every record."""

    def __init__(self, producer: Producer, topic: str) -> None:
        self.producer = producer
        self.topic = topic
        self.told: dict[bytes, str] = {}
        self.reasons: Counter[str] = Counter()
        self.running = True
        self.number = 0
        self._open: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        while self.running:
            for _ in range(5):
                values = [b"%d.%d" % (self.number, index) for index in range(3)]
                keys = [b"k%d" % (self.number % 30)] * 3 if self.number % 2 else None
                self.number += 1
                task = asyncio.create_task(self._one(values, keys))
                self._open.add(task)
                task.add_done_callback(self._open.discard)
            await asyncio.sleep(0.01)
        await asyncio.gather(*self._open)

    async def _one(self, values: list[bytes], keys: list[bytes | None] | list[bytes] | None) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        submission = self.producer.submit(make_records(self.topic, values, keys), now_ms())
        outcome: Outcome = await submission
        limit = self.producer.config.delivery_timeout / 1000
        assert loop.time() - began < limit + 0.5
        assert sorted(outcome.acked + outcome.failed + outcome.unknown) == [1, 2, 3]
        for fate in ("acked", "failed", "unknown"):
            for line in getattr(outcome, fate):
                self.told[values[line - 1]] = fate
        if outcome.message:
            self.reasons[outcome.message] += 1

    def fates(self) -> Counter[str]:
        return Counter(self.told.values())


def check_against_kafka(kafka: Kafka, feed: Feed) -> None:
    """Acknowledged records are there, failed ones are not; and twice there are at most those that were sent again."""
    arrived = Counter(read.value for read in read_all(kafka.bootstrap, feed.topic))
    assert [value for value, fate in feed.told.items() if fate == "acked" and value not in arrived] == []
    assert [value for value, fate in feed.told.items() if fate == "failed" and value in arrived] == []
    assert set(arrived) <= set(feed.told)
    doubled = sum(count - 1 for count in arrived.values())
    print(
        f"{len(feed.told)} records: {dict(feed.fates())}, {doubled} doubled, {feed.producer.counters.retries} retries"
    )
    assert feed.producer.counters.retries or not doubled


async def test_connections_that_brokers_cut_are_replaced_without_losing_a_record(kafka: Kafka) -> None:
    """As brokers do with idle connections and with SASL sessions that have ended; here by cutting the socket."""
    topic = new_name("cut")
    kafka.create_topic(topic, partitions=3)
    async with producing(make_config(kafka.bootstrap)) as producer:
        feed = Feed(producer, topic)
        flow = asyncio.create_task(feed.run())
        for _ in range(15):
            await asyncio.sleep(0.15)
            for link in producer._links.by_node.values():
                if link._connection is not None and link._connection._conn._writer is not None:
                    link._connection._conn._writer.transport.abort()
        feed.running = False
        await flow
        assert producer.counters.connects > 5
    assert set(feed.fates()) == {"acked"}, feed.reasons
    check_against_kafka(kafka, feed)


async def test_task_that_dies_is_started_again(kafka: Kafka, caplog: pytest.LogCaptureFixture) -> None:
    topic = new_name("dying")
    kafka.create_topic(topic, partitions=1)
    async with producing(make_config(kafka.bootstrap)) as producer:
        assert (await producer.submit(make_records(topic, [b"a"]), now_ms())).complete
        [task] = producer._links._tasks.values()
        [link] = producer._links.by_node.values()
        # A future that somebody else cancels, as has been seen inside of client libraries: not the task's own end.
        assert link._waiter is not None
        link._waiter.cancel()
        assert (await producer.submit(make_records(topic, [b"b"]), now_ms())).complete
        assert not task.done()
    assert "starting it again" in caplog.text


async def test_broker_that_stops_costs_no_record(kafka_cluster: Kafka) -> None:
    """A leader shuts down in good order and comes back: its partitions move, and everything is acknowledged."""
    topic = new_name("moving")
    kafka_cluster.create_topic(topic, partitions=6)
    async with producing(make_config(kafka_cluster.bootstrap, delivery_timeout=30_000)) as producer:
        feed = Feed(producer, topic)
        flow = asyncio.create_task(feed.run())
        await asyncio.sleep(1)
        await asyncio.to_thread(kafka_cluster.stop, 1)
        assert producer.down is None
        await asyncio.sleep(1)
        await asyncio.to_thread(kafka_cluster.start, 1)
        await asyncio.sleep(1)
        feed.running = False
        await flow
    assert set(feed.fates()) == {"acked"}, feed.reasons
    check_against_kafka(kafka_cluster, feed)


async def test_killed_leader_costs_no_record(kafka_cluster: Kafka) -> None:
    topic = new_name("killed")
    kafka_cluster.create_topic(topic, partitions=6)
    async with producing(make_config(kafka_cluster.bootstrap, delivery_timeout=30_000)) as producer:
        feed = Feed(producer, topic)
        flow = asyncio.create_task(feed.run())
        await asyncio.sleep(1)
        await asyncio.to_thread(kafka_cluster.kill, 2)
        await asyncio.sleep(3)
        await asyncio.to_thread(kafka_cluster.start, 2)
        feed.running = False
        await flow
    assert set(feed.fates()) == {"acked"}, feed.reasons
    check_against_kafka(kafka_cluster, feed)


async def test_frozen_leader_is_left_once_another_leads(kafka_cluster: Kafka) -> None:
    """Its connection stays open and silent: metadata of the others says that nobody needs to wait for it."""
    topic = new_name("hanging")
    kafka_cluster.create_topic(topic, partitions=6)
    async with producing(make_config(kafka_cluster.bootstrap, delivery_timeout=30_000)) as producer:
        feed = Feed(producer, topic)
        flow = asyncio.create_task(feed.run())
        await asyncio.sleep(1)
        await asyncio.to_thread(kafka_cluster.pause, 0)
        await asyncio.sleep(2)
        feed.running = False
        began = asyncio.get_running_loop().time()
        await flow
        # Kafka gives its partitions away after 9 s; the request's own timeout would be 31 s.
        assert asyncio.get_running_loop().time() - began < 20
    assert set(feed.fates()) == {"acked"}, feed.reasons
    await asyncio.to_thread(kafka_cluster.heal)
    check_against_kafka(kafka_cluster, feed)


async def test_frozen_kafka_leaves_unknown_what_was_sent_and_failed_what_was_not(kafka_cluster: Kafka) -> None:
    """Every broker hangs for longer than the deadline; then all go on, and deliveries go on within seconds."""
    topic = new_name("frozen")
    kafka_cluster.create_topic(topic, partitions=3)
    async with producing(make_config(kafka_cluster.bootstrap, delivery_timeout=2_000)) as producer:
        feed = Feed(producer, topic)
        flow = asyncio.create_task(feed.run())
        await asyncio.sleep(0.5)
        for broker in range(3):
            await asyncio.to_thread(kafka_cluster.pause, broker)
        await asyncio.sleep(9)
        assert producer.down is not None
        assert producer.state is ProducerState.UNREACHABLE
        for broker in range(3):
            await asyncio.to_thread(kafka_cluster.unpause, broker)
        await until(lambda: producer.down is None)
        await asyncio.sleep(5)
        feed.running = False
        await flow
        assert (await producer.submit(make_records(topic, [b"end"]), now_ms())).complete
        feed.told[b"end"] = "acked"
    fates = feed.fates()
    assert fates["acked"] > 100
    assert fates["failed"] > 100
    assert fates["unknown"] > 0
    check_against_kafka(kafka_cluster, feed)


async def test_total_outage_is_survived_and_closing_is_bounded(kafka_cluster: Kafka) -> None:
    """All brokers stop and start again: the producer finds them anew, from its bootstrap servers if need be."""
    topic = new_name("outage")
    kafka_cluster.create_topic(topic, partitions=3)
    loop = asyncio.get_running_loop()
    config = make_config(kafka_cluster.bootstrap, delivery_timeout=3_000, acks=Acks.ALL)
    async with producing(config) as producer, producing(config) as closed_meanwhile:
        assert (await producer.submit(make_records(topic, [b"before"]), now_ms())).complete
        assert (await closed_meanwhile.submit(make_records(topic, [b"too"]), now_ms())).complete
        await asyncio.gather(*(asyncio.to_thread(kafka_cluster.kill, broker) for broker in range(3)))
        during = await producer.submit(make_records(topic, [b"during"]), now_ms())
        assert (during.acked, during.failed + during.unknown) == ([], [1])
        assert producer.down is not None

        held = closed_meanwhile.submit(make_records(topic, [b"held"]), now_ms())
        began = loop.time()
        await closed_meanwhile.close(0.5)
        assert loop.time() - began < 2.0
        assert (await held).reason is FailureReason.STOPPING

        await asyncio.gather(*(asyncio.to_thread(kafka_cluster.start, broker, False) for broker in range(3)))
        await asyncio.to_thread(kafka_cluster.wait_until_ready)
        await until(lambda: producer.down is None, 20)
        # Brokers answer before they have elected leaders: the client sends again, as it does after a 503.
        for _ in range(10):
            if (await producer.submit(make_records(topic, [b"after"]), now_ms())).complete:
                break
    values = {read.value for read in read_all(kafka_cluster.bootstrap, topic)}
    assert {b"before", b"too", b"after"} <= values
    assert b"held" not in values
