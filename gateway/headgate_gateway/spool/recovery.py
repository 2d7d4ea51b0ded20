"""What a log finds when it is opened: reads the checkpoints and every segment, and says what is there. Blocks.

    checkpoints -> what is done with ----------------+--> ledger
    segments ----> frames, damaged places, holes ----+--> index, and a visit to each entry that is not done with

Numbers that no frame has were never reported durable, or are damaged, or deleted: they count as done with.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field

import msgspec

from headgate_gateway.spool.checkpoints import Told
from headgate_gateway.spool.damage import Damage
from headgate_gateway.spool.disk import Disk
from headgate_gateway.spool.entry import EntryHead
from headgate_gateway.spool.errors import SpoolVersionError
from headgate_gateway.spool.extents import Extents, Range
from headgate_gateway.spool.frames import (
    FORMAT_VERSION,
    SEGMENT_HEAD,
    Bad,
    Frame,
    Scanner,
    decode_heads,
    decode_segment_head,
    find_marker,
)
from headgate_gateway.spool.segments import Segment, first_of_name, segment_name

log = logging.getLogger(__name__)

Visit = Callable[[int, EntryHead], None]
"""Gets the number of an entry's first record, and its head."""


@dataclass(slots=True)
class Recovery:
    """Goes through the segments in order, and gathers what there is to know."""

    directory: str
    extents: Extents
    """What is done with; holes are added as they are found."""
    visit: Visit | None
    damage: Damage
    position: int = 0
    """The number after the last one found."""
    segments: list[Segment] = field(default_factory=list)

    def read_segment(self, name: str, size: int, tail: Callable[[int], int]) -> None:
        """Take in one segment. `tail` says, for its first number, up to where it was durable for certain."""
        first = first_of_name(name)
        if first is None:
            return
        path = f"{self.directory}/{name}"
        read = self.damage.reader_of(path)
        head = decode_segment_head(read(0, SEGMENT_HEAD))
        if head is not None and head.version > FORMAT_VERSION:
            raise SpoolVersionError(f"{path} has format version {head.version}, newer than {FORMAT_VERSION}")
        marker = head.marker if head is not None else find_marker(read(0, size))
        segment = Segment(self.directory, first, marker or bytes(16))
        segment.size = segment.taken = size
        self._pass_to(first, None, segment)
        lost = self._read_frames(segment, Scanner(read, size, segment.marker), SEGMENT_HEAD if head else 0)
        self._end_segment(segment, lost, tail(first))
        self.segments.append(segment)

    def _read_frames(self, segment: Segment, scanner: Scanner, offset: int) -> Bad | None:
        """Take in its frames; a bad place at its end, if there is one."""
        lost: Bad | None = None
        for part in scanner.scan(offset):
            if isinstance(part, Frame) and part.first >= self.position and self._take(segment, part, lost):
                lost = None
            elif isinstance(part, Frame):
                lost = Bad(lost.offset if lost else part.offset, part.end_offset, torn=False)
            else:
                lost = Bad(lost.offset, part.end_offset, torn=False) if lost else part
        return lost

    def _take(self, segment: Segment, frame: Frame, lost: Bad | None) -> bool:
        """A frame whose checksum holds; False: it cannot be decoded, or not by this version."""
        heads: list[EntryHead] = []
        if self.visit is not None and self.extents.is_missing(frame.first, frame.end):
            try:
                heads = decode_heads(frame.payload or memoryview(b""))
            except msgspec.DecodeError:
                return False
        self._pass_to(frame.first, lost, segment)
        self.position = frame.end
        segment.extend(frame.offset, frame.end_offset, frame.first, frame.end, frame.accepted_ms)
        self._visit(frame, heads)
        return True

    def _visit(self, frame: Frame, heads: list[EntryHead]) -> None:
        if self.visit is None or not heads:
            return
        whole = self.extents.count(frame.first, frame.end) == 0
        first = frame.first
        for head in heads:
            if whole or self.extents.is_missing(first, first + head.count):
                self.visit(first, head)
            first += head.count

    def _pass_to(self, number: int, lost: Bad | None, segment: Segment) -> None:
        """Nothing more is known of the numbers up to this one. What is damaged among them is set aside first."""
        if lost is None:
            self.extents.add(self.position, number)
        elif self.position == number or self.extents.is_missing(self.position, number):
            # A bad place without numbers is a damaged header, or a frame of no entries: nothing but its bytes is lost.
            try:
                self.damage.set_aside(segment.path, lost, number - self.position)
            except OSError:
                segment.held = True
            else:
                self.extents.add(self.position, number)
        self.position = max(self.position, number)

    def _end_segment(self, segment: Segment, lost: Bad | None, durable_end: int) -> None:
        """Judge what comes after the last good frame: a torn tail is normal, what is missing of durable ones is not."""
        segment.size = segment.taken
        missing = self.extents.is_missing(self.position, durable_end)
        unreadable = lost is not None and self.damage.is_unreadable(segment.path, lost)
        if lost is not None and (missing or unreadable or not lost.torn):
            self._pass_to(max(durable_end, self.position), lost, segment)
            if unreadable:
                # Whatever numbers are in there must not be used again: no record takes less than a byte.
                self._pass_to(self.position + lost.end_offset - lost.offset, None, segment)
        elif lost is not None:
            log.debug("a torn tail", extra={"segment": segment.path, "offset": lost.offset})
        elif missing:
            self._pass_to(durable_end, Bad(segment.size, segment.size, torn=False), segment)
        segment.end = max(segment.end, self.position)


def recover(
    disk: Disk, directory: str, told: Told, visit: Visit | None, damage: Damage, *, is_told: bool = True
) -> Recovery:
    """Read all of a log. Raises OSError, SpoolVersionError.

    `is_told`: the checkpoints are whole, so that a segment that is neither there nor covered by them is missed.
    """
    found = Recovery(directory, told.extents(), visit, damage)
    names = [name for name in disk.listdir(directory) if first_of_name(name) is not None]
    durable = _durable_ends([*told.tails, *_previous(names, directory, damage)])
    if is_told:
        _miss(found, durable, {first_of_name(name) for name in names})
    for name in names:
        found.read_segment(name, disk.size(f"{directory}/{name}"), lambda first: durable.get(first, 0))
    # A segment without records has the name that the next one would get.
    taken = [segment.first + 1 for segment in found.segments if segment.end == segment.first]
    end = max(found.position, found.extents.end, told.end, *taken)
    found.extents.add(found.position, end)
    found.position = end
    return found


def _miss(found: Recovery, durable: dict[int, int], there: set[int | None]) -> None:
    """Count segments that were durable and are gone. Without room for a checkpoint one may have been deleted rightly."""
    for first, end in durable.items():
        if first not in there and found.extents.is_missing(first, end):
            records = end - first - found.extents.count(first, end)
            path = f"{found.directory}/{segment_name(first)}"
            log.error("a segment of the spool is gone", extra={"segment": path, "records": records})
            found.damage.set_aside(path, Bad(0, 0, torn=False), records)


def _durable_ends(ranges: list[Range]) -> dict[int, int]:
    ends: dict[int, int] = {}
    for first, end in ranges:
        ends[first] = max(end, ends.get(first, 0))
    return ends


def _previous(names: list[str], directory: str, damage: Damage) -> list[Range]:
    """What segments say of those before them."""
    heads = [decode_segment_head(damage.reader_of(f"{directory}/{name}")(0, SEGMENT_HEAD)) for name in names]
    return [head.previous for head in heads if head is not None]
