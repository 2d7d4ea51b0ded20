"""The spool over restarts and reloads: backlogs, profiles that no repo uses any more, credentials, what it tells."""

import asyncio
import errno
import json
import threading
from random import Random

import pytest

from headgate_gateway.kafka.outcome import FailureReason
from headgate_gateway.spool.errors import SpoolLockedError
from headgate_gateway.spool.spool import Spool

from .brokers import Kafka, Pool
from .power import PowerLossDisk, PowerLossFile
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


def rewrite_profile(world: World, change: dict[str, object]) -> str:
    """What another version of the gateway would have stored; the profile's hash."""
    [name] = world.disk.listdir("/spool/profiles")
    stored = world.disk.content(f"/spool/profiles/{name}")
    stored[:] = json.dumps({**json.loads(bytes(stored)), **change}).encode()
    return name.removesuffix(".json")


async def test_a_stored_profile_with_fields_of_a_newer_gateway_delivers_its_records() -> None:
    kafka = Kafka(Random(1))
    world = await a_backlog(kafka, "k")
    await world.close()
    rewrite_profile(world, {"fieldOfTheFuture": {"a": 1}})
    kafka.heal()
    reborn = await World.open(kafka, world.disk)
    reborn.spool.set_credentials({})
    await reborn.drained()
    assert kafka.values("a") == [b"0"]
    await reborn.close()


async def test_a_stored_profile_that_cannot_be_read_says_so_and_how_its_records_get_out() -> None:
    world = await a_backlog(Kafka(Random(1)), "k")
    await world.close()
    content = rewrite_profile(world, {"acks": "most"})
    reborn = await World.open(world.pool.kafka, world.disk)
    reborn.spool.set_credentials({})
    await until(lambda: bool(reborn.spool.status().targets[0].blocked))
    [row] = reborn.spool.status().targets
    assert content in row.blocked
    assert "acks" in row.blocked
    assert "headgate spool replay" in row.blocked
    assert reborn.spool.status().backlog_records == 1
    assert len(world.disk.listdir("/spool/profiles")) == 1
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


async def test_lines_whose_profile_has_no_room_on_disk_are_surely_not_there() -> None:
    world = await World.open(Kafka(Random(1)))
    world.disk.trouble = lambda _, path: (
        OSError(errno.ENOSPC, "No space left on device") if "/profiles/" in path else None
    )
    world.bind(a_repo("Async"))
    sent = world.send("logs", "a", "k")
    await world.answered()
    assert sent.outcome is not None
    assert (sent.outcome.failed, sent.outcome.unknown) == ([1], [])
    assert sent.outcome.reason is FailureReason.SPOOL_FULL
    await world.close()


async def test_closing_does_not_wait_for_a_disk_that_hangs() -> None:
    kafka, gate = Kafka(Random(1)), threading.Event()
    disk = HangingDisk(gate)
    world = await World.open(kafka, disk)
    out_for_good(kafka)
    world.bind(a_repo("Async"))
    world.send("logs", "a", "k")
    await world.answered()
    disk.hangs = True
    try:
        assert await world.close() == 1
    finally:
        gate.set()


async def test_who_is_told_to_hurry_while_closing_does() -> None:
    world = await a_backlog(Kafka(Random(1)), "k")
    closing = asyncio.create_task(world.close(1e9))
    await asyncio.sleep(0)
    world.spool.hurry(0.05)
    assert await closing == 1


class HangingDisk(PowerLossDisk):
    """Small files are never finished."""

    hangs = False

    def __init__(self, gate: threading.Event) -> None:
        super().__init__()
        self.gate = gate

    def create(self, path: str) -> PowerLossFile:
        if self.hangs and path.endswith(".tmp"):
            self.gate.wait()
        return super().create(path)


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


async def test_a_topic_in_the_way_of_others_gets_a_log_of_its_own_that_outlives_the_process() -> None:
    kafka = Kafka(Random(1))
    world = await World.open(kafka)
    out_for_good(kafka)
    kafka.topics.discard("b")
    world.bind(a_repo("Async"))
    for serial in range(20):
        world.send("logs", "b", "k", values=[b"%d" % serial * 8_000])
        world.send("logs", "a", "k", values=[b"a%d" % serial])
    await world.answered()
    kafka.heal()
    await until(lambda: len(kafka.values("a")) == 20)
    [row] = world.spool.status().targets
    assert (row.topic, row.own_log, row.backlog_records) == ("b", True, 20)
    assert len(world.disk.listdir("/spool/side")) == 1
    await world.close()
    kafka.topics.add("b")
    reborn = await World.open(kafka, world.disk)
    assert reborn.spool.status().backlog_records == 20
    reborn.bind(a_repo("Async"))
    reborn.send("logs", "b", "k", values=[b"last"])
    await reborn.drained()
    reborn.sent = [*world.sent, *reborn.sent]
    reborn.check()
    assert kafka.values("b")[-1] == b"last"
    await until(lambda: not world.disk.listdir("/spool/side"))
    await reborn.close()


async def test_an_empty_log_that_cannot_be_removed_is_no_reason_not_to_open() -> None:
    world = await World.open(Kafka(Random(1)))
    await world.close()
    world.disk.mkdir("/spool/side/ab")
    world.disk.trouble = lambda operation, _: OSError(errno.EIO, "Input/output error") if operation == "rmdir" else None
    reborn = await World.open(Kafka(Random(1)), world.disk)
    assert reborn.spool.refusal is None
    await reborn.close()


async def test_new_credentials_keep_the_order_of_what_the_old_ones_could_not_deliver() -> None:
    kafka = Kafka(Random(1))
    world = await World.open(kafka)
    config = a_repo("Sync", deliveryTimeout="2s")
    world.bind(config)
    kafka.stalled_until["a"] = asyncio.get_running_loop().time() + 1e9
    for _ in range(5):
        world.send("logs", "a", "k")
    [content] = world.pool.producers
    old = world.pool.producers.pop(content)
    world.pool.acquire(config.producers["main"], {}).release()
    old.successor = world.pool.producers[content]
    last = world.send("logs", "a", "k")
    await world.answered(last)
    assert last.outcome is not None
    assert last.outcome.spooled == [1]
    kafka.heal()
    await world.drained()
    world.check_delivery()
    world.check_order()
    await world.close()
