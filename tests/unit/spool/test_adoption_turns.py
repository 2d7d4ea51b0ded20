"""Spools that are taken over take turns; none that is stuck, hangs or cannot be renamed keeps the others from delivery."""

import asyncio
import errno
import logging
import time
from random import Random

import pytest

from headgate_gateway.spool.adoption import AT_ONCE
from headgate_gateway.spool.disk import Check

from .brokers import Kafka
from .power import PowerLossDisk
from .test_adoption import ROOT, Pod, holding
from .test_spool import out_for_good
from .world import a_repo, until


class SlowDisk(PowerLossDisk):
    """Takes its time to tell whose a directory is."""

    seconds = 0.0

    def holds(self, path: str, content: bytes, site: Check) -> bool:
        time.sleep(self.seconds)
        return super().holds(path, content, site)


async def left_by(uid: str, topic: str, kafka: Kafka, disk: PowerLossDisk, values: list[bytes] | None = None) -> None:
    """A pod that is gone, with a record on disk for a topic."""
    pod = await Pod.begin(uid, kafka, disk, {})
    pod.bind(a_repo("Async"))
    pod.send("logs", topic, "k", values=values)
    await pod.answered()
    await pod.close()


async def the_pod(kafka: Kafka, disk: PowerLossDisk, *gone: str) -> Pod:
    pod = await Pod.begin("z", kafka, disk, dict.fromkeys(gone, "z"))
    pod.bind(a_repo("Async"))
    return pod


async def test_spools_without_progress_make_room_for_those_that_wait() -> None:
    kafka, disk = Kafka(Random(1)), PowerLossDisk()
    out_for_good(kafka)
    stuck = [f"a{number}" for number in range(AT_ONCE)]
    for uid in stuck:
        await left_by(uid, "b", kafka, disk)
    await left_by("b0", "a", kafka, disk)
    kafka.heal()
    kafka.topics.discard("b")
    pod = await the_pod(kafka, disk, *stuck, "b0")
    await pod.adoptions.look()
    await pod.adoptions.look()
    assert sorted(pod.adoptions._open) == [f"z.adopted.{uid}" for uid in stuck]
    for name, (backlog, _) in pod.adoptions._progress.items():
        pod.adoptions._progress[name] = backlog, pod.adoptions._loop.time() - 20.0
    await pod.adoptions.look()
    assert len(pod.adoptions._open) == AT_ONCE, "one alone makes room"
    assert "z.adopted.b0" in pod.adoptions._open
    told = pod.adoptions.status(pod.spool.status())
    assert sorted((row.directory, row.backlog_records) for row in told.adopted)[:AT_ONCE] == [
        (f"z.adopted.{uid}", 1) for uid in stuck
    ], "what it held is told still"
    await until(lambda: kafka.values("a") == [b"0"])
    await pod.end()


async def test_nobody_makes_room_where_nobody_waits() -> None:
    kafka, disk = Kafka(Random(1)), PowerLossDisk()
    out_for_good(kafka)
    await left_by("a", "a", kafka, disk)
    pod = await the_pod(kafka, disk, "a")
    await pod.adoptions.look()
    before = pod.adoptions._open["z.adopted.a"]
    pod.adoptions._progress["z.adopted.a"] = 1, pod.adoptions._loop.time() - 20.0
    await pod.adoptions.look()
    assert pod.adoptions._open["z.adopted.a"] is before
    await pod.end()


async def test_one_that_cannot_be_renamed_keeps_nobody_from_the_others() -> None:
    kafka, disk = Kafka(Random(1)), PowerLossDisk()
    out_for_good(kafka)
    for uid in ("a1", "a2"):
        await left_by(uid, "a", kafka, disk)
    pod = await the_pod(kafka, disk, "a1", "a2")
    kafka.heal()
    refused = OSError(errno.EACCES, "Permission denied")
    disk.trouble = lambda operation, path: refused if operation == "move" and path.endswith("a1") else None
    await pod.adoptions.look()
    await pod.adopt(disk, "a2")
    assert disk.listdir(ROOT) == ["a1", "z"]
    disk.trouble = lambda operation, path: None
    await pod.end()


