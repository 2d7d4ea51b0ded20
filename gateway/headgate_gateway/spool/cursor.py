"""Goes through one log in order, and offers what waits there to the courier, which takes it or has it wait.

Entries that are with a producer are passed over. When some come back, it goes back to the first of them. It reads only
while something waits, a bounded piece at a time.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from concurrent.futures import Executor

from headgate_gateway.kafka.supervise import supervise
from headgate_gateway.spool.errors import SpoolFencedError
from headgate_gateway.spool.log import Log, Stored
from headgate_gateway.spool.targets import Lanes, Target, TargetState

log = logging.getLogger(__name__)

READ_BYTES = 1024 * 1024
LOOK_AGAIN = 0.1
"""Seconds after which a cursor that waits looks again, whether or not it was woken."""
READ_AGAIN = 1.0
"""Seconds after a read that failed."""
CONFIRMED_FOR = 0.25
"""Seconds for which a directory that others can take counts as this process's: what was read may wait for minutes."""
COPIED_BYTES = 8 * 2**20
"""Of entries of one log that are being copied to another, moved and given up each: memory holds them until that is durable."""


class Cursor:
    """One log, and what is known of its entries."""

    log: Log

    def __init__(
        self,
        executor: Executor,
        offer: "Callable[[Cursor, Stored], Awaitable[bool]]",
        states: Callable[[Iterable[Target]], list[TargetState]],
        *,
        is_side: bool = False,
    ) -> None:
        self.is_side = is_side
        """Whether it is of one target alone."""
        self.known_end = 0
        """The number after the last entry that the courier has been told of."""
        self.waiting: dict[Target, Lanes] = {}
        """Entries of this log that are durable and neither with a producer nor being moved."""
        self.away: dict[int, Target | None] = {}
        """By number: entries with a producer, by their target, or (None) being moved."""
        self.returned: dict[int, tuple[TargetState, tuple[int, ...], int]] = {}
        """By number: waiting entries that may turn out to have been delivered; target, buckets and end."""
        self.burying: dict[int, set[int]] = {}
        """By number: positions of records that are being given up."""
        self.moving_bytes = 0
        """Of entries that are being moved to another log."""
        self.burying_bytes = 0
        """Of entries with records that are being given up."""
        self.position = 0
        self._executor = executor
        self._offer = offer
        self._states = states
        self.goes_back = False
        """Whether an earlier entry than the one on offer waits again."""
        self._confirmed = 0.0
        """Since when at least the log's directory is known to be this process's."""
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def attach(self, log: Log) -> None:
        """The log has been opened; what it holds has been added."""
        self.log = log
        self.known_end = log.end
        self.position = log.start

    # What waits

    def add(self, state: TargetState, first: int, buckets: Iterable[int]) -> None:
        """An entry waits; it is come to in its turn."""
        state.waiting.add(buckets)
        if self.is_side:
            state.in_side += 1
        if not self.waiting or first < self.position:
            self.position, self.goes_back = first, True
        self.waiting.setdefault(state.target, Lanes()).add(buckets)
        self._wake.set()

    def remove(self, state: TargetState, first: int, buckets: Iterable[int]) -> None:
        """It waits no longer."""
        self.returned.pop(first, None)
        lanes = self.waiting[state.target]
        lanes.remove(buckets)
        state.waiting.remove(buckets)
        if self.is_side:
            state.in_side -= 1
        if not lanes.entries:
            del self.waiting[state.target]

    def count(self, first: int, end: int) -> int:
        """How many of these records are not acknowledged."""
        return sum(stop - start for start, stop in self.log.missing(first, end))

    def has_away(self, target: Target) -> bool:
        """Whether a producer has any of a target's."""
        return target in self.away.values()

    def open_positions(self, stored: Stored) -> list[int]:
        """Positions of the entry's records that are to be sent."""
        missing = self.log.missing(stored.first, stored.end)
        positions = [number - stored.first for start, end in missing for number in range(start, end)]
        buried = self.burying.get(stored.first)
        return positions if buried is None else [position for position in positions if position not in buried]

    def may_move(self, nbytes: int) -> bool:
        """Whether that much more may be moved to another log at once: always something."""
        return not self.moving_bytes or self.moving_bytes + nbytes <= COPIED_BYTES

    def may_bury(self, nbytes: int) -> bool:
        """Whether that much more may be given up at once: always something."""
        return not self.burying_bytes or self.burying_bytes + nbytes <= COPIED_BYTES

    @property
    def is_idle(self) -> bool:
        """Whether nothing of the log is waiting or on its way."""
        return not (self.waiting or self.away or self.burying)

    # Going through it

    def start(self) -> None:
        """Begin."""
        self._task = asyncio.create_task(supervise("spool: cursor", self._run))

    async def stop(self) -> None:
        """Offer nothing more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    def wake(self) -> None:
        """Something has changed."""
        self._wake.set()

    async def confirm(self) -> None:
        """Before an entry that was read is handed over: the directory is still this process's, or was a moment ago.

        Raises SpoolFencedError where it is not; OSError where nobody can tell.
        """
        began = asyncio.get_running_loop().time()
        if self.log.is_shared and began - self._confirmed >= CONFIRMED_FOR:
            await asyncio.get_running_loop().run_in_executor(self._executor, self.log.confirm)
            self._confirmed = began

    async def pause(self) -> bool:
        """Wait until something changes, or a moment; False: an earlier entry has come back, or nothing waits here."""
        self._wake.clear()
        try:
            async with asyncio.timeout(LOOK_AGAIN):
                await self._wake.wait()
        except TimeoutError:
            pass
        return not self.goes_back and bool(self.waiting)

    async def _run(self) -> None:
        while True:
            if not self.waiting:
                self._wake.clear()
                await self._wake.wait()
                continue
            try:
                await self._pass()
            except (OSError, SpoolFencedError) as error:
                log.warning("the spool cannot be read now", extra={"error": str(error)})
                await asyncio.sleep(READ_AGAIN)

    async def _pass(self) -> None:
        """One piece of the log."""
        self.goes_back = False
        loop, limit = asyncio.get_running_loop(), min(self.log.end, self.known_end)
        self._confirmed = loop.time()
        entries, after = await loop.run_in_executor(self._executor, self.log.read, self.position, READ_BYTES)
        for stored in entries:
            if self.goes_back:
                return
            if stored.first >= self.known_end:
                # Durable a moment ago: whoever appended it will be told first.
                await self.pause()
                return
            self.position = stored.first
            if not await self._take(stored):
                return
            self.position = max(self.position, stored.end) if not self.goes_back else self.position
        if self.goes_back:
            return
        if entries:
            # What has become durable while it read may be in the answer, or not.
            self.position = min(after, limit)
        elif self.log.backlog or self.away:
            self.position = self.log.start
            await self.pause()
        else:
            self._forget()

    def _forget(self) -> None:
        """What was waiting has vanished: it was damaged, and set aside."""
        for state in self._states(self.waiting):
            # What the target has in its other log, or on its way there, still waits.
            lanes = self.waiting[state.target]
            state.waiting.subtract(lanes)
            if self.is_side:
                state.in_side -= lanes.entries
        self.waiting.clear()
        self.returned.clear()

    async def _take(self, stored: Stored) -> bool:
        """Whether to go on with the next entry."""
        if stored.first in self.away:
            return True
        return await self._offer(self, stored)
