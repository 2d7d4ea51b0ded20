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
from headgate_gateway.spool.errors import SpoolError, SpoolFailedError, SpoolFullError
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

    def __init__(self, office: Office, gate: Gate, parked: Log, parked_limit: int) -> None:
        """`parked_limit`: bytes that parked records may take, since nothing but people takes them away."""
        self._office = office
        self._gate = gate
        self._parked = parked
        self._parked_limit = parked_limit
        self._laying = 0
        """Bytes on their way to the parked ones."""
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
        cursor.burying_bytes += stored.entry.nbytes
        state.burying += 1
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
        self._park(grave, entry)

    def _park(self, grave: Grave, entry: Entry) -> None:
        there = self._parked.report().nbytes + self._laying
        if there + entry.nbytes > self._parked_limit:
            full = SpoolFullError(f"{there} bytes of records that Kafka refused are parked, and no more may be")
            self._loop.call_soon(self._close, grave, full)
            return
        self.profiles.add(entry.profile_hash)
        self._laying += entry.nbytes
        try:
            self._parked.append(entry, partial(self._laid, grave, entry.nbytes), privileged=True)
        except SpoolError as error:
            self._loop.call_soon(self._laid, grave, entry.nbytes, -1, error)

    def _posted(self, grave: Grave, _: int, error: SpoolError | None) -> None:
        if error is None:
            self.dead_lettered += len(grave.refused)
        self._close(grave, error)

    def _laid(self, grave: Grave, nbytes: int, _: int, error: SpoolError | None) -> None:
        self._laying -= nbytes
        if error is None:
            self.parked += len(grave.refused)
        self._close(grave, error)

    def _close(self, grave: Grave, error: SpoolError | None) -> None:
        cursor, state, stored, refused = grave
        if error is not None:
            # Until the disk takes them their target gets no more, so that they stay few.
            problem = "the disk takes no dead letters" if isinstance(error, SpoolFailedError) else str(error)
            state.burial_problem = problem
            if state.may_try:
                self._gate.handover.block(state, problem, Awaits.TIME)
            self._loop.call_later(TRY_AGAIN, self._bury, grave)
            return
        state.burial_problem = ""
        state.burying -= 1
        cursor.burying_bytes -= stored.entry.nbytes
        self._office.release(cursor, state, stored.first, stored.entry.count, sorted(refused))
        left = cursor.burying[stored.first]
        left.difference_update(refused)
        if not left:
            del cursor.burying[stored.first]
        cursor.wake()
