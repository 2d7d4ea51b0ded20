"""A spool over a disk in memory, with repos bound to it and a Kafka in memory behind it; and what it has to answer for."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any

from tests.unit.gateway.builders import repo_config

from headgate_gateway.config.repo import RepoConfig
from headgate_gateway.kafka.outcome import Outcome
from headgate_gateway.pipeline.records import Records
from headgate_gateway.spool.producer import SpoolingLease, SpoolSubmission
from headgate_gateway.spool.settings import SpoolSettings
from headgate_gateway.spool.spool import Spool
from headgate_gateway.spool.targets import Backoff

from .brokers import Kafka, Pool
from .power import PowerLossDisk

PATIENCE = 30.0
QUICK = Backoff(0.02, 0.1)


def a_repo(delivery: str = "Sync", name: str = "logs", dead_letter: bool = False, **producer: Any) -> RepoConfig:
    kafka: dict[str, Any] = {"topic": "a", "delivery": delivery, "onFailure": "Spool"}
    if dead_letter:
        kafka["deadLetter"] = {"topic": "dead"}
    return repo_config(name, kafka=kafka, producer={"deliveryTimeout": "150ms", **producer})


def settings(**changes: Any) -> SpoolSettings:
    given: dict[str, Any] = {
        "directory": "/spool",
        "max_bytes": 64 * 2**20,
        "segment_bytes": 64 * 1024,
        "backoff": QUICK,
        "side_after": 0.05,
        "checkpoint_every": 0.05,
        "unknown_topic_patience": 60.0,
    }
    return SpoolSettings(**{**given, **changes})


@dataclass
class Sent:
    """One request's records."""

    topic: str
    keys: list[bytes | None]
    values: list[bytes]
    outcome: Outcome | None = None

    def promised(self) -> set[bytes]:
        if self.outcome is None:
            return set()
        lines = {*self.outcome.acked, *self.outcome.spooled}
        return {value for line, value in enumerate(self.values, 1) if line in lines}


