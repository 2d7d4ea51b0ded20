"""A queue of keys: each key once, one worker per key, retries with backoff, resync. Knows nothing of fleets.

Time and randomness are arguments. Called by the store's notifications (`add`) and by the runner (`run`).
"""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

from headgate_operator.ports import Clock

Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True, slots=True)
class QueueTiming:
    """Seconds."""

    coalesce: float = 0.05
    """How long a first notice waits for its neighbours."""
    first_retry: float = 0.2
    longest_retry: float = 60.0
    jitter: float = 0.2
    """Share of a retry's delay that is random."""


class WorkQueue(Generic[Key]):
    """Keys that wait, by the time at which they are due."""

    def __init__(self, clock: Clock, random: Callable[[], float], timing: QueueTiming) -> None:
        self._clock = clock
        self._random = random
        self._timing = timing
        self._due: dict[Key, float] = {}
        self._added: dict[Key, float] = {}
        self._failures: dict[Key, int] = {}
        self._running: set[Key] = set()
        self._wake = asyncio.Event()

    def add(self, key: Key) -> None:
        """Have a key worked on soon: at once if it waits for a retry, again if it is being worked on."""
        now = self._clock()
        self._schedule(key, now + self._timing.coalesce, now)

    def add_later(self, key: Key, delay: float) -> None:
        """Have a key worked on after so many seconds, unless it is sooner anyway."""
        due = self._clock() + delay
        self._schedule(key, due, due)

    def _schedule(self, key: Key, due: float, since: float) -> None:
        """`since`: from when on it counts as waiting; what was put off on purpose is not late."""
        if key not in self._due or due < self._due[key]:
            self._due[key] = due
            self._wake.set()
        self._added[key] = min(since, self._added.get(key, since))

    def take(self) -> Key | None:
        """The key that has been due the longest and is not being worked on; it counts as running until `done`."""
        now = self._clock()
        ready = [key for key, due in self._due.items() if due <= now and key not in self._running]
        if not ready:
            return None
        key = min(ready, key=self._due.__getitem__)
        del self._due[key]
        self._added.pop(key, None)
        self._running.add(key)
        return key

    def done(self, key: Key, *, failed: bool) -> None:
        """A worker has finished a key; a failed one comes back after a growing, jittered delay."""
        self._running.discard(key)
        self._wake.set()
        if not failed:
            self._failures.pop(key, None)
            return
        count = self._failures.get(key, 0)
        self._failures[key] = count + 1
        delay = min(self._timing.longest_retry, self._timing.first_retry * 2.0 ** min(count, 30))
        self.add_later(key, delay * (1 + self._timing.jitter * (self._random() - 0.5)))

    def clear(self) -> None:
        """Drop everything that waits: somebody else acts now."""
        self._due.clear()
        self._added.clear()
        self._failures.clear()

    @property
    def depth(self) -> int:
        """Keys that wait."""
        return len(self._due)

    @property
    def oldest_age(self) -> float:
        """Seconds since the oldest waiting notice."""
        return max(0.0, max((self._clock() - added for added in self._added.values()), default=0.0))

    def delay(self) -> float | None:
        """Seconds until some key is due that nobody works on; None if there is none."""
        times = [due for key, due in self._due.items() if key not in self._running]
        return max(0.0, min(times) - self._clock()) if times else None

    async def run(self, work: Callable[[Key], Awaitable[bool]], workers: int) -> None:
        """Work off keys, so many at a time, until cancelled; `work` answers whether it succeeded and never raises."""
        slots = asyncio.Semaphore(workers)
        async with asyncio.TaskGroup() as group:
            while True:
                await slots.acquire()
                key = await self._next()
                group.create_task(self._work_one(work, key, slots))

    async def _next(self) -> Key:
        while (key := self.take()) is None:
            self._wake.clear()
            try:
                async with asyncio.timeout(self.delay()):
                    await self._wake.wait()
            except TimeoutError:
                continue
        return key

    async def _work_one(self, work: Callable[[Key], Awaitable[bool]], key: Key, slots: asyncio.Semaphore) -> None:
        succeeded = False
        try:
            succeeded = await work(key)
        finally:
            self.done(key, failed=not succeeded)
            slots.release()
