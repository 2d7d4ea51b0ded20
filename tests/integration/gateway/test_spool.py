"""A real gateway process with a disk behind it, and a real Kafka that is away and comes back."""

import asyncio
import os
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.integration.gateway.process import (
    GatewayProcess,
    patient,
    repo,
    running,
    silent_broker,
    until,
    write_config,
)
from tests.integration.gateway.test_async import records
from tests.integration.gateway.way import Way, way_to
from tests.integration.kafka.producing import new_name, read_all
from tests.testbed.kafka import Kafka
from tests.unit.gateway.builders import Answer, post

pytestmark = pytest.mark.kafka

ASYNC = {"delivery": "Async"}
SPOOLS = {"onFailure": "Spool"}
PATIENCE = 40.0


@pytest.fixture
async def way(kafka: Kafka) -> AsyncIterator[Way]:
    """To Kafka, closed."""
    async with way_to(kafka.bootstrap) as made:
        yield made


@pytest.fixture
def config(tmp_path: Path) -> Path:
    folder = tmp_path / "config"
    folder.mkdir()
    return folder


def lines(count: int, begin: int = 0) -> list[bytes]:
    return [b'{"k":"%d","n":%d}' % (n % 7, n) for n in range(begin, begin + count)]


async def send(gateway: GatewayProcess, values: Iterable[bytes], path: str = "/log/repo/logs") -> Answer:
    return await gateway.ask(post(b"\n".join(values), path=path))


def values_in(kafka: Kafka, topic: str) -> Counter[bytes]:
    return Counter(record.value for record in read_all(kafka.bootstrap, topic))


async def spool_of(gateway: GatewayProcess) -> Any:
    return (await gateway.status())["spool"]


async def is_empty(gateway: GatewayProcess) -> bool:
    return bool((await spool_of(gateway))["backlogRecords"] == 0)


async def holds(gateway: GatewayProcess, count: int) -> bool:
    return bool((await spool_of(gateway))["backlogRecords"] == count)


async def knows_that_kafka_is_away(gateway: GatewayProcess) -> bool:
    return any(row["down"] for row in (await gateway.status())["producers"])


def told_on_disk(answer: Answer, count: int) -> None:
    assert (answer.status, answer.json["durability"]) == (200, "disk"), answer.body
    assert (answer.json["accepted"], answer.json["spooled"], answer.json["partitions"]) == (count, count, [])


async def test_async_lines_are_on_disk_when_answered_and_soon_in_kafka(
    kafka: Kafka, config: Path, tmp_path: Path
) -> None:
    topic = new_name("spool-async")
    kafka.create_topic(topic, partitions=2)
    write_config(config, repo("logs", kafka.bootstrap, topic, kafka={**ASYNC, "key": {"field": "k"}}))
    async with running(config, "--spool", str(tmp_path / "spool")) as gateway:
        for start in range(0, 1_000, 100):
            told_on_disk(await send(gateway, lines(100, start)), 100)
        await until(partial(is_empty, gateway), PATIENCE)
        assert await records(gateway, "logs") == {"spooled": 1_000}
        status = await spool_of(gateway)
        assert (status["state"], status["parked"], status["damaged"]) == ("Ready", 0, 0)
        text = (await gateway.admin("/metrics")).body.decode()
        assert 'headgate_spool_records_delivered_total{track="stable"} 1000.0' in text
    assert values_in(kafka, topic) == Counter(lines(1_000))


