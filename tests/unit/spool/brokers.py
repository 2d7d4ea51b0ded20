"""A Kafka in memory behind a real producer: its batches are answered, delayed, refused or lost as a seed says.

The producer's own accumulator, deadlines and table of errors are at work; only connections are left out.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from random import Random

from aiokafka.record.memory_records import MemoryRecords

from headgate_gateway.config.producer import ProducerConfig
from headgate_gateway.kafka.accumulator import Accumulator
from headgate_gateway.kafka.connection import PartitionAnswer
from headgate_gateway.kafka.lanes import Batch
from headgate_gateway.kafka.pool import profile_hash
from headgate_gateway.kafka.producer import Producer

LEADERS = (1, 2)
NOT_ENOUGH_REPLICAS = 19
TIMED_OUT = 7
REFUSED_TOPIC = 29
INVALID = 87
TOO_LARGE = 10


@dataclass(frozen=True)
class Weather:
    """How likely each mishap is, per batch."""

    lost_before: float = 0.0
    lost_after: float = 0.0
    retriable: float = 0.0
    stalled: float = 0.0
    """Of its topic, for a while."""
    outage: float = 0.0
    """Of all topics, for a while."""
    refused: float = 0.0
    """Its topic is refused for a while, as if rights were revoked."""
    longest_stall: float = 0.35


FINE = Weather()
ROUGH = Weather(lost_before=0.04, lost_after=0.04, retriable=0.04, stalled=0.02, outage=0.004, refused=0.01)


@dataclass
class Kafka:
    """What was written, and how things are."""

    random: Random
    weather: Weather = FINE
    partitions: int = 4
    written: list[tuple[str, bytes | None, bytes]] = field(default_factory=list)
    """Topic, key and value of each record, in order."""
    topics: set[str] = field(default_factory=lambda: {"a", "b", "dead"})
    stalled_until: dict[str, float] = field(default_factory=dict)
    refused_until: dict[str, float] = field(default_factory=dict)
    out_until: float = 0.0

    def heal(self) -> None:
        self.weather = FINE
        self.stalled_until.clear()
        self.refused_until.clear()
        self.out_until = 0.0

    def values(self, topic: str) -> list[bytes]:
        return [value for name, _, value in self.written if name == topic]

    def write(self, batch: Batch) -> None:
        memory = MemoryRecords(bytes(batch.payload or batch.raw or b""))
        while memory.has_next():
            read = memory.next_batch()
            assert read is not None
            name = batch.partition.topic.name
            self.written += [(name, record.key, record.value or b"") for record in read]


class Wire:
    """Between one producer and Kafka: in place of its links, one exchange at a time for each leader."""

    def __init__(self, producer: Producer, kafka: Kafka) -> None:
        self.producer = producer
        self.kafka = kafka
        self._loop = asyncio.get_running_loop()
        self._cut = False
        self._tasks = [asyncio.create_task(self._exchange(leader)) for leader in LEADERS]

    @property
    def _accumulator(self) -> Accumulator:
        return self.producer._accumulator

    def cut(self) -> None:
        """The process is gone."""
        for task in self._tasks:
            task.cancel()

    def _tell(self) -> None:
        """What metadata would tell."""
        now = self._loop.time()
        self.producer.down = "no broker answers" if now < self.kafka.out_until else None
        for name, topic in self._accumulator.topics.items():
            missing = name not in self.kafka.topics
            topic.heard = now
            if missing and not topic.problem:
                topic.problem, topic.refused_since = f"{name} does not exist", now - 1.0
            elif not missing and (topic.problem or not topic.partitions):
                topic.problem, topic.refused_since = "", None
                leaders = [LEADERS[index % len(LEADERS)] for index in range(self.kafka.partitions)]
                self._accumulator.set_leaders(topic, leaders)

    async def _exchange(self, leader: int) -> None:
        kafka = self.kafka
        while True:
            self._tell()
            batches = self._accumulator.take(leader, self._loop.time())
            self.producer._settler.unencodable()
            if not batches:
                await asyncio.sleep(0.001)
                continue
            for batch in batches:
                batch.payload = batch.payload or batch.raw
            await asyncio.sleep(kafka.random.uniform(0.0, 0.003))
            await self._wait_out({batch.partition.topic.name for batch in batches})
            for batch in batches:
                self._answer(batch)

    async def _wait_out(self, topics: set[str]) -> None:
        """A request waits as a whole."""
        kafka = self.kafka
        while max([kafka.out_until, *(kafka.stalled_until.get(name, 0.0) for name in topics)]) > self._loop.time():  # noqa: ASYNC110
            await asyncio.sleep(0.005)

    def _answer(self, batch: Batch) -> None:
        kafka, settler, now = self.kafka, self.producer._settler, self._loop.time()
        name, weather, roll = batch.partition.topic.name, kafka.weather, kafka.random.random()
        for share, mishap in (
            (weather.stalled, kafka.stalled_until),
            (weather.refused, kafka.refused_until),
        ):
            if kafka.random.random() < share:
                mishap[name] = now + kafka.random.uniform(0.0, weather.longest_stall)
        if kafka.random.random() < weather.outage:
            kafka.out_until = now + kafka.random.uniform(0.0, weather.longest_stall)
        if kafka.refused_until.get(name, 0.0) > now:
            settler.answered(batch, PartitionAnswer(REFUSED_TOPIC, -1, "", ()), now)
        elif roll < weather.lost_before:
            settler.lost(batch, "cut", now, sent=True)
        elif roll < weather.lost_before + weather.lost_after:
            if not _bad(batch):
                kafka.write(batch)
            settler.lost(batch, "cut", now, sent=True)
        elif roll < weather.lost_before + weather.lost_after + weather.retriable:
            settler.answered(batch, PartitionAnswer(NOT_ENOUGH_REPLICAS, -1, "", ()), now)
        elif _bad(batch) and name != "dead":
            settler.answered(batch, PartitionAnswer(INVALID, -1, "", _bad(batch)), now)
        else:
            kafka.write(batch)
            settler.delivered(batch, len(kafka.written))


def _bad(batch: Batch) -> tuple[tuple[int, str], ...]:
    """Records that Kafka never takes."""
    values = [piece.submission.records.values[index] for piece in batch.pieces for index in piece.indices]
    return tuple((position, "bad") for position, value in enumerate(values) if value.startswith(b"bad"))


@dataclass
class Lease:
    pool: "Pool"
    hash: str
    released: bool = False

    @property
    def producer(self) -> Producer:
        return self.pool.producers[self.hash]

    def release(self) -> None:
        assert not self.released
        self.released = True
        self.pool.leases.remove(self)


@dataclass
class Pool:
    """Real producers on wires, by their profile's hash; never closed."""

    kafka: Kafka
    producers: dict[str, Producer] = field(default_factory=dict)
    wires: list[Wire] = field(default_factory=list)
    leases: list[Lease] = field(default_factory=list)
    refuses: str = ""
    """Why credentials are not usable."""

    def acquire(self, config: ProducerConfig, credentials: Mapping[str, bytes]) -> Lease:
        if self.refuses:
            raise ValueError(self.refuses)
        content = profile_hash(config)
        if content not in self.producers:
            self.producers[content] = Producer(config, credentials, random=self.kafka.random)
            self.wires.append(Wire(self.producers[content], self.kafka))
        lease = Lease(self, content)
        self.leases.append(lease)
        return lease

    def cut(self) -> None:
        for wire in self.wires:
            wire.cut()
        for producer in self.producers.values():
            if producer._timer is not None:
                producer._timer.cancel()
