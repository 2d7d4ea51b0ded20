"""Damaged places of segments: their bytes are set aside for people to look at, and counted. Decides nothing about records.

Recovery and readers come upon them. What the disk cannot read at all is damaged too, if it can write a copy of the rest.
"""

import errno
import logging
import threading
from collections.abc import Callable, Iterator

from headgate_gateway.spool.disk import Disk
from headgate_gateway.spool.durable import replace_file
from headgate_gateway.spool.frames import Bad
from headgate_gateway.spool.space import Space

log = logging.getLogger(__name__)

DAMAGED_SUFFIX = ".damaged"
_PIECE = 4_096
"""Where the disk cannot be read, what can be is read in pieces of this."""


def damaged_name(path: str, offset: int) -> str:
    """Where the bytes at an offset of a segment are set aside."""
    return f"{path.removesuffix('.seg')}-{offset:x}{DAMAGED_SUFFIX}"


class Damage:
    """Of one log."""

    def __init__(self, disk: Disk, space: Space) -> None:
        self._disk = disk
        self._space = space
        self.found = 0
        """Places, since the log was opened."""
        self._lock = threading.Lock()

    def set_aside(self, path: str, bad: Bad, records: int) -> None:
        """Keep damaged bytes for people to look at, and count them. Raises OSError: then nothing may be given up."""
        content = self.reader_of(path)(bad.offset, bad.end_offset - bad.offset)
        with self._lock:
            kept = self._space.take(len(content), privileged=True)
            if kept and content:
                replace_file(self._disk, damaged_name(path, bad.offset), content)
            self.found += 1
        log.error(
            "a part of a segment of the spool is damaged",
            extra={"segment": path, "offset": bad.offset, "bytes": len(content), "records": records, "kept": kept},
        )

    def reader_of(self, path: str) -> Callable[[int, int], bytes]:
        """Reads a file; zeros stand for what the disk cannot read."""

        def read(offset: int, nbytes: int) -> bytes:
            try:
                return self._disk.read_at(path, offset, nbytes)
            except OSError as error:
                if error.errno != errno.EIO:
                    raise
                return b"".join(self._read_pieces(path, offset, offset + nbytes))

        return read

    def _read_pieces(self, path: str, offset: int, end: int) -> Iterator[bytes]:
        while offset < end:
            size = min(_PIECE - offset % _PIECE, end - offset)
            try:
                yield self._disk.read_at(path, offset, size)
            except OSError:
                log.exception("a part of a segment cannot be read", extra={"segment": path, "offset": offset})
                yield bytes(size)
            offset += size
