"""A life of a spool directory, told step by step, with what must hold after each death of its process.

`Story` does what the gateway does with its logs, on a disk that can lose its power, and keeps books of its own.
"""

import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from random import Random

import msgspec
from tests.unit.spool.power import PowerLossDisk

from headgate_gateway.pipeline.records import Records
from headgate_gateway.pipeline.tombstone import NO_VALUE
from headgate_gateway.spool.directory import SpoolDirectory
from headgate_gateway.spool.disk import Sync
from headgate_gateway.spool.entry import Destination, Entry, Origin, entry_of
from headgate_gateway.spool.errors import SpoolError
from headgate_gateway.spool.log import Log, LogSettings, Stored
from headgate_gateway.spool.space import Space

SETTINGS = LogSettings(segment_bytes=3_000, frame_bytes=2_000, probe_seconds=60)
DIRECTORY = "/spool"
SIDE = "5ide"
ORIGIN = Origin("web/access", "abc123", "stable", "0badcafe", Destination("main", "0badcafe", "dead"))

RecordName = tuple[bytes, int]
"""An entry's id, and a position in it."""


class BrokenPromiseError(AssertionError):
    """What was told does not hold."""


def promise(holds: bool, what: str) -> None:
    if not holds:
        raise BrokenPromiseError(what)


def some_entry(random: Random, serial: int) -> Entry:
    count = random.choice((1, 1, 2, 3, 7))
    values = [random.choice((NO_VALUE, b"", random.randbytes(random.randrange(400)))) for _ in range(count)]
    records = Records(
        profile="main",
        topic=random.choice(("access", "errors")),
        values=values,
        lines=list(range(1, count + 1)),
        keys=random.choice((None, [random.choice((None, b"a", b"b")) for _ in range(count)])),
        timestamps=random.choice((None, list(range(count)))),
        headers=random.choice(((), (("trace", b"\x00\xff"),))),
        row_headers=random.choice((None, [(("n", b"%d" % at),) * (at % 2) for at in range(count)])),
    )
    return entry_of(records, ORIGIN, 1_700_000_000_000 + serial, serial.to_bytes(16, "big"))


@dataclass
class Books:
    """What one log told."""

    durable: dict[bytes, tuple[int, Entry]] = field(default_factory=dict)
    """By id: the number that was told, and the entry."""
    acked: set[RecordName] = field(default_factory=set)
    acked_in_this_life: set[RecordName] = field(default_factory=set)
    gone: set[RecordName] = field(default_factory=set)
    """Acknowledged by a checkpoint that was told to be durable."""
    next_number: int = 0

    def check(self, stored: Iterable[Stored], log: Log, sent: dict[bytes, Entry]) -> None:
        found = {one.entry.id: one for one in stored}
        for entry_id, one in found.items():
            promise(sent.get(entry_id) == one.entry, "what is there is what was sent, byte for byte")
            told = self.durable.get(entry_id)
            promise(told is None or told[0] == one.first, "an entry keeps its number")
        for entry_id, (first, entry) in self.durable.items():
            missing = {
                number - first for low, high in log.missing(first, first + entry.count) for number in range(low, high)
            }
            for position in range(entry.count):
                name = entry_id, position
                if name not in self.acked:
                    promise(position in missing and entry_id in found, "what was told to be durable is there")
                if name in self.gone and entry_id in found:
                    promise(position not in missing, "what a checkpoint has acknowledged does not come back")
        promise(log.end >= self.next_number, "numbers do not come again")
        self.next_number = log.end

    @property
    def needed(self) -> bool:
        """Whether anything is left to deliver."""
        return any((one, at) not in self.acked for one, (_, entry) in self.durable.items() for at in range(entry.count))

    def acknowledge(self, names: Iterable[RecordName]) -> None:
        names = set(names)
        self.acked |= names
        self.acked_in_this_life |= names

    def checkpointed(self) -> None:
        self.gone |= self.acked_in_this_life

    def told_durable(self, first: int, entry: Entry) -> None:
        promise(first >= self.next_number, "numbers do not come again")
        self.next_number = first + entry.count
        self.durable[entry.id] = first, entry


