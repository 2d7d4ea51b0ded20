"""What a real Kafka refuses of a gateway's spool, and what becomes of files that were damaged."""

import asyncio
import os
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any

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
    way,
)
from tests.integration.gateway.way import Way
from tests.integration.kafka.producing import new_name, read_all
from tests.testbed.kafka import Kafka
from tests.unit.gateway.builders import post

__all__ = ["config", "way"]
pytestmark = pytest.mark.kafka

SMALL = {"max.message.bytes": "20000"}
LARGE = b'{"pad":"%b"}' % os.urandom(20_000).hex().encode()


async def has_parked(gateway: GatewayProcess, count: int) -> bool:
    return bool((await spool_of(gateway))["parked"] == count)


async def test_what_kafka_refuses_for_good_goes_to_the_dead_letter_or_is_parked_and_holds_up_nobody(
    kafka: Kafka, config: Path, tmp_path: Path
) -> None:
    topic, dead = new_name("spool-small"), new_name("spool-dead")
    kafka.create_topic(topic, partitions=1, config=SMALL)
    kafka.create_topic(dead, partitions=1)
    buries = repo("buries", kafka.bootstrap, topic, kafka={**ASYNC, "deadLetter": {"topic": dead}}, revision="r7")
    write_config(config, buries, repo("parks", kafka.bootstrap, topic, kafka=ASYNC))
    async with running(config, "--spool", str(tmp_path / "spool")) as gateway:
        for name in ("buries", "parks"):
            told_on_disk(await send(gateway, [b'{"n":1}', LARGE, b'{"n":2}'], f"/log/repo/{name}"), 3)
        await until(partial(has_parked, gateway, 1), PATIENCE)
        await until(partial(is_empty, gateway), PATIENCE)
        text = (await gateway.admin("/metrics")).body.decode()
        assert 'headgate_spool_records_dead_lettered_total{track="stable"} 1.0' in text
        assert 'headgate_spool_records_parked_total{track="stable"} 1.0' in text
    assert values_in(kafka, topic) == Counter({b'{"n":1}': 2, b'{"n":2}': 2})
    (buried,) = read_all(kafka.bootstrap, dead)
    told = dict(buried.headers)
    assert (buried.value, told["headgate-reason"], told["headgate-repo"]) == (
        LARGE,
        b"RecordTooLarge",
        b"default/buries",
    )
    assert told["headgate-revision"] == b"r7"
    # What is parked stays, over restarts.
    async with running(config, "--spool", str(tmp_path / "spool")) as gateway:
        await until(partial(has_parked, gateway, 1), PATIENCE)


async def test_a_client_that_waits_is_told_what_kafka_refuses_for_good(
    kafka: Kafka, config: Path, tmp_path: Path
) -> None:
    topic = new_name("spool-told")
    kafka.create_topic(topic, partitions=1, config=SMALL)
    write_config(config, repo("logs", kafka.bootstrap, topic, kafka=SPOOLS))
    async with running(config, "--spool", str(tmp_path / "spool")) as gateway:
        answer = await send(gateway, [b'{"n":1}', LARGE])
        assert (answer.status, answer.json["reason"], answer.json["failed"]) == (413, "RecordTooLarge", ["2"])
        assert await is_empty(gateway)
        assert await has_parked(gateway, 0)


