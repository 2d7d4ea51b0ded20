"""A real gateway process and a real Kafka: receipts, reload, drain, brokers that are not there."""

import asyncio
import itertools
import json
import os
import signal
import socket
import time
from collections import Counter
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.integration.gateway.process import GatewayProcess, patient, repo, running, silent_broker, until, write_config
from tests.integration.kafka.producing import Read, new_name, read_all
from tests.testbed.kafka import Kafka
from tests.unit.gateway.builders import Answer, chunked, constraint, expression, post

pytestmark = pytest.mark.kafka

NOWHERE = "127.0.0.1:1"


@pytest.fixture
async def broker() -> AsyncIterator[str]:
    """A broker that never answers."""
    async with silent_broker() as address:
        yield address


def records_of(answer: Answer, read: list[Read]) -> list[bytes]:
    """What stands in Kafka where a receipt says that it stands."""
    at = {(record.partition, record.offset): record.value for record in read}
    return [
        at[run["partition"], run["baseOffset"] + index]
        for run in answer.json["partitions"]
        for index in range(run["count"])
    ]


async def test_a_receipt_names_the_offsets_at_which_the_lines_stand(kafka: Kafka, tmp_path: Path) -> None:
    topic = new_name("receipt")
    kafka.create_topic(topic, partitions=3)
    kafka_settings = {"key": {"field": "id"}, "headers": [{"name": "from", "value": "test"}]}
    only_errors = constraint(expression("status", "Ge", 400))
    write_config(tmp_path, repo("logs", kafka.bootstrap, topic, kafka=kafka_settings, constraint=only_errors))
    lines = [b'{"status":"%d","id":%d.0, "pad":"\xc3\xa9"}' % (404 if n % 2 else 200, n) for n in range(1_000)]
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    async with running(tmp_path) as gateway:
        answer = await gateway.ask(post(b"\r\n".join(lines), f"traceparent: {trace}"))
        assert answer.status == 200, answer.body
        again = await gateway.ask(chunked(b'{"status":500}\n', b'{"status":501}\n'))
    read = read_all(kafka.bootstrap, topic)
    expected = [line for n, line in enumerate(lines) if n % 2]
    assert (answer.json["accepted"], answer.json["dropped"]) == (500, 500)
    assert sorted(records_of(answer, read)) == sorted(expected)
    assert sorted(records_of(again, read)) == [b'{"status":500}', b'{"status":501}']
    assert Counter(record.value for record in read) == Counter([*expected, b'{"status":500}', b'{"status":501}'])
    keyed = next(record for record in read if b'"id":7.0' in record.value)
    assert keyed.key == b"7.0"
    assert keyed.headers == [("from", b"test"), ("traceparent", trace.encode())]


async def test_metrics_and_status_tell_what_happened(kafka: Kafka, tmp_path: Path) -> None:
    topic = new_name("metrics")
    kafka.create_topic(topic, partitions=1)
    write_config(tmp_path, repo("logs", kafka.bootstrap, topic, partial="Accept"))
    async with running(tmp_path, "--track", "canary") as gateway:
        assert (await gateway.ask(post(b"{}\noops\n{}\n"))).status == 207
        text = (await gateway.admin("/metrics")).body.decode()
        assert 'headgate_lines_received_total{repo="logs",track="canary"} 3.0' in text
        assert 'headgate_records_total{fate="delivered",repo="logs",track="canary"} 2.0' in text
        assert 'headgate_requests_total{code="207",repo="logs",track="canary"} 1.0' in text
        status = await gateway.status()
        assert (status["repos"], status["ready"], status["refused"]) == (1, True, [])
        assert [(p["profile"], p["state"], p["down"]) for p in status["producers"]] == [("main", "Ready", None)]
        assert status["memory"]["reservedBytes"] == 0


class Traffic:
    """Clients that send numbered lines without a pause, each on a kept-alive connection, and note every answer."""

    def __init__(self, gateway: GatewayProcess, clients: int) -> None:
        self._gateway = gateway
        self._numbers = itertools.count()
        self.statuses: Counter[Any] = Counter()
        self.acknowledged: list[int] = []
        self.stopping = False
        self._tasks = [asyncio.create_task(self._send()) for _ in range(clients)]

    async def _send(self) -> None:
        client = None
        while not self.stopping:
            try:
                client = client or await self._gateway.connect()
                numbers = [next(self._numbers) for _ in range(20)]
                client.send(post(b"".join(b'{"n":%d}\n' % n for n in numbers)))
                answer = await patient(client)
            except (OSError, asyncio.IncompleteReadError) as error:
                self.statuses[type(error).__name__] += 1
                return
            self.statuses[answer.status] += 1
            if answer.status == 200:
                self.acknowledged += numbers
            if answer.headers.get("connection") == "close":
                await client.close()
                client = None
        if client is not None:
            await client.close()

    async def stop(self) -> None:
        self.stopping = True
        await asyncio.gather(*self._tasks)


