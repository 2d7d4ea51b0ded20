"""Clients of the fault suite: they send numbered lines, note what they are told, and never send one again.

Each is a sender of its own, with keys that nobody else uses and one request at a time, so that its lines have an order.
"""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from random import Random

from tests.unit.gateway.builders import Answer, Client, post

from .answers import AnswerError, Fate, fates_of
from .lines import Sent, build_line

KEYS_OF_A_SENDER = 4
MOST_LINES = 8


class _NobodyThereError(Exception):
    """No connection was made, so nothing was sent: the gateway has just ended, or is starting."""


@dataclass
class Log:
    """All that was sent, and all that was told."""

    sent: list[Sent] = field(default_factory=list)
    told: dict[int, Fate] = field(default_factory=dict)
    told_at: dict[int, float] = field(default_factory=dict)
    """By the clock that does not jump."""
    statuses: dict[str, int] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    """Answers that do not add up."""

    def note(self, lines: list[Sent], fates: list[Fate], what: str) -> None:
        """What was told about a request's lines."""
        now = time.monotonic()
        for line, fate in zip(lines, fates, strict=True):
            self.told[line.number] = fate
            self.told_at[line.number] = now
        self.statuses[what] = self.statuses.get(what, 0) + 1


@dataclass(frozen=True)
class Target:
    """Where senders find the gateway now, and which of its processes it is."""

    port: Callable[[], int]
    process: Callable[[], int]
    path: str
    patience: float
    """Seconds within which every request has its answer."""
    pause: float
    """Seconds between two requests, on average."""
    large: bool = False
    """Whether some lines are so large that a topic may be told not to take them."""


class Sender:
    """One client."""

    def __init__(self, identity: int, target: Target, log: Log, numbers: "count[int]", random: Random) -> None:
        self._identity = identity
        self._target = target
        self._log = log
        self._numbers = numbers
        self._random = random
        self.stopping = False

    async def run(self) -> None:
        """Send until `stopping`; the last request gets its answer."""
        while not self.stopping:
            try:
                await self._converse()
            except _NobodyThereError:
                await asyncio.sleep(0.02)

    async def visit(self) -> None:
        """One request, if somebody is there."""
        with suppress(_NobodyThereError):
            await self._converse(once=True)

    async def _converse(self, *, once: bool = False) -> None:
        """Requests on one connection, until it ends."""
        try:
            client = Client(*await asyncio.open_connection("127.0.0.1", self._target.port()))
        except OSError as error:
            raise _NobodyThereError from error
        process = self._target.process()
        try:
            while not self.stopping:
                lines = self._make(process)
                answer = await self._ask(client, lines)
                if once or answer is None or answer.headers.get("connection") == "close":
                    return
                await asyncio.sleep(self._random.uniform(0, 2 * self._target.pause))
        finally:
            client.writer.transport.abort()
            with suppress(OSError):
                await client.close()

    async def _ask(self, client: Client, lines: list[Sent]) -> Answer | None:
        """One request; None: there was no answer to it."""
        log, number = self._log, len(lines)
        try:
            client.send(post(b"\n".join(line.value for line in lines), path=self._target.path))
            async with asyncio.timeout(self._target.patience):
                answer = await _patient(client)
        except TimeoutError:
            log.note(lines, [Fate.OVERDUE] * number, "overdue")
            return None
        except (OSError, asyncio.IncompleteReadError) as error:
            log.note(lines, [Fate.UNANSWERED] * number, type(error).__name__)
            return None
        try:
            fates = fates_of(answer.status, answer.body, number)
        except (AnswerError, ValueError, KeyError) as error:
            log.problems.append(f"{answer.status}: {error!r}: {answer.body[:500]!r}")
            fates = [Fate.UNKNOWN] * number
        reason = f" {answer.json.get('reason')}" if answer.status >= 300 and answer.body else ""
        log.note(lines, fates, f"{answer.status}{reason}")
        return answer

    def _make(self, process: int) -> list[Sent]:
        lines = [self._line(process) for _ in range(self._random.randint(1, MOST_LINES))]
        self._log.sent += lines
        return lines

    def _line(self, process: int) -> Sent:
        random, number = self._random, next(self._numbers)
        key = None if random.random() < 0.3 else f"{self._identity}/{random.randrange(KEYS_OF_A_SENDER)}"
        large = self._target.large and random.random() < 0.1
        value = build_line(random, number, key, large=large)
        return Sent(number, None if key is None else key.encode(), value, self._identity, process)


class Traffic:
    """Senders that run together."""

    def __init__(self, targets: list[Target], seed: int) -> None:
        self.log = Log()
        self._targets, self._seed, self._numbers = targets, seed, count()
        self._senders: list[Sender] = []
        self._tasks = [asyncio.create_task(self._sender(target).run()) for target in targets]
        self.residents = range(len(targets))
        """Who sends all the time."""

    def visit(self) -> None:
        """As many others come, each sends one request, and goes with its answer."""
        self._tasks += [asyncio.create_task(self._sender(target).visit()) for target in self._targets]

    def _sender(self, target: Target) -> Sender:
        identity = len(self._senders)
        made = Sender(identity, target, self.log, self._numbers, Random(f"{self._seed}/{identity}"))
        self._senders.append(made)
        return made

    async def stop(self) -> None:
        """No more requests; those under way get their answers. Raises what went wrong in a sender."""
        for sender in self._senders:
            sender.stopping = True
        await asyncio.gather(*self._tasks)

    async def abandon(self) -> None:
        """End at once, whatever is under way."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


async def _patient(client: Client) -> Answer:
    """An answer that may take longer than a test's client waits by itself; the caller has its own patience."""
    while True:
        with suppress(TimeoutError):
            return await client.answer()
