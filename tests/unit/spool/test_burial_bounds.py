"""Records that are given up or moved while the disk is slow, refuses them, or has as many as it may: memory stays bounded."""

import asyncio
import errno
from collections.abc import Awaitable, Callable
from random import Random

import pytest

from headgate_gateway.config.status import SpoolTargetStatus
from headgate_gateway.spool.cursor import COPIED_BYTES
from headgate_gateway.spool.replaying import ReplayRequest, replay
from headgate_gateway.spool.targets import TargetState

from .brokers import Kafka
from .test_sending import Kafka as MendedKafka
from .world import World, a_repo, settings, until

LARGE = 200_000
MUCH = 256 * 2**20


def park_nothing(world: World) -> None:
    """The disk takes nothing in the place of parked records."""
    broken = OSError(errno.EIO, "the disk is broken")
    world.disk.trouble = lambda _, path: broken if "/parked/" in path else None


async def test_a_topic_is_given_up_piece_by_piece() -> None:
    kafka = Kafka(Random(1))
    world = await World.open(kafka, told=settings(unknown_topic_patience=0.2, max_bytes=MUCH))
    world.bind(a_repo("Async"))
    park_nothing(world)
    for serial in range(100):
        world.send("logs", "nosuch", None, values=[b"%d" % serial + b"x" * LARGE])
    main = world.spool._courier.main
    seen = 0
    async with asyncio.timeout(30):
        [state] = await _states(world)
        while not state.burial_problem:
            seen = max(seen, main.burying_bytes)
            await asyncio.sleep(0.005)
    await asyncio.sleep(0.5)
    assert 0 < max(seen, main.burying_bytes) <= COPIED_BYTES
    world.disk.trouble = lambda *_: None
    await world.drained()
    assert world.spool.status().parked == 100
    assert (main.burying_bytes, main.moving_bytes) == (0, 0)
    await world.close()


async def test_a_topic_whose_refused_records_cannot_be_parked_gets_no_more_and_others_go_on() -> None:
    kafka = Kafka(Random(1))
    world = await World.open(kafka, told=settings(max_bytes=MUCH))
    world.bind(a_repo("Async"))
    park_nothing(world)
    courier = world.spool._courier
    world.send("logs", "a", "k", values=[b"bad"])
    [state] = await _states(world)
    await until(lambda: bool(state.burial_problem) and not courier.handed_records)
    before = state.burying
    for _ in range(39):
        world.send("logs", "a", "k", values=[b"bad" + b"x" * LARGE])
    world.send("logs", "b", "k", values=[b"fine"])
    await until(lambda: kafka.values("b") == [b"fine"])
    await asyncio.sleep(0.5)
    assert state.burying == before
    world.disk.trouble = lambda *_: None
    await world.drained()
    assert world.spool.status().parked == 40
    await world.close()


async def test_parked_records_leave_room_for_others_and_say_how_much_they_take() -> None:
    kafka = Kafka(Random(1))
    told = settings(max_bytes=2**20)
    world = await World.open(kafka, told=told)
    world.bind(a_repo("Async"))
    for _ in range(20):
        world.send("logs", "a", None, values=[b"bad" + b"x" * 20_000])
    await until(lambda: any("bytes of records that Kafka refused are parked" in each.blocked for each in rows(world)))
    parked = world.spool._parked
    await until(lambda: parked.report().nbytes > told.parked_bytes // 2)
    assert parked.report().nbytes <= told.parked_bytes
    assert world.spool.refusal is None
    fine = world.send("logs", "b", "k")
    await world.answered(fine)
    await until(lambda: len(kafka.values("b")) == 1)
    await world.close()


async def a_full_park(kafka: Kafka) -> World:
    """A spool that was closed with as much parked as may be, and more to come."""
    world = await World.open(kafka, told=settings(max_bytes=2**20))
    world.bind(a_repo("Async"))
    for _ in range(20):
        world.send("logs", "a", None, values=[b"bad" + b"x" * 20_000])
    await until(lambda: any("are parked" in each.blocked for each in rows(world)))
    await until(lambda: world.spool.status().parked > 5)
    await world.close()
    assert world.disk.listdir("/spool/parked")
    return world


async def take_by_replay(world: World) -> None:
    elsewhere = MendedKafka()
    await replay(world.disk, ReplayRequest("/spool", logs=frozenset({"parked"})), elsewhere, lambda *_: None)
    assert elsewhere.taken


async def take_by_hand(world: World) -> None:
    for name in world.disk.listdir("/spool/parked"):
        world.disk.unlink(f"/spool/parked/{name}")
    world.disk.rmdir("/spool/parked")


@pytest.mark.parametrize("take", [take_by_replay, take_by_hand], ids=["replayed", "deleted"])
async def test_there_is_room_again_once_parked_records_have_been_taken_away(
    take: Callable[[World], Awaitable[None]],
) -> None:
    kafka = Kafka(Random(1))
    world = await a_full_park(kafka)
    await take(world)
    reborn = await World.open(kafka, world.disk, world.settings)
    assert reborn.spool.status().parked == 0
    reborn.spool.set_credentials({})
    await until(lambda: reborn.spool.status().parked > 5)
    await reborn.close()


def rows(world: World) -> tuple[SpoolTargetStatus, ...]:
    return world.spool.status().targets


async def _states(world: World) -> list[TargetState]:
    await world.answered()
    return list(world.spool._courier.gate.targets.values())
