"""Damaged places of segments: their bytes are set aside for people to look at, and counted. Decides nothing about records.

Recovery and readers come upon them. What the disk cannot read at all is damaged too, but only once it has stayed so:
until then a reader has to come back, since a read error may pass. The segment itself is kept then, renamed.
"""

import errno
import logging
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from headgate_gateway.spool.disk import Disk
from headgate_gateway.spool.durable import replace_file
from headgate_gateway.spool.frames import Bad
from headgate_gateway.spool.space import Space

log = logging.getLogger(__name__)

DAMAGED_SUFFIX = ".damaged"
_PIECE = 4_096
"""Where the disk cannot be read, what can be is read in pieces of this."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long what cannot be read is tried again before it counts as damaged."""

    seconds: float = 120.0
    """Since the first attempt, while the log is open."""
    tries: int = 10
    """At the least, in that time."""
    pauses: int = 10
    """While a log is being opened, for all of it: everybody waits."""
    pause_seconds: float = 0.5


PATIENT = Patience()


class UnreadableError(OSError):
    """The disk does not read a place of a segment now: it may later."""


@dataclass(slots=True)
class _Place:
    since: float
    tries: int = 1


def damaged_name(path: str, offset: int) -> str:
    """Where the bytes at an offset of a segment are set aside."""
    return f"{path.removesuffix('.seg')}-{offset:x}{DAMAGED_SUFFIX}"


class Damage:
    """Of one log."""

    def __init__(self, disk: Disk, space: Space, patience: Patience = PATIENT) -> None:
        self._disk = disk
        self._space = space
        self._patience = patience
        self._pauses = patience.pauses
        self.found = 0
        """Places, since the log was opened."""
        self._lock = threading.Lock()
        self._kept: dict[str, int] = {}
        """Bytes that are counted for each file that was set aside."""
        self._unreadable: dict[str, dict[int, _Place]] = {}
        """By segment and offset: pieces that the disk did not read the last time."""
        self._spoiled: set[str] = set()
        """Segments of which something was given up that could not be read."""

    def find_kept(self, directory: str) -> None:
        """Count what was set aside before. Raises OSError."""
        for name in self._disk.listdir(directory):
            if name.endswith(DAMAGED_SUFFIX):
                path = f"{directory}/{name}"
                self._kept[path] = self._disk.size(path)
                self._space.adjust(self._kept[path])

    def opened(self) -> None:
        """Recovery is over: from now on nobody has to wait for what cannot be read."""
        self._pauses = 0

    def close(self) -> None:
        """Nobody writes here any more: what was set aside is counted again by who opens the log."""
        with self._lock:
            self._space.adjust(-sum(self._kept.values()))
            self._kept.clear()

    def set_aside(self, path: str, bad: Bad, records: int) -> None:
        """Keep damaged bytes for people to look at, and count them. Raises OSError: then nothing may be given up."""
        nbytes = bad.end_offset - bad.offset
        content = self.reader_of(path)(bad.offset, nbytes) if nbytes else b""
        with self._lock:
            if content:
                self._keep(damaged_name(path, bad.offset), content)
            self.found += 1
            if self.is_unreadable(path, bad):
                self._spoiled.add(path)
        log.error(
            "a part of a segment of the spool is damaged",
            extra={"segment": path, "offset": bad.offset, "bytes": len(content), "records": records},
        )

    def _keep(self, path: str, content: bytes) -> None:
        more = len(content) - self._kept.get(path, 0)
        if not self._space.take(more, privileged=True):
            raise OSError(errno.ENOSPC, "the spool has no room for a copy of what is damaged", path)
        try:
            replace_file(self._disk, path, content)
        except OSError:
            self._space.adjust(-more)
            raise
        self._kept[path] = len(content)

    # What the disk does not read

    def check_patience(self, path: str, bad: Bad) -> None:
        """Raises UnreadableError where a place is bad only because the disk did not read it, and may do so yet."""
        now = time.monotonic()
        for place in self._places(path, bad):
            if place.tries < self._patience.tries or now - place.since < self._patience.seconds:
                raise UnreadableError(errno.EIO, "a part of a segment cannot be read now", path)

    def is_unreadable(self, path: str, bad: Bad) -> bool:
        """Whether the disk did not read some of it."""
        return next(self._places(path, bad), None) is not None

    def is_spoiled(self, path: str) -> bool:
        """Whether a segment has something that nobody could read: it is not to be deleted."""
        return path in self._spoiled or bool(self._unreadable.get(path))

    def keep_segment(self, path: str, nbytes: int) -> None:
        """Rename a segment that is not to be deleted. Raises OSError."""
        self._disk.replace(path, path + DAMAGED_SUFFIX)
        with self._lock:
            self._kept[path + DAMAGED_SUFFIX] = nbytes
        log.error("a segment that could not be read whole is kept", extra={"segment": path + DAMAGED_SUFFIX})

    def _places(self, path: str, bad: Bad) -> Iterator[_Place]:
        for offset, place in list(self._unreadable.get(path, {}).items()):
            if offset < bad.end_offset and offset + _PIECE > bad.offset:
                yield place

    def reader_of(self, path: str) -> Callable[[int, int], bytes]:
        """Reads a file; zeros stand for what the disk cannot read."""

        def read(offset: int, nbytes: int) -> bytes:
            try:
                content = self._disk.read_at(path, offset, nbytes)
            except OSError as error:
                if error.errno != errno.EIO:
                    raise
                return b"".join(self._read_pieces(path, offset, offset + nbytes))
            places = self._unreadable.get(path)
            for at in [at for at in places or () if at < offset + nbytes and at + _PIECE > offset]:
                self._note(path, at, is_read=True)
            return content

        return read

    def _read_pieces(self, path: str, offset: int, end: int) -> Iterator[bytes]:
        while offset < end:
            size = min(_PIECE - offset % _PIECE, end - offset)
            content = self._read_piece(path, offset, size)
            self._note(path, offset - offset % _PIECE, is_read=content is not None)
            yield bytes(size) if content is None else content
            offset += size

    def _read_piece(self, path: str, offset: int, size: int) -> bytes | None:
        while True:
            try:
                return self._disk.read_at(path, offset, size)
            except OSError as error:
                if error.errno != errno.EIO:
                    raise
                if self._pauses <= 0:
                    return None
            self._pauses -= 1
            time.sleep(self._patience.pause_seconds)

    def _note(self, path: str, piece: int, *, is_read: bool) -> None:
        with self._lock:
            places = self._unreadable.setdefault(path, {})
            place = places.get(piece)
            if is_read:
                places.pop(piece, None)
            elif place is None:
                places[piece] = _Place(time.monotonic())
                log.warning("a part of a segment cannot be read", extra={"segment": path, "offset": piece})
            else:
                place.tries += 1
