"""The directory of one process: its lock, its logs' places, and the profiles that its entries need. Everything blocks.

DIR/lock, DIR/log/, DIR/side/NAME/, DIR/parked/, DIR/profiles/HASH.json; where other processes can reach it DIR/epoch and DIR/reserve
"""

import errno
import logging
import os
import re
from contextlib import suppress
from typing import Self

from headgate_gateway.spool.checkpoints import is_checkpoint
from headgate_gateway.spool.disk import REFRESH_NAMES, Disk, File, Sync
from headgate_gateway.spool.durable import make_directory, replace_file
from headgate_gateway.spool.epoch import EPOCH_NAME, Fence, raise_fence
from headgate_gateway.spool.errors import SpoolLockedError
from headgate_gateway.spool.reserve import RESERVE_NAME, make_reserve

log = logging.getLogger(__name__)

LOCK_NAME = "lock"
_WRITTEN = (EPOCH_NAME, RESERVE_NAME)
_OWN = {LOCK_NAME, *_WRITTEN, *(f"{name}.tmp" for name in _WRITTEN), "profiles", "side"}
"""What an empty one may hold."""
_PROFILE = re.compile(r"([0-9A-Za-z_-]{1,128})\.json")
_REFUSED = frozenset({errno.EACCES, errno.EPERM})
_LARGEST_PROFILE = 2**24


class SpoolDirectory:
    """A directory whose lock this process holds, or in which its epoch is."""

    def __init__(self, disk: Disk, path: str, lock: File | None, fence: Fence | None = None) -> None:
        """Made by `open`."""
        self._disk = disk
        self._path = path
        self._lock = lock
        self.fence = fence
        """None: no other process can reach the directory."""

    @classmethod
    def open(cls, disk: Disk, path: str, owner: str = "") -> Self:
        """Lock it, and make what is missing of it. Its parent must be there. Raises SpoolLockedError, OSError.

        `owner`: other processes can reach it, and this one's epoch is to keep them out. Then its parent is made, and a lock that cannot be had
        means nothing.
        """
        path = path.rstrip("/")
        try:
            return cls._open(disk, path, owner)
        except OSError as error:
            why = _explain(error)
            if why:
                raise OSError(error.errno, why, error.filename or path) from error
            raise

    @classmethod
    def _open(cls, disk: Disk, path: str, owner: str) -> Self:
        if owner:
            make_directory(disk, path.rpartition("/")[0])
        make_directory(disk, path)
        lock = _lock_if_free(disk, f"{path}/{LOCK_NAME}") if owner else disk.lock(f"{path}/{LOCK_NAME}")
        try:
            fence = raise_fence(disk, path, owner) if owner else None
            for name in ("profiles", "side"):
                make_directory(disk, f"{path}/{name}")
                if owner:
                    disk.refresh(f"{path}/{name}")
            if owner:
                make_reserve(disk, path)
        except BaseException:
            if lock is not None:
                lock.close()
            raise
        return cls(disk, path, lock, fence)

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
        return [name for name in self._disk.listdir(f"{self._path}/side") if name not in REFRESH_NAMES]

    def remove_side(self, name: str) -> None:
        """Delete a closed side log, unless something is left in it, such as damaged bytes for people to look at."""
        _remove_log(self._disk, self.side(name))

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
        if self._lock is not None:
            self._lock.close()

    def remove(self) -> bool:
        """Delete it, closed, with its logs; False: something is left in it. Raises OSError."""
        for path in (*map(self.side, self.sides()), self.log, self.parked):
            _remove_log(self._disk, path)
        if self.sides() or not set(self._disk.listdir(self._path)) <= _OWN:
            return False
        for path in (f"{self._path}/profiles", f"{self._path}/side", self._path):
            for name in self._disk.listdir(path):
                self._disk.unlink(f"{path}/{name}")
            self._disk.rmdir(path)
        return True


def _explain(error: OSError) -> str:
    """What to do about it; empty: nothing is known."""
    if error.errno == errno.EROFS:
        return "the spool's volume is read-only: make it writable again"
    if error.errno in _REFUSED:
        who = f"uid {os.geteuid()}, gid {os.getegid()}"
        return f"the spool's volume is not writable for {who}: give its root to them, or to one of the groups {os.getgroups()}"
    return ""


def _lock_if_free(disk: Disk, path: str) -> File | None:
    try:
        return disk.lock(path)
    except (SpoolLockedError, OSError) as error:
        log.info("the lock of a shared directory is not to be had", extra={"path": path, "error": str(error)})
        return None


def _remove_log(disk: Disk, path: str) -> None:
    with suppress(FileNotFoundError):
        names = disk.listdir(path)
        if all(is_checkpoint(name) or name in REFRESH_NAMES for name in names):
            # A segment that came back without its checkpoint would be sent again.
            disk.sync_dir(path, Sync.EMPTIED)
            for name in names:  # and what another process, which has the directory now, makes meanwhile is its own
                disk.unlink(f"{path}/{name}")
            disk.rmdir(path)