def numbers_in(kafka: Kafka, topic: str) -> Counter[int]:
    return Counter(json.loads(record.value)["n"] for record in read_all(kafka.bootstrap, topic))


async def serves(gateway: GatewayProcess, revision: str) -> bool:
    return f'revision="{revision}"' in (await gateway.admin("/metrics")).body.decode()


async def delivers(gateway: GatewayProcess) -> bool:
    return (await gateway.ask(post(b"{}"))).status == 200


async def has_one_producer(gateway: GatewayProcess) -> bool:
    return len((await gateway.status())["producers"]) == 1


async def test_reloads_under_steady_traffic_drop_nothing(kafka: Kafka, tmp_path: Path) -> None:
    topic = new_name("reload")
    kafka.create_topic(topic, partitions=2)
    write_config(tmp_path, repo("logs", kafka.bootstrap, topic))
    async with running(tmp_path) as gateway:
        await gateway.port()
        traffic = Traffic(gateway, clients=8)
        for n in range(10):
            # Every second change is one of the profile, so that the producer is another one too.
            timeout = "10s" if n % 2 else "11s"
            write_config(tmp_path, repo("logs", kafka.bootstrap, topic, timeout=timeout, revision=f"v{n}"))
            await until(partial(serves, gateway, f"v{n}"))
        await traffic.stop()
        assert (await gateway.stop())[0] == 0
    assert set(traffic.statuses) == {200}
    assert len(traffic.acknowledged) > 1_000
    assert numbers_in(kafka, topic) == Counter(traffic.acknowledged)


async def test_sigterm_serves_on_drains_and_exits_with_0(kafka: Kafka, tmp_path: Path) -> None:
    topic = new_name("drain")
    kafka.create_topic(topic, partitions=2)
    write_config(tmp_path, repo("logs", kafka.bootstrap, topic))
    async with running(tmp_path, "--drain-delay", "1s", "--grace-period", "15s") as gateway:
        port, idle = await gateway.port(), await gateway.connect()
        traffic = Traffic(gateway, clients=8)
        await asyncio.sleep(0.5)
        stopping = asyncio.create_task(gateway.stop())
        await asyncio.sleep(0.3)
        assert (await gateway.admin("/readyz")).status == 503
        assert (await gateway.status())["draining"] is True
        before = traffic.statuses[200]
        answer = await gateway.ask(post(b'{"n":-1}'))
        assert (answer.status, answer.headers["connection"]) == (200, "close")
        await asyncio.sleep(0.3)
        assert traffic.statuses[200] > before
        code, seconds = await stopping
        assert code == 0
        assert 1.0 <= seconds < 10
        assert await idle.closed()
        await traffic.stop()
        with pytest.raises(OSError, match=r"."):
            await gateway.connect(port)
    # A connection that is refused lost nothing; one that is cut after its request would have.
    assert set(traffic.statuses) <= {200, "ConnectionRefusedError"}
    assert numbers_in(kafka, topic) == Counter([*traffic.acknowledged, -1])


async def test_a_second_sigterm_does_not_wait_for_routes(broker: str, tmp_path: Path) -> None:
    write_config(tmp_path, repo("logs", broker, "unused"))
    async with running(tmp_path, "--drain-delay", "30s") as gateway:
        await gateway.port()
        gateway.process.send_signal(signal.SIGTERM)
        await gateway.logged("draining")
        await asyncio.sleep(0.3)
        assert gateway.process.returncode is None
        code, seconds = await gateway.stop()
        assert (code, seconds < 5) == (0, True)


@pytest.mark.skipif(not Path("/proc").exists() or os.geteuid() != 0, reason="a mount namespace of its own needs root")
async def test_exit_does_not_wait_for_a_dns_server_that_is_away(tmp_path: Path) -> None:
    resolver, config = tmp_path / "resolv.conf", tmp_path / "config"
    resolver.write_text("nameserver 127.1.2.3\noptions timeout:30 attempts:2\n")
    config.mkdir()
    write_config(config, repo("logs", "broker.example.org:9092", "t", timeout="2s"))
    silent = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    silent.bind(("127.1.2.3", 53))
    within = ["unshare", "--mount", "sh", "-c", f'mount --bind {resolver} /etc/resolv.conf && exec "$0" "$@"']
    with silent:
        async with running(config, "--drain-delay", "0s", "--grace-period", "4s", within=within) as gateway:
            await gateway.port()
            await asyncio.to_thread(silent.recv, 1)
            code, seconds = await gateway.stop()
            assert (code, seconds < 5) == (0, True)


