"""`headgate spool` on what a real gateway left behind, and a real Kafka that gets it."""

import asyncio
import json
import sys
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.integration.gateway.process import repo, running, write_config
from tests.integration.gateway.test_spool import ASYNC, lines, send, told_on_disk
from tests.integration.gateway.way import Way, way_to
from tests.integration.kafka.producing import new_name, read_all
from tests.testbed.kafka import Kafka

pytestmark = pytest.mark.kafka


@pytest.fixture
async def way(kafka: Kafka) -> AsyncIterator[Way]:
    """To Kafka, closed."""
    async with way_to(kafka.bootstrap) as made:
        yield made


async def headgate(*arguments: object) -> tuple[int, str, str]:
    """The command: its exit code, and what it printed."""
    process = await asyncio.create_subprocess_exec(
        str(Path(sys.executable).parent / "headgate"),
        "spool",
        *map(str, arguments),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    return process.returncode or 0, out.decode(), err.decode()


async def waiting(spool: Path) -> tuple[bool, int]:
    code, out, err = await headgate("ls", spool, "-o", "json")
    assert code == 0, err
    told: dict[str, Any] = json.loads(out)
    return told["inUse"], sum(log["records"] for log in told["logs"])


async def test_what_a_killed_gateway_left_is_listed_verified_shown_and_replayed_once(
    kafka: Kafka, way: Way, tmp_path: Path
) -> None:
    topic, spool, config = new_name("spool-replay"), tmp_path / "spool", tmp_path / "config"
    kafka.create_topic(topic, partitions=2)
    config.mkdir()
    keyed = {**ASYNC, "key": {"field": "k"}}
    write_config(config, repo("logs", way.address, topic, timeout="1s", kafka=keyed))
    async with running(config, "--spool", str(spool)) as gateway:
        for start in range(0, 500, 50):
            told_on_disk(await send(gateway, lines(50, start)), 50)
        assert await waiting(spool) == (True, 500)
        code, _, err = await headgate("replay", spool, "--kafka", kafka.bootstrap)
        assert (code, "another process uses this directory" in err) == (2, True)
        gateway.process.kill()
        await gateway.process.wait()
    assert await waiting(spool) == (False, 500)
    assert (await headgate("verify", spool))[0] == 0
    code, out, _ = await headgate("show", spool, "--topic", topic, "--records", "-o", "json")
    shown = [record["value"].encode() for entry in map(json.loads, out.splitlines()) for record in entry["records"]]
    assert (code, shown) == (0, lines(500))
    code, out, err = await headgate("replay", spool, "--kafka", kafka.bootstrap)
    assert code == 0, out + err
    assert "main: 500 records delivered, 0 left" in out
    assert await waiting(spool) == (False, 0)
    assert (await headgate("replay", spool, "--kafka", kafka.bootstrap))[0] == 0
    found = read_all(kafka.bootstrap, topic)
    assert Counter(record.value for record in found) == Counter(lines(500))
    for k in range(7):
        mine = [record.value for record in found if record.key == b"%d" % k]
        assert mine == [value for value in lines(500) if b'"k":"%d"' % k in value]


async def test_what_kafka_does_not_take_stays_and_goes_later_by_the_stored_profile(
    kafka: Kafka, way: Way, tmp_path: Path
) -> None:
    topic, spool, config = new_name("spool-replay-later"), tmp_path / "spool", tmp_path / "config"
    config.mkdir()
    write_config(config, repo("logs", way.address, topic, timeout="1s", kafka=ASYNC))
    async with running(config, "--spool", str(spool)) as gateway:
        told_on_disk(await send(gateway, lines(30)), 30)
        gateway.process.kill()
        await gateway.process.wait()
    code, out, _ = await headgate("replay", spool)
    assert code == 1, "nobody listens where the profile says"
    assert "main: 0 records delivered, 30 left" in out
    await way.open()
    code, out, _ = await headgate("replay", spool)
    assert (code, topic in out) == (1, True), "the topic is missing"
    kafka.create_topic(topic, partitions=1)
    code, out, err = await headgate("replay", spool)
    assert code == 0, out + err
    assert [record.value for record in read_all(kafka.bootstrap, topic)] == lines(30)
