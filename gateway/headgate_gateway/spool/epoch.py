"""Who has a directory that several processes can reach: the one whose epoch is in it.

A process writes an epoch of its own before it reads anything. It makes nothing known as durable, and deletes no segment,
without having found it there again; so what a process has told to be durable was on the disk before another's
epoch was, and that one reads it. Locks are not relied on: on network file systems they may be lost, or stay for long.
"""

import logging
from contextlib import suppress
from secrets import token_hex

import msgspec

from headgate_gateway.spool.checkpoints import checkpoint_name
from headgate_gateway.spool.disk import Check, Disk
from headgate_gateway.spool.durable import overwrite_file, replace_file
from headgate_gateway.spool.errors import NO_SPACE, SpoolFencedError
from headgate_gateway.spool.shared import SpoolName

log = logging.getLogger(__name__)

EPOCH_NAME = "epoch"
NUMBERS_OF_OTHERS = 2**32
"""Left out at the beginning of an epoch: whoever had the directory before may write some of them still."""
NUMBERS_UNSEEN = 2**53
"""Left out where a checkpoint cannot be read: whoever had the directory before may know of more of them than can be found."""
_BEGINNINGS = 2**20
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

    def __init__(self, disk: Disk, directory: str, epoch: Epoch) -> None:
        """Made by `raise_fence`."""
        self._disk = disk
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
        if not self.broken and not self._disk.holds(f"{self._directory}/{EPOCH_NAME}", self._content, site):
            self.broken = f"fenced: adopted by {self._find_owner()}"
            log.critical("the spool belongs to another process now", extra={"directory": self._directory})
        if self.broken:
            raise SpoolFencedError(self.broken)

    def _find_owner(self) -> str:
        with suppress(OSError, msgspec.DecodeError):
            content = self._disk.read_at(f"{self._directory}/{EPOCH_NAME}", 0, _LARGEST)
            return msgspec.json.decode(content, type=Epoch).owner
        root, _, name = self._directory.rpartition("/")
        with suppress(OSError, StopIteration):
            own = SpoolName.parse(name)
            found = [SpoolName.parse(each) for each in self._disk.listdir(root) if each != name]
            return next(each.holder for each in found if own and each and each.origin == own.origin)
        return "another"


def raise_fence(disk: Disk, directory: str, owner: str) -> Fence:
    """Take a directory for this process: from now on whoever had it finds so. Raises OSError."""
    fence = Fence(disk, directory, Epoch(owner, token_hex(16)))
    fence.write()
    return fence
