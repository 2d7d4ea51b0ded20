"""A claim without any room: gateways on it start again, take over from each other and empty it, and new ones wait or begin."""

import asyncio
import errno
import os
from pathlib import Path
from random import Random

import pytest

from headgate_gateway.spool.directory import SpoolDirectory
from headgate_gateway.spool.disk import Check, OsDisk
from headgate_gateway.spool.durable import make_directory
from headgate_gateway.spool.epoch import EPOCH_NAME, raise_fence
from headgate_gateway.spool.errors import SpoolFencedError
from headgate_gateway.spool.opening import open_once_there_is_room, status_without_room
from headgate_gateway.spool.reserve import RESERVE_NAME
from headgate_gateway.spool.spool import Spool

from .brokers import Kafka
from .power import PowerLossDisk
from .test_adoption import ROOT, Pod, holding
from .test_spool import out_for_good
from .world import World, a_repo, settings

NO_ROOM = OSError(errno.ENOSPC, "No space left on device")


def fill(disk: PowerLossDisk) -> None:
    disk.capacity = disk.used()


@pytest.mark.parametrize("has_reserve", [True, False], ids=["with its reserve", "without one"])
async def test_a_gateway_starts_again_on_a_full_claim_and_empties_it(has_reserve: bool) -> None:
    kafka, disk = Kafka(Random(1)), PowerLossDisk()
    out_for_good(kafka)
    first = await holding("a", kafka, disk, "k", "j")
    full = first.die()
    if not has_reserve:
        full.unlink(f"{ROOT}/a/{RESERVE_NAME}")
    fill(full)
    kafka.heal()
    again = await World.open(kafka, full, settings(directory=f"{ROOT}/a", owner="a"))
    again.bind(a_repo("Async"))
    await again.drained()
    assert sorted(kafka.values("a")) == [b"0", b"1"]
    await again.close()
    await first.end()


async def test_what_a_pod_left_on_a_full_claim_is_taken_over_and_delivered() -> None:
    kafka, disk = Kafka(Random(1)), PowerLossDisk()
    out_for_good(kafka)
    await (await holding("a", kafka, disk, "k")).close()
    pod = await Pod.begin("b", kafka, disk, {"a": "b"})
    pod.bind(a_repo("Async"))
    fill(disk)
    kafka.heal()
    await pod.adoptions.look()
    await pod.adopt(disk, "a")
    assert kafka.values("a") == [b"0"]
    await pod.end()


async def test_a_new_gateway_on_a_full_claim_takes_a_reserve_and_begins_to_empty_it() -> None:
    kafka, disk = Kafka(Random(1)), PowerLossDisk()
    out_for_good(kafka)
    await (await holding("a", kafka, disk, "k")).close()
    fill(disk)
    with pytest.raises(OSError, match="No space left"):
        await Pod.begin("b", kafka, disk, {})
    assert RESERVE_NAME not in disk.listdir(f"{ROOT}/a")
    pod = await Pod.begin("b", kafka, disk, {"a": "b"})
    pod.bind(a_repo("Async"))
    kafka.heal()
    await pod.adoptions.look()
    await pod.adopt(disk, "a")
    assert kafka.values("a") == [b"0"]
    await pod.end()


async def test_a_gateway_without_room_for_a_spool_waits_for_it_and_says_so() -> None:
    kafka, disk, told = Kafka(Random(1)), PowerLossDisk(), list[str]()
    world, attempts = await World.open(kafka, disk), list[int]()

    async def open_spool() -> Spool:
        attempts.append(1)
        if len(attempts) < 3:
            raise NO_ROOM
        return world.spool

    assert await open_once_there_is_room(open_spool, told.append, asyncio.Event(), again=0.001) is world.spool
    assert told == ["No space left on device"] * 2
    shown = status_without_room(settings(owner="a"), told[0])
    assert (shown.state, shown.problem, shown.owner) == ("Full", "No space left on device", "a")
    await world.close()


async def test_waiting_for_room_ends_with_the_gateway_and_other_trouble_is_raised() -> None:
    stop = asyncio.Event()

    async def full() -> Spool:
        raise NO_ROOM

    async def broken() -> Spool:
        raise OSError(errno.EACCES, "Permission denied")

    assert await open_once_there_is_room(full, lambda _: stop.set(), stop) is None
    with pytest.raises(PermissionError):
        await open_once_there_is_room(broken, lambda _: None, asyncio.Event())


def test_an_epoch_takes_the_place_of_another_where_there_is_no_room_and_is_durable() -> None:
    for seed in range(40):
        disk = PowerLossDisk()
        make_directory(disk, "/a")
        before = raise_fence(disk, "/a", "a-long-name-of-a-pod")
        fill(disk)
        after = raise_fence(disk, "/a", "b")
        after.check(Check.COMMIT)
        with pytest.raises(SpoolFencedError, match="adopted by b"):
            before.check(Check.COMMIT)
        survived = disk.after_power_loss(Random(seed))
        assert survived.read_at(f"/a/{EPOCH_NAME}", 0, 4_096) == disk.read_at(f"/a/{EPOCH_NAME}", 0, 4_096)


def test_a_directory_without_an_epoch_is_not_taken_where_there_is_no_room() -> None:
    disk = PowerLossDisk()
    disk.mkdir("/a")
    fill(disk)
    with pytest.raises(OSError, match="No space left"):
        raise_fence(disk, "/a", "a")
    assert disk.listdir("/a") == []


def test_an_empty_spool_with_its_reserve_is_removed() -> None:
    disk = PowerLossDisk()
    opened = SpoolDirectory.open(disk, "/a", "a")
    assert RESERVE_NAME in disk.listdir("/a")
    assert opened.remove()


def test_names_are_read_anew_though_there_is_no_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk, here = OsDisk(), str(tmp_path)
    disk.refresh(here)
    marks = disk.listdir(here)

    def full(*_: object) -> int:
        raise NO_ROOM

    monkeypatch.setattr(os, "open", full)
    before = tmp_path.stat().st_mtime_ns
    os.utime(tmp_path, ns=(0, 0))
    disk.refresh(here)
    assert tmp_path.stat().st_mtime_ns >= before, "it has been changed"
    assert disk.listdir(here) == marks
    for mark in marks:
        (tmp_path / mark).unlink()
    os.utime(tmp_path, ns=(0, 0))
    disk.refresh(here)
    assert tmp_path.stat().st_mtime_ns >= before
