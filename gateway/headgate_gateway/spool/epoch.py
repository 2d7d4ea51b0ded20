"""Who has a directory that several processes can reach: the one whose epoch is in it.

A process writes an epoch of its own before it reads anything. It makes nothing known as durable, and writes no
checkpoint, without having found it there again; so what a process has told to be durable was on the disk before another's
epoch was, and that one reads it. Locks are not relied on: on network file systems they may be lost, or stay for long.
"""

import logging
from contextlib import suppress
from secrets import token_hex

import msgspec

from headgate_gateway.spool.disk import Check, Disk
from headgate_gateway.spool.durable import replace_file
from headgate_gateway.spool.errors import SpoolFencedError
from headgate_gateway.spool.shared import SpoolName

log = logging.getLogger(__name__)

EPOCH_NAME = "epoch"
NUMBERS_OF_OTHERS = 2**32
"""Left out at the beginning of an epoch: whoever had the directory before may write some of them still."""
_LARGEST = 4_096


class Epoch(msgspec.Struct, frozen=True):
    """The content of the file, as JSON."""

    owner: str
    """For people: the uid of the pod that wrote it."""
    token: str


class Fence:
    """The epoch that this process has written. `check` may be called from any thread."""

    def __init__(self, disk: Disk, directory: str, content: bytes) -> None:
        """Made by `raise_fence`."""
        self._disk = disk
        self._directory = directory
        self._content = content
        self.broken = ""
        """Who has the directory, once this process has found that it is its own no more. For good."""

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
    content = msgspec.json.encode(Epoch(owner, token_hex(16)))
    replace_file(disk, f"{directory}/{EPOCH_NAME}", content)
    return Fence(disk, directory, content)
