"""The segments of one log, as known in memory: where which record lies. No I/O; shared by threads.

A segment's index has one mark for each 64 KiB or so, so that a backlog of any size costs next to no memory.
"""

import re
import threading
from array import array
from bisect import bisect_right

from headgate_gateway.spool.frames import SEGMENT_HEAD

SUFFIX = ".seg"
_NAME = re.compile(r"([0-9a-f]{16})\.seg")
_MARK_EVERY = 64 * 2**10


def segment_name(first: int) -> str:
    """The file that begins with this record."""
    return f"{first:016x}{SUFFIX}"


def first_of_name(name: str) -> int | None:
    """The number of a segment's first record; None: it is no segment."""
    matched = _NAME.fullmatch(name)
    return int(matched[1], 16) if matched else None


class Segment:
    """One file. Grows by `extend`, never shrinks."""

    __slots__ = ("_marked", "_numbers", "_offsets", "_times", "end", "first", "held", "marker", "path", "size", "taken")

    def __init__(self, directory: str, first: int, marker: bytes) -> None:
        self.path = f"{directory}/{segment_name(first)}"
        self.first = first
        self.marker = marker
        self.end = first
        """The number after its last durable record."""
        self.size = 0
        """Bytes that are frames, or bad, or the header: a reader looks no further."""
        self.taken = 0
        """Bytes that are counted for it: what a failed commit wrote is among them."""
        self.held = False
        """It has a damaged place that could not be set aside: not to be deleted by this process."""
        self._marked = -_MARK_EVERY
        self._numbers, self._offsets, self._times = array("Q"), array("Q"), array("Q")

    def extend(self, offset: int, end_offset: int, first: int, end: int, accepted_ms: int) -> None:
        """A frame has become readable."""
        if offset - self._marked >= _MARK_EVERY and end > first:
            self._marked = offset
            self._numbers.append(first)
            self._offsets.append(offset)
            self._times.append(accepted_ms)
        self.size, self.end = end_offset, max(end, self.end)

    def mark(self, number: int) -> tuple[int, int]:
        """The last marked frame that begins at or before a record: its first number, and its offset."""
        at = bisect_right(self._numbers, number) - 1
        return (self._numbers[at], self._offsets[at]) if at >= 0 else (self.first, min(SEGMENT_HEAD, self.size))

    def accepted_ms(self, number: int) -> int:
        """About when a record was accepted, or a little before; 0: not known."""
        at = bisect_right(self._numbers, number) - 1
        return self._times[max(at, 0)] if self._times else 0


class Segments:
    """All of them, in order."""

    def __init__(self) -> None:
        self._all: list[Segment] = []
        self._lock = threading.Lock()

    def add(self, segment: Segment) -> None:
        """The newest one."""
        with self._lock:
            self._all.append(segment)

    def remove(self, segment: Segment) -> None:
        """It is going to be deleted."""
        with self._lock:
            self._all.remove(segment)

    def all(self) -> list[Segment]:
        """Those that there are now."""
        with self._lock:
            return list(self._all)

    def find(self, number: int) -> Segment | None:
        """The segment of a record, or else the next one; None: there is none."""
        with self._lock:
            at = max(bisect_right(self._all, number, key=lambda segment: segment.first) - 1, 0)
            return next((segment for segment in self._all[at : at + 2] if segment.end > number), None)
