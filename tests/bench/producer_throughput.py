"""Measures the producer alone against a Kafka on loopback; records are counted in Kafka, never in answers.

python -m tests.bench.producer_throughput 127.0.0.1:9092
"""

import argparse
import asyncio
import time

import uvloop
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]

from headgate_gateway.config.producer import Acks, Compression, CompressionType, ProducerConfig
from headgate_gateway.kafka.producer import Producer
from headgate_gateway.kafka.submission import Submission
from headgate_gateway.pipeline.records import Records

LINE = (b'{"time":"2026-11-21T08:00:00+00:00","status":"404","uri":"/a/b/c?x=1","agent":"' + b"m" * 170 + b'"}')[:275]


class Load:
    """`width` requests always under way, each of `group` lines; the next begins when one ends."""

    def __init__(self, producer: Producer, topic: str, total: int, group: int, *, keyed: bool) -> None:
        self.producer = producer
        self.topic = topic
        self.left = total
        self.group = group
        self.keyed = keyed
        self.open = 0
        self.lost = 0
        self.latencies: list[float] = []
        self.done = asyncio.get_running_loop().create_future()
        self.clock = asyncio.get_running_loop().time

    def begin(self) -> None:
        values = [b"%s%d" % (LINE, self.left + index) for index in range(self.group)]
        keys: list[bytes | None] | None = [b"key-%d" % (self.left % 1000)] * self.group if self.keyed else None
        self.left -= self.group
        self.open += 1
        self.producer.submit(
            Records("bench", self.topic, values, list(range(self.group)), keys), int(time.time() * 1000), self.end
        )

    def end(self, submission: Submission) -> None:
        self.open -= 1
        self.latencies.append(self.clock() - submission.accepted)
        self.lost += not submission.outcome.complete
        if self.left > 0:
            self.begin()
        elif not self.open:
            self.done.set_result(None)


def count_in_kafka(servers: str, topic: str) -> int:
    consumer = Consumer({"bootstrap.servers": servers, "group.id": "bench"})
    partitions = consumer.list_topics(topic).topics[topic].partitions
    marks = [consumer.get_watermark_offsets(TopicPartition(topic, number), timeout=10) for number in partitions]
    consumer.close()
    return sum(high - low for low, high in marks)


async def measure(servers: str, label: str, *, total: int, group: int, width: int, keyed: bool, acks: Acks) -> None:
    topic = f"bench-{time.time_ns()}"
    admin = AdminClient({"bootstrap.servers": servers})
    for made in admin.create_topics([NewTopic(topic, 12, 1)]).values():
        made.result()
    config = ProducerConfig(
        name="bench",
        bootstrap_servers=(servers,),
        acks=acks,
        compression=Compression(type=CompressionType.LZ4),
    )
    producer = Producer(config, {})
    producer.start()
    producer.watch([topic])
    await asyncio.sleep(0.5)
    load = Load(producer, topic, total, group, keyed=keyed)
    wall, cpu = time.perf_counter(), time.process_time()
    for _ in range(min(width, total // group)):
        load.begin()
    await load.done
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    await producer.close(5)
    counted = count_in_kafka(servers, topic)
    latencies = sorted(load.latencies)
    requests = total // group
    print(
        f"{label:34} {requests / wall:9,.0f} submissions/s {total / wall:10,.0f} lines/s"
        f"  cpu {cpu / requests * 1e6:6.1f} us/submission  p50 {latencies[len(latencies) // 2] * 1e3:6.2f} ms"
        f"  p99 {latencies[len(latencies) * 99 // 100] * 1e3:6.2f} ms  requests {producer.counters.requests}"
        f"  lost {load.lost}  in Kafka {counted} of {total}"
    )
    admin.delete_topics([topic])


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("servers")
    parser.add_argument("--scale", type=float, default=1.0)
    arguments = parser.parse_args()
    scale = arguments.scale
    for label, total, group, width, keyed, acks in (
        ("single, 64 under way", 200_000, 1, 64, False, Acks.ALL),
        ("single, 256 under way", 400_000, 1, 256, False, Acks.ALL),
        ("single, 2000 under way", 400_000, 1, 2000, False, Acks.ALL),
        ("single keyed, 256 under way", 300_000, 1, 256, True, Acks.ALL),
        ("groups of 100, 64 under way", 3_000_000, 100, 64, False, Acks.ALL),
        ("groups of 100, leader, 64", 3_000_000, 100, 64, False, Acks.LEADER),
        ("groups of 100 keyed, 64", 1_500_000, 100, 64, True, Acks.ALL),
    ):
        await measure(
            arguments.servers, label, total=int(total * scale), group=group, width=width, keyed=keyed, acks=acks
        )


if __name__ == "__main__":
    uvloop.run(main())
