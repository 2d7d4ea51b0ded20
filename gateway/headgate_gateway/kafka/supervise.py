"""Keeps a task's body running: what dies is logged and started again. The producer runs all its tasks this way."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

log = logging.getLogger(__name__)

RESTART_AFTER = 0.2


async def supervise(name: str, body: Callable[[], Awaitable[None]]) -> None:
    """Run `body` for ever; ends only when the task that runs this is cancelled."""
    task = asyncio.current_task()
    while True:
        try:
            await body()
        except asyncio.CancelledError:
            # A future cancelled inside aiokafka raises this too, without anybody having cancelled this task.
            if task is None or task.cancelling():
                raise
            log.error("%s was cancelled from within; starting it again", name, extra={"task": name})
        except Exception:
            # Broad on purpose: whatever it was, a producer without its tasks would hang for ever.
            log.exception("%s failed; starting it again", name, extra={"task": name})
        await asyncio.sleep(RESTART_AFTER)
