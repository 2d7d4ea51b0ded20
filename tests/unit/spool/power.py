"""A disk in memory that can lose its power: what was not synced survives in any part, or not at all, names included.

Harsher than file systems are: each write and each name on its own may have reached the platter or not, in any order,
and of a write any piece.
"""

import errno
import threading
from collections.abc import Callable
from contextlib import suppress
from random import Random

from headgate_gateway.spool.disk import REFRESH_NAME, Check, Sync
from headgate_gateway.spool.errors import SpoolLockedError


class Inode:
    """A file: its content as processes see it, and as much as is durable."""

    def __init__(self, content: bytes = b"") -> None:
        self.content = bytearray(content)
        self.durable = len(content)
        self.pending: list[tuple[int, int]] = []
        """Start and end of each write since the last sync."""
        self.locked = False
        self.before: bytes | None = None
        """What it was before it was written over, where that is not durable yet."""

    def after_power_loss(self, random: Random) -> "Inode":
        if self.before is not None:
            start, end = _surviving_part(0, len(self.before), random)
            return Inode(self.before[:start] + bytes(self.content[start:end]) + self.before[end:])
        survived = bytearray(self.content[: self.durable])
        for start, end in self.pending:
            low, high = _surviving_part(start, end, random)
            if low < high:
                survived.extend(bytes(max(high - len(survived), 0)))
                survived[low:high] = self.content[low:high]
        return Inode(bytes(survived))


def _surviving_part(start: int, end: int, random: Random) -> tuple[int, int]:
    match random.randrange(4):
        case 0:
            return start, end
        case 1:
            return start, start
        case 2:
            return start, random.randint(start, end)
        case _:
            low = random.randint(start, end)
            return low, random.randint(low, end)


class Directory:
    """Names, and what they have been since they were durable."""

    def __init__(self) -> None:
        self.names: dict[str, Inode | Directory] = {}
        self.history: dict[str, list[Inode | Directory | None]] = {}
        """Of each name that has changed since the last sync: what it was then, and what it was after each change."""
        self.moves: list[tuple[str, str, Directory]] = []
        """Old and new names of directories that were renamed here since the last sync. Each is durable whole or not at all,
        and only with those before it."""

    def set(self, name: str, node: "Inode | Directory | None") -> None:
        self.history.setdefault(name, [self.names.get(name)]).append(node)
        if node is None:
            del self.names[name]
        else:
            self.names[name] = node

    def after_power_loss(self, random: Random, survivors: dict[int, "Inode | Directory"]) -> "Directory":
        survived = Directory()
        found = {
            name: random.choice(self.history[name]) if name in self.history else self.names[name]
            for name in sorted({*self.names, *self.history})
        }
        for old, new, moved in reversed(self.moves[random.randint(0, len(self.moves)) :]):
            found[old], found[new] = moved, None
        for name, node in sorted(found.items()):
            if node is None:
                continue
            if id(node) not in survivors:
                survivors[id(node)] = (
                    node.after_power_loss(random, survivors)
                    if isinstance(node, Directory)
                    else node.after_power_loss(random)
                )
            survived.names[name] = survivors[id(node)]
        return survived


class PowerLossFile:
    def __init__(self, disk: "PowerLossDisk", inode: Inode) -> None:
        self._disk = disk
        self._inode = inode

    def append(self, content: bytes | bytearray | memoryview) -> None:
        with self._disk.step("append") as goes_on:
            start = len(self._inode.content)
            room = self._disk.room_for(len(content))
            self._inode.content.extend(bytes(content)[:room])
            self._inode.pending.append((start, len(self._inode.content)))
            if room < len(content):
                raise OSError(errno.ENOSPC, "No space left on device")
            goes_on()

    def sync(self, site: Sync) -> None:
        with self._disk.step("sync") as goes_on:
            goes_on()
            if site not in self._disk.skipped:
                self._inode.durable = len(self._inode.content)
                self._inode.pending.clear()

    def close(self) -> None:
        self._inode.locked = False


