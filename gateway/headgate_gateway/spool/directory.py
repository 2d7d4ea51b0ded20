"""The directory of one process: its lock, its logs' places, and the profiles that its entries need. Everything blocks.

DIR/lock, DIR/log/, DIR/side/NAME/, DIR/parked/, DIR/profiles/HASH.json
"""

import errno
import re
from contextlib import suppress
from typing import Self

from headgate_gateway.spool.disk import Disk, File, Sync
from headgate_gateway.spool.durable import make_directory, replace_file

LOCK_NAME = "lock"
_PROFILE = re.compile(r"([0-9A-Za-z_-]{1,128})\.json")
_OF_AN_EMPTY_LOG = {"checkpoint", "checkpoint.tmp"}
_LARGEST_PROFILE = 2**24


class SpoolDirectory:
    """A directory whose lock this process holds."""

    def __init__(self, disk: Disk, path: str, lock: File) -> None:
        """Made by `open`."""
        self._disk = disk
        self._path = path
        self._lock = lock

    @classmethod
    def open(cls, disk: Disk, path: str) -> Self:
        """Lock it, and make what is missing of it. Its parent must be there. Raises SpoolLockedError, OSError."""
        path = path.rstrip("/")
        try:
            return cls._open(disk, path)
        except OSError as error:
            if error.errno == errno.EROFS:
                raise OSError(errno.EROFS, "the spool's volume is read-only: make it writable again", path) from error
            raise

    @classmethod
    def _open(cls, disk: Disk, path: str) -> Self:
        make_directory(disk, path)
        lock = disk.lock(f"{path}/{LOCK_NAME}")
        try:
            for name in ("profiles", "side"):
                make_directory(disk, f"{path}/{name}")
        except BaseException:
            lock.close()
            raise
        return cls(disk, path, lock)

    @property
    def log(self) -> str:
        """The directory of the main log."""
        return f"{self._path}/log"

    @property
    def parked(self) -> str:
        """The directory of the log of parked entries."""
        return f"{self._path}/parked"

    def side(self, name: str) -> str:
        """The directory of a side log, which its log makes. `name`: lower-case hex digits."""
        return f"{self._path}/side/{name}"

    def sides(self) -> list[str]:
        """The names of the side logs that are there."""
        return self._disk.listdir(f"{self._path}/side")

    def remove_side(self, name: str) -> None:
        """Delete a closed side log, unless something is left in it, such as damaged bytes for people to look at."""
        path = self.side(name)
        with suppress(FileNotFoundError):
            if set(self._disk.listdir(path)) <= _OF_AN_EMPTY_LOG:
                # A segment that came back without its checkpoint would be sent again.
                self._disk.sync_dir(path, Sync.EMPTIED)
                for file in self._disk.listdir(path):
                    self._disk.unlink(f"{path}/{file}")
                self._disk.rmdir(path)

    def profiles(self) -> dict[str, bytes]:
        """By hash, what `keep_profile` was given."""
        path = f"{self._path}/profiles"
        named = ((name, _PROFILE.fullmatch(name)) for name in self._disk.listdir(path))
        return {
            matched[1]: self._disk.read_at(f"{path}/{name}", 0, _LARGEST_PROFILE) for name, matched in named if matched
        }

    def keep_profile(self, profile_hash: str, content: bytes) -> None:
        """Make a profile durable, before the first entry that needs it is. Whether it is there already, callers know."""
        replace_file(self._disk, self._profile(profile_hash), content)

    def remove_profile(self, profile_hash: str) -> None:
        """No entry needs it any longer."""
        with suppress(FileNotFoundError):
            self._disk.unlink(self._profile(profile_hash))

    def _profile(self, profile_hash: str) -> str:
        return f"{self._path}/profiles/{profile_hash}.json"

    def close(self) -> None:
        """Give back the lock."""
        self._lock.close()
