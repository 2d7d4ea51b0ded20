"""A spool's directory as somebody finds it who may only look: nothing is written, no lock is needed. Blocks.

A gateway may be writing meanwhile: what is seen is what was there at some moment. Called by the command line.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple, Self

from headgate_gateway.spool.checkpoints import is_checkpoint, read_checkpoints
from headgate_gateway.spool.damage import DAMAGED_SUFFIX, Damage, Patience
from headgate_gateway.spool.directory import LOCK_NAME
from headgate_gateway.spool.disk import Disk
from headgate_gateway.spool.entry import Destination, EntryHead
from headgate_gateway.spool.errors import SpoolLockedError
from headgate_gateway.spool.extents import Range
from headgate_gateway.spool.frames import Bad
from headgate_gateway.spool.ledger import Ledger
from headgate_gateway.spool.reading import Reader, Stored
from headgate_gateway.spool.recovery import Recovery, recover
from headgate_gateway.spool.segments import Segment, Segments, first_of_name
from headgate_gateway.spool.space import Space

_READ_BYTES = 4 * 2**20
_ATTEMPTS = 5
"""A gateway that delivers deletes segments while they are being looked at."""


class LogPlace(NamedTuple):
    """Where a log is."""

    name: str
    """main, parked, or side/HASH."""
    path: str


class DamagedPlace(NamedTuple):
    """Bytes of a segment that cannot be read."""

    segment: str
    offset: int
    nbytes: int
    records: int
    """That are known to have been in it."""


@dataclass(slots=True)
class Waiting:
    """What waits for one destination, for one reason."""

    entries: int = 0
    records: int = 0
    nbytes: int = 0
    oldest_ms: int = 0

    def add(self, head: EntryHead, records: int) -> None:
        """One more entry, of which so many records wait."""
        self.oldest_ms = min(self.oldest_ms, head.accepted_ms) if self.entries else head.accepted_ms
        self.entries += 1
        self.records += records
        self.nbytes += head.nbytes


class _Notes(Damage):
    """Damage is noted, and left where it is."""

    def __init__(self, disk: Disk) -> None:
        super().__init__(disk, Space(0, 0), Patience(seconds=0, tries=0, pauses=0))
        self.places: list[DamagedPlace] = []

    def set_aside(self, path: str, bad: Bad, records: int) -> None:
        place = DamagedPlace(path.rpartition("/")[2], bad.offset, bad.end_offset - bad.offset, records)
        if place not in self.places:
            self.places.append(place)


@dataclass(slots=True)
class LogView:
    """One log, read through to its end."""

    name: str
    segments: list[Segment]
    waiting: dict[tuple[Destination, str], Waiting]
    """By destination, and reason why it is parked or dead-lettered."""
    damage: list[DamagedPlace]
    aside: dict[str, int]
    """Files with damaged bytes that were set aside before, and their sizes."""
    checkpoint_damaged: bool
    ledger: Ledger
    reader: Reader = field(repr=False)

    @classmethod
    def open(cls, disk: Disk, place: LogPlace, *, everything: bool = False) -> Self:
        """Look at a log; `everything`: also at what is delivered and not deleted yet. Raises OSError, SpoolVersionError."""
        for _ in range(_ATTEMPTS - 1):
            try:
                return cls._look(disk, place, everything=everything)
            except FileNotFoundError:
                continue
        return cls._look(disk, place, everything=everything)

    @classmethod
    def _look(cls, disk: Disk, place: LogPlace, *, everything: bool) -> Self:
        told = read_checkpoints(disk, place.path)
        notes = _Notes(disk)
        waiting: dict[tuple[Destination, str], Waiting] = {}

        done, damaged = told.forgetting() if everything else told, bool(told.unreadable)
        extents = done.extents()

        def visit(first: int, head: EntryHead) -> None:
            records = head.count - extents.count(first, first + head.count)
            waiting.setdefault((head.destination, head.reason), Waiting()).add(head, records)

        found: Recovery = recover(disk, place.path, done, visit, notes, is_told=not (damaged or everything))
        ledger, segments = Ledger(found.extents, found.position), Segments()
        for segment in found.segments:
            segments.add(segment)
        aside = {
            name: disk.size(f"{place.path}/{name}")
            for name in disk.listdir(place.path)
            if name.endswith(DAMAGED_SUFFIX)
        }
        reader = Reader(notes, ledger, segments)
        return cls(place.name, found.segments, waiting, notes.places, aside, damaged, ledger, reader)

    def entries(self) -> Iterator[tuple[Stored, list[Range]]]:
        """Every entry that waits, in order, with the ranges of its records that do."""
        number = 0
        while True:
            some, number = self.reader.read(number, _READ_BYTES)
            if not some:
                return
            for stored in some:
                yield stored, self.ledger.missing(stored.first, stored.end)

    @property
    def nbytes(self) -> int:
        """Of its segments."""
        return sum(segment.taken for segment in self.segments)


def is_spool(disk: Disk, path: str) -> bool:
    """Whether a directory is one that a gateway has spooled to."""
    return {LOCK_NAME, "log"} <= set(disk.listdir(path))


def is_in_use(disk: Disk, path: str) -> bool:
    """Whether a process holds the directory's lock. Raises OSError where that cannot be told."""
    try:
        disk.lock(f"{path}/{LOCK_NAME}").close()
    except SpoolLockedError:
        return True
    return False


def log_places(disk: Disk, path: str) -> list[LogPlace]:
    """The logs of a directory, in the order in which their entries are to be delivered."""
    sides = [LogPlace(f"side/{name}", f"{path}/side/{name}") for name in _names(disk, f"{path}/side")]
    places = [*sides, LogPlace("main", f"{path}/log"), LogPlace("parked", f"{path}/parked")]
    return [place for place in places if _is_log(_names(disk, place.path))]


def _is_log(names: list[str]) -> bool:
    wanted: Callable[[str], bool] = lambda name: is_checkpoint(name) or first_of_name(name) is not None  # noqa: E731
    return any(map(wanted, names))


def _names(disk: Disk, path: str) -> list[str]:
    try:
        return disk.listdir(path)
    except (FileNotFoundError, NotADirectoryError):
        return []