async def test_lines_that_kafka_does_not_take_go_to_disk_and_arrive_once_in_order_when_it_is_back(
    kafka: Kafka, way: Way, config: Path, tmp_path: Path
) -> None:
    topic = new_name("spool-failure")
    kafka.create_topic(topic, partitions=2)
    settings = {**SPOOLS, "key": {"field": "k"}}
    plain = repo("plain", way.address, topic, timeout="1s")
    write_config(config, repo("logs", way.address, topic, timeout="1s", kafka=settings), plain)
    async with running(config, "--spool", str(tmp_path / "spool")) as gateway:
        # The first waits for Kafka in vain; once it is known to be away, lines go to disk at once.
        told_on_disk(await send(gateway, lines(10)), 10)
        await until(partial(knows_that_kafka_is_away, gateway))
        for start in range(10, 500, 10):
            told_on_disk(await send(gateway, lines(10, start)), 10)
        assert (await send(gateway, lines(1), path="/log/repo/plain")).status == 503
        assert await holds(gateway, 500)
        assert (await records(gateway, "logs")) == {"spooled": 500}
        assert read_all(kafka.bootstrap, topic) == []
        await way.open()
        await until(partial(is_empty, gateway), PATIENCE)
        live = await send(gateway, lines(10, 500))
        assert (live.status, live.json["durability"]) == (200, "kafka")
    assert values_in(kafka, topic) == Counter(lines(510))
    by_key: dict[bytes | None, list[bytes]] = {}
    for record in read_all(kafka.bootstrap, topic):
        by_key.setdefault(record.key, []).append(record.value)
    in_order = {b"%d" % k: [value for value in lines(510) if b'"k":"%d"' % k in value] for k in range(7)}
    assert by_key == in_order


async def test_a_gateway_that_is_killed_with_a_backlog_leaves_it_to_the_next_process(
    kafka: Kafka, way: Way, config: Path, tmp_path: Path
) -> None:
    topic = new_name("spool-killed")
    kafka.create_topic(topic, partitions=1)
    quick = repo("quick", way.address, topic, timeout="1s", kafka=ASYNC)
    write_config(config, repo("logs", way.address, topic, timeout="1s", kafka=SPOOLS), quick)
    flags = ("--spool", str(tmp_path / "spool"), "--spool-segment-bytes", "64Ki")
    told: list[bytes] = []
    for begin in (0, 1_000):
        async with running(config, *flags) as gateway:
            for start in range(begin, begin + 1_000, 100):
                path = "/log/repo/logs" if start % 200 else "/log/repo/quick"
                told_on_disk(await send(gateway, lines(100, start), path), 100)
                told += lines(100, start)
            gateway.process.kill()
            await gateway.process.wait()
    # Whose repos are gone is delivered all the same: by the profile that the spool has kept.
    write_config(config, repo("other", kafka.bootstrap, topic))
    await way.open()
    async with running(config, *flags) as gateway:
        assert (await gateway.logged("spool open"))["records"] == 2_000
        await until(partial(is_empty, gateway), PATIENCE)
    assert values_in(kafka, topic) == Counter(told)


async def test_sigterm_without_kafka_ends_in_time_says_what_is_left_and_loses_nothing(
    kafka: Kafka, way: Way, config: Path, tmp_path: Path
) -> None:
    topic = new_name("spool-sigterm")
    kafka.create_topic(topic, partitions=1)
    write_config(config, repo("logs", way.address, topic, timeout="1s", kafka=ASYNC))
    flags = ("--spool", str(tmp_path / "spool"), "--drain-delay", "0s", "--grace-period", "5s")
    async with running(config, *flags) as gateway:
        told_on_disk(await send(gateway, lines(100)), 100)
        code, seconds = await gateway.stop()
        assert (code, seconds < 6) == (0, True)
        assert (await gateway.logged("records stay in the spool"))["records"] == 100
        assert (await gateway.logged("stopped"))["spooled"] == 100
    await way.open()
    async with running(config, *flags) as gateway:
        await until(partial(is_empty, gateway), PATIENCE)
        assert (await gateway.stop())[0] == 0
        assert (await gateway.logged("stopped"))["spooled"] == 0
    assert values_in(kafka, topic) == Counter(lines(100))


async def test_requests_that_wait_for_kafka_when_the_time_is_up_go_to_disk(config: Path, tmp_path: Path) -> None:
    async with silent_broker() as broker:
        write_config(config, repo("logs", broker, "t", timeout="60s", kafka=SPOOLS))
        flags = ("--spool", str(tmp_path / "spool"), "--drain-delay", "0s", "--grace-period", "4s")
        async with running(config, *flags) as gateway:
            client = await gateway.connect()
            client.send(post(b"\n".join(lines(10))))
            await until(partial(has_in_flight, gateway, 10))
            answering = asyncio.create_task(patient(client))
            code, seconds = await gateway.stop()
            assert (code, seconds < 5) == (0, True)
            told_on_disk(await answering, 10)
            assert (await gateway.logged("stopped"))["spooled"] == 10
        async with running(config, *flags) as gateway:
            assert (await gateway.logged("spool open"))["records"] == 10


