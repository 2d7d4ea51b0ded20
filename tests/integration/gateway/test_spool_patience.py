"""`--spool-topic-patience` of a real gateway process: a topic that never appears is given up after that, and holds up nobody."""

import time
from collections import Counter
from functools import partial
from itertools import count
from pathlib import Path

import pytest
from tests.integration.gateway.process import GatewayProcess, repo, running, until, write_config
from tests.integration.gateway.test_spool import (
    ASYNC,
    PATIENCE,
    SPOOLS,
    config,
    is_empty,
    lines,
    send,
    spool_of,
    told_on_disk,
    values_in,
)
from tests.integration.gateway.test_spool_replay import headgate
from tests.integration.kafka.producing import new_name, read_all
from tests.testbed.kafka import Kafka

__all__ = ["config"]
pytestmark = pytest.mark.kafka

STATED = 8.0
"""Seconds for which Kafka is asked for the topic."""
FIRST, MANY = b'{"n":-1}', 1_000
"""What is sent until it is answered as in Kafka, hence perhaps more than once."""


async def has_given_up(gateway: GatewayProcess) -> bool:
    told = await spool_of(gateway)
    return bool(told["parked"] == 10 and told["backlogRecords"] == 0)


async def waits_alone(gateway: GatewayProcess, topic: str) -> bool:
    """Whether the topic's records are all that is on disk: those of others have gone to Kafka meanwhile."""
    told = await spool_of(gateway)
    found = [target for target in told["targets"] if target["topic"] == topic]
    return bool(told["backlogRecords"] == 20 and found and found[0]["backlogRecords"] == 20 and found[0]["blocked"])


async def test_a_topic_that_never_appears_is_given_up_after_the_stated_patience_and_holds_up_nobody(
    kafka: Kafka, config: Path, tmp_path: Path
) -> None:
    there, missing, dead, spool = new_name("there"), new_name("never"), new_name("dead"), tmp_path / "spool"
    for topic in (there, dead):
        kafka.create_topic(topic, partitions=1)
    write_config(
        config,
        repo("buries", kafka.bootstrap, missing, kafka={**ASYNC, "deadLetter": {"topic": dead}}),
        repo("parks", kafka.bootstrap, missing, kafka=ASYNC),
        repo("queued", kafka.bootstrap, there, kafka=ASYNC),
        repo("live", kafka.bootstrap, there, kafka=SPOOLS),
    )
    sent: list[bytes] = []
    seen_waiting_alone = False
    async with running(config, "--spool", str(spool), "--spool-topic-patience", f"{STATED:.0f}s") as gateway:
        # Known to Kafka's client before the clock runs, so that what follows is not about its first connection.
        await until(partial(serves_live, gateway), PATIENCE)
        begun = time.monotonic()
        for name in ("buries", "parks"):
            told_on_disk(await send(gateway, lines(10), f"/log/repo/{name}"), 10)
        for number in count():
            values = lines(10, 100 * number)
            answer = await send(gateway, values[:5], "/log/repo/live")
            assert (answer.status, answer.json["durability"]) == (200, "kafka")
            told_on_disk(await send(gateway, values[5:], "/log/repo/queued"), 5)
            sent += values
            seen_waiting_alone |= await waits_alone(gateway, missing)
            if (await spool_of(gateway))["parked"]:
                break
        assert time.monotonic() - begun >= STATED
        assert seen_waiting_alone
        await until(partial(has_given_up, gateway), PATIENCE)
        assert (await gateway.stop())[0] == 0
    assert values_in(kafka, there) - Counter({FIRST: MANY}) == Counter(sent)
    buried = read_all(kafka.bootstrap, dead)
    assert Counter(record.value for record in buried) == Counter(lines(10))
    assert {dict(record.headers)["headgate-reason"] for record in buried} == {b"KafkaRefused"}
    # Somebody makes it at last: what was parked is not gone.
    kafka.create_topic(missing, partitions=1)
    code, out, err = await headgate("replay", spool, "--log", "parked")
    assert code == 0, out + err
    assert values_in(kafka, missing) == Counter(lines(10))


async def serves_live(gateway: GatewayProcess) -> bool:
    return bool((await send(gateway, [FIRST], "/log/repo/live")).json.get("durability") == "kafka")


async def test_a_topic_that_is_made_in_time_gets_everything_and_nothing_is_given_up(
    kafka: Kafka, config: Path, tmp_path: Path
) -> None:
    topic = new_name("late")
    write_config(config, repo("logs", kafka.bootstrap, topic, kafka=ASYNC))
    async with running(config, "--spool", str(tmp_path / "spool"), "--spool-topic-patience", "1h") as gateway:
        await gateway.port()
        told_on_disk(await send(gateway, lines(20)), 20)
        await until(partial(waits_alone, gateway, topic), PATIENCE)
        kafka.create_topic(topic, partitions=1)
        await until(partial(is_empty, gateway), PATIENCE)
        assert (await spool_of(gateway))["parked"] == 0
    assert values_in(kafka, topic) == Counter(lines(20))
