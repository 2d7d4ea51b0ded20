"""Who has a directory that several processes can reach: the one whose epoch is in it.

A process writes an epoch of its own before it reads anything. It makes nothing known as durable, hands over nothing that
it has read, and deletes no segment, without having found it there again; so what a process has told to be durable was on
the disk before another's epoch was, and that one reads it. An epoch that is not there says nothing: servers of files fail
over. Locks are not relied on: on network file systems they may be lost, or stay for long.
"""

import errno
import logging
import time
from collections.abc import Callable
from contextlib import suppress
from secrets import token_hex

import msgspec

from headgate_gateway.spool.checkpoints import checkpoint_name
from headgate_gateway.spool.disk import Check, Disk
from headgate_gateway.spool.durable import overwrite_file, replace_file
from headgate_gateway.spool.errors import NO_SPACE, SpoolFencedError
from headgate_gateway.spool.shared import find_adopter

log = logging.getLogger(__name__)

EPOCH_NAME = "epoch"
NUMBERS_OF_OTHERS = 2**32
"""Left out at the beginning of an epoch: whoever had the directory before may write some of them still."""
NUMBERS_UNSEEN = 2**53
"""Left out where a checkpoint cannot be read: whoever had the directory before may know of more of them than can be found."""
_BEGINNINGS = 2**20
GONE_AFTER = 60.0
"""Seconds for which an epoch may not be found before the directory counts as lost: somebody has deleted it."""
_NOT_THERE = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ESTALE})
_LENGTH = 256
"""Bytes of each epoch, with blanks after it: one can be written over another."""
_LARGEST = 4_096


class Epoch(msgspec.Struct, frozen=True):
    """The content of the file, as JSON."""

    owner: str
    """For people: the uid of the pod that wrote it."""
    token: str


class Fence:
    """The epoch that this process has written. `check` may be called from any thread."""

    def __init__(self, disk: Disk, directory: str, epoch: Epoch, now: Callable[[], float]) -> None:
        """Made by `raise_fence`. `now`: seconds, of a clock that only goes forward."""
        self._disk = disk
        self._now = now
        self._missing_since: float | None = None
        self._directory = directory
        self._content = msgspec.json.encode(epoch).ljust(_LENGTH)
        self.checkpoint = checkpoint_name(epoch.owner, epoch.token)
        """The name of this epoch's checkpoints, which no other process's takes the place of."""
        self._own = checkpoint_name(epoch.owner, "")
        self._beginning = 1 + int(epoch.token, 16) % _BEGINNINGS
        self.broken = ""
        """Who has the directory, once this process has found that it is its own no more. For good."""

    def is_over(self, name: str) -> bool:
        """Whether a checkpoint is of an epoch that is over, since this owner has begun another."""
        return name.startswith(self._own) and not name.startswith(self.checkpoint)

    def first_number(self, found: int, *, is_whole: bool) -> int:
        """From where on a log's numbers are this epoch's alone. `found`: after all that are there; `is_whole`: so its
        checkpoints say.

        A new log begins anywhere: one of the same name may have been deleted, and its former owner not know of it.
        """
        if not is_whole:
            return found + NUMBERS_UNSEEN
        return found + NUMBERS_OF_OTHERS * (1 if found else self._beginning)

    def write(self) -> None:
        """Put the epoch into the directory, in the place of the one that is there. Raises OSError."""
        path = f"{self._directory}/{EPOCH_NAME}"
        try:
            replace_file(self._disk, path, self._content)
        except OSError as error:
            if error.errno not in NO_SPACE:
                raise
            # A full disk takes what needs no room; should a crash leave a mixture, it is nobody's epoch.
            with suppress(FileNotFoundError):
                overwrite_file(self._disk, path, self._content)
                return
            raise

    def check(self, site: Check) -> None:
        """Raises SpoolFencedError where another process has the directory; OSError where nobody can tell."""
        if not self.broken:
            self.broken = self._find_problem(site)
            if self.broken:
                log.critical("the spool belongs to another process now", extra={"directory": self._directory})
        if self.broken:
            raise SpoolFencedError(self.broken)

    def _find_problem(self, site: Check) -> str:
        try:
            is_own = self._disk.holds(f"{self._directory}/{EPOCH_NAME}", self._content, site)
        except OSError as error:
            if error.errno not in _NOT_THERE:
                raise
            adopter = self._find_adopter()
            if adopter is None and not self._is_lost():
                raise
            return f"fenced: adopted by {adopter}" if adopter else "fenced: the directory is lost"
        self._missing_since = None
        return "" if is_own else f"fenced: adopted by {self._find_owner()}"

    def _is_lost(self) -> bool:
        if self._missing_since is None:
            self._missing_since = self._now()
        return self._now() - self._missing_since >= GONE_AFTER

    def _find_owner(self) -> str:
        with suppress(OSError, msgspec.DecodeError):
            content = self._disk.read_at(f"{self._directory}/{EPOCH_NAME}", 0, _LARGEST)
            return msgspec.json.decode(content, type=Epoch).owner
        return self._find_adopter() or "another"

    def _find_adopter(self) -> str | None:
        """Who has the directory under another name."""
        root, _, name = self._directory.rpartition("/")
        with suppress(OSError):
            return find_adopter(name, self._disk.listdir(root))
        return None


def has_epoch(disk: Disk, directory: str) -> bool:
    """Whether a directory is one that several processes can reach. Raises OSError."""
    return EPOCH_NAME in disk.listdir(directory)


def raise_fence(disk: Disk, directory: str, owner: str, now: Callable[[], float] = time.monotonic) -> Fence:
    """Take a directory for this process: from now on whoever had it finds so. Raises OSError."""
    fence = Fence(disk, directory, Epoch(owner, token_hex(16)), now)
    fence.write()
    return fence