@dataclass
class World:
    spool: Spool
    pool: Pool
    disk: PowerLossDisk
    settings: SpoolSettings
    leases: dict[str, SpoolingLease] = field(default_factory=dict)
    sent: list[Sent] = field(default_factory=list)
    serial: int = 0
    may_be_twice: int = 0
    """Records that earlier processes may have sent without anybody knowing."""

    @classmethod
    async def open(
        cls, kafka: Kafka, disk: PowerLossDisk | None = None, told: SpoolSettings | None = None, *, start: bool = True
    ) -> "World":
        disk, pool, told = disk or PowerLossDisk(), Pool(kafka), told or settings()
        spool = await Spool.open(told, pool, disk, random=Random(1))
        if start:
            spool.start()
        return cls(spool, pool, disk, told)

    def bind(self, config: RepoConfig, name: str | None = None) -> SpoolingLease:
        self.spool.set_credentials({})
        lease = self.pool.acquire(config.producers["main"], {})
        bound = self.leases[name or config.name] = self.spool.bind(config, "main", lease)
        return bound

    def send(self, name: str, topic: str, *keys: str | None, values: list[bytes] | None = None) -> Sent:
        made = values or [b"%d" % (self.serial + at) for at in range(len(keys))]
        self.serial += len(keys)
        sent = Sent(topic, [None if key is None else key.encode() for key in keys], made)
        self.sent.append(sent)
        records = Records("main", topic, sent.values, list(range(1, len(keys) + 1)))
        records.keys = sent.keys if any(keys) else None

        def done(submission: SpoolSubmission) -> None:
            assert sent.outcome is None, "told twice"
            sent.outcome = submission.outcome

        now_ms = self.spool._now_ms()
        self.leases[name].producer.submit(records, now_ms, done)
        assert sent.outcome is None, "told from within the call"
        return sent

    async def answered(self, *sent: Sent) -> None:
        await until(lambda: all(each.outcome is not None for each in sent or self.sent))

    async def drained(self) -> None:
        """Until nothing is left to deliver."""
        await self.answered()
        courier = self.spool._courier
        await until(lambda: not courier.backlog and not courier.gate.handover.records)

    async def close(self, seconds: float = 0.0) -> int:
        left = await self.spool.close(seconds)
        for lease in self.leases.values():
            lease.release()
        self.pool.cut()
        await asyncio.sleep(0)
        return left

    async def crash(self, random: Random | None = None) -> "World":
        """The process is gone at once; with a source of chance the power is, too."""
        self.may_be_twice += self.doubtful() + self.spool._courier.handed_records
        self.disk.steps_left = -1
        for task in [*self.spool._tasks, *cursor_tasks(self.spool)]:
            task.cancel()
        self.pool.cut()
        courier = self.spool._courier
        self.may_be_twice += courier.counters.delivered
        disk = self.disk.after_kill() if random is None else self.disk.after_power_loss(random)
        await asyncio.sleep(0.01)
        reborn = await World.open(self.pool.kafka, disk, self.settings)
        reborn.sent = [sent for sent in self.sent if sent.outcome is not None]
        reborn.serial, reborn.may_be_twice = self.serial, self.may_be_twice
        return reborn

    def doubtful(self) -> int:
        """How many records Kafka may have twice."""
        counters = [producer.counters for producer in self.pool.producers.values()]
        return sum(each.unknown + each.retried_records for each in counters)

    # What it answers for

    def check(self) -> None:
        self.check_delivery()
        self.check_order()
        self.check_duplicates()

    def check_delivery(self) -> None:
        written = {value for _, _, value in self.pool.kafka.written}
        missing = [sorted(sent.promised() - written) for sent in self.sent if sent.promised() - written]
        assert not missing, f"promised and not in Kafka: {missing[:5]}"
        known = {value for sent in self.sent for value in sent.values}
        assert written <= known or self.may_be_twice, "never sent"

    def check_order(self) -> None:
        """Per key, first deliveries are in the order of acceptance."""
        first: dict[bytes, int] = {}
        for at, (topic, _, value) in enumerate(self.pool.kafka.written):
            if topic != "dead":
                first.setdefault(value, at)
        lanes: dict[tuple[str, bytes], list[bytes]] = defaultdict(list)
        for sent in self.sent:
            promised = sent.promised()
            for key, value in zip(sent.keys, sent.values, strict=True):
                if key is not None and value in promised and not value.startswith(b"bad"):
                    lanes[sent.topic, key].append(value)
        for lane, values in lanes.items():
            places = [first[value] for value in values if value in first]
            wrong = [(values[at], values[at + 1]) for at in range(len(places) - 1) if places[at] > places[at + 1]]
            assert not wrong, f"{lane}: {wrong[:5]}"

    def check_duplicates(self) -> None:
        written = Counter((topic, value) for topic, _, value in self.pool.kafka.written)
        extra = sum(count - 1 for count in written.values())
        assert extra <= self.doubtful() + self.may_be_twice

    async def check_nothing_is_left(self) -> None:
        courier = self.spool._courier
        # Answers to what was taken back are awaited by nobody, and may still come.
        await until(lambda: all(producer.is_idle for producer in self.pool.producers.values()))
        await until(lambda: not courier.sides.cursors)
        assert (courier.held, courier.handed_records, courier.gate.handover.records) == (0, 0, 0)
        assert not courier.replaying
        assert not courier.gate.handover._handed
        cursor = courier.main
        assert [cursor.waiting, cursor.away, cursor.returned, cursor.burying] == [{}, {}, {}, {}]
        await until(lambda: not courier.gate.targets)


def cursor_tasks(spool: Spool) -> list["asyncio.Task[None]"]:
    cursors = [spool._courier.main, *spool._courier.sides.cursors]
    return [cursor._task for cursor in cursors if cursor._task is not None]


async def until(is_so: Callable[[], bool]) -> None:
    """Wait for what will come to pass; how long it takes proves nothing."""
    async with asyncio.timeout(PATIENCE):
        while not is_so():  # noqa: ASYNC110
            await asyncio.sleep(0.005)
