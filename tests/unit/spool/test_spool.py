"""The spool over restarts and reloads: backlogs, profiles that no repo uses any more, credentials, what it tells."""

import asyncio
import json
from random import Random

import pytest

from headgate_gateway.kafka.outcome import FailureReason
from headgate_gateway.spool.errors import SpoolLockedError
from headgate_gateway.spool.spool import Spool

from .brokers import Kafka, Pool
from .world import World, a_repo, settings, until


def out_for_good(kafka: Kafka) -> None:
    kafka.out_until = asyncio.get_running_loop().time() + 1e9


async def a_backlog(kafka: Kafka, *keys: str | None) -> World:
    """A spool that holds records, Kafka being away."""
    world = await World.open(kafka)
    out_for_good(kafka)
    world.bind(a_repo("Async"))
    world.send("logs", "a", *keys)
    await world.answered()
    return world


async def test_a_backlog_is_delivered_by_the_next_process_without_any_repo() -> None:
    kafka = Kafka(Random(1))
    world = await a_backlog(kafka, "k", "k", None)
    assert await world.close() == 3
    kafka.heal()
    reborn = await World.open(kafka, world.disk)
    assert reborn.spool.status().backlog_records == 3
    [row] = reborn.spool.status().targets
    assert (row.profile, row.topic, row.backlog_records) == ("main", "a", 3)
    await until(lambda: bool(reborn.spool.status().targets[0].blocked))
    assert kafka.values("a") == []
    reborn.spool.set_credentials({})
    await reborn.drained()
    assert kafka.values("a") == [b"0", b"1", b"2"]
    assert reborn.spool.metrics().replayed == 3
    await reborn.close()


async def test_a_profile_stays_on_disk_as_long_as_records_need_it_and_its_lease_as_long() -> None:
    kafka = Kafka(Random(1))
    world = await a_backlog(kafka, "k")
    world.leases.pop("logs").release()
    assert len(world.pool.leases) == 1
    [stored] = world.disk.listdir("/spool/profiles")
    config = json.loads(bytes(world.disk.content(f"/spool/profiles/{stored}")))
    assert config["name"] == "main"
    kafka.heal()
    await world.drained()
    await until(lambda: not world.pool.leases and not world.disk.listdir("/spool/profiles"))
    assert kafka.values("a") == [b"0"]
    await world.close()


async def test_credentials_that_are_not_usable_block_and_better_ones_deliver() -> None:
    kafka = Kafka(Random(1))
    world = await a_backlog(kafka, "k")
    await world.close()
    kafka.heal()
    reborn = await World.open(kafka, world.disk)
    reborn.pool.refuses = "the password is missing"
    reborn.spool.set_credentials({})
    await until(lambda: reborn.spool.status().targets[0].blocked == "the password is missing")
    reborn.pool.refuses = ""
    reborn.spool.set_credentials({})
    await reborn.drained()
    assert kafka.values("a") == [b"0"]
    await reborn.close()


async def test_one_process_uses_a_directory() -> None:
    world = await World.open(Kafka(Random(1)))
    with pytest.raises(SpoolLockedError):
        await Spool.open(settings(), Pool(Kafka(Random(1))), world.disk)
    await world.close()
    await (await World.open(Kafka(Random(1)), world.disk)).close()


async def test_closing_delivers_what_it_can_and_says_what_is_left() -> None:
    kafka = Kafka(Random(1))
    world = await a_backlog(kafka, "k", "k")
    assert await world.close(0.1) == 2
    kafka.heal()
    reborn = await World.open(kafka, world.disk)
    reborn.bind(a_repo("Async"))
    assert await reborn.close(5.0) == 0
    assert kafka.values("a") == [b"0", b"1"]


async def test_a_full_spool_says_so_to_async_and_leaves_sync_to_kafka() -> None:
    kafka = Kafka(Random(1))
    world = await World.open(kafka, told=settings(max_bytes=256 * 1024))
    world.bind(a_repo("Async"), "async")
    world.bind(a_repo("Sync"), "sync")
    out_for_good(kafka)
    for _ in range(400):
        world.send("async", "a", "k", values=[b"x" * 1_000])
    await world.answered()
    refused = [sent for sent in world.sent if sent.outcome is not None and sent.outcome.failed]
    assert refused
    assert refused[-1].outcome is not None
    assert refused[-1].outcome.reason is FailureReason.SPOOL_FULL
    assert refused[-1].outcome.retry_after == 300
    refusal = world.spool.refusal
    assert refusal is not None
    assert refusal.reason is FailureReason.SPOOL_FULL
    assert world.spool.status().state == "Full"
    assert world.leases["async"].producer.down == refusal.message
    assert world.leases["sync"].producer.down == "no broker answers"
    kafka.heal()
    await until(lambda: world.leases["sync"].producer.down is None)
    keyless = world.send("sync", "a", None)
    await world.answered(keyless)
    assert keyless.outcome is not None
    assert keyless.outcome.acked == [1]
    await world.drained()
    await until(lambda: world.spool.refusal is None)
    await world.close()


async def test_parked_records_are_counted_over_restarts_and_keep_their_profile() -> None:
    kafka = Kafka(Random(1))
    world = await World.open(kafka)
    world.bind(a_repo("Async"))
    world.send("logs", "a", "k", values=[b"bad"])
    await world.drained()
    await until(lambda: world.spool.status().parked == 1)
    await world.close()
    reborn = await World.open(kafka, world.disk)
    assert reborn.spool.status().parked == 1
    assert reborn.spool.status().backlog_records == 0
    assert len(world.disk.listdir("/spool/profiles")) == 1
    await reborn.close()
