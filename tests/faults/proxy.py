"""A TCP proxy of ours between a gateway and a broker, on loopback: cuts, swallows, delays and throttles, on command.

It knows where Kafka's requests and answers begin and end, and which of them produce, so that a cut falls where a test
wants it. Never changes a byte. Brokers advertise its address (`bootstrap_proxied` of the testbed's Kafka).
"""

import asyncio
import struct
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

PRODUCE = 0
CHUNK = 16_384
MOST = 64 * 2**20
"""Bytes of a frame; more is no Kafka."""
LOOPBACK = "127.0.0.1"


@dataclass
class Weather:
    """What all proxies of a run do to what passes; changed while they run."""

    refuse: bool = False
    """Connections are ended as soon as they are made, and no one stays open: nothing listens there, as far as is seen."""
    delay: float = 0.0
    """Seconds that each request and each answer waits."""
    rate: float = 0.0
    """Bytes a second of each connection and direction; 0: no limit."""
    cut_requests: list[float] = field(default_factory=list)
    """The next produce requests are cut after these parts of them (0 to 1), one each, and their connections end."""
    cut_answers: list[float] = field(default_factory=list)
    """The same for the answers to produce requests: Kafka has written, and the gateway does not learn of it."""
    cuts: int = 0
    """How many were."""

    def __post_init__(self) -> None:
        self._passes = asyncio.Event()
        self._passes.set()

    def swallow(self) -> None:
        """Nothing passes, connections stay open, new ones are taken: a black hole, until `release`."""
        self._passes.clear()

    def release(self) -> None:
        """What was swallowed goes on, late."""
        self._passes.set()

    async def passage(self) -> None:
        """Wait until something may pass."""
        await self._passes.wait()

    def clear(self) -> None:
        """Fine weather."""
        self.refuse, self.delay, self.rate = False, 0.0, 0.0
        self.cut_requests.clear()
        self.cut_answers.clear()
        self.release()


class Proxy:
    """One proxy, in front of one port."""

    def __init__(self, port: int, target: int, weather: Weather) -> None:
        self.port = port
        self._target = target
        self._weather = weather
        self._server: asyncio.Server | None = None
        self._pairs: set[Pair] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Listen. Port 0: any, and `port` says which."""
        self._server = await asyncio.start_server(self._accept, LOOPBACK, self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    def reset(self) -> None:
        """End all connections at once."""
        for pair in list(self._pairs):
            pair.reset()

    async def stop(self) -> None:
        """No longer listen, and end all connections."""
        if self._server is not None:
            self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self.reset()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        if self._weather.refuse:
            writer.transport.abort()
            return
        try:
            there = await asyncio.open_connection(LOOPBACK, self._target)
        except OSError:
            writer.transport.abort()
            return
        pair = Pair((reader, writer), there, self._weather)
        self._pairs.add(pair)
        try:
            await pair.run()
        finally:
            self._pairs.discard(pair)
            pair.reset()


Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Pair:
    """A client's connection and the broker's that belongs to it."""

    def __init__(self, here: Stream, there: Stream, weather: Weather) -> None:
        self._here, self._there = here, there
        self._weather = weather
        self._produced: set[bytes] = set()
        """Correlation ids of produce requests under way."""

    async def run(self) -> None:
        """Pass frames both ways until one side ends."""
        ways = {
            asyncio.create_task(self._pump(self._here[0], self._there[1], self._cut_of_request)),
            asyncio.create_task(self._pump(self._there[0], self._here[1], self._cut_of_answer)),
        }
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)

    def reset(self) -> None:
        """End both, whatever is still on its way."""
        self._here[1].transport.abort()
        self._there[1].transport.abort()

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, cut_of: Callable[[bytes], float | None]
    ) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                size = await reader.readexactly(4)
                [length] = struct.unpack(">i", size)
                assert 0 < length < MOST, f"{length} is no frame's length"
                frame = size + await reader.readexactly(length)
                await self._weather.passage()
                if self._weather.delay:
                    await asyncio.sleep(self._weather.delay)
                cut = cut_of(frame)
                await self._pass(frame if cut is None else frame[: int(len(frame) * cut)], writer)
                if cut is not None:
                    await self._end(writer)
                    return

    async def _pass(self, data: bytes, writer: asyncio.StreamWriter) -> None:
        for start in range(0, len(data), CHUNK):
            piece = data[start : start + CHUNK]
            writer.write(piece)
            await writer.drain()
            if self._weather.rate:
                await asyncio.sleep(len(piece) / self._weather.rate)

    async def _end(self, writer: asyncio.StreamWriter) -> None:
        """End in order where something was passed in part, so that it arrives."""
        self._weather.cuts += 1
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()

    def _cut_of_request(self, frame: bytes) -> float | None:
        [kind] = struct.unpack_from(">h", frame, 4)
        if kind != PRODUCE:
            return None
        self._produced.add(frame[8:12])
        return self._weather.cut_requests.pop(0) if self._weather.cut_requests else None

    def _cut_of_answer(self, frame: bytes) -> float | None:
        identity = frame[4:8]
        if identity not in self._produced:
            return None
        self._produced.discard(identity)
        return self._weather.cut_answers.pop(0) if self._weather.cut_answers else None
