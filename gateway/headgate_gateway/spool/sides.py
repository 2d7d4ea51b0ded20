"""Logs of their own for targets that hold up others: opened when needed, removed once empty.

A target's side log goes before what it has in the main one, so order holds over the move.
"""

import asyncio
import hashlib
import logging
from collections.abc import Callable
from concurrent.futures import Executor
from functools import partial

import msgspec

from headgate_gateway.spool.cursor import Cursor
from headgate_gateway.spool.entry import Entry, EntryHead, part_of
from headgate_gateway.spool.errors import SpoolError
from headgate_gateway.spool.load import runs_of
from headgate_gateway.spool.log import Log, Stored, Visit
from headgate_gateway.spool.targets import Target, TargetState

log = logging.getLogger(__name__)

OPEN_AGAIN = 1.0
"""Seconds after the disk has refused one."""

OpenLog = Callable[[str, Visit | None], Log]
"""Opens the side log of a name. Blocks; raises OSError."""


def name_of(target: Target) -> str:
    """The name of a target's log: hex digits."""
    return hashlib.sha256(msgspec.json.encode(target)).hexdigest()[:32]


class Sides:
    """All side logs of one spool."""

    def __init__(
        self,
        open_log: OpenLog,
        remove_log: Callable[[str], None],
        make_cursor: Callable[[], Cursor],
        executor: Executor,
    ) -> None:
        self._open_log = open_log
        self._remove_log = remove_log
        self._make_cursor = make_cursor
        self._executor = executor
        """Of one thread, so that a log is closed before it is opened again."""
        self._loop = asyncio.get_running_loop()
        self._sides: dict[Target, Cursor] = {}
        self._not_before = 0.0

    @property
    def cursors(self) -> list[Cursor]:
        """Of all side logs."""
        return list(self._sides.values())

    def load(self, name: str, found: Callable[[Cursor, int, EntryHead], None]) -> None:
        """Open a log that an earlier process has left. Blocks; before anything else. Raises OSError."""
        cursor = self._make_cursor()
        targets: set[Target] = set()

        def visit(first: int, head: EntryHead) -> None:
            targets.add(Target.of(head))
            found(cursor, first, head)

        opened = self._open_log(name, visit)
        if targets:
            cursor.attach(opened)
            self._sides[targets.pop()] = cursor
        else:
            opened.close()
            self._remove_empty(name)

    def start(self) -> None:
        """Begin to deliver."""
        for cursor in self._sides.values():
            cursor.start()

    async def open(self, target: Target) -> Cursor | None:
        """The log of a target, made if there is none; None: the disk does not take one now."""
        cursor = self._sides.get(target)
        if cursor is not None or self._loop.time() < self._not_before:
            return cursor
        try:
            opened = await self._loop.run_in_executor(self._executor, self._open_log, name_of(target), None)
        except (OSError, SpoolError) as error:
            self.refuse(str(error))
            return None
        cursor = self._make_cursor()
        cursor.attach(opened)
        self._sides[target] = cursor
        cursor.start()
        log.info("a topic that takes no records gets a log of its own", extra={"topic": target.topic})
        return cursor

    def refuse(self, problem: str) -> None:
        """The disk does not take it: nothing is moved for a moment."""
        if self._loop.time() >= self._not_before:
            log.warning("no log of its own for a topic that takes no records", extra={"error": problem})
        self._not_before = self._loop.time() + OPEN_AGAIN

    # Moving

    def move(self, cursor: Cursor, side: Cursor, state: TargetState, stored: Stored, positions: list[int]) -> bool:
        """Begin to move what is left of an entry; False: not now."""
        if self._loop.time() < self._not_before or not cursor.may_move(stored.entry.nbytes):
            return False
        entry = stored.entry
        if len(positions) < entry.count:
            # With all its lanes: what has lost its last key would be another target's.
            entry = msgspec.structs.replace(part_of(entry, positions), lanes=entry.lanes)
        try:
            moved = partial(self._moved, cursor, side, state, stored, positions, entry)
            side.log.append(entry, moved, privileged=True)
        except SpoolError as error:
            self.refuse(str(error))
            return False
        buckets = stored.entry.buckets()
        cursor.remove(state, stored.first, buckets)
        # Its lanes stay busy, and the target's later entries behind it, while it is in neither log.
        state.waiting.add(buckets)
        state.in_side += 1
        cursor.away[stored.first] = None
        cursor.moving_bytes += stored.entry.nbytes
        return True

    def _moved(
        self,
        cursor: Cursor,
        side: Cursor,
        state: TargetState,
        stored: Stored,
        positions: list[int],
        copy: Entry,
        first: int,
        error: SpoolError | None,
    ) -> None:
        buckets = stored.entry.buckets()
        del cursor.away[stored.first]
        cursor.moving_bytes -= stored.entry.nbytes
        if error is None:
            side.known_end = first + copy.count
            side.add(state, first, copy.buckets())
            for start, end in runs_of(positions):
                cursor.log.acknowledge(stored.first + start, stored.first + end)
        else:
            self.refuse(str(error))
            if cursor.open_positions(stored):
                cursor.add(state, stored.first, buckets)
        state.waiting.remove(buckets)
        state.in_side -= 1
        cursor.wake()

    # Their end

    async def remove_idle(self, targets: Callable[[Target], TargetState]) -> None:
        """Delete the logs that are empty."""
        for target, cursor in list(self._sides.items()):
            if cursor.is_idle and not cursor.log.backlog and not targets(target).in_side:
                del self._sides[target]
                removed = self._loop.run_in_executor(self._executor, self._remove, target, cursor)
                await cursor.stop()
                await removed

    def _remove(self, target: Target, cursor: Cursor) -> None:
        cursor.log.close()
        self._remove_empty(name_of(target))

    def _remove_empty(self, name: str) -> None:
        try:
            self._remove_log(name)
        except OSError as error:
            log.warning("an empty log of the spool cannot be removed", extra={"error": str(error)})
