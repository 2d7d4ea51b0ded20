"""Whatever Kafka does, and whenever the process ends: what was promised arrives, in order, twice only where nobody knew."""

import asyncio
from random import Random

import pytest

from .brokers import ROUGH, Kafka, Weather
from .world import World, a_repo, settings, until

SEEDS = range(3)


async def run_story(world: World, random: Random, requests: int, topics: tuple[str, ...] = ("a", "b")) -> None:
    """Requests of two repos, one of each delivery, on shared topics and keys."""
    for _ in range(requests):
        keys = [random.choice(["k1", "k2", "k3", "k4", "k5", None]) for _ in range(random.choice([1, 1, 2, 5]))]
        values = None
        if random.random() < 0.02:
            values = [b"bad%d" % (world.serial + at) for at in range(len(keys))]
        world.send(random.choice(["sync", "async"]), random.choice(topics), *keys, values=values)
        if random.random() < 0.5:
            await asyncio.sleep(random.choice([0.0, 0.001, 0.004]))


def bind(world: World) -> None:
    world.bind(a_repo("Sync", dead_letter=True), "sync")
    world.bind(a_repo("Async", dead_letter=True), "async")


async def come_to_an_end(world: World) -> None:
    """Kafka is well again: all that was promised gets there, and nothing is left."""
    world.pool.kafka.heal()
    await world.drained()
    world.check()
    await world.check_nothing_is_left()
    await world.close()


@pytest.mark.parametrize("seed", SEEDS)
async def test_all_that_was_promised_arrives_in_order(seed: int) -> None:
    random, world = Random(seed), await World.open(Kafka(Random(seed), ROUGH))
    bind(world)
    await run_story(world, random, 300)
    await world.answered()
    await come_to_an_end(world)


@pytest.mark.parametrize("seed", SEEDS)
async def test_a_process_that_is_killed_leaves_what_it_promised(seed: int) -> None:
    random, world = Random(seed), await World.open(Kafka(Random(seed), ROUGH))
    for turn in range(3):
        bind(world)
        await run_story(world, random, 80)
        if random.random() < 0.5:
            await asyncio.sleep(random.uniform(0.0, 0.2))
        world = await world.crash(random if turn % 2 else None)
    bind(world)
    await come_to_an_end(world)


@pytest.mark.parametrize("seed", SEEDS)
async def test_a_process_that_ends_in_order_leaves_what_it_promised(seed: int) -> None:
    random, world = Random(seed), await World.open(Kafka(Random(seed), ROUGH))
    for _ in range(3):
        bind(world)
        await run_story(world, random, 80)
        await world.answered()
        await world.close(random.choice([0.0, 0.05]))
        reborn = await World.open(world.pool.kafka, world.disk, world.settings)
        reborn.sent, reborn.serial = world.sent, world.serial
        reborn.may_be_twice = world.may_be_twice + world.doubtful()
        world = reborn
    bind(world)
    await come_to_an_end(world)


@pytest.mark.parametrize("seed", SEEDS)
async def test_a_topic_that_takes_nothing_stops_no_other(seed: int) -> None:
    """Not even those that wait behind it on disk."""
    random = Random(seed)
    kafka = Kafka(Random(seed), Weather(outage=0.02))
    kafka.topics.discard("b")
    world = await World.open(kafka)
    bind(world)
    await run_story(world, random, 200)
    await world.answered()
    courier = world.spool._courier
    others = [value for sent in world.sent if sent.topic == "a" for value in sent.promised()]
    await until(lambda: {*others} <= {*kafka.values("a"), *kafka.values("dead")})
    assert courier.backlog
    kafka.topics.add("b")
    await come_to_an_end(world)


@pytest.mark.parametrize("seed", SEEDS)
async def test_a_full_disk_refuses_and_loses_nothing_of_what_it_took(seed: int) -> None:
    random = Random(seed)
    kafka = Kafka(Random(seed), Weather(outage=0.05, longest_stall=0.5))
    world = await World.open(kafka, told=settings(max_bytes=512 * 1024))
    bind(world)
    for _ in range(150):
        keys = [random.choice(["k1", "k2", None]) for _ in range(2)]
        values = [b"%d-%s" % (world.serial + at, b"x" * 4000) for at in range(2)]
        world.send(random.choice(["sync", "async"]), random.choice("ab"), *keys, values=values)
        await asyncio.sleep(0.001)
    await world.answered()
    kafka.heal()
    await world.drained()
    last = world.send("async", "a", "k1")
    await world.answered()
    async with asyncio.timeout(30):
        while not last.promised():
            await asyncio.sleep(0.01)
            last = world.send("async", "a", "k1")
            await world.answered()
    await come_to_an_end(world)
