"""A gateway takes over the spools of pods that are gone, delivers them, removes them, and tells of what stays."""

import asyncio
import threading
from random import Random

import pytest

from headgate_gateway.kafka.outcome import FailureReason
from headgate_gateway.spool.adoption import Adoptions
from headgate_gateway.spool.checkpoints import is_checkpoint
from headgate_gateway.spool.durable import make_directory, replace_file
from headgate_gateway.spool.settings import SpoolSettings
from headgate_gateway.spool.spool import Spool

from .brokers import Kafka
from .power import PowerLossDisk
from .test_spool import out_for_good
from .world import World, a_repo, cursor_tasks, settings, until

ROOT = "/spools"


class Pod(World):
    """A gateway whose spool is in a directory that others reach."""

    grants: dict[str, str]
    adoptions: Adoptions

    @classmethod
    async def begin(cls, uid: str, kafka: Kafka, disk: PowerLossDisk, grants: dict[str, str]) -> "Pod":
        make_directory(disk, ROOT)
        told = settings(directory=f"{ROOT}/{uid}", owner=uid)
        world = await World.open(kafka, disk, told)
        pod = cls(world.spool, world.pool, disk, told)

        async def open_spool(other: SpoolSettings) -> Spool:
            return await Spool.open(other, pod.pool, disk, random=Random(1))

        pod.adoptions = Adoptions(pod.spool, told, disk, lambda: grants, open_spool)
        return pod

    async def adopt(self, disk: PowerLossDisk, gone: str) -> None:
        """Look until the spool of the other is delivered, or is not to be."""
        async with asyncio.timeout(30):
            while any(name.endswith(f".adopted.{gone}") for name in self.adoptions._sight.mine) or gone in disk.listdir(
                ROOT
            ):
                await self.adoptions.look()
                await asyncio.sleep(0.02)

    def die(self) -> PowerLossDisk:
        """It is killed, with all that it does: the disk as others find it."""
        self.disk.steps_left = -1
        for spool in (self.spool, *self.adoptions._open.values()):
            for task in [*spool._tasks, *cursor_tasks(spool)]:
                task.cancel()
        self.pool.cut()
        return self.disk.after_kill()

    async def end(self) -> None:
        await self.adoptions.close(0.0)
        await self.close()


async def holding(uid: str, kafka: Kafka, disk: PowerLossDisk, *keys: str, dead_letter: bool = False) -> Pod:
    """A pod with records on disk, Kafka being away."""
    pod = await Pod.begin(uid, kafka, disk, {})
    pod.bind(a_repo("Async", dead_letter=dead_letter))
    pod.send("logs", "a", *keys)
    await pod.answered()
    return pod


async def test_what_a_pod_that_is_gone_held_is_delivered_by_another_and_its_spool_removed() -> None:
    kafka, disk = Kafka(Random(1)), PowerLossDisk()
    out_for_good(kafka)
    gone = await holding("a", kafka, disk, "k", "k", "j")
    await gone.close()
    pod = await Pod.begin("b", kafka, disk, grants := {})
    pod.bind(a_repo("Async"))
    await pod.adoptions.look()
    told = pod.adoptions.status(pod.spool.status())
    assert ([each.owner for each in told.foreign], told.adopted) == (["a"], ())
    assert told.foreign[0].bytes > 0
    grants["a"] = "b"
    await pod.adoptions.look()
    told = pod.adoptions.status(pod.spool.status())
    assert [(each.directory, each.backlog_records, each.opened) for each in told.adopted] == [("b.adopted.a", 3, True)]
    assert (told.backlog_records, told.foreign) == (3, ())
    assert pod.adoptions.metrics(pod.spool.metrics()).backlog_records == 3
    kafka.heal()
    await pod.adopt(disk, "a")
    assert disk.listdir(ROOT) == ["b"]
    assert kafka.values("a") == [b"0", b"1", b"2"]
    counted = pod.adoptions.metrics(pod.spool.metrics())
    assert (counted.delivered, counted.replayed, counted.backlog_records) == (3, 3, 0)
    await pod.end()
    assert disk.listdir(ROOT) == [], "nothing is left of a pod that ends with nothing on its disk"


