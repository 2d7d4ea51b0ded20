"""What a client is told when the disk fails in the middle of making its lines durable."""

import asyncio
import errno
from random import Random

import pytest
from tests.unit.spool.brokers import Kafka
from tests.unit.spool.world import World, a_repo, until

from headgate_gateway.kafka.outcome import FailureReason


@pytest.mark.parametrize("failing", ["sync", "append"])
async def test_lines_that_may_be_on_a_disk_that_failed_are_of_unknown_fate(failing: str) -> None:
    world = await World.open(Kafka(Random(1)))
    world.bind(a_repo("Async"))
    first = world.send("logs", "a", None)
    await world.answered(first)
    broken = OSError(errno.EIO, "the disk is broken")
    world.disk.trouble = lambda operation, _: broken if operation == failing else None
    sent = world.send("logs", "a", None, None)
    await world.answered(sent)
    assert sent.outcome is not None
    assert (sent.outcome.spooled, sent.outcome.failed, sent.outcome.unknown) == ([], [], [1, 2])
    assert sent.outcome.reason is FailureReason.SPOOL_FAILED
    await until(lambda: world.spool.refusal is not None)
    refusal = world.spool.refusal
    assert refusal is not None
    assert (refusal.reason, refusal.retry_after > 0) == (FailureReason.SPOOL_FAILED, True)
    world.disk.trouble = lambda operation, _: None
    await until(lambda: world.spool.refusal is None)
    again = world.send("logs", "a", None)
    await world.answered(again)
    assert again.outcome is not None
    assert again.outcome.spooled == [1]
    await world.close()
    await asyncio.sleep(0)
