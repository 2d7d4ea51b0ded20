"""One log: entries in order of acceptance, made durable in groups, read by number, forgotten once acknowledged.

    append -> queue -> writer thread: frame, write, fdatasync -> durable: `on_done(first number)` in the event loop
    read(number) -> entries not yet acknowledged -> acknowledge -> checkpoint -> segments deleted

It knows nothing of Kafka. Each record has a number; numbers never repeat in one directory and may have holes.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, Self

from headgate_gateway.spool.disk import Disk
from headgate_gateway.spool.entry import Entry, EntryHead
from headgate_gateway.spool.errors import LogState, SpoolError
from headgate_gateway.spool.extents import Range
from headgate_gateway.spool.space import Space

OnDone = Callable[[int, SpoolError | None], None]
"""Gets the number of the entry's first record, or -1 and why it is not durable."""
Visit = Callable[[int, EntryHead], None]
"""Gets the number of an entry's first record, and its head."""
Notify = Callable[[Callable[[], None]], object]
"""Has a function called in the event loop, such as `loop.call_soon_threadsafe`."""


class Stored(NamedTuple):
    """An entry, and the number of its first record."""

    first: int
    entry: Entry

    @property
    def end(self) -> int:
        """The number after its last record."""
        return self.first + self.entry.count


@dataclass(frozen=True, slots=True)
class LogSettings:
    """How a log writes."""

    segment_bytes: int = 64 * 2**20
    """A segment that has reached this takes no more frames."""
    frame_bytes: int = 8 * 2**20
    """One commit takes about this much at most."""
    probe_seconds: float = 1.0
    """Between two attempts to find out whether a full or failed disk writes again."""


@dataclass(frozen=True, slots=True)
class LogReport:
    """What there is to tell of a log."""

    state: LogState
    problem: str
    """Why it is not Ready, for people; empty otherwise."""
    nbytes: int
    """On disk."""
    segments: int
    damaged: int
    """Places found damaged since it was opened: their bytes were set aside."""
    appended: int
    """Records made durable since it was opened."""
    commits: int
    commit_seconds: tuple[int, ...]
    """How many commits took up to each of COMMIT_BUCKETS seconds, and longer; from write to durable."""
    commit_seconds_sum: float


class Log:
    """Thread-safe where it says so; everything else belongs to the event loop."""

    @classmethod
    def open(
        cls,
        disk: Disk,
        directory: str,
        space: Space,
        notify: Notify,
        settings: LogSettings = LogSettings(),
        *,
        visit: Visit | None = None,
    ) -> Self:
        """Find out what is there, and take entries from now on. Blocks; `visit` gets what is not all acknowledged, in order.

        The caller holds the directory's lock. Raises OSError, SpoolVersionError.
        """
        raise NotImplementedError

    @property
    def state(self) -> LogState:
        """Whether it takes entries."""
        raise NotImplementedError

    @property
    def end(self) -> int:
        """The number after the last durable record. Any thread."""
        raise NotImplementedError

    @property
    def start(self) -> int:
        """The smallest number that is not acknowledged; `end` where all are. Any thread."""
        raise NotImplementedError

    @property
    def backlog(self) -> int:
        """Durable records that are not acknowledged. Any thread."""
        raise NotImplementedError

    def append(self, entry: Entry, on_done: OnDone, *, privileged: bool = False) -> None:
        """Make an entry durable. Entries become durable, and `on_done` is called, in the order of the calls.

        `on_done` is called once, in the event loop, never from within this call. `privileged`: it may use the headroom.
        Raises SpoolFullError, SpoolFailedError or SpoolClosedError at once where there is no point in waiting.
        """
        raise NotImplementedError

    def read(self, number: int, max_bytes: int) -> tuple[list[Stored], int]:
        """Entries with records from `number` on that are not all acknowledged, and the number to go on from.

        About `max_bytes` of them, at least one where there is one; none, and `end`: that is all for now. An entry that
        was partly passed is given whole. Blocks; any thread.
        """
        raise NotImplementedError

    def acknowledge(self, first: int, end: int) -> None:
        """Records from `first` to before `end` are done with. Not durable before the next checkpoint. Any thread."""
        raise NotImplementedError

    def missing(self, first: int, end: int) -> list[Range]:
        """The ranges from `first` to before `end` that are not acknowledged. Any thread."""
        raise NotImplementedError

    def checkpoint(self) -> bool:
        """Make durable what is acknowledged, and delete the segments that nobody needs; False: there was nothing new.

        Blocks; any thread but the event loop's. Raises OSError, after which it may be called again.
        """
        raise NotImplementedError

    def oldest_ms(self) -> int | None:
        """About when the oldest record that is not acknowledged was accepted, milliseconds since the epoch; None: none."""
        raise NotImplementedError

    def report(self) -> LogReport:
        """What there is to tell. Any thread."""
        raise NotImplementedError

    def close(self) -> None:
        """Make durable what waits, take no more, write a last checkpoint. Blocks."""
        raise NotImplementedError