async def has_in_flight(gateway: GatewayProcess, count: int) -> bool:
    return await records(gateway, "logs") == {"in_flight": count}


async def test_sigterm_delivers_what_is_on_disk_while_kafka_takes_it(
    kafka: Kafka, config: Path, tmp_path: Path
) -> None:
    topic = new_name("spool-drain")
    kafka.create_topic(topic, partitions=2)
    write_config(config, repo("logs", kafka.bootstrap, topic, kafka=ASYNC))
    async with running(config, "--spool", str(tmp_path / "spool"), "--drain-delay", "0s") as gateway:
        for start in range(0, 5_000, 1_000):
            told_on_disk(await send(gateway, lines(1_000, start)), 1_000)
        assert (await gateway.stop())[0] == 0
        assert (await gateway.logged("stopped"))["spooled"] == 0
    assert values_in(kafka, topic) == Counter(lines(5_000))


async def test_a_missing_topic_costs_nothing_and_holds_up_nobody_until_it_is_made(
    kafka: Kafka, config: Path, tmp_path: Path
) -> None:
    topic, missing = new_name("spool-there"), new_name("spool-nosuch")
    kafka.create_topic(topic, partitions=1)
    endpoints = [
        {"path": "/putmessage", "format": "JSON", "response": "Offset", "envelope": "BodyData",
         "topicHeader": {"name": "topic", "topics": [topic, missing]}},
    ]  # fmt: skip
    write_config(config, repo("put", kafka.bootstrap, topic, timeout="2s", kafka=SPOOLS, endpoints=endpoints))
    async with running(config, "--spool", str(tmp_path / "spool")) as gateway:
        await until(partial(is_served, gateway))
        client = await gateway.connect()
        for number in range(300):
            client.send(post(b'{"n":%d}' % number, f"topic: {missing}", path="/putmessage"))
            answer = await client.answer()
            assert answer.body == b'{"status":"ok","partition":-1,"Offset":-1,"durability":"disk"}\n'
        client.send(post(b"{}", f"topic: {topic}", path="/putmessage"))
        beside = await client.answer()
        assert (beside.status, beside.json["partition"], beside.json["Offset"]) == (200, 0, 0)
        assert await holds(gateway, 300)
        (target,) = (await spool_of(gateway))["targets"]
        assert (target["topic"], target["backlogRecords"], bool(target["blocked"])) == (missing, 300, True)
        kafka.create_topic(missing, partitions=2)
        await until(partial(is_empty, gateway), PATIENCE)
    assert values_in(kafka, missing) == Counter(b'{"body_data":"{\\"n\\":%d}"}' % n for n in range(300))


async def is_served(gateway: GatewayProcess) -> bool:
    return any(row["state"] == "Ready" for row in (await gateway.status())["producers"])


async def fill(gateway: GatewayProcess, path: str = "/log/repo/logs") -> tuple[int, Answer]:
    """Send until something else than a 200 comes; how many lines were taken."""
    pad, taken = b"x" * 900, 0
    while taken < 20_000:
        body = b"\n".join(b'{"n":%d,"pad":"%b"}' % (n, pad) for n in range(taken, taken + 50))
        answer = await gateway.ask(post(body, path=path))
        if answer.status != 200:
            return taken, answer
        taken += 50
    raise AssertionError("it never was full")