async def test_nothing_is_taken_over_that_is_granted_to_another_or_to_nobody() -> None:
    kafka, disk = Kafka(Random(1)), PowerLossDisk()
    out_for_good(kafka)
    for uid in ("a", "x"):
        await (await holding(uid, kafka, disk, "k")).close()
    pod = await Pod.begin("b", kafka, disk, {"a": "c"})
    await pod.adoptions.look()
    assert disk.listdir(ROOT) == ["a", "b", "x"]
    await pod.end()


async def test_an_owner_that_comes_back_fails_its_requests_and_delivers_nothing_more() -> None:
    kafka, disk = Kafka(Random(1)), PowerLossDisk()
    out_for_good(kafka)
    owner = await holding("a", kafka, disk, "k", "k")
    pod = await Pod.begin("b", kafka, disk, {"a": "b"})
    pod.bind(a_repo("Async"))
    await pod.adoptions.look()
    late = owner.send("logs", "a", "k")
    await owner.answered()
    assert late.outcome is not None
    assert (late.outcome.spooled, late.outcome.acked) == ([], [])
    assert late.outcome.reason is FailureReason.SPOOL_FAILED
    assert owner.spool.fenced == "fenced: adopted by b"
    assert owner.spool.status().state == "Failed"
    assert owner.spool.status().problem == "fenced: adopted by b"
    await until(lambda: owner.spool._gave_up)
    kafka.heal()
    await pod.adopt(disk, "a")
    assert kafka.values("a") == [b"0", b"1"], "once: the owner has sent nothing"
    await owner.close(5.0)
    await pod.end()


async def test_an_idle_owner_notices_by_itself() -> None:
    disk = PowerLossDisk()
    kafka = Kafka(Random(1))
    owner = await Pod.begin("a", kafka, disk, {})
    pod = await Pod.begin("b", kafka, disk, {"a": "b"})
    await pod.adoptions.look()
    await until(lambda: bool(owner.spool.fenced))
    await owner.close()
    await pod.end()


async def test_a_pod_that_is_gone_leaves_what_it_had_taken_over_to_the_next() -> None:
    kafka, disk = Kafka(Random(1)), PowerLossDisk()
    out_for_good(kafka)
    await (await holding("a", kafka, disk, "k")).close()
    middle = await Pod.begin("b", kafka, disk, {"a": "b"})
    middle.bind(a_repo("Async"))
    await middle.adoptions.look()
    reborn = middle.die()
    last = await Pod.begin("c", kafka, reborn, {"b": "c"})
    last.bind(a_repo("Async"))
    kafka.heal()
    await last.adopt(reborn, "b")
    await last.adopt(reborn, "a")
    assert kafka.values("a") == [b"0"]
    assert reborn.listdir(ROOT) == ["c"]
    await middle.end()
    await last.end()


async def test_a_container_that_starts_again_goes_on_with_what_its_pod_has_taken_over() -> None:
    kafka, disk = Kafka(Random(1)), PowerLossDisk()
    out_for_good(kafka)
    await (await holding("a", kafka, disk, "k")).close()
    pod = await Pod.begin("b", kafka, disk, {"a": "b"})
    await pod.adoptions.look()
    await pod.end()
    kafka.heal()
    again = await Pod.begin("b", kafka, disk, {})
    again.bind(a_repo("Async"))
    await again.adoptions.look()
    await again.adopt(disk, "a")
    assert kafka.values("a") == [b"0"]
    await again.end()


