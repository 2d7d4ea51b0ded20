"""What a gateway does that was taken for gone, its node remembering the names of its directory: nothing more, and says so."""

import asyncio
from collections.abc import Callable
from random import Random

import pytest
from tests.unit.spool.brokers import Kafka
from tests.unit.spool.power import PowerLossDisk
from tests.unit.spool.takeover import OwnersView
from tests.unit.spool.test_adoption import ROOT, Pod, holding
from tests.unit.spool.test_spool import out_for_good
from tests.unit.spool.world import World, a_repo, settings, until

from headgate_gateway.spool.cursor import CONFIRMED_FOR
from headgate_gateway.spool.disk import Check
from headgate_gateway.spool.epoch import raise_fence
from headgate_gateway.spool.errors import SpoolFencedError

QUIET = 3_600.0
"""Seconds between checkpoints: a fence is not noticed by those."""


class Owner(World):
    """A gateway with records on disk whose node goes on finding the directory under its old name."""

    @classmethod
    async def holding(cls, kafka: Kafka, disk: PowerLossDisk, count: int, *, checkpoint_every: float) -> "Owner":
        disk.mkdir(ROOT)
        view = OwnersView(disk, remembers=True, own=f"{ROOT}/a")
        told = settings(directory=f"{ROOT}/a", owner="a", checkpoint_every=checkpoint_every)
        world = await World.open(kafka, view, told)
        view.remember()
        owner = cls(world.spool, world.pool, view, told)
        owner.bind(a_repo("Async"))
        owner.send("logs", "a", *[None] * count)
        await owner.answered()
        await until(lambda: not owner.spool.status().in_flight)
        return owner


async def adopter(kafka: Kafka, disk: PowerLossDisk) -> Pod:
    pod = await Pod.begin("b", kafka, disk, {"a": "b"})
    pod.bind(a_repo("Async"))
    return pod


async def test_what_was_read_before_the_takeover_is_not_sent_after_it() -> None:
    kafka, disk = Kafka(Random(1)), PowerLossDisk()
    out_for_good(kafka)
    owner = await Owner.holding(kafka, disk, 200, checkpoint_every=QUIET)
    pod = await adopter(kafka, disk)
    await pod.adoptions.look()
    await asyncio.sleep(CONFIRMED_FOR)
    kafka.heal()
    await pod.adopt(disk, "a")
    assert sorted(kafka.values("a")) == sorted(b"%d" % serial for serial in range(200)), "each once"
    await until(lambda: bool(owner.spool.fenced))
    await owner.close()
    await pod.end()


async def test_a_gateway_that_is_fenced_tells_no_backlog_for_that_is_anothers_to_tell() -> None:
    kafka, disk = Kafka(Random(1)), PowerLossDisk()
    out_for_good(kafka)
    owner = await Owner.holding(kafka, disk, 2, checkpoint_every=0.05)
    assert owner.spool.status().backlog_records == 2
    pod = await adopter(kafka, disk)
    await pod.adoptions.look()
    await until(lambda: bool(owner.spool.fenced))
    told, counted = owner.spool.status(), owner.spool.metrics()
    assert (told.backlog_records, told.backlog_bytes, told.oldest_seconds, told.in_flight) == (0, 0, 0.0, 0)
    assert (told.state, told.targets) == ("Failed", ())
    assert (counted.backlog_records, counted.oldest_seconds, counted.blocked_targets) == (0, 0.0, 0)
    assert await owner.spool.close(0) == 0
    await pod.end()


async def test_what_producers_have_of_it_is_taken_back() -> None:
    kafka, disk = Kafka(Random(1)), PowerLossDisk()
    kafka.stalled_until["a"] = asyncio.get_running_loop().time() + 1e9
    owner = await Owner.holding(kafka, disk, 0, checkpoint_every=0.05)
    owner.bind(a_repo("Async", deliveryTimeout="10m"))
    keys = [f"k{number}" for number in range(20)]
    for _ in range(2):  # the first are on their way, the others behind them
        owner.send("logs", "a", *keys)
        await owner.answered()
        await asyncio.sleep(0.05)
    pod = await adopter(kafka, disk)
    await pod.adoptions.look()
    await until(lambda: owner.spool._gave_up)
    kafka.heal()
    await pod.adopt(disk, "a")
    await until(lambda: owner.spool.has_given_up)
    behind = [value for value in kafka.values("a") if int(value) >= len(keys)]
    assert sorted(behind) == sorted(b"%d" % number for number in range(20, 40)), "each once"
    await owner.close()
    await pod.end()


async def test_its_end_deletes_nothing_of_the_directory_that_is_anothers() -> None:
    kafka, disk = Kafka(Random(1)), PowerLossDisk()
    owner = await Owner.holding(kafka, disk, 0, checkpoint_every=0.05)
    pod = await adopter(kafka, disk)
    await pod.adoptions.look()
    await until(lambda: bool(owner.spool.fenced))
    before = disk.listdir(f"{ROOT}/b.adopted.a")
    await owner.close()
    assert disk.listdir(f"{ROOT}/b.adopted.a") == before
    await pod.end()


async def test_it_takes_over_nothing_more_and_lets_go_of_what_it_had_taken() -> None:
    kafka, disk = Kafka(Random(1)), PowerLossDisk()
    out_for_good(kafka)
    for uid in ("a", "x"):
        await (await holding(uid, kafka, disk, "k")).close()
    pod = await Pod.begin("b", kafka, disk, grants := {"a": "b"})
    await pod.adoptions.look()
    assert list(pod.adoptions._open) == ["b.adopted.a"]
    raise_fence(disk, f"{ROOT}/b", "c")
    await until(lambda: bool(pod.spool.fenced))
    grants["x"] = "b"
    await pod.adoptions.look()
    assert not pod.adoptions._open
    assert "x" in disk.listdir(ROOT)
    told = pod.adoptions.status(pod.spool.status())
    assert (told.backlog_records, told.adopted) == (0, ())
    assert pod.adoptions.metrics(pod.spool.metrics()).backlog_records == 0
    await pod.end()


async def test_what_another_takes_from_it_while_it_looks_is_not_made_anew() -> None:
    kafka, disk = Kafka(Random(1)), MovedWhileMeasured()
    out_for_good(kafka)
    await (await holding("a", kafka, disk, "k")).close()
    pod = await Pod.begin("b", kafka, disk, {"a": "b"})
    await pod.adoptions.look()
    spool = pod.adoptions._open["b.adopted.a"]

    def take() -> None:
        disk.move(f"{ROOT}/b.adopted.a", f"{ROOT}/c.adopted.a")
        raise_fence(disk, f"{ROOT}/c.adopted.a", "c")
        with pytest.raises(SpoolFencedError):
            spool._directory.fence.check(Check.CHECKPOINT)  # type: ignore[union-attr]

    disk.measured, disk.interrupt = f"{ROOT}/b.adopted.a/log", take
    pod.adoptions._measure_at = 0.0
    await pod.adoptions.look()
    assert disk.listdir(ROOT) == ["b", "c.adopted.a"]
    await pod.end()


class MovedWhileMeasured(PowerLossDisk):
    """Before the names of one directory are told, something happens, once."""

    measured = ""
    interrupt: Callable[[], None]

    def listdir(self, path: str) -> list[str]:
        if path == self.measured:
            self.measured = ""
            self.interrupt()
        return super().listdir(path)
