"""Gives up records that Kafka refuses for good: appends them to the log for their dead letter, or parks them.

They are acknowledged in their own place once they are durable in the other. Until then nobody sends them again.
"""

import asyncio
from functools import partial
from secrets import token_bytes
from typing import NamedTuple, Protocol

from headgate_gateway.spool.burial import build_burial
from headgate_gateway.spool.cursor import Cursor
from headgate_gateway.spool.entry import Entry
from headgate_gateway.spool.errors import SpoolError, SpoolFailedError
from headgate_gateway.spool.gate import Gate
from headgate_gateway.spool.handover import Refused
from headgate_gateway.spool.log import Log, OnDone, Stored
from headgate_gateway.spool.targets import Awaits, TargetState

TRY_AGAIN = 1.0
"""Seconds after the disk has refused them."""


class Office(Protocol):
    """The courier."""

    def put(self, entry: Entry, done: OnDone, *, privileged: bool = False) -> None:
        """Make an entry durable, and deliver it some time."""
        ...

    def release(self, cursor: Cursor, state: TargetState, first: int, count: int, positions: list[int]) -> int:
        """Records of an entry are done with; how many were not before."""
        ...


class Grave(NamedTuple):
    """Records of one entry that are being given up."""

    cursor: Cursor
    state: TargetState
    stored: Stored
    refused: Refused


class Undertaker:
    """One spool's."""

    def __init__(self, office: Office, gate: Gate, parked: Log) -> None:
        self._office = office
        self._gate = gate
        self._parked = parked
        self._loop = asyncio.get_running_loop()
        self.dead_lettered = 0
        self.parked = 0
        """Records since the process began."""
        self.profiles: set[str] = set()
        """Hashes of the profiles of what is parked."""
        self.closing = False

    def bury(self, cursor: Cursor, state: TargetState, stored: Stored, refused: Refused) -> None:
        """Give up these records of an entry."""
        cursor.burying.setdefault(stored.first, set()).update(refused)
        self._bury(Grave(cursor, state, stored, refused))

    def _bury(self, grave: Grave) -> None:
        if self.closing:
            return  # the next process will
        entry, is_letter = build_burial(grave.stored.entry, grave.refused, token_bytes(16))
        if is_letter and self._gate.outlets.knows(entry.profile_hash):
            self._office.put(entry, partial(self._posted, grave), privileged=True)
            return
        if is_letter:  # the profile of its dead letter was damaged, or never there
            entry, _ = build_burial(grave.stored.entry, grave.refused, token_bytes(16), letters=False)
        self.profiles.add(entry.profile_hash)
        try:
            self._parked.append(entry, partial(self._laid, grave), privileged=True)
        except SpoolError as error:
            self._loop.call_soon(self._laid, grave, -1, error)

    def _posted(self, grave: Grave, _: int, error: SpoolError | None) -> None:
        if error is None:
            self.dead_lettered += len(grave.refused)
        self._close(grave, error)

    def _laid(self, grave: Grave, _: int, error: SpoolError | None) -> None:
        if error is None:
            self.parked += len(grave.refused)
        self._close(grave, error)

    def _close(self, grave: Grave, error: SpoolError | None) -> None:
        cursor, state, stored, refused = grave
        if error is not None:
            # Until the disk takes them their target gets no more, so that they stay few.
            problem = "the disk takes no dead letters" if isinstance(error, SpoolFailedError) else str(error)
            self._gate.handover.block(state, problem, Awaits.TIME)
            self._loop.call_later(TRY_AGAIN, self._bury, grave)
            return
        self._office.release(cursor, state, stored.first, stored.entry.count, sorted(refused))
        left = cursor.burying[stored.first]
        left.difference_update(refused)
        if not left:
            del cursor.burying[stored.first]
