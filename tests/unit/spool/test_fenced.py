"""What a gateway does that was taken for gone, its node remembering the names of its directory: nothing more, and says so."""

import asyncio
from random import Random

from tests.unit.spool.brokers import Kafka
from tests.unit.spool.power import PowerLossDisk
from tests.unit.spool.takeover import OwnersView
from tests.unit.spool.test_adoption import ROOT, Pod
from tests.unit.spool.test_spool import out_for_good
from tests.unit.spool.world import World, a_repo, settings, until

from headgate_gateway.spool.cursor import CONFIRMED_FOR

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
