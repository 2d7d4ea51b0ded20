"""Passwords are hashed in threads of their own, beside reconciles: a pass takes what is done and leaves the rest for later.

Owns the threads, and what each fleet waits for; `render.repo_secrets` says what to hash. Never blocks the event loop,
and a pass for a quarter of a second at most.
"""

import asyncio
import os
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress

from headgate_gateway.config import HashedPassword
from headgate_operator.render.repo_secrets import Password

THREADS_MAX = 4
_NICENESS = 10
"""Of the threads: watches and the lease go first where cores are few."""
PATIENCE_SECONDS = 0.25
"""How long a pass waits for a few passwords, so that those of one new repo need no second pass."""
FEW = 5

Hash = Callable[[Password], HashedPassword]


class PasswordHashing:
    """The threads of one operator."""

    def __init__(self, threads: int | None = None, derive: Hash = Password.hashed) -> None:
        count = threads or max(1, min(THREADS_MAX, os.cpu_count() or 1))
        self._threads = ThreadPoolExecutor(count, "passwords", _be_nice)
        self._derive = derive

    def begin(self, password: Password) -> Future[HashedPassword]:
        """Hash one as soon as a thread is free."""
        return self._threads.submit(self._derive, password)

    def close(self) -> None:
        """Leave what is not hashed: the process ends, or another operator acts."""
        self._threads.shutdown(wait=False, cancel_futures=True)


class FleetHasher:
    """What one fleet waits for. Asked by one rendering at a time."""

    def __init__(self, hashing: PasswordHashing) -> None:
        self._hashing = hashing
        self._begun: dict[Password, Future[HashedPassword]] = {}
        self._asked: set[Password] = set()
        self._missed: set[Password] = set()
        """What was asked for last, and was not there."""

    def begin_pass(self) -> None:
        """Passwords that nobody has asked for since the last call are not hashed any more, and not kept."""
        for password in self._begun.keys() - self._asked:
            self._begun.pop(password).cancel()
        self._missed &= self._asked
        self._asked.clear()

    def find(self, password: Password) -> HashedPassword | None:
        """Its hash; None as long as that is not known."""
        self._asked.add(password)
        future = self._begun.get(password)
        if future is None:
            future = self._begun[password] = self._hashing.begin(password)
        if not future.done():
            self._missed.add(password)
            return None
        del self._begun[password]
        self._missed.discard(password)
        return future.result()

    def forget(self) -> None:
        """The fleet is gone."""
        self._asked.clear()
        self.begin_pass()

    @property
    def unfinished(self) -> bool:
        """Whether something is missing in what was rendered last, even if it is known by now."""
        return bool(self._missed)

    async def is_soon_done(self) -> bool:
        """Whether what is left is done within a moment: then rendering again finds all."""
        left = [asyncio.wrap_future(future) for future in self._begun.values() if not future.done()]
        if len(left) > FEW:
            return False
        _, late = await asyncio.wait(left, timeout=PATIENCE_SECONDS) if left else ((), ())
        return not late


def _be_nice() -> None:
    """Threads have a niceness of their own on Linux (sched(7)); elsewhere the system decides."""
    with suppress(OSError, AttributeError):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)
