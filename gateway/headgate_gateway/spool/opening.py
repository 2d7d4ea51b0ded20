"""Waits, with a gateway's start, for a disk that has no room even for an empty spool: no crash makes any. Used by the root."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from headgate_gateway.config.status import SpoolState, SpoolStatus
from headgate_gateway.spool.errors import NO_SPACE
from headgate_gateway.spool.settings import SpoolSettings
from headgate_gateway.spool.spool import Spool

log = logging.getLogger(__name__)

OPEN_AGAIN = 2.0
"""Seconds."""


async def open_once_there_is_room(
    open_spool: Callable[[], Awaitable[Spool]],
    on_full: Callable[[str], None],
    stop: asyncio.Event,
    again: float = OPEN_AGAIN,
) -> Spool | None:
    """Open it as soon as the disk takes it; None: `stop` came first. Raises what `Spool.open` does, but for want of room."""
    while not stop.is_set():
        try:
            return await open_spool()
        except OSError as error:
            if error.errno not in NO_SPACE:
                raise
            log.warning("there is no room for a spool", extra={"error": str(error)})
            on_full(error.strerror or str(error))
        try:
            async with asyncio.timeout(again):
                await stop.wait()
        except TimeoutError:
            continue
    return None


def status_without_room(settings: SpoolSettings, problem: str) -> SpoolStatus:
    """What `/status` says meanwhile."""
    return SpoolStatus(state=SpoolState.FULL.value, problem=problem, max_bytes=settings.max_bytes, owner=settings.owner)
