"""ApacheBench, as people run it, on a topic that does not exist: the real tool, a real gateway, and what Kafka has in the end."""

import asyncio
import re
import shutil
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.integration.gateway.process import GatewayProcess, repo, running, until, write_config
from tests.integration.gateway.test_spool import ASYNC, PATIENCE, SPOOLS, config, holds, is_empty, is_served, values_in
from tests.integration.kafka.producing import new_name
from tests.testbed import debian
from tests.testbed.kafka import Kafka

__all__ = ["config"]
pytestmark = pytest.mark.kafka

REQUESTS = 1_000
BODY = b'{"event":"page_view","ms":12}'
RECORD = b'{"body_data":"{\\"event\\":\\"page_view\\",\\"ms\\":12}"}'
CASES = {
    "sync, one by one": (SPOOLS, 1),
    "sync": (SPOOLS, 10),
    "async": (ASYNC, 10),
    "async that fails to disk": ({**ASYNC, **SPOOLS}, 10),
}
"""Settings of the repo, and connections of ab's."""


def installed_ab() -> str:
    """ApacheBench; installed where it is missing, as Debian has it."""
    if shutil.which("ab") is None:
        debian.install("apache2-utils")
    return shutil.which("ab") or "ab"


async def bench(gateway: GatewayProcess, topic: str, body: Path, connections: int) -> str:
    """`ab -n 1000 -c ... -l -H "topic: ..." -p ... http://gateway/putmessage`; what it prints."""
    process = await asyncio.create_subprocess_exec(
        *(await asyncio.to_thread(installed_ab), "-n", str(REQUESTS), "-c", str(connections)),
        # Receipts are not all of one length, as ab would have it without -l.
        *("-l", "-H", f"topic: {topic}", "-p", str(body), "-T", "application/json"),
        f"http://127.0.0.1:{await gateway.port()}/putmessage",
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    printed, _ = await process.communicate()
    assert process.returncode == 0, printed.decode()
    return printed.decode()


def counted(printed: str, what: str) -> int:
    found = re.search(rf"^{what}:\s+(\d+)", printed, re.MULTILINE)
    return int(found[1]) if found else 0


def putmessage(kafka: Kafka, topic: str, nosuch: str, settings: dict[str, Any]) -> dict[str, Any]:
    """A repo of one-message requests whose header names the topic."""
    endpoint = {
        "path": "/putmessage",
        "format": "JSON",
        # An offset is Kafka's to tell, so `Async` answers have none.
        "response": "Receipt" if "delivery" in settings else "Offset",
        "envelope": "BodyData",
        "topicHeader": {"name": "topic", "topics": [topic, nosuch]},
    }
    return repo("put", kafka.bootstrap, topic, timeout="2s", kafka=settings, endpoints=[endpoint])


@pytest.mark.parametrize(("settings", "connections"), CASES.values(), ids=CASES)
async def test_a_thousand_messages_for_no_such_topic_are_kept_and_arrive_once_when_it_is_made(
    kafka: Kafka, config: Path, tmp_path: Path, settings: dict[str, Any], connections: int
) -> None:
    topic, nosuch = new_name("ab-there"), new_name("ab-nosuch")
    kafka.create_topic(topic, partitions=1)
    write_config(config, putmessage(kafka, topic, nosuch, settings))
    body = tmp_path / "body"
    body.write_bytes(BODY)
    async with running(config, "--spool", str(tmp_path / "spool")) as gateway:
        await until(partial(is_served, gateway))
        printed = await bench(gateway, nosuch, body, connections)
        told = [counted(printed, f"{what} requests") for what in ("Complete", "Failed")]
        assert (told, counted(printed, "Non-2xx responses")) == ([REQUESTS, 0], 0), printed
        assert await holds(gateway, REQUESTS)
        assert nosuch not in kafka.admin().list_topics(timeout=20).topics
        kafka.create_topic(nosuch, partitions=2)
        await until(partial(is_empty, gateway), PATIENCE)
        assert (await gateway.stop())[0] == 0
    assert values_in(kafka, nosuch) == Counter({RECORD: REQUESTS})