class RewrittenFile(PowerLossFile):
    """Written over from its beginning: until that is synced, a crash leaves the old content, the new one or a mixture."""

    def append(self, content: bytes | bytearray | memoryview) -> None:
        with self._disk.step("append") as goes_on:
            inode = self._inode
            inode.before = bytes(inode.content)
            inode.content[: len(content)] = content
            inode.durable = len(inode.content)
            goes_on()

    def sync(self, site: Sync) -> None:
        with self._disk.step("sync") as goes_on:
            goes_on()
            if site not in self._disk.skipped:
                self._inode.before = None


class PowerLossDisk:
    """Implements `Disk`. `/` is the directory that is there."""

    def __init__(self, skipped: frozenset[Sync | Check] = frozenset()) -> None:
        self.root = Directory()
        self.skipped = skipped
        """Syncs and checks that are left out, to see whether anybody notices."""
        self.steps_left: int | None = None
        """Changes until the power goes; None: it does not."""
        self.trouble: Callable[[str, str], OSError | None] = lambda operation, path: None
        """What a change fails with: of a file or directory, by path where it is made by name."""
        self.capacity: int | None = None
        self.lock_ = threading.RLock()

    def step(self, operation: str, path: str = "") -> "_Step":
        return _Step(self, operation, path)

    @property
    def is_off(self) -> bool:
        return self.steps_left is not None and self.steps_left < 0

    def after_power_loss(self, random: Random) -> "PowerLossDisk":
        """The disk as it is found when the power is back."""
        with self.lock_:
            survived = PowerLossDisk(self.skipped)
            survived.root = self.root.after_power_loss(random, {})
            return survived

    def after_kill(self) -> "PowerLossDisk":
        """The disk as the next process finds it: all that was written is there, and as little of it is durable."""
        with self.lock_:
            survived = PowerLossDisk(self.skipped)
            survived.root = self.root
            _unlock(survived.root)
            return survived

    def room_for(self, nbytes: int) -> int:
        return nbytes if self.capacity is None else max(min(nbytes, self.capacity - self.used()), 0)

    def used(self) -> int:
        return sum(len(inode.content) for inode in _inodes(self.root))

    def _need_room(self) -> None:
        """Names take some as well."""
        if not self.room_for(1):
            raise OSError(errno.ENOSPC, "No space left on device")

    # -- the port ---------------------------------------------------------------------------------------------------

    def create(self, path: str) -> PowerLossFile:
        with self.step("create", path) as goes_on:
            directory, name = self._locate(path)
            if name in directory.names:
                raise FileExistsError(path)
            self._need_room()
            inode = Inode()
            directory.set(name, inode)
            goes_on()
            return PowerLossFile(self, inode)

    def rewrite(self, path: str) -> PowerLossFile:
        with self.step("rewrite", path) as goes_on:
            inode = self._inode(path)
            goes_on()
            return RewrittenFile(self, inode)

    def replace(self, source: str, target: str) -> None:
        with self.step("replace", target) as goes_on:
            (old, old_name), (new, new_name) = self._locate(source), self._locate(target)
            if old_name not in old.names:
                raise FileNotFoundError(source)
            new.set(new_name, old.names[old_name])
            old.set(old_name, None)
            goes_on()

    def move(self, source: str, target: str) -> None:
        with self.step("move", target) as goes_on:
            directory, old = self._locate(source)
            _, new = self._locate(target)
            moved, there = self._directory(source), directory.names.get(new)
            if isinstance(there, Directory) and there.names:
                raise OSError(errno.ENOTEMPTY, "Directory not empty")
            directory.names[new] = directory.names.pop(old)
            directory.moves.append((old, new, moved))
            goes_on()

    def holds(self, path: str, content: bytes, site: Check) -> bool:
        if site in self.skipped:
            return True
        return self.read_at(path, 0, len(content) + 1) == content

    def unlink(self, path: str) -> None:
        with self.step("unlink", path) as goes_on:
            directory, name = self._locate(path)
            if name not in directory.names:
                raise FileNotFoundError(path)
            directory.set(name, None)
            goes_on()

    def mkdir(self, path: str) -> bool:
        with self.step("mkdir", path) as goes_on:
            directory, name = self._locate(path)
            if name in directory.names:
                return False
            self._need_room()
            directory.set(name, Directory())
            goes_on()
            return True

    def rmdir(self, path: str) -> None:
        with self.step("rmdir", path) as goes_on:
            directory, name = self._locate(path)
            if self._directory(path).names:
                raise OSError(errno.ENOTEMPTY, "Directory not empty")
            directory.set(name, None)
            goes_on()

    def sync_dir(self, path: str, site: Sync) -> None:
        with self.step("sync_dir", path) as goes_on:
            directory = self._directory(path)
            goes_on()
            if site not in self.skipped:
                directory.history.clear()
                directory.moves.clear()

    def refresh(self, path: str) -> None:
        with self.step("refresh", path) as goes_on:
            names = self._directory(path)
            if REFRESH_NAME not in names.names and self.room_for(1):
                names.set(REFRESH_NAME, Inode())
            goes_on()

    def listdir(self, path: str) -> list[str]:
        with self.lock_:
            return sorted(self._directory(path).names)

    def size(self, path: str) -> int:
        with self.lock_:
            return len(self._inode(path).content)

    def read_at(self, path: str, offset: int, nbytes: int) -> bytes:
        with self.lock_:
            return bytes(self._inode(path).content[offset : offset + nbytes])

    def free_bytes(self, path: str) -> int:
        with self.lock_:
            return 2**40 if self.capacity is None else self.capacity - self.used()

    def lock(self, path: str) -> PowerLossFile:
        with self.lock_:
            directory, name = self._locate(path)
            if name not in directory.names:
                directory.set(name, Inode())
            inode = self._inode(path)
            if inode.locked:
                raise SpoolLockedError(path)
            inode.locked = True
            return PowerLossFile(self, inode)

    # -- for tests that do damage -----------------------------------------------------------------------------------

    def content(self, path: str) -> bytearray:
        """A file's bytes, which may be changed."""
        return self._inode(path).content

    def _locate(self, path: str) -> tuple[Directory, str]:
        parent, _, name = path.rpartition("/")
        return self._directory(parent), name

    def _directory(self, path: str) -> Directory:
        found = self.root
        for name in filter(None, path.split("/")):
            inner = found.names.get(name)
            if not isinstance(inner, Directory):
                raise FileNotFoundError(errno.ENOENT, "No such file or directory", path)
            found = inner
        return found

    def _inode(self, path: str) -> Inode:
        directory, name = self._locate(path)
        inode = directory.names.get(name)
        if not isinstance(inode, Inode):
            raise FileNotFoundError(errno.ENOENT, "No such file or directory", path)
        return inode


class _Step:
    """One change. It may be the one at which the power goes: then it is half done, and so told as failed."""

    def __init__(self, disk: PowerLossDisk, operation: str, path: str) -> None:
        self._disk = disk
        self._operation = operation
        self._path = path

    def __enter__(self) -> Callable[[], None]:
        disk = self._disk
        disk.lock_.acquire()
        try:
            if disk.is_off:
                raise OSError(errno.EIO, "the power is off")
            trouble = disk.trouble(self._operation, self._path)
            if trouble is not None:
                raise trouble
        except BaseException:
            disk.lock_.release()
            raise
        return self._spend

    def _spend(self) -> None:
        if self._disk.steps_left is not None:
            self._disk.steps_left -= 1
            if self._disk.is_off:
                raise OSError(errno.EIO, "the power went off")

    def __exit__(self, *_: object) -> None:
        self._disk.lock_.release()


def _inodes(directory: Directory) -> list[Inode]:
    found = []
    for node in directory.names.values():
        found.extend(_inodes(node) if isinstance(node, Directory) else [node])
    return found


def _unlock(directory: Directory) -> None:
    for inode in _inodes(directory):
        with suppress(AttributeError):
            inode.locked = False