async def test_what_is_parked_stays_and_is_told() -> None:
    kafka, disk = Kafka(Random(1)), PowerLossDisk()
    out_for_good(kafka)
    gone = await Pod.begin("a", kafka, disk, {})
    gone.bind(a_repo("Async"))
    gone.send("logs", "a", "k", values=[b"bad"])
    await gone.answered()
    await gone.close()
    kafka.heal()
    pod = await Pod.begin("b", kafka, disk, {"a": "b"})
    pod.bind(a_repo("Async"))
    async with asyncio.timeout(30):
        while not pod.adoptions._shelf.kept:
            await pod.adoptions.look()
            await asyncio.sleep(0.02)
    told = pod.adoptions.status(pod.spool.status())
    assert [(each.directory, each.parked, each.problem) for each in told.adopted] == [("b.adopted.a", 1, "")]
    assert (told.parked, told.backlog_records) == (1, 0)
    counted = pod.adoptions.metrics(pod.spool.metrics())
    assert (counted.parked, counted.parked_total) == (1, 1)
    assert "b.adopted.a" in disk.listdir(ROOT)
    await pod.end()


async def test_a_spool_without_progress_is_looked_at_afresh() -> None:
    kafka, disk = Kafka(Random(1)), PowerLossDisk()
    out_for_good(kafka)
    await (await holding("a", kafka, disk, "k", "j")).close()
    pod = await Pod.begin("b", kafka, disk, {"a": "b"})
    pod.bind(a_repo("Async"))
    await pod.adoptions.look()
    before = pod.adoptions._open["b.adopted.a"]
    await pod.adoptions.look()
    assert pod.adoptions._open["b.adopted.a"] is before
    pod.adoptions._progress["b.adopted.a"] = before.backlog, -1e9
    await pod.adoptions.look()
    assert pod.adoptions._open["b.adopted.a"] is not before
    assert pod.adoptions.status(pod.spool.status()).backlog_records == 2
    kafka.heal()
    await pod.adopt(disk, "a")
    assert sorted(kafka.values("a")) == [b"0", b"1"]
    await pod.end()


async def test_a_spool_that_cannot_be_opened_is_told_of_tried_again_and_leaves_no_threads() -> None:
    kafka, disk = Kafka(Random(1)), PowerLossDisk()
    out_for_good(kafka)
    await (await holding("a", kafka, disk, "k")).close()
    pod = await Pod.begin("b", kafka, disk, {"a": "b"})
    pod.bind(a_repo("Async"))
    (name,) = [name for name in disk.listdir(f"{ROOT}/a/log") if is_checkpoint(name)]
    content = disk.read_at(f"{ROOT}/a/log/{name}", 0, 10_000)
    replace_file(disk, f"{ROOT}/a/log/{name}", content[:6] + b"\xff\xff" + content[8:])
    before = threading.active_count()
    for _ in range(5):
        pod.adoptions._shelf.failed.clear()
        await pod.adoptions.look()
    (told,) = pod.adoptions.status(pod.spool.status()).adopted
    assert "format version 65535" in told.problem
    assert not told.opened
    await until(lambda: threading.active_count() <= before)
    replace_file(disk, f"{ROOT}/{told.directory}/log/{name}", content)
    pod.adoptions._shelf.failed.clear()
    kafka.heal()
    await pod.adopt(disk, "a")
    assert kafka.values("a") == [b"0"]
    await pod.end()


async def test_whoever_is_in_a_hurry_need_not_wait_for_what_was_taken_over() -> None:
    kafka, disk = Kafka(Random(1)), PowerLossDisk()
    out_for_good(kafka)
    await (await holding("a", kafka, disk, "k")).close()
    pod = await Pod.begin("b", kafka, disk, {"a": "b"})
    pod.bind(a_repo("Async"))
    await pod.adoptions.look()
    closing = asyncio.create_task(pod.adoptions.close(600.0))
    await asyncio.sleep(0.05)
    pod.adoptions.hurry(0.1)
    async with asyncio.timeout(30):
        assert await closing == 1
    await pod.close()


@pytest.mark.parametrize("failure", [OSError(5, "Input/output error"), ValueError("no JSON")], ids=["disk", "content"])
async def test_grants_that_cannot_be_read_change_nothing(failure: Exception) -> None:
    kafka, disk = Kafka(Random(1)), PowerLossDisk()
    pod = await Pod.begin("b", kafka, disk, {})

    def grants() -> dict[str, str]:
        raise failure

    pod.adoptions._grants = grants
    await pod.adoptions.look()
    assert disk.listdir(ROOT) == ["b"]
    await pod.end()
