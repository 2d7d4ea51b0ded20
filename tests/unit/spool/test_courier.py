"""From requests over the disk to Kafka, and back where Kafka fails: one situation a test."""

import asyncio
from random import Random

from headgate_gateway.kafka.outcome import FailureReason

from .brokers import Kafka
from .world import World, a_repo, settings, until


async def test_async_records_are_durable_first_and_then_delivered() -> None:
    world = await World.open(Kafka(Random(1)))
    world.bind(a_repo("Async"))
    sent = world.send("logs", "a", "k", "k", None)
    await world.drained()
    assert sent.outcome is not None
    assert (sent.outcome.spooled, sent.outcome.acked) == ([1, 2, 3], [])
    world.check()
    assert world.spool.metrics().replayed == 0
    await world.check_nothing_is_left()
    await world.close()


async def test_sync_records_never_touch_the_disk_while_kafka_takes_them() -> None:
    world = await World.open(Kafka(Random(1)))
    world.bind(a_repo())
    sent = world.send("logs", "a", "k", "k", None)
    await world.drained()
    assert sent.outcome is not None
    assert (sent.outcome.acked, sent.outcome.spooled) == ([1, 2, 3], [])
    assert world.spool.metrics().appended == 0
    await world.close()


async def test_what_kafka_does_not_take_in_time_goes_to_disk_and_later_to_kafka_in_order() -> None:
    kafka = Kafka(Random(1))
    world = await World.open(kafka)
    world.bind(a_repo())
    kafka.stalled_until["a"] = asyncio.get_running_loop().time() + 1e9
    sent = [world.send("logs", "a", "k") for _ in range(20)]
    await world.answered()
    assert all(each.outcome is not None and each.outcome.spooled == [1] for each in sent)
    kafka.heal()
    later = world.send("logs", "a", "k")
    await world.drained()
    assert later.outcome is not None
    world.check()
    await world.close()


async def test_keyless_lines_go_live_while_keyed_ones_wait() -> None:
    kafka = Kafka(Random(1))
    world = await World.open(kafka)
    world.bind(a_repo())
    state = world.spool._courier
    kafka.refused_until["a"] = asyncio.get_running_loop().time() + 1e9
    world.send("logs", "a", "k")
    await until(lambda: any(not each.is_open for each in state.gate.targets.values()))
    kafka.heal()
    keyless, keyed = world.send("logs", "a", None), world.send("logs", "a", "k")
    await world.answered()
    assert keyless.outcome is not None
    assert keyed.outcome is not None
    assert keyless.outcome.acked == [1]
    assert keyed.outcome.spooled == [1]
    await world.drained()
    world.check()
    await world.close()


async def test_a_missing_topic_keeps_its_records_until_it_is_made() -> None:
    kafka = Kafka(Random(1))
    world = await World.open(kafka)
    world.bind(a_repo())
    for _ in range(50):
        world.send("logs", "nosuch", "k", None)
    await world.answered()
    assert world.spool.status().backlog_records == 100
    [blocked] = {row.blocked for row in world.spool.status().targets}
    assert blocked == "nosuch does not exist"
    kafka.topics.add("nosuch")
    await world.drained()
    assert len(set(kafka.values("nosuch"))) == 100
    await world.close()


async def test_a_topic_that_is_never_made_is_given_up_after_the_stated_time() -> None:
    kafka = Kafka(Random(1))
    world = await World.open(kafka, told=settings(unknown_topic_patience=0.3))
    world.bind(a_repo("Async", name="letters", dead_letter=True))
    world.bind(a_repo("Async", name="none"))
    world.send("letters", "nosuch", "k", None)
    world.send("none", "nosuch", None)
    await world.drained()
    assert len(kafka.values("dead")) == 2
    metrics = world.spool.metrics()
    assert (metrics.dead_lettered, metrics.parked) == (2, 1)
    await world.close()


async def test_the_time_for_which_a_topic_has_been_refused_starts_anew_after_an_outage() -> None:
    kafka = Kafka(Random(1))
    world = await World.open(kafka)
    world.bind(a_repo("Async"))
    world.send("logs", "nosuch", "k")
    await world.answered()
    [state] = world.spool._courier.gate.targets.values()
    await until(lambda: state.refused_since is not None)
    before = state.refused_since
    kafka.out_until = asyncio.get_running_loop().time() + 1e9
    await until(lambda: state.refused_since is None)
    kafka.heal()
    await until(lambda: state.refused_since is not None)
    assert before is not None
    assert state.refused_since is not None
    assert state.refused_since > before
    await world.close()


async def test_an_attempt_that_fails_otherwise_interrupts_a_refusal() -> None:
    kafka = Kafka(Random(1))
    world = await World.open(kafka)
    world.bind(a_repo("Async"))
    kafka.refused_until["a"] = asyncio.get_running_loop().time() + 1e9
    world.send("logs", "a", "k")
    await world.answered()
    [state] = world.spool._courier.gate.targets.values()
    await until(lambda: state.refused_since is not None)
    kafka.stalled_until["a"] = kafka.refused_until["a"]
    await until(lambda: state.refused_since is None)
    kafka.heal()
    await world.drained()
    await world.close()


async def test_a_record_that_kafka_refuses_goes_to_the_dead_letter_and_its_neighbours_to_kafka() -> None:
    kafka = Kafka(Random(1))
    world = await World.open(kafka)
    world.bind(a_repo("Async", dead_letter=True))
    world.send("logs", "a", "k", "k", "k", values=[b"1", b"bad", b"3"])
    await world.drained()
    assert (kafka.values("a"), kafka.values("dead")) == ([b"1", b"3"], [b"bad"])
    await world.check_nothing_is_left()
    await world.close()


async def test_a_sync_client_is_told_of_a_record_that_kafka_refuses() -> None:
    world = await World.open(Kafka(Random(1)))
    world.bind(a_repo())
    sent = world.send("logs", "a", "k", "k", values=[b"1", b"bad"])
    await world.answered()
    assert sent.outcome is not None
    assert (sent.outcome.acked, sent.outcome.failed, sent.outcome.spooled) == ([1], [2], [])
    assert sent.outcome.reason is FailureReason.RECORD_INVALID
    await world.close()
