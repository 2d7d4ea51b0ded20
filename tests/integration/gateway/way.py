"""The way to Kafka's bootstrap server, closed until a test opens it: for outages that touch no shared broker."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress


class Way:
    """A port of its own; what comes there goes to the broker once the way is open. Closed, nothing listens."""

    def __init__(self, target: str) -> None:
        host, _, port = target.rpartition(":")
        self._target = (host, int(port))
        self._server: asyncio.Server | None = None
        self._passing: set[asyncio.Task[None]] = set()
        self._port = 0

    @property
    def address(self) -> str:
        """The bootstrap server that a profile names."""
        return f"127.0.0.1:{self._port}"

    async def reserve(self) -> None:
        """Find a port, and leave it unused."""
        await self.open()
        await self.close()

    async def open(self) -> None:
        """From now on Kafka can be found. Connections that Kafka itself tells clients to make need no way."""
        self._server = await asyncio.start_server(self._pass, "127.0.0.1", self._port)
        self._port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """From now on nobody finds it."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for task in list(self._passing):
            task.cancel()
        await asyncio.gather(*self._passing, return_exceptions=True)

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._passing.add(task)
        task.add_done_callback(self._passing.discard)
        with suppress(OSError):
            there = await asyncio.open_connection(*self._target)
            try:
                await asyncio.gather(_pump(reader, there[1]), _pump(there[0], writer))
            finally:
                there[1].close()
                writer.close()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65_536):
        writer.write(data)
        await writer.drain()
    writer.close()


@asynccontextmanager
async def way_to(target: str) -> AsyncIterator[Way]:
    """A closed way."""
    way = Way(target)
    await way.reserve()
    try:
        yield way
    finally:
        await way.close()