async def test_sigint_does_not_wait_for_routes(kafka: Kafka, tmp_path: Path) -> None:
    write_config(tmp_path, repo("logs", kafka.bootstrap, "unused"))
    async with running(tmp_path, "--drain-delay", "30s") as gateway:
        await gateway.port()
        begun = time.monotonic()
        gateway.process.send_signal(signal.SIGINT)
        assert await gateway.process.wait() == 0
        assert time.monotonic() - begun < 5


async def test_a_broker_that_is_not_there_costs_its_own_profile_only(kafka: Kafka, tmp_path: Path) -> None:
    topic = new_name("neighbour")
    kafka.create_topic(topic, partitions=1)
    lost = repo("lost", NOWHERE, "t", timeout="2s")
    write_config(tmp_path, lost, repo("fine", kafka.bootstrap, topic))
    async with running(tmp_path) as gateway:
        await gateway.port()
        begun = time.monotonic()
        first = await gateway.ask(post(b"{}\n{}\n", path="/log/repo/lost"))
        assert time.monotonic() - begun < 2.5
        assert (first.status, "retry-after" in first.headers) == (503, True)
        assert (await gateway.ask(post(b"{}", path="/log/repo/fine"))).status == 200
        assert (await gateway.admin("/readyz")).status == 200
        states = {(p["state"], p["down"] is None) for p in (await gateway.status())["producers"]}
        assert states == {("Unreachable", False), ("Ready", True)}
    assert len(read_all(kafka.bootstrap, topic)) == 1


async def test_kafka_unreachable_at_start_is_said_and_mended_by_a_reload(kafka: Kafka, tmp_path: Path) -> None:
    topic = new_name("mended")
    kafka.create_topic(topic, partitions=1)
    write_config(tmp_path, repo("logs", NOWHERE, topic, timeout="1s"))
    async with running(tmp_path) as gateway:
        await gateway.port()
        assert (await gateway.admin("/readyz")).status == 200
        async with asyncio.timeout(10):
            while (answer := await gateway.ask(post(b"{}"))).json["reason"] != "ProducerDown":
                assert answer.status == 503
        assert any(line["level"] == "warning" and "Unreachable" in line["message"] for line in gateway.logs)
        write_config(tmp_path, repo("logs", kafka.bootstrap, topic, timeout="5s"))
        await until(partial(delivers, gateway))
        await until(partial(has_one_producer, gateway))


async def test_a_broker_that_never_answers_is_503_within_the_delivery_timeout(broker: str, tmp_path: Path) -> None:
    write_config(tmp_path, repo("logs", broker, "t", timeout="1s"))
    async with running(tmp_path, "--drain-delay", "0s") as gateway:
        await gateway.port()
        begun = time.monotonic()
        answer = await gateway.ask(post(b"{}\n\n{}\n"))
        assert time.monotonic() - begun < 2
        assert answer.status == 503
        assert answer.json.get("failed", ["1", "3"]) == ["1", "3"]
        assert (await gateway.stop())[0] == 0


async def test_sigterm_is_bounded_by_the_grace_period(broker: str, tmp_path: Path) -> None:
    write_config(tmp_path, repo("logs", broker, "t", timeout="60s"))
    async with running(tmp_path, "--drain-delay", "1s", "--grace-period", "4s") as gateway:
        client = await gateway.connect()
        client.send(post(b"{}\n"))
        await asyncio.sleep(0.3)
        answering = asyncio.create_task(patient(client))
        code, seconds = await gateway.stop()
        assert (code, seconds < 4.5) == (0, True)
        answer = await answering
        assert (answer.status, answer.json["reason"], answer.json["failed"]) == (503, "Stopping", ["1"])


async def test_a_port_that_is_taken_is_said_and_exits_with_1(tmp_path: Path) -> None:
    taken = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0)
    port = taken.sockets[0].getsockname()[1]
    async with running(tmp_path, "--admin-port", str(port)) as gateway:
        assert await gateway.process.wait() == 1
        assert "in use" in (await gateway.logged("cannot serve"))["error"]
    taken.close()


async def test_java_style_h2c_upgrade_is_answered_over_http_1(kafka: Kafka, tmp_path: Path) -> None:
    topic = new_name("h2c")
    kafka.create_topic(topic, partitions=1)
    write_config(tmp_path, repo("logs", kafka.bootstrap, topic))
    async with running(tmp_path) as gateway:
        upgrade = ("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAEAAEAAAAIAAAAB")
        assert (await gateway.ask(post(b'{"a":1}', *upgrade))).status == 200
    assert [record.value for record in read_all(kafka.bootstrap, topic)] == [b'{"a":1}']