async def test_while_nothing_can_be_looked_at_what_was_seen_is_gone_on_with() -> None:
    kafka, disk = Kafka(Random(1)), PowerLossDisk()
    out_for_good(kafka)
    await left_by("a", "a", kafka, disk)
    pod = await the_pod(kafka, disk, "a")
    await pod.adoptions.look()

    def unreadable() -> dict[str, str]:
        raise OSError(errno.EIO, "Input/output error")

    pod.adoptions._grants = unreadable
    kafka.heal()
    await until(lambda: kafka.values("a") == [b"0"])
    await until(lambda: not pod.adoptions._open["z.adopted.a"].backlog)
    await pod.adoptions.look()
    assert disk.listdir(ROOT) == ["z"]
    await pod.end()


async def one_that_has_delivered(disk: PowerLossDisk) -> Pod:
    """A gateway with a spool that it has taken over, and delivered, and not removed yet."""
    kafka = Kafka(Random(1))
    out_for_good(kafka)
    await left_by("a", "a", kafka, disk)
    pod = await the_pod(kafka, disk, "a")
    kafka.heal()
    await pod.adoptions.look()
    await until(lambda: not pod.adoptions._open["z.adopted.a"].backlog)
    return pod


async def test_one_that_a_slow_disk_has_removed_is_told_of_no_more() -> None:
    disk = PowerLossDisk()
    pod = await one_that_has_delivered(disk)

    def slow(operation: str, path: str) -> None:
        if operation == "rmdir" and path.endswith("adopted.a"):
            time.sleep(1.5)

    disk.trouble = slow
    await pod.adoptions.look()
    await pod.adoptions.look()
    assert not pod.adoptions._open, "it is not opened beneath the disk's hands"
    await until(lambda: disk.listdir(ROOT) == ["z"])
    await pod.adoptions.look()
    assert pod.adoptions.status(pod.spool.status()).adopted == ()
    await pod.end()


async def test_one_that_could_not_be_removed_is_removed_later() -> None:
    disk = PowerLossDisk()
    pod = await one_that_has_delivered(disk)
    busy = OSError(errno.EBUSY, "Device or resource busy")
    disk.trouble = lambda operation, path: busy if operation == "rmdir" else None
    await pod.adoptions.look()
    (row,) = pod.adoptions.status(pod.spool.status()).adopted
    assert row.problem == "it is delivered, and cannot be removed yet"
    disk.trouble = lambda operation, path: None
    pod.adoptions._shelf.failed.clear()
    await pod.adopt(disk, "a")
    assert disk.listdir(ROOT) == ["z"]
    await pod.end()


async def test_what_people_have_taken_away_is_told_of_no_more() -> None:
    kafka, disk = Kafka(Random(1)), PowerLossDisk()
    out_for_good(kafka)
    await left_by("a", "a", kafka, disk, values=[b"bad"])
    kafka.heal()
    pod = await the_pod(kafka, disk, "a")
    async with asyncio.timeout(30):
        while not pod.adoptions._shelf.kept:
            await pod.adoptions.look()
            await asyncio.sleep(0.02)
    disk.move(f"{ROOT}/z.adopted.a", f"{ROOT}/.away")
    await pod.adoptions.look()
    told = pod.adoptions.status(pod.spool.status())
    assert (told.adopted, told.parked) == ((), 0)
    await pod.end()


async def test_one_that_is_being_closed_at_the_end_is_closed_and_those_that_were_not_opened_are_told(
    caplog: pytest.LogCaptureFixture,
) -> None:
    kafka, disk = Kafka(Random(1)), SlowDisk()
    out_for_good(kafka)
    uids = [f"a{number}" for number in range(AT_ONCE + 2)]
    for uid in uids:
        await (await holding(uid, kafka, disk, "k")).close()
    pod = await the_pod(kafka, disk, *uids)
    await pod.adoptions.look()
    opened = dict(pod.adoptions._open)
    for name in opened:
        pod.adoptions._progress[name] = 1, -1e9
    disk.seconds = 0.05
    pod.adoptions.start()
    await until(lambda: bool(pod.adoptions._ending))
    with caplog.at_level(logging.WARNING):
        await pod.adoptions.close(0.0)
    assert not pod.adoptions._ending
    assert all(spool._courier.main.log.state.value == "Closed" for spool in opened.values())
    said = [record for record in caplog.records if "were not opened" in record.message]
    assert [record.__dict__["directories"] for record in said] == [2]
    await pod.close()
