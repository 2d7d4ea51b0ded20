"""A real gateway process on a disk that is really slow, or hangs: what clients are told meanwhile, and what is kept."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from pathlib import Path

import pytest
from tests.integration.gateway.process import GatewayProcess, patient, repo, running, until, write_config
from tests.integration.gateway.slowness import SlowDisk, kernel_can, throttled_device, waiting_calls
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
from tests.integration.kafka.producing import new_name
from tests.testbed.kafka import Kafka
from tests.unit.gateway.builders import post

__all__ = ["config", "way"]
pytestmark = pytest.mark.kafka

by_kernel = pytest.mark.skipif(not kernel_can(), reason="slowing a device needs root, and cgroup v1")
BUFFER = 2**20
"""Bytes that requests on the profile may hold: what waits for the disk is that at most, hence a few seconds' writing."""
CLIENTS, REQUESTS = 24, 6
LINES, PAD = 20, b"x" * 4_000


@pytest.fixture(params=[waiting_calls, pytest.param(throttled_device, marks=by_kernel)])
def disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SlowDisk]:
    kind: Callable[[Path], AbstractContextManager[SlowDisk]] = request.param
    with kind(tmp_path) as made:
        yield made


def on(disk: SlowDisk, config: Path) -> AbstractAsyncContextManager[GatewayProcess]:
    """A gateway whose spool is there."""
    flags = ("--spool", str(disk.folder / "spool"), "--spool-max-bytes", "32Mi")
    return running(config, *flags, within=disk.within)


@dataclass
class Told:
    """What clients sent, and were told."""

    sent: set[bytes] = field(default_factory=set)
    kept: list[bytes] = field(default_factory=list)
    refused: Counter[tuple[int, str]] = field(default_factory=Counter)
    lived: int = 0
    """Answers of /livez."""


async def send_many(gateway: GatewayProcess, numbers: "count[int]", told: Told) -> None:
    client = await gateway.connect()
    for _ in range(REQUESTS):
        values = [b'{"n":%d,"pad":"%b"}' % (next(numbers), PAD) for _ in range(LINES)]
        told.sent.update(values)
        client.send(post(b"\n".join(values)))
        answer = await patient(client)
        if answer.status == 200:
            told.kept += values
            continue
        told.refused[answer.status, answer.json["reason"]] += 1
        assert int(answer.headers["retry-after"]) >= 1
        await asyncio.sleep(0.2)


async def watch(gateway: GatewayProcess, told: Told) -> None:
    """A kubelet, and somebody who looks."""
    while True:
        assert (await gateway.admin("/livez")).status == 200
        assert (await gateway.status())["memory"]["reservedBytes"] <= 2 * BUFFER
        told.lived += 1
        await asyncio.sleep(0.1)


async def test_a_slow_disk_keeps_what_it_was_given_and_what_would_wait_too_long_is_a_503(
    kafka: Kafka, way: Way, config: Path, disk: SlowDisk
) -> None:
    topic = new_name("spool-slow")
    kafka.create_topic(topic, partitions=1)
    bounded = {"maxBufferBytes": BUFFER}
    write_config(config, repo("logs", way.address, topic, timeout="1s", kafka=ASYNC, producer=bounded))
    told, numbers = Told(), count()
    async with on(disk, config) as gateway:
        await gateway.port()
        disk.slow()
        watching = asyncio.create_task(watch(gateway, told))
        async with asyncio.TaskGroup() as group:
            for _ in range(CLIENTS):
                group.create_task(send_many(gateway, numbers, told))
        watching.cancel()
        assert (await spool_of(gateway))["state"] == "Ready"
        # Slow is not full, and not broken either: room in memory is what ends.
        assert set(told.refused) == {(503, "Overloaded")}
        assert told.kept
        assert told.lived
        await way.open()
        await until(partial(is_empty, gateway), PATIENCE)
    found = values_in(kafka, topic)
    assert Counter(told.kept) == found


async def test_a_disk_that_hangs_is_a_503_for_who_needs_it_and_ends_without_a_restart(
    kafka: Kafka, way: Way, config: Path, disk: SlowDisk
) -> None:
    topic = new_name("spool-hangs")
    kafka.create_topic(topic, partitions=1)
    fine = repo("fine", kafka.bootstrap, topic, kafka={**SPOOLS, "producerProfile": "fine"})
    fine["producers"] = {"fine": {**fine["producers"]["main"], "name": "fine"}}
    write_config(config, repo("logs", way.address, topic, timeout="1s", kafka=ASYNC), fine)
    values = [b'{"n":%d,"pad":"%b"}' % (n, PAD) for n in range(20)]
    async with on(disk, config) as gateway:
        await gateway.port()
        disk.hang()
        waiting = asyncio.create_task(send(gateway, values))
        await until(partial(is_failed, gateway), PATIENCE)
        refused = await send(gateway, lines(1))
        assert (refused.status, refused.json["reason"], "hangs" in refused.json["message"]) == (
            503,
            "SpoolFailed",
            True,
        )
        assert int(refused.headers["retry-after"]) >= 1
        beside = await send(gateway, [b'{"n":-1}'], "/log/repo/fine")
        assert (beside.status, beside.json["durability"]) == (200, "kafka")
        assert (await gateway.admin("/livez")).status == 200
        ready = await gateway.admin("/readyz")
        assert (ready.status, b"503 for logs" in ready.body, waiting.done()) == (200, True, False)
        disk.recover()
        told_on_disk(await waiting, 20)
        await way.open()
        await until(partial(is_empty, gateway), PATIENCE)
        assert (await send(gateway, [b'{"n":-2}'])).status == 200
        await until(partial(is_empty, gateway), PATIENCE)
    assert values_in(kafka, topic) == Counter([*values, b'{"n":-1}', b'{"n":-2}'])


async def is_failed(gateway: GatewayProcess) -> bool:
    return bool((await spool_of(gateway))["state"] == "Failed")
