"""An epoch that is not there says nothing by itself: servers of files fail over. What does end a gateway's spool for good."""

from pathlib import Path
from random import Random

import pytest

from headgate_gateway.spool.disk import Check, OsDisk
from headgate_gateway.spool.durable import replace_file
from headgate_gateway.spool.epoch import EPOCH_NAME, GONE_AFTER, Fence, raise_fence
from headgate_gateway.spool.errors import SpoolFencedError
from headgate_gateway.spool.shared import find_adopter
from headgate_gateway.spool.spool import Spool

from .brokers import Kafka, Pool
from .power import PowerLossDisk
from .test_adoption import Pod
from .world import World, a_repo, settings, until


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def a_fence(disk: PowerLossDisk, clock: Clock) -> Fence:
    disk.mkdir("/root")
    disk.mkdir("/root/a")
    return raise_fence(disk, "/root/a", "a", clock)


def test_an_epoch_that_is_not_there_for_a_while_changes_nothing() -> None:
    disk, clock = PowerLossDisk(), Clock()
    fence = a_fence(disk, clock)
    for at in (0.0, GONE_AFTER - 1, 10 * GONE_AFTER):
        clock.now = at
        disk.move("/root", "/away")
        with pytest.raises(FileNotFoundError):
            fence.check(Check.COMMIT)
        disk.move("/away", "/root")
        fence.check(Check.COMMIT)


def test_a_directory_that_stays_away_is_lost() -> None:
    disk, clock = PowerLossDisk(), Clock()
    fence = a_fence(disk, clock)
    disk.unlink(f"/root/a/{EPOCH_NAME}")
    with pytest.raises(FileNotFoundError):
        fence.check(Check.COMMIT)
    clock.now = GONE_AFTER
    with pytest.raises(SpoolFencedError, match="the directory is lost"):
        fence.check(Check.COMMIT)


@pytest.mark.parametrize(
    "content", [b"", b'{"owner":"b","tok', b'{"owner":"b","token":"0"}'], ids=["empty", "torn", "another's"]
)
def test_an_epoch_that_is_not_its_own_ends_it_for_good(content: bytes) -> None:
    disk = PowerLossDisk()
    fence = a_fence(disk, Clock())
    replace_file(disk, f"/root/a/{EPOCH_NAME}", content)
    with pytest.raises(SpoolFencedError):
        fence.check(Check.COMMIT)


def test_a_directory_that_has_another_name_now_ends_it_for_good() -> None:
    disk = PowerLossDisk()
    fence = a_fence(disk, Clock())
    disk.move("/root/a", "/root/b.adopted.a")
    with pytest.raises(SpoolFencedError, match="adopted by b"):
        fence.check(Check.COMMIT)


@pytest.mark.parametrize(
    ("name", "names", "adopter"),
    [
        ("a", ["b", "b.adopted.a"], "b"),
        ("a", ["b", "b.adopted.a~2"], "b"),
        ("a", ["b", "b.adopted.aa", "lost+found"], None),
        ("b.adopted.a", ["b", "b.adopted.a"], None),
        ("b.adopted.a", ["c.adopted.a"], "c"),
        ("b.adopted.a", ["a", "c"], None),
    ],
)
def test_names_tell_who_has_taken_over(name: str, names: list[str], adopter: str | None) -> None:
    assert find_adopter(name, names) == adopter


async def test_a_gateway_goes_on_once_its_claim_is_back(tmp_path: Path) -> None:
    root, away, kafka = tmp_path / "claim", tmp_path / "away", Kafka(Random(1))
    root.mkdir()
    pool, told = Pool(kafka), settings(directory=f"{root}/ns.fleet/a", owner="a")
    spool = await Spool.open(told, pool, OsDisk(), random=Random(1))
    spool.start()
    world = World(spool, pool, PowerLossDisk(), told)
    world.bind(a_repo("Async"))
    root.rename(away)
    refused = world.send("logs", "a", "k")
    await world.answered()
    assert refused.outcome is not None
    assert not refused.outcome.spooled, "a waiter that nobody can answer for fails"
    away.rename(root)
    await until(lambda: spool.status().state == "Ready")
    assert not spool.fenced
    world.send("logs", "a", "k")
    await world.drained()
    assert b"1" in kafka.values("a")
    await spool.close(0)


async def test_a_gateway_that_is_fenced_has_given_up_once_nobody_waits_for_it() -> None:
    disk, kafka = PowerLossDisk(), Kafka(Random(1))
    owner = await Pod.begin("a", kafka, disk, {})
    pod = await Pod.begin("b", kafka, disk, {"a": "b"})
    assert not owner.spool.has_given_up
    await pod.adoptions.look()
    await until(lambda: owner.spool.has_given_up)
    await owner.close()
    await pod.end()
