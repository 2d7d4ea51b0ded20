"""A few threads for work that would hold the event loop, a bounded number of jobs at a time. Knows nothing of the jobs."""

import asyncio
import os
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Final, TypeVar

T = TypeVar("T")

NICENESS: Final = 10
"""Of such threads: where they share a core with the event loop, it gets ten times as much of it."""


def _step_back() -> None:
    """Threads have a niceness of their own on Linux (sched(7)); elsewhere the system decides."""
    with suppress(OSError, AttributeError):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)


class Workers:
    """Threads, made when first needed, and the queue of those who wait for a turn on them."""

    def __init__(self, threads: int, *, nice: bool = False) -> None:
        self._threads = threads
        self._nice = nice
        self._free = threads
        self._waiting: deque[Callable[[], None]] = deque()
        self._pool: ThreadPoolExecutor | None = None

    @property
    def waiting(self) -> int:
        """Those who wait for a turn."""
        return len(self._waiting)

    def take_turn(self, start: Callable[[], None]) -> None:
        """Call `start` once a thread is free for it, now or later; it calls `end_turn` when it is through."""
        if self._free:
            self._free -= 1
            start()
        else:
            self._waiting.append(start)

    def end_turn(self) -> None:
        """The next one, please."""
        if self._waiting:
            self._waiting.popleft()()
        else:
            self._free += 1

    def run(self, work: Callable[[], T], on_done: Callable[["asyncio.Future[T]"], None]) -> None:
        """Run `work` in a thread; `on_done` is called in the event loop. Only within one's turn."""
        if self._pool is None:
            self._pool = ThreadPoolExecutor(self._threads, initializer=_step_back if self._nice else None)
        loop = asyncio.get_running_loop()
        try:
            future = loop.run_in_executor(self._pool, work)
        except Exception as error:  # noqa: BLE001
            # Broad on purpose: no thread could be had, say. As if the work had failed, so that its turn is given back.
            future = loop.create_future()
            future.set_exception(error)
        future.add_done_callback(on_done)
