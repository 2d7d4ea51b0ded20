"""Entries read from segments, by number. What is damaged is set aside and passed. Used from threads.

Where it cannot be set aside, nothing is given up: the segment stays, and whoever reads next tries again. What the disk
does not read now keeps its place: nothing after it is read before it is, or has been given up.
"""

import errno
from dataclasses import dataclass, field
from typing import NamedTuple

import msgspec

from headgate_gateway.spool.damage import Damage, UnreadableError
from headgate_gateway.spool.entry import Entry
from headgate_gateway.spool.frames import Bad, Frame, Scanner, decode_entries
from headgate_gateway.spool.ledger import Ledger
from headgate_gateway.spool.segments import Segment, Segments

_LEAST_BYTES = 64 * 2**10
"""Read at a time: what lies before the first record that is looked for."""


class Stored(NamedTuple):
    """An entry, and the number of its first record."""

    first: int
    entry: Entry

    @property
    def end(self) -> int:
        """The number after its last record."""
        return self.first + self.entry.count


@dataclass(slots=True)
class _Pass:
    """One call of `read`."""

    number: int
    """Where it is."""
    limit: int
    """What comes later is another call's."""
    room: int
    found: list[Stored] = field(default_factory=list)
    problem: OSError | None = None


class Reader:
    """Reads what is not done with."""

    def __init__(self, damage: Damage, ledger: Ledger, segments: Segments) -> None:
        self._damage = damage
        self._ledger = ledger
        self._segments = segments

    def read(self, number: int, max_bytes: int) -> tuple[list[Stored], int]:
        """As `Log.read` has it."""
        one = _Pass(number, self._ledger.end, max_bytes)
        while one.room > 0:
            one.number = self._ledger.next_missing(one.number)
            segment = self._segments.find(one.number)
            if segment is None or one.number >= one.limit:
                one.number = max(one.number, one.limit)
                break
            try:
                self._read_segment(segment, one)
            except UnreadableError as error:
                one.problem = error
                one.number = max(one.number, one.found[-1].end) if one.found else one.number
                break
            except OSError as error:
                if self._ledger.is_missing(segment.first, segment.end):
                    one.problem = error  # else it was deleted meanwhile, since all of it is acknowledged
                one.number = segment.end
        if one.problem is not None and not one.found:
            raise one.problem
        # A segment's end may be ahead of what was durable when this began: that is the next call's.
        return one.found, min(one.number, max(number, one.limit))

    def _read_segment(self, segment: Segment, one: "_Pass") -> None:
        """Take a segment's entries, whole frames of them, until there is no room."""
        position, offset = segment.mark(one.number)
        end, size = segment.end, segment.size
        # Hardly more than there is room for: the next call reads anew.
        block = max(one.room, _LEAST_BYTES)
        scanner = Scanner(self._damage.reader_of(segment.path), size, segment.marker, block)
        lost: Bad | None = None
        for part in scanner.scan(offset, lambda frame: self._is_wanted(frame, one)):
            if isinstance(part, Bad):
                lost = Bad(lost.offset, part.end_offset, torn=False) if lost is not None else part
                continue
            if lost is not None:
                self._give_up(segment, lost, position, part.first, one)
                lost = None
            position = part.end
            if part.payload is not None:
                self._take(segment, part, one)
                if one.room <= 0:
                    break
        if lost is not None:
            self._give_up(segment, lost, position, end, one)
            position = end
        one.number = max(position, one.number) if one.room <= 0 else max(position, end)

    def _is_wanted(self, frame: Frame, one: "_Pass") -> bool:
        return one.number < frame.end <= one.limit and self._ledger.is_missing(frame.first, frame.end)

    def _take(self, segment: Segment, frame: Frame, one: "_Pass") -> None:
        """Take what is not done with of a frame."""
        try:
            entries = decode_entries(frame.payload or memoryview(b""))
        except msgspec.DecodeError:
            self._set_aside(segment, Bad(frame.offset, frame.end_offset, torn=False), frame.first, frame.end, one)
            return
        first = frame.first
        for entry in entries:
            end = first + entry.count
            if end > one.number and self._ledger.is_missing(first, end):
                one.found.append(Stored(first, entry))
                one.room -= entry.nbytes
            first = end

    def _give_up(self, segment: Segment, bad: Bad, first: int, end: int, one: "_Pass") -> None:
        if not self._ledger.is_missing(first, end):
            return
        self._look_again(segment, bad)
        self._damage.check_patience(segment.path, bad)
        self._set_aside(segment, bad, first, end, one)

    def _look_again(self, segment: Segment, bad: Bad) -> None:
        """Raises UnreadableError where a frame is good that was not a moment ago."""
        scanner = Scanner(self._damage.reader_of(segment.path), segment.size, segment.marker)
        for part in scanner.scan(bad.offset):
            if part.offset >= bad.end_offset:
                break
            if isinstance(part, Frame):
                raise UnreadableError(errno.EIO, "a part of a segment was read wrongly", segment.path)

    def _set_aside(self, segment: Segment, bad: Bad, first: int, end: int, one: "_Pass") -> None:
        try:
            self._damage.set_aside(segment.path, bad, end - first)
        except OSError as error:
            one.problem = error
        else:
            self._ledger.acknowledge(first, end)
