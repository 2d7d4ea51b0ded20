"""Delivery Async with a real Kafka: a gateway that is told to stop delivers what it has answered from memory."""

import asyncio
from pathlib import Path

import pytest
from tests.integration.gateway.process import GatewayProcess, repo, running, silent_broker, until, write_config
from tests.integration.kafka.producing import new_name, read_all
from tests.testbed.kafka import Kafka
from tests.unit.gateway.builders import post

pytestmark = pytest.mark.kafka

ASYNC = {"delivery": "Async"}
GATHERED = {"name": "gathered", "flush": {"frequency": "20s", "messages": 1_000_000}}
"""Records wait in memory for longer than the test takes, unless the gateway hurries."""
LOST = "lines that were answered from memory did not reach Kafka"


async def records(gateway: GatewayProcess, name: str) -> dict[str, int]:
    """A repo's records by fate; `in_flight` is one of them."""
    text = (await gateway.admin("/metrics")).body.decode()
    lines = [line for line in text.splitlines() if line.startswith("headgate_records") and f'repo="{name}"' in line]
    counts = {line: int(float(line.rsplit(" ", 1)[1])) for line in lines}
    found = {line.split('fate="')[1].split('"')[0]: count for line, count in counts.items() if 'fate="' in line}
    found["in_flight"] = next(c for line, c in counts.items() if line.startswith("headgate_records_in_flight"))
    return {fate: count for fate, count in found.items() if count}


@pytest.mark.parametrize("hung", [False, True], ids=["nobody else", "beside a client that never ends its body"])
async def test_sigterm_delivers_what_was_answered_from_memory(kafka: Kafka, tmp_path: Path, *, hung: bool) -> None:
    topic = new_name("async")
    kafka.create_topic(topic, partitions=3)
    async with silent_broker() as nobody:
        gathering = repo("logs", kafka.bootstrap, topic, timeout="30s", kafka={**ASYNC, "producerProfile": "gathered"})
        gathering["producers"] = {"gathered": {**gathering["producers"]["main"], **GATHERED}}
        # Keeps the drain busy until its end, so that the admin port can be asked what became of the others.
        hopeless = repo("hopeless", nobody, "t", timeout="60s", kafka=ASYNC)
        write_config(tmp_path, gathering, hopeless)
        async with running(tmp_path, "--drain-delay", "500ms", "--grace-period", "6s") as gateway:
            await until(lambda: is_ready(gateway, "gathered"))
            values = [b'{"n":%d}' % n for n in range(1_000)]
            for start in range(0, 1_000, 100):
                answer = await gateway.ask(post(b"\n".join(values[start : start + 100])))
                assert (answer.status, answer.json["durability"], answer.json["partitions"]) == (200, "memory", [])
            assert (await gateway.ask(post(b"{}", path="/log/repo/hopeless"))).status == 200
            assert await records(gateway, "logs") == {"in_flight": 1_000}
            assert read_all(kafka.bootstrap, topic) == []

            if hung:
                (await gateway.connect()).send(post(b"{", length=2))
            stopping = asyncio.create_task(gateway.stop())
            await until(lambda: has(gateway, "logs", {"delivered": 1_000}))
            assert await records(gateway, "hopeless") == {"in_flight": 1}
            assert (await stopping)[0] == 0
    assert sorted(record.value for record in read_all(kafka.bootstrap, topic)) == sorted(values)
    lost = [(line["repo"], line["failed"], line["unknown"]) for line in gateway.logs if line["message"] == LOST]
    assert lost == [("hopeless", 1, 0)]


async def is_ready(gateway: GatewayProcess, profile: str) -> bool:
    return any((row["profile"], row["state"]) == (profile, "Ready") for row in (await gateway.status())["producers"])


async def has(gateway: GatewayProcess, name: str, expected: dict[str, int]) -> bool:
    return await records(gateway, name) == expected
