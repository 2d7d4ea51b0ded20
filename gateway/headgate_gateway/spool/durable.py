"""Directories and small files that are there for good once these return. Blocks; raises OSError."""

import errno
from contextlib import suppress
from typing import Final

from headgate_gateway.spool.disk import Disk, File, Sync

_NOT_OURS: Final = frozenset({errno.EACCES, errno.EPERM, errno.EROFS, errno.EINVAL})


def make_directory(disk: Disk, path: str) -> None:
    """Make a directory, whose parent is there. One that is there already may not be durable: its maker was killed."""
    made = disk.mkdir(path)
    try:
        disk.sync_dir(path.rpartition("/")[0] or "/", Sync.DIRECTORY_NAME)
    except OSError as error:
        if made or error.errno not in _NOT_OURS:
            raise  # else somebody else has made it, such as a mount point below a directory that we may not read


def replace_file(disk: Disk, path: str, content: bytes) -> None:
    """Write a file, or put it in the place of the old one: after a crash there is the old one or the new one, whole."""
    fresh = f"{path}.tmp"
    with suppress(FileNotFoundError):
        disk.unlink(fresh)
    try:
        _fill(disk.create(fresh), content)
    except OSError:
        with suppress(OSError):
            disk.unlink(fresh)  # on a full disk the part that was written is in the way
        raise
    disk.replace(fresh, path)
    disk.sync_dir(path.rpartition("/")[0], Sync.REPLACEMENT_NAME)


def overwrite_file(disk: Disk, path: str, content: bytes) -> None:
    """Write over a file that is as long, which takes no room: after a crash there is the old one, the new one, or a mixture."""
    _fill(disk.rewrite(path), content)


def _fill(file: File, content: bytes) -> None:
    try:
        file.append(content)
        file.sync(Sync.REPLACEMENT)
    finally:
        file.close()
