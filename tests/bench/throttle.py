"""A TCP proxy before a broker, on loopback: lets bytes to Kafka through at a chosen rate.

Answers pass unhindered, except that the broker's port in them becomes the proxy's: clients then stay behind it. Runs in
a thread of the bench. Knows the framing of Kafka's protocol (a length, then that many bytes) and nothing else of it.
"""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from tests.testbed import ports

HOST = "127.0.0.1"
CHUNK = 64 * 1024
FIRST_PORT = 23_500


class Throttle:
    """`limit` is bytes a second towards Kafka, 0 for all there are; `passed` counts them."""

    def __init__(self, broker: int, port: int) -> None:
        self.limit = 0.0
        self.passed = 0
        self.port = port
        self._broker = broker
        self._loop = asyncio.new_event_loop()
        self._free_at = 0.0

    @property
    def bootstrap(self) -> str:
        """Where clients find Kafka now."""
        return f"{HOST}:{self.port}"

    def run(self, ready: threading.Event) -> None:
        """Serve until `stop`; in a thread of its own."""
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(asyncio.start_server(self._serve, HOST, self.port, limit=2**24))
        ready.set()
        self._loop.run_forever()
        server.close()
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        self._loop.run_until_complete(asyncio.sleep(0))
        self._loop.close()

    def stop(self) -> None:
        """From another thread."""
        self._loop.call_soon_threadsafe(self._loop.stop)

    async def _serve(self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        broker, to_broker = await asyncio.open_connection(HOST, self._broker, limit=2**24)
        ways = [
            asyncio.ensure_future(self._requests(client, to_broker)),
            asyncio.ensure_future(self._answers(broker, to_client)),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            to_broker.close()
            to_client.close()

    async def _requests(self, client: asyncio.StreamReader, to_broker: asyncio.StreamWriter) -> None:
        while data := await client.read(CHUNK):
            if self.limit:
                now = self._loop.time()
                self._free_at = max(self._free_at, now) + len(data) / self.limit
                await asyncio.sleep(self._free_at - now)
            self.passed += len(data)
            to_broker.write(data)
            await to_broker.drain()

    async def _answers(self, broker: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        # In metadata a broker's port follows its host at once, whatever the version.
        theirs, ours = (HOST.encode() + port.to_bytes(4, "big") for port in (self._broker, self.port))
        try:
            while True:
                length = await broker.readexactly(4)
                frame = await broker.readexactly(int.from_bytes(length, "big"))
                to_client.write(length + frame.replace(theirs, ours))
                await to_client.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            return


@contextmanager
def throttled(broker: int) -> Iterator[Throttle]:
    """A proxy before the broker at this port."""
    throttle, ready = Throttle(broker, ports.preferred(FIRST_PORT)), threading.Event()
    thread = threading.Thread(target=throttle.run, args=(ready,), daemon=True, name="throttle")
    thread.start()
    ready.wait(10)
    try:
        yield throttle
    finally:
        throttle.stop()
        thread.join(10)
