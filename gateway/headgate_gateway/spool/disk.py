"""The one way to the disk: nothing else in the spool touches files. `Disk` is the port, `OsDisk` the real thing.

Calls block, raise OSError, and are made from threads. Every place that makes something durable names itself by a
`Sync`, so that tests can leave out each of them and see something break.
"""

from enum import StrEnum
from typing import Protocol


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
    ASIDE = "aside"
    """The data of damaged bytes that were copied aside, before their segment may be deleted."""
    ASIDE_NAME = "aside name"
    """The directory of such a copy."""


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

    def replace(self, source: str, target: str) -> None:
        """Rename a file, over another where there is one."""
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

    def listdir(self, path: str) -> list[str]:
        """The names in a directory, sorted. Raises FileNotFoundError."""
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
