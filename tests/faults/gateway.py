"""A gateway under control: the real process, killed, stopped, started again on the same ports, config and spool.

Counts its processes, and keeps what each of them counted last: copies in Kafka are judged by that.
"""

import asyncio
import math
import re
import signal
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.integration.gateway.process import GatewayProcess, running, write_config
from tests.testbed import ports
from tests.unit.gateway.builders import Client

FIRST_PORT = 23_000
POLL_SECONDS = 0.05
START_SECONDS = 30
SLOW_SECONDS = "0.25"
"""A commit that takes longer is a slow one: a bound of the gateway's histogram. In memory, where its disk is, others never do."""
_COUNTED = re.compile(r"^headgate_producer_(retried_records|unknown)_total\{[^}]*\} ([0-9.e+]+)$", re.MULTILINE)
_COMMITS = re.compile(r'^headgate_spool_commit_seconds_bucket\{[^}]*le="([^"]+)"[^}]*\} ([0-9.e+]+)$', re.MULTILINE)
_FULL = re.compile(r'^headgate_spool_state\{[^}]*state="Full"[^}]*\} 1\.0$', re.MULTILINE)


@dataclass
class Process:
    """One of a gateway's processes, one after the other."""

    counted: int = 0
    """Records that Kafka may have twice, as it said when it was asked last."""
    asked_at: float = 0.0
    slow_commits: int = 0
    """Groups of requests that its disk took long for."""
    full_at: float = -math.inf
    """When its spool was seen to be full last."""
    ended: bool = False
    defects: list[str] = field(default_factory=list)
    """What it logged about itself that no fault of the world explains."""
    _last: int = 0
    _last_slow: int = 0

    def note_spool(self, metrics: str, now: float) -> None:
        """What it tells of its disk now; fewer commits than before: a log has gone, and its numbers with it."""
        counts = {bound: int(float(count)) for bound, count in _COMMITS.findall(metrics)}
        slow = counts.get("+Inf", 0) - counts.get(SLOW_SECONDS, 0)
        self.slow_commits += max(0, slow - self._last_slow)
        self._last_slow = slow
        if _FULL.search(metrics):
            self.full_at = now

    def note(self, value: int, now: float) -> None:
        """What it counts now; less than before: a producer has gone, and its numbers with it."""
        self.counted += value - self._last if value >= self._last else value
        self._last, self.asked_at = value, now


class Gateway:
    """The gateway of one run."""

    def __init__(self, config: Path, flags: Sequence[str], within: Sequence[str] = ()) -> None:
        self.config = config
        self.port, self._admin_port = ports.free(2, FIRST_PORT)
        self.processes: list[Process] = []
        self.logs: list[dict[str, Any]] = []
        self._flags = ("--port", str(self.port), "--admin-port", str(self._admin_port), *flags)
        self._within = within
        self._stack = AsyncExitStack()
        self._running: GatewayProcess | None = None
        self._polling: asyncio.Task[None] | None = None
        self._undisturbed_since = math.inf

    @property
    def slow_commits(self) -> int:
        """Of all processes."""
        return sum(process.slow_commits for process in self.processes)

    def could_commit_since(self, begun: float) -> bool:
        """Whether one process has run all the time, not frozen, and its spool was never seen to be full."""
        return self._undisturbed_since <= begun and self.processes[-1].full_at < begun

    @property
    def number(self) -> int:
        """Of the present process."""
        return len(self.processes) - 1

    def configure(self, *entries: dict[str, Any], **credentials: str) -> None:
        """Write the config; a gateway that runs notices."""
        for name, content in credentials.items():
            (self.config / f"credential.{name}").write_text(content)
        write_config(self.config, *entries)

    async def start(self) -> None:
        """A process that serves. One that ends instead is started again, as a kubelet does it."""
        async with asyncio.timeout(START_SECONDS):
            while not await self._start():  # noqa: ASYNC110 - nobody but a new process knows
                await asyncio.sleep(0.3)
        self._polling = asyncio.create_task(self._poll(self.processes[-1]))
        self._undisturbed_since = time.monotonic()

    async def _start(self) -> bool:
        self.processes.append(Process())
        self._running = await self._stack.enter_async_context(running(self.config, *self._flags, within=self._within))
        serves = await self._serving(self._running)
        if not serves:
            await self._gone()
        return serves

    async def kill(self) -> None:
        """SIGKILL, at whatever it is doing."""
        self._undisturbed_since = math.inf
        if self._running is not None and self._running.process.returncode is None:
            self._running.process.kill()
        await self._gone()

    async def terminate(self, seconds: float) -> int:
        """SIGTERM; the exit code. Raises TimeoutError where it takes longer than that."""
        assert self._running is not None
        self._undisturbed_since = math.inf
        self._running.process.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(seconds):
                return await self._running.process.wait()
        finally:
            await self._gone()

    async def status(self) -> Any:
        """The body of /status."""
        assert self._running is not None
        return await self._running.status()

    def freeze(self, *, frozen: bool) -> None:
        """SIGSTOP, SIGCONT."""
        self._undisturbed_since = math.inf if frozen else time.monotonic()
        if self._running is not None and self._running.process.returncode is None:
            self._running.process.send_signal(signal.SIGSTOP if frozen else signal.SIGCONT)

    async def _serving(self, process: GatewayProcess) -> bool:
        while not any(line["message"] == "traffic port open" for line in process.logs):
            if process.process.returncode is not None:
                return False
            await asyncio.sleep(0.02)
        return True

    async def _gone(self) -> None:
        if self._polling is not None:
            self._polling.cancel()
            await asyncio.gather(self._polling, return_exceptions=True)
        await self._stack.aclose()
        if self._running is not None:
            self.logs += self._running.logs
            self.processes[-1].defects += [_shown(line) for line in self._running.logs if _is_defect(line)]
            self.processes[-1].ended = True
        self._running = self._polling = None

    async def _poll(self, process: Process) -> None:
        """Ask for what it counts, again and again, on one connection: its last answer is what we know of it."""
        while True:
            with suppress(OSError, asyncio.IncompleteReadError, TimeoutError):
                client = Client(*await asyncio.open_connection("127.0.0.1", self._admin_port))
                try:
                    await self._ask_for_ever(client, process)
                finally:
                    client.writer.transport.abort()
            await asyncio.sleep(POLL_SECONDS)

    async def _ask_for_ever(self, client: Client, process: Process) -> None:
        while True:
            now = time.monotonic()
            client.send(b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n")
            text = (await client.answer()).body.decode()
            process.note_spool(text, now)
            process.note(sum(int(float(value)) for _, value in _COUNTED.findall(text)), now)
            await asyncio.sleep(POLL_SECONDS)


def _is_defect(line: dict[str, Any]) -> bool:
    """Errors with a traceback: whatever Kafka, the disk or a client does, they are expected."""
    return line["level"] in {"error", "critical"} and "exception" in line


def _shown(line: dict[str, Any]) -> str:
    return str(line)[:1_500]
