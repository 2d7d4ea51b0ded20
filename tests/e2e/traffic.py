"""Steady traffic: events with numbers of their own, at a bounded rate, through the edge on loopback.

Runs beside the test in a thread with its own event loop. Never retries: what fails is what the test wants to see.
"""

import asyncio
import json
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from urllib.parse import urlsplit

import aiohttp
from tests.e2e.api import wait_for

MAX_SECONDS = 240.0
LOOPBACK = ("127.0.0.1", "localhost", "::1")


@dataclass
class Traffic:
    """What was sent and what came of it."""

    url: str
    rate: float
    name: str
    host: str = ""
    """The host name that is asked for, where it is not the address's."""
    sent: dict[int, float] = field(default_factory=dict)
    """When it was sent, by event number, monotonic seconds."""
    answered: dict[int, int] = field(default_factory=dict)
    """HTTP status by event number."""
    broken: dict[int, str] = field(default_factory=dict)
    """What went wrong on the wire, by event number."""
    bodies: dict[int, str] = field(default_factory=dict)
    """What was answered where it was not 200, by event number."""
    seconds: dict[int, float] = field(default_factory=dict)
    """How long the answer took, by event number."""
    dropped: set[int] = field(default_factory=set)
    """Events answered 200 and dropped by the constraint."""

    def line(self, number: int) -> bytes:
        """The event of a number."""
        return json.dumps({"run": self.name, "n": number, "status": 500, "key": f"k{number % 17}"}).encode()

    @property
    def acknowledged(self) -> set[int]:
        """Events answered 200."""
        return {number for number, status in list(self.answered.items()) if status == HTTPStatus.OK}

    @property
    def latency(self) -> str:
        """How long answers took, for people."""
        took = sorted(self.seconds.values())
        if not took:
            return "no answers"
        number = max(self.seconds, key=lambda each: self.seconds[each])
        return (
            f"{len(took)} requests: median {took[len(took) // 2] * 1000:.0f} ms, "
            f"p99 {took[len(took) * 99 // 100] * 1000:.0f} ms, slowest {took[-1]:.2f} s (event {number})"
        )

    @property
    def failures(self) -> list[str]:
        """One line for each request that was not answered 200."""
        refused = (
            f"event {number}: {status} {self.bodies.get(number, '')[:300]}"
            for number, status in sorted(self.answered.items())
            if status != HTTPStatus.OK
        )
        return [*refused, *(f"event {number}: {why}" for number, why in sorted(self.broken.items()))]

    def answered_at(self, numbers: Iterable[int]) -> list[float]:
        """When these events were answered, in order, monotonic seconds; those that broke on the wire when they were sent."""
        return sorted(self.sent[number] + self.seconds.get(number, 0.0) for number in numbers)

    async def send(self, client: aiohttp.ClientSession, number: int) -> None:
        """One request with one event."""
        began = self.sent[number] = time.monotonic()
        try:
            async with client.post(self.url, data=self.line(number)) as answer:
                text, status = await answer.text(), answer.status
        except (aiohttp.ClientError, TimeoutError) as error:
            self.broken[number] = f"{type(error).__name__}: {error}"
            return
        self.seconds[number] = time.monotonic() - began
        if status != HTTPStatus.OK:
            self.bodies[number] = text
        elif json.loads(text)["dropped"]:
            self.dropped.add(number)
        self.answered[number] = status

    async def run(self, stop: threading.Event) -> None:
        """Send at the rate until told to stop, then wait for the answers."""
        began = time.monotonic()
        sending: set[asyncio.Task[None]] = set()
        number = 0
        async with self._client() as client:
            while not stop.is_set() and time.monotonic() - began < MAX_SECONDS:
                task = asyncio.create_task(self.send(client, number))
                sending.add(task)
                task.add_done_callback(sending.discard)
                number += 1
                await asyncio.sleep(max(0.0, began + number / self.rate - time.monotonic()))
            await asyncio.gather(*sending)

    def _client(self) -> aiohttp.ClientSession:
        """aiohttp, which sends no POST a second time; httpx spends 3 ms of CPU on a request, more than the gateway does."""
        return aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=20),
            headers={"Host": self.host} if self.host else {},
            skip_auto_headers=("Content-Type",),
        )


def wait_requests(traffic: Traffic, count: int, timeout: float = 120) -> None:
    """Until so many requests have been answered."""
    wait_for(lambda: len(traffic.answered) >= count, f"{count} requests are answered", timeout)


@contextmanager
def steady_traffic(url: str, name: str, rate: float = 50, host: str = "") -> Iterator[Traffic]:
    """Traffic for as long as the block runs; complete, all answers in, once it ends."""
    if urlsplit(url).hostname not in LOOPBACK:
        raise ValueError(f"traffic goes to loopback only, not to {url}")
    traffic = Traffic(url, rate, name, host)
    stop = threading.Event()
    thread = threading.Thread(target=lambda: asyncio.run(traffic.run(stop)), name="steady-traffic")
    thread.start()
    try:
        yield traffic
    finally:
        stop.set()
        thread.join(60)
