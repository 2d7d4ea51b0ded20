"""The directory of one process: its lock, its logs' places, and the profiles that its entries need. Everything blocks.

DIR/lock, DIR/log/, DIR/side/NAME/, DIR/parked/, DIR/profiles/HASH.json, DIR/damaged/
"""

from typing import Self

from headgate_gateway.spool.disk import Disk


class SpoolDirectory:
    """A directory whose lock this process holds."""

    @classmethod
    def open(cls, disk: Disk, path: str) -> Self:
        """Lock it, and make what is missing of it. Raises SpoolLockedError, OSError."""
        raise NotImplementedError

    @property
    def log(self) -> str:
        """The directory of the main log."""
        raise NotImplementedError

    @property
    def parked(self) -> str:
        """The directory of the log of parked entries."""
        raise NotImplementedError

    def side(self, name: str) -> str:
        """The directory of a side log, made if it is missing. `name`: lower-case hex digits."""
        raise NotImplementedError

    def sides(self) -> list[str]:
        """The names of the side logs that are there."""
        raise NotImplementedError

    def remove_side(self, name: str) -> None:
        """Delete an empty side log, which must be closed."""
        raise NotImplementedError

    def profiles(self) -> dict[str, bytes]:
        """By hash, what `keep_profile` was given."""
        raise NotImplementedError

    def keep_profile(self, profile_hash: str, content: bytes) -> None:
        """Make a profile durable, before the first entry that needs it is. Does nothing where it is there."""
        raise NotImplementedError

    def remove_profile(self, profile_hash: str) -> None:
        """No entry needs it any longer."""
        raise NotImplementedError

    def close(self) -> None:
        """Give back the lock."""
        raise NotImplementedError
