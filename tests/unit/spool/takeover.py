"""Two pods and one directory: a gateway that is taken for gone goes on, while another takes over, at any of its steps.

Deterministic: the owner's disk counts its operations, and before one of them the adopter does its work.
"""

import errno
from collections.abc import Callable, Iterable
from functools import partial
from random import Random
from threading import Semaphore

from tests.unit.spool.power import PowerLossDisk, PowerLossFile
from tests.unit.spool.story import RecordName, promise, read_all, some_entry

from headgate_gateway.spool.directory import SpoolDirectory
from headgate_gateway.spool.disk import Check, Sync
from headgate_gateway.spool.durable import make_directory
from headgate_gateway.spool.entry import Entry
from headgate_gateway.spool.errors import SpoolError, SpoolFencedError
from headgate_gateway.spool.log import Log, LogSettings
from headgate_gateway.spool.shared import take_over
from headgate_gateway.spool.space import Space

ROOT, OWNER, ADOPTER = "/shared", "0wner", "ad0pter"
SETTINGS = LogSettings(segment_bytes=3_000, frame_bytes=2_000, probe_seconds=60)
ADOPTED = f"{ROOT}/{ADOPTER}.adopted.{OWNER}"


class InterruptedFile(PowerLossFile):
    def append(self, content: bytes | bytearray | memoryview) -> None:
        self._view.count()
        super().append(content)

    def sync(self, site: Sync) -> None:
        self._view.count()
        super().sync(site)

    @classmethod
    def of(cls, file: PowerLossFile, view: "OwnersView") -> "InterruptedFile":
        made = cls(file._disk, file._inode)
        made._view = view
        return made

    _view: "OwnersView"


class OwnersView(PowerLossDisk):
    """The disk as the owner sees it. `remembers`: its node goes on finding the directory under its old name, as network
    file systems may do for a while."""

    def __init__(
        self, shared: PowerLossDisk, *, remembers: bool, skipped: Iterable[Check] = (), own: str = f"{ROOT}/{OWNER}"
    ) -> None:
        super().__init__(frozenset(skipped))
        self._own = own
        self.root, self.lock_ = shared.root, shared.lock_
        self.steps_left_until: int | None = None
        self.interrupt: Callable[[], None] = lambda: None
        self._remembers = remembers
        self._known: object = None

    def count(self) -> None:
        if self.steps_left_until is None:
            return
        self.steps_left_until -= 1
        if self.steps_left_until < 0:
            self.steps_left_until = None
            self.interrupt()

    def remember(self) -> None:
        self._known = self._directory(self._own)

    def _directory(self, path: str):  # type: ignore[no-untyped-def]
        start = self._own
        if self._remembers and self._known is not None and (path == start or path.startswith(start + "/")):
            found = self._known
            for name in filter(None, path.removeprefix(start).split("/")):
                found = found.names.get(name)  # type: ignore[attr-defined]
                if not hasattr(found, "names"):
                    raise FileNotFoundError(errno.ENOENT, "No such file or directory", path)
            return found
        return super()._directory(path)

    def create(self, path: str) -> PowerLossFile:
        self.count()
        return InterruptedFile.of(super().create(path), self)

    def replace(self, source: str, target: str) -> None:
        self.count()
        super().replace(source, target)

    def unlink(self, path: str) -> None:
        self.count()
        super().unlink(path)

    def sync_dir(self, path: str, site: Sync) -> None:
        self.count()
        super().sync_dir(path, site)

    def holds(self, path: str, content: bytes, site: Check) -> bool:
        self.count()
        return super().holds(path, content, site)


