"""The time that a spool has for its end, which may be cut short while it is under way. Used by `spool`."""

import asyncio
import logging
from collections.abc import Callable

log = logging.getLogger(__name__)

LOOK_EVERY = 0.1
"""Seconds."""
LAST_WRITES = 1.0
"""Seconds for closing the logs, beyond the time there is: a disk that hangs is not waited for."""


class Ending:
    """Begins with `begin`."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._until: float | None = None
        self._closing: asyncio.Future[None] | None = None

    def begin(self, seconds: float) -> None:
        """The end has to come in so many seconds."""
        self._until = self._loop.time() + seconds

    def hurry(self, seconds: float) -> None:
        """Where it has begun, have it take no more time than this from now on."""
        if self._until is not None:
            self._until = min(self._until, self._loop.time() + seconds)

    def left(self, before: float = 0.0) -> float:
        """Seconds until the end has to come, or so many seconds before."""
        return 0.0 if self._until is None else self._until - before - self._loop.time()

    async def wait_for(self, is_so: Callable[[], bool], before: float) -> None:
        """Until it is so, or so many seconds before the end."""
        # The last seconds of a process: a look now and then, rather than an event that every entry would have to set.
        while not is_so() and self.left(before) > 0:  # noqa: ASYNC110
            await asyncio.sleep(min(LOOK_EVERY, max(self.left(before), 0.001)))

    async def finish(self, closing: asyncio.Future[None]) -> None:
        """Wait for the last writes, as long as there is time. Raises what they do."""
        self._closing = closing
        _, hanging = await asyncio.wait([closing], timeout=max(self.left(), 0.0) + LAST_WRITES)
        if hanging:
            log.error("the spool's disk hangs: the last checkpoint is missing, and what it would say is sent again")
        else:
            await closing

    @property
    def hangs(self) -> bool:
        """Whether the last writes were not waited for, and are not done yet."""
        return self._closing is not None and not self._closing.done()
