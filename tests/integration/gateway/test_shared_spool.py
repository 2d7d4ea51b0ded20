"""Real gateway processes whose spools are in one directory, as pods on a shared claim have it, and a real Kafka."""

import asyncio
import json
import signal
from collections import Counter
from functools import partial
from pathlib import Path

import pytest
from tests.integration.gateway.process import GatewayProcess, repo, running, until, write_config
from tests.integration.gateway.test_spool import (
    PATIENCE,
    SPOOLS,
    config,
    holds,
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
from tests.unit.gateway.builders import Answer

__all__ = ["config", "way"]

pytestmark = pytest.mark.kafka

OWNER, ADOPTER, THIRD = "aaaa-1", "bbbb-2", "cccc-3"


def flags(root: Path, uid: str) -> tuple[str, ...]:
    return "--spool", str(root), "--spool-owner", uid, "--spool-segment-bytes", "64Ki", "--drain-delay", "0s"


def grant(config: Path, **grants: str) -> None:
    """As the kubelet puts in place what the operator has decided."""
    fresh = config / "fresh"
    fresh.write_text(json.dumps({gone.replace("_", "-"): adopter for gone, adopter in grants.items()}))
    fresh.rename(config / "spool-grants.json")


async def has_adopted(gateway: GatewayProcess, *origins: str) -> bool:
    names = {row["directory"].partition(".adopted.")[2] for row in (await spool_of(gateway))["adopted"]}
    return names == set(origins)


async def is_fenced(gateway: GatewayProcess) -> bool:
    answer = await gateway.admin("/readyz")
    return answer.status == 503 and b"fenced: adopted by" in answer.body


class Sender:
    """Sends batch after batch to one gateway, and notes what it answers."""

    def __init__(self, gateway: GatewayProcess) -> None:
        self._gateway = gateway
        self.promised: list[bytes] = []
        self.refused = 0
        self._sent = 0

    async def run(self) -> None:
        while not self.refused:
            batch = lines(10, self._sent)
            self._sent += 10
            answer: Answer = await send(self._gateway, batch)
            if answer.status == 200:
                self.promised += batch
            else:
                assert answer.status == 503, answer.body
                self.refused += 1


async def test_a_gateway_that_is_taken_for_gone_acknowledges_nothing_more_and_all_that_it_did_arrives(
    kafka: Kafka, way: Way, config: Path, tmp_path: Path
) -> None:
    topic, root = new_name("shared-fence"), tmp_path / "claim"
    kafka.create_topic(topic, partitions=2)
    write_config(config, repo("logs", way.address, topic, timeout="1s", kafka=SPOOLS))
    async with running(config, *flags(root, OWNER)) as owner, running(config, *flags(root, ADOPTER)) as adopter:
        first = lines(10, 100_000)
        told_on_disk(await send(owner, first), 10)
        senders = [Sender(owner) for _ in range(4)]
        for at, sender in enumerate(senders):
            sender._sent = at * 1_000_000 + 1_000_000
        tasks = [asyncio.create_task(sender.run()) for sender in senders]
        await until(lambda: _enough(senders, 40), PATIENCE)
        owner.process.send_signal(signal.SIGSTOP)
        try:
            grant(config, aaaa_1=ADOPTER)
            await until(partial(has_adopted, adopter, OWNER), PATIENCE)
            promised = sum(len(sender.promised) for sender in senders)
        finally:
            owner.process.send_signal(signal.SIGCONT)
        await until(partial(is_fenced, owner), PATIENCE)
        async with asyncio.timeout(PATIENCE):
            await asyncio.gather(*tasks)
        # What was synced and checked, and not yet written to the socket, may be answered still: at most one batch each.
        assert sum(len(sender.promised) for sender in senders) <= promised + 10 * len(senders)
        assert (await spool_of(owner))["problem"] == f"fenced: adopted by {ADOPTER}"
        assert (await send(owner, lines(5))).status == 503
        told_on_disk(await send(adopter, lines(10, 200_000)), 10)
        await way.open()
        await until(partial(is_empty, adopter), PATIENCE)
        await until(partial(has_adopted, adopter), PATIENCE)
        assert [path.name for path in root.iterdir()] == [ADOPTER]
        assert await owner.stop() is not None
    arrived = values_in(kafka, topic)
    told = Counter([*first, *lines(10, 200_000), *(line for sender in senders for line in sender.promised)])
    assert told <= arrived, "all that was acknowledged is there"
    assert all(arrived[line] == 1 for line in told), "and once, since the owner has sent nothing"


async def _enough(senders: list[Sender], count: int) -> bool:
    return all(len(sender.promised) >= count for sender in senders)


async def test_an_adopter_that_is_killed_leaves_everything_to_the_next(
    kafka: Kafka, way: Way, config: Path, tmp_path: Path
) -> None:
    topic, root = new_name("shared-chain"), tmp_path / "claim"
    kafka.create_topic(topic, partitions=2)
    write_config(config, repo("logs", way.address, topic, timeout="1s", kafka=SPOOLS))
    told: list[bytes] = []
    async with running(config, *flags(root, OWNER)) as owner:
        for start in range(0, 500, 50):
            told_on_disk(await send(owner, lines(50, start)), 50)
            told += lines(50, start)
        owner.process.kill()
    async with running(config, *flags(root, ADOPTER)) as adopter:
        told_on_disk(await send(adopter, lines(50, 500)), 50)
        told += lines(50, 500)
        grant(config, aaaa_1=ADOPTER)
        await until(partial(has_adopted, adopter, OWNER), PATIENCE)
        await until(partial(holds, adopter, 550), PATIENCE)
        adopter.process.kill()
    async with running(config, *flags(root, THIRD)) as third:
        assert {row["owner"] for row in await _foreign(third)} == {ADOPTER}
        grant(config, bbbb_2=THIRD)
        await until(partial(has_adopted, third, OWNER, ADOPTER), PATIENCE)
        await way.open()
        await until(partial(has_adopted, third), PATIENCE)
        code, _ = await third.stop()
        assert code == 0
    assert list(root.iterdir()) == [], "nothing is left of gateways that have nothing on their disks"
    assert values_in(kafka, topic) == Counter(told)


async def _foreign(gateway: GatewayProcess) -> list[dict[str, str]]:
    await until(lambda: _sees(gateway), PATIENCE)
    found: list[dict[str, str]] = (await spool_of(gateway))["foreign"]
    return found


async def _sees(gateway: GatewayProcess) -> bool:
    return bool((await spool_of(gateway))["foreign"])