class Takeover:
    """`tell` does all of it; raises BrokenPromiseError once a promise is broken."""

    def __init__(self, random: Random, *, remembers: bool, skipped: Iterable[Check] = ()) -> None:
        self._random = random
        self.disk = PowerLossDisk()
        make_directory(self.disk, ROOT)
        self.view = OwnersView(self.disk, remembers=remembers, skipped=skipped)
        self._view_opened = SpoolDirectory.open(self.view, f"{ROOT}/{OWNER}", OWNER)
        self.view.remember()
        self.owner = self._open(self.view, self._view_opened)
        self.adopter: Log | None = None
        self.sent: dict[bytes, Entry] = {}
        self.acknowledged: list[bytes] = []
        """Ids of entries that the owner told to be durable, in order."""
        self.delivered: set[bytes] = set()
        """By the owner, before it was taken for gone."""
        self.gone: set[RecordName] = set()
        """Acknowledged by a checkpoint of the adopter."""

    def _open(self, disk: PowerLossDisk, directory: SpoolDirectory) -> Log:
        return Log.open(disk, directory.log, Space(10**9, 0), lambda call: call(), SETTINGS, fence=directory.fence)

    def append(self) -> None:
        entry = some_entry(self._random, len(self.sent))
        self.sent[entry.id] = entry
        told = Semaphore(0)

        def on_done(one: Entry, _: int, error: SpoolError | None) -> None:
            if error is None:
                self.acknowledged.append(one.id)
            told.release()

        try:
            self.owner.append(entry, partial(on_done, entry))
        except SpoolError:
            return
        told.acquire()

    def deliver_some(self) -> None:
        """The owner's Kafka acknowledges some of it."""
        try:
            stored, _ = self.owner.read(self.owner.start, 1)
        except (OSError, SpoolFencedError):
            promise(self.adopter is not None, "an owner that nobody has taken over reads")
            return
        promise(self.adopter is None or not stored, "an owner that was taken over sends nothing that it reads")
        for one in stored[: self._random.randint(0, len(stored))]:
            self.owner.acknowledge(one.first, one.end)
            self.delivered.add(one.entry.id)

    def checkpoint(self) -> None:
        try:
            self.owner.checkpoint()
        except (OSError, SpoolFencedError):
            promise(self.adopter is not None, "an owner that nobody has taken over writes checkpoints")

    def adopt(self) -> None:
        """Another pod takes over, delivers a part, and notes that durably."""
        promise(take_over(self.disk, ROOT, ADOPTER, OWNER) == [ADOPTED.rpartition("/")[2]], "it is taken over once")
        self.adopter = self._open(self.disk, SpoolDirectory.open(self.disk, ADOPTED, ADOPTER))
        stored = read_all(self.adopter)
        for one in stored:
            if self._random.random() < 0.5:
                self.adopter.acknowledge(one.first, one.end)
                self.gone |= {(one.entry.id, position) for position in range(one.entry.count)}
        self.seen = {one.entry.id for one in stored}
        self._append_letter(self.adopter)
        self.adopter.checkpoint()

    def _append_letter(self, log: Log) -> None:
        """The adopter gives something up: what it writes must not be taken for what the owner writes still."""
        told = Semaphore(0)
        letter = self.letter = some_entry(self._random, 10**6)
        log.append(letter, lambda _, error: told.release(), privileged=True)
        told.acquire()

    def end(self) -> None:
        """The owner dies at last, the adopter dies, the power fails; whoever comes next reads what is there."""
        promise(self.adopter is not None, "it was taken over")
        promise(
            set(self.acknowledged) - self.delivered <= self.seen,
            "what the owner acknowledged was read by the adopter",
        )
        self.owner.close()
        if self.adopter is not None:
            self.adopter._writer.stop()
        disk = self.disk.after_power_loss(self._random)
        (name,) = disk.listdir(ROOT)
        holder = name.partition(".")[0]
        directory = SpoolDirectory.open(disk, f"{ROOT}/{name}", holder)
        log = self._open(disk, directory)
        found = {one.entry.id: one for one in read_all(log)}
        promise(found.pop(self.letter.id).entry == self.letter, "what the adopter wrote is there")
        for entry_id, one in found.items():
            promise(self.sent[entry_id] == one.entry, "what is there is what was sent, byte for byte")
        for entry_id in set(self.acknowledged) - self.delivered:
            if (entry_id, 0) not in self.gone:
                promise(entry_id in found, "what was acknowledged and not delivered is there")
        again = any((entry_id, 0) in self.gone for entry_id in found)
        promise(not again, "what a checkpoint has acknowledged stays so")
        log.close()


STEPS: dict[str, Callable[[Takeover], None]] = {
    "append": Takeover.append,
    "deliver some": Takeover.deliver_some,
    "checkpoint": Takeover.checkpoint,
}


def tell(random: Random, steps: Iterable[str], at: int, *, remembers: bool, skipped: Iterable[Check] = ()) -> Takeover:
    """The adopter comes before the owner's operation number `at` on the disk, steps counted as such, from its first step."""
    story = Takeover(random, remembers=remembers, skipped=skipped)
    story.view.interrupt = story.adopt
    story.view.steps_left_until = at
    for step in steps:
        story.view.count()  # between two steps as well
        STEPS[step](story)
    story.view.steps_left_until = None
    if story.adopter is None:
        story.adopt()
    story.checkpoint()
    promise(story.owner.state.value == "Failed", "an owner finds that it is fenced, though nothing is sent to it")
    story.append()
    story.checkpoint()
    story.end()
    return story