class Story:
    """`tell` it what happens; it raises BrokenPromiseError once a promise is broken."""

    def __init__(self, random: Random, skipped: Iterable[Sync] = ()) -> None:
        self._random = random
        self.disk = PowerLossDisk(frozenset(skipped))
        self.sent: dict[bytes, Entry] = {}
        self._profiles: dict[str, bytes] = {}
        self._books = {"main": Books(), SIDE: Books()}
        self._logs: dict[str, Log] = {}
        self._directory: SpoolDirectory | None = None
        self.open()

    # -- births and deaths ------------------------------------------------------------------------------------------

    def open(self) -> None:
        """The process starts, and finds what is there. The power may go while it does."""
        try:
            directory = self._directory = SpoolDirectory.open(self.disk, DIRECTORY)
            self._open_log("main", directory.log)
            if SIDE in directory.sides() or self._books[SIDE].needed:
                self._open_log(SIDE, directory.side(SIDE))
            kept = directory.profiles()
        except OSError:
            promise(self.disk.is_off, "a good disk can be opened")
            self.lose_power()
            return
        promise(kept.items() >= self._profiles.items(), "profiles are kept")

    def _open_log(self, name: str, path: str) -> None:
        visited: list[bytes] = []
        log = Log.open(
            self.disk,
            path,
            Space(10**9, 0),
            lambda call: call(),
            SETTINGS,
            visit=lambda _, head: visited.append(head.id),
        )
        self._logs[name] = log
        stored = read_all(log)
        promise([one.entry.id for one in stored] == visited, "recovery visits what can be read")
        self._books[name].check(stored, log, self.sent)
        self._books[name].acked_in_this_life.clear()
        missing = sum(end - first for first, end in log.missing(0, log.end))
        promise(log.backlog == missing, "the backlog is counted")

    def lose_power(self) -> None:
        self._die()
        self.disk = self.disk.after_power_loss(self._random)
        self.open()

    def be_killed(self) -> None:
        self._die()
        self.disk = self.disk.after_kill()
        self.open()

    def _die(self) -> None:
        self.disk.steps_left = -1
        for log in self._logs.values():
            log.close()
        self._logs.clear()

    def restart(self) -> None:
        """An orderly end, after which everything that is acknowledged stays so."""
        for name, log in self._logs.items():
            log.close()
            if not self.disk.is_off:
                self._books[name].checkpointed()
        self._logs.clear()
        if self._directory is not None:
            self._directory.close()
        if self.disk.is_off:
            self.lose_power()
        else:
            self.open()

    def lose_power_after(self, steps: int) -> None:
        """The power goes in the midst of what comes next."""
        self.disk.steps_left = steps

    # -- what the gateway does --------------------------------------------------------------------------------------

    def append(self, count: int) -> None:
        entries = [some_entry(self._random, len(self.sent) + at) for at in range(count)]
        self.sent |= {entry.id: entry for entry in entries}
        self._append("main", entries)
        self._notice_power_loss()

    def _append(self, name: str, entries: list[Entry]) -> set[bytes]:
        """Which of them are durable, if anybody asks before the power goes."""
        log, books = self._logs[name], self._books[name]
        told = {}
        gate, all_told = threading.Event(), threading.Semaphore(0)

        def on_done(entry: Entry, first: int, error: SpoolError | None) -> None:
            told[entry.id] = first if error is None else None
            all_told.release()

        def wait() -> None:
            gate.wait()

        log._writer._queue.put(wait)  # so that all of them wait for one commit
        put = 0
        for entry in entries:
            with suppress(SpoolError):
                log.append(entry, partial(on_done, entry))
                put += 1
        gate.set()
        for _ in range(put):
            all_told.acquire()
        for entry in entries:
            first = told.get(entry.id)
            if first is not None:
                books.told_durable(first, entry)
        durable = {entry.id for entry in entries if told.get(entry.id) is not None}
        promise(self.disk.is_off or len(durable) == len(entries), "a good disk takes what comes")
        return durable

    def acknowledge(self, share: float) -> None:
        """Some of the oldest, with holes."""
        for name, log in self._logs.items():
            books = self._books[name]
            for one in self._readable(log):
                for position in range(one.entry.count):
                    if self._random.random() < share:
                        log.acknowledge(one.first + position, one.first + position + 1)
                        books.acknowledge([(one.entry.id, position)])

    def _readable(self, log: Log) -> list[Stored]:
        stored, number = log.read(log.start, 1)
        more, _ = log.read(number, 1)
        return stored + more

    def checkpoint(self) -> None:
        for name, log in self._logs.items():
            with suppress(OSError):
                log.checkpoint()
                self._books[name].checkpointed()
        self._notice_power_loss()

    def keep_profile(self) -> None:
        content = self._random.randbytes(20)
        name = content[:2].hex()
        if self._directory is not None:
            with suppress(OSError):
                self._directory.keep_profile(name, content)
                self._profiles[name] = content
            if self.disk.is_off:
                self._profiles.pop(name, None)
        self._notice_power_loss()

    def move_aside(self) -> None:
        """A few entries go to the side log; durable there, they are acknowledged here."""
        if self._directory is None:
            return
        try:
            if SIDE not in self._logs:
                self._open_log(SIDE, self._directory.side(SIDE))
            main, books = self._logs["main"], self._books["main"]
            stored, _ = main.read(main.start, 1)
            whole = [one for one in stored if main.missing(one.first, one.end) == [(one.first, one.end)]]
            copies = {one.first: msgspec.structs.replace(one.entry, id=self._random.randbytes(16)) for one in whole}
            self.sent |= {copy.id: copy for copy in copies.values()}
            durable = self._append(SIDE, list(copies.values()))
            for one in whole:
                if copies[one.first].id in durable:
                    main.acknowledge(one.first, one.end)
                    books.acknowledge((one.entry.id, position) for position in range(one.entry.count))
        except OSError:
            promise(self.disk.is_off, "a good disk can be written")
        self._notice_power_loss()

    def empty_side(self) -> None:
        """The side log is delivered, and goes; entries may go there anew."""
        log = self._logs.get(SIDE)
        if log is None or self._directory is None:
            return
        books = self._books[SIDE]
        log.acknowledge(0, log.end)
        books.acknowledge((one, at) for one, (_, entry) in books.durable.items() for at in range(entry.count))
        self.checkpoint()
        if SIDE not in self._logs or self._logs[SIDE] is not log:
            return  # the power went, and another life has begun
        log.close()
        del self._logs[SIDE]
        books.next_number = 0
        with suppress(OSError):
            self._directory.remove_side(SIDE)
        self._notice_power_loss()

    def _notice_power_loss(self) -> None:
        if self.disk.is_off:
            self.lose_power()

    def end(self) -> None:
        """Every death once more, so that whatever is wrong shows."""
        self._notice_power_loss()
        self.lose_power()
        self.be_killed()
        self._die()


def read_all(log: Log) -> list[Stored]:
    found: list[Stored] = []
    number = 0
    while True:
        some, number = log.read(number, 1_000)
        if not some:
            promise(number == log.end, "reading ends at the end")
            return found
        found += some


STEPS: dict[str, Callable[[Story, Random], None]] = {
    "append": lambda story, random: story.append(1),
    "append many": lambda story, random: story.append(random.randint(2, 12)),
    "acknowledge few": lambda story, random: story.acknowledge(0.3),
    "acknowledge most": lambda story, random: story.acknowledge(0.95),
    "checkpoint": lambda story, random: story.checkpoint(),
    "lose power": lambda story, random: story.lose_power(),
    "lose power soon": lambda story, random: story.lose_power_after(random.randrange(12)),
    "be killed": lambda story, random: story.be_killed(),
    "restart": lambda story, random: story.restart(),
    "keep profile": lambda story, random: story.keep_profile(),
    "move aside": lambda story, random: story.move_aside(),
    "empty side": lambda story, random: story.empty_side(),
}


def tell(random: Random, steps: Iterable[str], skipped: Iterable[Sync] = ()) -> None:
    story = Story(random, skipped)
    for step in steps:
        STEPS[step](story, random)
    story.end()
