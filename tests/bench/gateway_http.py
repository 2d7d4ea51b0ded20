"""Prints what a request costs a real gateway process, in CPU time, with a real Kafka behind it.

CPU time rather than requests a second: the client of this bench takes a core too, and machines are shared.
Run by hand: python -m tests.bench.gateway_http. Every line that was answered 200 is counted in Kafka afterwards.
"""

import asyncio
import os
import tempfile
import time
from pathlib import Path

import uvloop
from tests.bench.pipeline_lines import LINE, TWO_FIELDS
from tests.integration.gateway.process import GatewayProcess, repo, running, write_config
from tests.integration.kafka.producing import new_name, read_all
from tests.testbed import kafka as testbed_kafka
from tests.unit.gateway.builders import post

CASES = [(1, 64, 20_000), (1, 256, 40_000), (100, 64, 3_000)]
"""Lines of a body, connections, requests."""


def cpu_seconds(pid: int) -> float:
    """User and system time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def send(gateway: GatewayProcess, request: bytes, count: int) -> None:
    """Requests one after the other on one connection; every answer must be a 200."""
    client = await gateway.connect()
    for _ in range(count):
        client.writer.write(request)
        head = await client.reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200"), head
        length = head[head.index(b"Content-Length: ") + 16 :]
        await client.reader.readexactly(int(length[: length.index(b"\r")]))


async def measure(gateway: GatewayProcess, lines: int, connections: int, requests: int) -> None:
    """One case."""
    request = post(LINE * lines)
    begun, cpu = time.monotonic(), cpu_seconds(gateway.process.pid)
    await asyncio.gather(*(send(gateway, request, requests // connections) for _ in range(connections)))
    done = requests // connections * connections
    seconds, cpu = time.monotonic() - begun, cpu_seconds(gateway.process.pid) - cpu
    print(
        f"{lines:4} lines a body, {connections:4} connections: {done / seconds:8,.0f} requests/s with this client, "
        f"{cpu / done * 1e6:7.1f} µs CPU a request, {cpu / done / lines * 1e9:8,.0f} ns CPU a line"
    )


async def main() -> None:
    """All cases on one gateway."""
    kafka = testbed_kafka.ensure(brokers=1)
    topic = new_name("bench")
    kafka.create_topic(topic, partitions=4)
    with tempfile.TemporaryDirectory() as directory:
        write_config(Path(directory), repo("logs", kafka.bootstrap, topic, constraint=TWO_FIELDS))
        async with running(Path(directory), "--drain-delay", "0s") as gateway:
            for lines, connections, requests in CASES:
                await measure(gateway, lines, connections, requests)
            print(f"resident: {(await gateway.status())['memory']['residentBytes'] / 2**20:.0f} MiB")
    expected = sum(lines * (requests // connections * connections) for lines, connections, requests in CASES)
    found = len(read_all(kafka.bootstrap, topic))
    print(f"{found:,} records in Kafka of {expected:,} acknowledged")
    assert found == expected


if __name__ == "__main__":
    uvloop.run(main())
