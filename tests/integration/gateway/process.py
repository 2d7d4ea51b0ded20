"""The real `headgate-gateway` as a process of its own: started, asked, signalled, and ended by its handle."""

import asyncio
import json
import signal
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.unit.gateway.builders import Answer, Client, entry


def write_config(directory: Path, *entries: dict[str, Any]) -> None:
    """Put a shard in place by rename, as a person's editor or a kubelet would."""
    fresh = directory / "fresh"
    fresh.write_text(json.dumps({"contractVersion": 1, "repos": list(entries)}))
    fresh.rename(directory / "shard-00.json")


def repo(name: str, bootstrap: str, topic: str, *, timeout: str = "10s", **changes: Any) -> dict[str, Any]:
    """An entry on a real broker; its profile is called after the broker, so that repos may share one."""
    producer = {"bootstrapServers": [bootstrap], "deliveryTimeout": timeout, **changes.pop("producer", {})}
    return entry(name, producer=producer, kafka={"topic": topic, **changes.pop("kafka", {})}, **changes)


@dataclass
class GatewayProcess:
    """A running gateway."""

    process: asyncio.subprocess.Process
    logs: list[dict[str, Any]] = field(default_factory=list)
    clients: list[Client] = field(default_factory=list)

    async def read_logs(self) -> None:
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            self.logs.append(json.loads(line))

    async def logged(self, message: str) -> dict[str, Any]:
        async with asyncio.timeout(20):
            while True:
                for line in self.logs:
                    if line["message"] == message:
                        return line
                await asyncio.sleep(0.02)

    async def port(self) -> int:
        return int((await self.logged("traffic port open"))["port"])

    async def admin_port(self) -> int:
        return int((await self.logged("admin port open"))["port"])

    async def connect(self, port: int | None = None) -> Client:
        client = Client(*await asyncio.open_connection("127.0.0.1", port or await self.port()))
        self.clients.append(client)
        return client

    async def ask(self, data: bytes) -> Answer:
        client = await self.connect()
        client.send(data)
        answer = await patient(client)
        await client.close()
        return answer

    async def admin(self, path: str) -> Answer:
        client = await self.connect(await self.admin_port())
        client.send(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        answer = await client.answer()
        await client.close()
        return answer

    async def status(self) -> Any:
        return (await self.admin("/status")).json

    async def stop(self) -> tuple[int, float]:
        """SIGTERM; exit code and seconds."""
        begun = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(30):
            return await self.process.wait(), time.monotonic() - begun


async def patient(client: Client) -> Answer:
    """An answer that may take a deliveryTimeout."""
    for _ in range(3):
        try:
            return await client.answer()
        except TimeoutError:
            continue
    raise TimeoutError


async def until(holds: Callable[[], Awaitable[bool]], seconds: float = 10) -> None:
    """Ask until it holds."""
    async with asyncio.timeout(seconds):
        while not await holds():  # noqa: ASYNC110 - another process knows nothing of our events
            await asyncio.sleep(0.05)


@asynccontextmanager
async def running(config: Path, *flags: str, within: Sequence[str] = ()) -> AsyncIterator[GatewayProcess]:
    """A gateway's process; `within` is a command that makes its surroundings and then runs it."""
    process = await asyncio.create_subprocess_exec(
        *within,
        str(Path(sys.executable).parent / "headgate-gateway"),
        *("--config", str(config), "--host", "127.0.0.1", "--port", "0", "--admin-port", "0"),
        *flags,
        stdout=asyncio.subprocess.PIPE,
    )
    gateway = GatewayProcess(process)
    reading = asyncio.create_task(gateway.read_logs())
    try:
        yield gateway
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        await reading
        for client in gateway.clients:
            await client.close()


@asynccontextmanager
async def silent_broker() -> AsyncIterator[str]:
    """Takes connections and never says a word; its address."""
    writers: list[asyncio.StreamWriter] = []
    server = await asyncio.start_server(lambda _, writer: writers.append(writer), "127.0.0.1", 0)
    try:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for writer in writers:
            writer.close()
        await asyncio.sleep(0.05)