async def test_lines_wait_on_disk_for_credentials_that_kafka_takes(kafka: Kafka, config: Path, tmp_path: Path) -> None:
    topic, user = new_name("spool-password"), new_name("user")
    kafka.create_topic(topic, partitions=1)
    kafka.add_scram_user(user, "right")
    sasl = {"mechanism": "SCRAM-SHA-512", "usernameFile": "credential.user", "passwordFile": "credential.password"}
    secure = {"bootstrapServers": [kafka.bootstrap_scram], "tls": {"caFile": "credential.ca"}, "sasl": sasl}
    files = {"ca": kafka.certificates.ca.read_text(), "user": user, "password": "wrong"}
    for name, content in files.items():
        (config / f"credential.{name}").write_text(content)
    mine = repo("logs", kafka.bootstrap_scram, topic, timeout="1s", kafka=SPOOLS, producer=secure)
    write_config(config, mine)
    flags = ("--spool", str(tmp_path / "spool"), "--drain-delay", "0s", "--grace-period", "3s")
    async with running(config, *flags) as gateway:
        told_on_disk(await send(gateway, lines(10)), 10)
        assert (await gateway.stop())[0] == 0
    # The repo has gone; its profile, and the files that it names, are enough.
    write_config(config, repo("other", kafka.bootstrap, topic))
    async with running(config, *flags) as gateway:
        await gateway.port()
        await asyncio.sleep(1.5)
        assert not await is_empty(gateway)
        (config / "credential.password").write_text("right")
        await until(partial(is_empty, gateway), PATIENCE)
    assert values_in(kafka, topic) == Counter(lines(10))


def flip(path: Path, at: int) -> None:
    content = bytearray(path.read_bytes())
    content[at] ^= 0x10
    path.write_bytes(content)


async def test_a_flipped_bit_costs_the_requests_beside_it_is_counted_and_everything_else_arrives(
    kafka: Kafka, way: Way, config: Path, tmp_path: Path
) -> None:
    topic, spool = new_name("spool-flipped"), tmp_path / "spool"
    kafka.create_topic(topic, partitions=1)
    write_config(config, repo("logs", way.address, topic, timeout="1s", kafka=ASYNC))
    async with running(config, "--spool", str(spool)) as gateway:
        for start in range(0, 1_000, 100):
            told_on_disk(await send(gateway, lines(100, start)), 100)
        gateway.process.kill()
        await gateway.process.wait()
    (segment,) = sorted((spool / "log").glob("*.seg"))
    flip(segment, segment.stat().st_size // 2)
    await way.open()
    async with running(config, "--spool", str(spool)) as gateway:
        await until(partial(is_empty, gateway), PATIENCE)
        assert (await spool_of(gateway))["damaged"] == 1
    found = values_in(kafka, topic)
    lost = [n for n, line in enumerate(lines(1_000)) if line not in found]
    assert set(found) <= set(lines(1_000))
    assert (len(lost), lost[0] % 100, lost[-1] - lost[0]) == (100, 0, 99)
    assert [path.name.partition("-")[0] for path in (spool / "log").glob("*.damaged")] == [segment.stem]


async def test_configs_change_and_go_while_lines_wait_on_disk(
    kafka: Kafka, way: Way, config: Path, tmp_path: Path
) -> None:
    topic = new_name("spool-reload")
    kafka.create_topic(topic, partitions=1)
    sent: list[bytes] = []
    async with running(config, "--spool", str(tmp_path / "spool")) as gateway:
        for number in range(6):
            # Another profile's content each time, so that there are six backlogs with a profile of their own.
            changed: dict[str, Any] = {"timeout": f"{1_000 + number}ms", "revision": f"r{number}"}
            write_config(config, repo("logs", way.address, topic, kafka=ASYNC, **changed))
            await until(partial(serves, gateway, f"r{number}"))
            told_on_disk(await send(gateway, lines(20, 20 * number)), 20)
            sent += lines(20, 20 * number)
        write_config(config, repo("other", kafka.bootstrap, topic))
        await until(partial(serves, gateway, "r1"))
        gone = await gateway.ask(post(b"{}"))
        assert gone.status == 404
        assert len((await spool_of(gateway))["targets"]) == 6
        await way.open()
        await until(partial(is_empty, gateway), PATIENCE)
        await until(partial(has_producers, gateway, 1), PATIENCE)
    assert values_in(kafka, topic) == Counter(sent)


async def serves(gateway: GatewayProcess, revision: str) -> bool:
    return f'revision="{revision}"' in (await gateway.admin("/metrics")).body.decode()


async def has_producers(gateway: GatewayProcess, count: int) -> bool:
    return len((await gateway.status())["producers"]) == count
