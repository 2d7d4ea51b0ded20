"""The one way to the disk: nothing else in the spool touches files. `Disk` is the port, `OsDisk` the real thing.

Calls block, raise OSError, and are made from threads. Every place that makes something durable names itself by a
`Sync`, so that tests can leave out each of them and see something break.
"""

import fcntl
import os
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from headgate_gateway.spool.errors import NO_SPACE, SpoolLockedError


class Sync(StrEnum):
    """The places at which something is made durable, each used exactly once in the code."""

    FRAME = "frame"
    """The data of a segment, before its entries are reported durable."""
    SEGMENT_NAME = "segment name"
    """The directory of a new segment, before its first entries are reported durable."""
    REPLACEMENT = "replacement"
    """The data of a checkpoint or profile, before it takes the place of the old one."""
    REPLACEMENT_NAME = "replacement name"
    """The directory in which a checkpoint or profile has taken the place of the old one."""
    DIRECTORY_NAME = "directory name"
    """The parent of a new directory."""
    EMPTIED = "emptied"
    """The directory of a side log whose segments are deleted, before its checkpoint is."""


class Check(StrEnum):
    """The places at which a process finds out whether a directory is still its own, each used exactly once in the code."""

    COMMIT = "commit"
    """After entries are on the disk, before they are reported durable: another process may have read all there was."""
    CHECKPOINT = "checkpoint"
    """Before a checkpoint is written and segments are deleted, which another process may be reading."""

    READ = "read"
    """After entries are read, before they are handed over: another process may be sending them already."""


class File(Protocol):
    """A file that is open for appending."""

    def append(self, content: bytes | bytearray | memoryview) -> None:
        """Write all of it at the end."""
        ...

    def sync(self, site: Sync) -> None:
        """Make its data and size durable."""
        ...

    def close(self) -> None:
        """Give it back."""
        ...


class Disk(Protocol):
    """What the spool needs of a file system. Paths are absolute."""

    def create(self, path: str) -> File:
        """A new, empty file. Raises FileExistsError."""
        ...

    def rewrite(self, path: str) -> File:
        """A file that is there, written over from its beginning: what is beyond stays. Raises FileNotFoundError."""
        ...

    def replace(self, source: str, target: str) -> None:
        """Rename a file, over another where there is one."""
        ...

    def move(self, source: str, target: str) -> None:
        """Rename a directory, at once or not at all. Raises FileNotFoundError; OSError where something is at the target."""
        ...

    def holds(self, path: str, content: bytes, site: Check) -> bool:
        """Whether a small file holds just this now, whoever wrote it last. Raises OSError: nobody can tell, or it is not there."""
        ...

    def unlink(self, path: str) -> None:
        """Delete a file."""
        ...

    def mkdir(self, path: str) -> bool:
        """Make a directory; False: it is there already."""
        ...

    def sync_dir(self, path: str, site: Sync) -> None:
        """Make the names in a directory durable."""
        ...

    def refresh(self, path: str) -> None:
        """Have the names in a directory read anew, whatever this node remembers of them. Raises OSError, but not for room."""
        ...

    def listdir(self, path: str) -> list[str]:
        """The names in a directory, sorted. Raises FileNotFoundError."""
        ...

    def rmdir(self, path: str) -> None:
        """Delete an empty directory."""
        ...

    def size(self, path: str) -> int:
        """Bytes of a file. Raises FileNotFoundError."""
        ...

    def read_at(self, path: str, offset: int, nbytes: int) -> bytes:
        """Up to so many bytes of a file. Raises FileNotFoundError."""
        ...

    def free_bytes(self, path: str) -> int:
        """What the file system of a directory still takes."""
        ...

    def lock(self, path: str) -> File:
        """Hold a file's lock until it is closed. Raises SpoolLockedError where another process does."""
        ...


REFRESH_NAME = ".refresh"
"""The mark that `refresh` makes in a directory, and renames there and back from then on."""
REFRESH_NAMES = frozenset({REFRESH_NAME, f"{REFRESH_NAME}ed"})
_PRIVATE = 0o600


class OsFile:
    """A file descriptor."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def append(self, content: bytes | bytearray | memoryview) -> None:
        """One system call, mostly, without the interpreter's lock."""
        with memoryview(content) as view:
            written = os.write(self._descriptor, view)
            while written < len(view):
                written += os.write(self._descriptor, view[written:])

    def sync(self, site: Sync) -> None:
        """Data and size; times may stay behind."""
        os.fdatasync(self._descriptor)

    def close(self) -> None:
        """What was not synced may be lost."""
        os.close(self._descriptor)


class OsDisk:
    """The file system of the machine."""

    def create(self, path: str) -> OsFile:
        """Readable by this user alone: records are nobody else's business."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC
        return OsFile(os.open(path, flags, _PRIVATE))

    def rewrite(self, path: str) -> OsFile:
        """Opened at its beginning, and not cut short."""
        return OsFile(os.open(path, os.O_WRONLY | os.O_CLOEXEC))

    def replace(self, source: str, target: str) -> None:
        """rename(2)."""
        Path(source).replace(target)

    def move(self, source: str, target: str) -> None:
        """rename(2)."""
        Path(source).rename(target)

    def holds(self, path: str, content: bytes, site: Check) -> bool:
        """Opened anew each time: network file systems look at what others wrote when a file is opened."""
        return self.read_at(path, 0, len(content) + 1) == content

    def unlink(self, path: str) -> None:
        """unlink(2)."""
        Path(path).unlink()

    def mkdir(self, path: str) -> bool:
        """mkdir(2)."""
        try:
            Path(path).mkdir(mode=0o700)
        except FileExistsError:
            return False
        return True

    def rmdir(self, path: str) -> None:
        """rmdir(2)."""
        Path(path).rmdir()

    def sync_dir(self, path: str, site: Sync) -> None:
        """fsync(2) of the directory."""
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def refresh(self, path: str) -> None:
        """By a change of our own: a network file system's client then finds that others have changed it as well.

        Merely listing may show what it was half a minute ago (nfs(5), "acdirmax"). A full disk still renames.
        """
        mark, moved = (Path(path, name) for name in sorted(REFRESH_NAMES))
        try:
            mark.rename(moved)
            moved.rename(mark)
        except FileNotFoundError:  # the first time; or another process does the same
            self._make_mark(mark)

    def _make_mark(self, mark: Path) -> None:
        try:
            os.close(os.open(mark, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, _PRIVATE))
        except OSError as error:
            if error.errno not in NO_SPACE:
                raise
            os.utime(mark.parent)  # the one change that is left

    def listdir(self, path: str) -> list[str]:
        """Names, sorted."""
        return sorted(entry.name for entry in Path(path).iterdir())

    def size(self, path: str) -> int:
        """Opened for it: stat(2) alone may tell what a network file system's client remembers (nfs(5), "close-to-open")."""
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            return os.fstat(descriptor).st_size
        finally:
            os.close(descriptor)

    def read_at(self, path: str, offset: int, nbytes: int) -> bytes:
        """One pread(2), mostly, without the interpreter's lock."""
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            return os.pread(descriptor, nbytes, offset)
        finally:
            os.close(descriptor)

    def free_bytes(self, path: str) -> int:
        """What a process without privileges may still write."""
        told = os.statvfs(path)
        return told.f_bavail * told.f_frsize

    def lock(self, path: str) -> OsFile:
        """flock(2): it ends with the process, however that ends."""
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, _PRIVATE)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            raise SpoolLockedError(f"{path} is locked: another process uses this directory") from None
        except BaseException:
            os.close(descriptor)
            raise
        return OsFile(descriptor)