async def test_a_full_spool_is_a_503_that_says_when_and_ends_without_a_restart(
    kafka: Kafka, way: Way, config: Path, tmp_path: Path
) -> None:
    topic = new_name("spool-full")
    kafka.create_topic(topic, partitions=1)
    quick = repo("quick", way.address, topic, timeout="1s", kafka=ASYNC)
    fine = repo("fine", kafka.bootstrap, topic, kafka={**SPOOLS, "producerProfile": "fine"})
    fine["producers"] = {"fine": {**fine["producers"]["main"], "name": "fine"}}
    write_config(config, quick, fine)
    flags = ("--spool", str(tmp_path / "spool"), "--spool-max-bytes", "4Mi", "--spool-segment-bytes", "256Ki")
    async with running(config, *flags) as gateway:
        taken, full = await fill(gateway, "/log/repo/quick")
        assert (full.status, full.json["reason"]) == (503, "SpoolFull")
        assert 1 <= int(full.headers["retry-after"]) <= 300
        # Who does not need the disk goes on, and the gateway stays ready for them.
        beside = await send(gateway, lines(1), "/log/repo/fine")
        assert (beside.status, beside.json["durability"]) == (200, "kafka")
        ready = await gateway.admin("/readyz")
        assert (ready.status, b"503 for quick" in ready.body) == (200, True)
        assert (await spool_of(gateway))["state"] == "Full"
        write_config(config, quick)
        await until(partial(is_ready, gateway, 503))
        await way.open()
        await until(partial(is_empty, gateway), PATIENCE)
        await until(partial(is_ready, gateway, 200))
        assert (await send(gateway, [b'{"n":-1}'], "/log/repo/quick")).status == 200
        await until(partial(is_empty, gateway), PATIENCE)
    found = values_in(kafka, topic)
    assert sum(found.values()) == taken + 2
    assert max(found.values()) == 1


async def is_ready(gateway: GatewayProcess, status: int) -> bool:
    return (await gateway.admin("/readyz")).status == status


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a file system needs root")
async def test_a_disk_without_room_is_a_503_and_ends_without_a_restart(
    kafka: Kafka, way: Way, config: Path, tmp_path: Path
) -> None:
    topic = new_name("spool-disk")
    kafka.create_topic(topic, partitions=1)
    write_config(config, repo("logs", way.address, topic, timeout="1s", kafka=ASYNC))
    small = tmp_path / "small"
    small.mkdir()
    # In a mount namespace of the process's own: nothing is left behind, whatever becomes of the test.
    mount = f'mount -t tmpfs -o size=4m none {small} && exec "$0" "$@"'
    flags = ("--spool", str(small / "spool"), "--spool-max-bytes", "1Gi", "--spool-segment-bytes", "256Ki")
    async with running(config, *flags, within=["unshare", "--mount", "sh", "-c", mount]) as gateway:
        taken, full = await fill(gateway)
        assert (full.status, full.json["reason"], "retry-after" in full.headers) == (503, "SpoolFull", True)
        assert await is_ready(gateway, 503)
        await way.open()
        await until(partial(is_empty, gateway), PATIENCE)
        await until(partial(is_ready, gateway, 200))
        assert (await send(gateway, [b'{"n":-1}'])).status == 200
        await until(partial(is_empty, gateway), PATIENCE)
    found = values_in(kafka, topic)
    assert sum(found.values()) == taken + 1
    assert max(found.values()) == 1


async def test_a_second_process_on_the_same_directory_refuses_to_start(
    kafka: Kafka, config: Path, tmp_path: Path
) -> None:
    write_config(config, repo("logs", kafka.bootstrap, "unused"))
    async with running(config, "--spool", str(tmp_path / "spool")) as first:
        await first.port()
        async with running(config, "--spool", str(tmp_path / "spool")) as second:
            async with asyncio.timeout(10):
                assert await second.process.wait() == 1
            assert str(tmp_path / "spool") in (await second.logged("cannot serve"))["error"]


async def test_a_repo_that_needs_a_spool_is_refused_without_one(kafka: Kafka, config: Path) -> None:
    write_config(
        config, repo("logs", kafka.bootstrap, "unused", kafka=SPOOLS), repo("other", kafka.bootstrap, "unused")
    )
    async with running(config) as gateway:
        await gateway.port()
        status = await gateway.status()
        assert ([row["name"] for row in status["refused"]], status["repos"]) == (["logs"], 1)
        assert status["refused"][0]["reason"].startswith("SpoolNotEnabled")
        assert status["spool"] is None
