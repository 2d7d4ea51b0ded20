"""The thread that makes entries durable, in groups: all that waits is one frame, one write and one fdatasync.

    Ready --write or fdatasync fails--> Full (no space) | Failed --an empty commit succeeds--> Ready
    any   --another process has the directory--> Failed, for good

What fails is never tried again: its segment is closed, its waiters are told, and its numbers are skipped. While the
state is not Ready, empty commits to new segments find out whether the disk writes again.
"""

import logging
import os
import threading
import time
from bisect import bisect_left
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import Final

from headgate_gateway.spool.damage import PATIENT, Patience
from headgate_gateway.spool.disk import Check, Disk, File, Sync
from headgate_gateway.spool.entry import Entry
from headgate_gateway.spool.epoch import Fence
from headgate_gateway.spool.errors import (
    NO_SPACE,
    LogState,
    SpoolClosedError,
    SpoolError,
    SpoolFailedError,
    SpoolFencedError,
    SpoolFullError,
)
from headgate_gateway.spool.extents import Range
from headgate_gateway.spool.frames import encode_frame, encode_segment_head
from headgate_gateway.spool.ledger import Ledger
from headgate_gateway.spool.segments import Segment, Segments
from headgate_gateway.spool.space import Space

log = logging.getLogger(__name__)

COMMIT_BUCKETS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
"""Upper bounds of the histogram of commits, in seconds."""
GROUPS_ALONE: Final = 64
"""Groups without a wait after one that was waited for in vain."""
_CLOSED = "the spool is closed"
_SMALLEST_BUFFER = 64 * 2**10

OnDone = Callable[[int, SpoolError | None], None]
"""Gets the number of the entry's first record, or -1 and why it is not durable."""
Notify = Callable[[Callable[[], None]], object]
"""Has a function called in the event loop, such as `loop.call_soon_threadsafe`."""


@dataclass(frozen=True, slots=True)
class LogSettings:
    """How a log writes."""

    segment_bytes: int = 64 * 2**20
    """A segment that has reached this takes no more frames."""
    frame_bytes: int = 2 * 2**20
    """One commit takes about this much at most."""
    probe_seconds: float = 1.0
    """Between two attempts to find out whether a full or failed disk writes again."""
    stuck_seconds: float = 10.0
    """A commit that takes longer than this lets nothing wait behind it."""
    crowd: int = 8
    """A group of so many entries says that more are on their way..."""
    gather_seconds: float = 0.004
    """...and the next one waits for them at most so long: a commit costs the processor, too, and the interpreter's lock thrice."""
    unreadable: Patience = PATIENT
    """With what the disk does not read."""


@dataclass(slots=True)
class CommitCounters:
    """Written by the writer's thread, read by anybody."""

    appended: int = 0
    commits: int = 0
    seconds: list[int] = field(default_factory=lambda: [0] * (len(COMMIT_BUCKETS) + 1))
    seconds_sum: float = 0.0


@dataclass(frozen=True, slots=True)
class Waiting:
    """An entry that is to become durable."""

    entry: Entry
    cost: int
    """Bytes that were taken for it."""
    on_done: OnDone


Told = tuple[OnDone, int, SpoolError | None]


def tell(told: Sequence[Told]) -> None:
    """Call them back, in order."""
    for on_done, first, error in told:
        try:
            on_done(first, error)
        except Exception:
            # Broad on purpose: a callback that fails must not cost others the news of theirs.
            log.exception("a callback of the spool failed")


class Writer:
    """Owns the newest segment. `put`, `rotate` and `stop` may be called from any thread."""

    def __init__(
        self,
        disk: Disk,
        directory: str,
        space: Space,
        notify: Notify,
        settings: LogSettings,
        ledger: Ledger,
        segments: Segments,
        fence: Fence | None = None,
    ) -> None:
        self._disk = disk
        self._directory = directory
        self._space = space
        self._notify = notify
        self._settings = settings
        self.rotate_after = settings.segment_bytes // 4
        """A newest segment of this size is worth closing once nobody needs it: it can be deleted then."""
        self._ledger = ledger
        self._segments = segments
        self._fence = fence
        self.state = LogState.READY
        self.problem = ""
        self.counters = CommitCounters()
        self.active: Segment | None = None
        self.tail: Range = (0, 0)
        """First number of the newest segment, and the number after its last durable record."""
        self._file: File | None = None
        self._buffer = bytearray()
        self._queue: SimpleQueue[Waiting | Callable[[], None]] = SimpleQueue()
        self._ending = False
        self._ended = False
        self._put_lock = threading.Lock()
        self._busy_since: float | None = None
        self._crowded = False
        """Whether the last group was a crowd."""
        self._alone = 0
        """Groups that go at once, crowd or not: all who write wait for their answer, it seems."""
        self.sleep: Callable[[float], object] = time.sleep
        self._is_written = False
        """Whether the frame of this commit may be on the disk whole."""
        self._worker = threading.Thread(target=self._run, name=f"spool {directory}", daemon=True)

    def start(self) -> None:
        """Begin to take what is put."""
        self._worker.start()

    def put(self, waiting: Waiting) -> None:
        """Make it durable, after what was put before. Raises SpoolClosedError once `stop` is over."""
        with self._put_lock:
            if self._ended:
                raise SpoolClosedError(_CLOSED)
            self._queue.put(waiting)

    @property
    def is_stuck(self) -> bool:
        """Whether the disk hangs: it neither takes what it was given nor fails. Ends with the commit. Any thread."""
        since = self._busy_since
        return since is not None and time.monotonic() - since > self._settings.stuck_seconds

    def rotate(self) -> None:
        """Close the newest segment, so that it may be deleted."""
        self._queue.put(self._close_segment)

    def stop(self) -> None:
        """Make durable what was put, and end. Blocks."""
        self._queue.put(self._end)
        self._worker.join()

    # -- the thread -------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        while not self._ending:
            group, task = self._take()
            if group:
                self._tell(self._commit_safely(group))
            if task is not None:
                task()
            elif not group:
                self._probe()
        self._close_segment()
        with self._put_lock:
            self._ended = True
        self._tell(self._turn_away())

    def _turn_away(self) -> list[Told]:
        """What was put while the end was on its way."""
        told: list[Told] = []
        with suppress(Empty):
            while True:
                item = self._queue.get_nowait()
                if isinstance(item, Waiting):
                    self._space.adjust(-item.cost)
                    told.append((item.on_done, -1, SpoolClosedError(_CLOSED)))
        return told

    def _end(self) -> None:
        self._ending = True

    def _take(self) -> tuple[list[Waiting], Callable[[], None] | None]:
        """Wait for something to do, and take all that waits, as far as one commit takes it; then what else to do.

        Neither: the state is not Ready, and it is time to find out whether it could be.
        """
        group: list[Waiting] = []
        task: Callable[[], None] | None = None
        room = self._settings.frame_bytes
        wait = None if self.state is LogState.READY or self._is_fenced else self._settings.probe_seconds
        with suppress(Empty):
            item = self._queue.get(timeout=wait)
            if isinstance(item, Waiting):
                self._gather()
            while isinstance(item, Waiting):
                group.append(item)
                room -= item.cost
                if room <= 0:
                    break  # what is left is the next group, and there already
                item = self._queue.get_nowait()
            else:
                task = item
        self._crowded = room > 0 and len(group) >= self._settings.crowd
        return group, task

    def _gather(self) -> None:
        """After a crowd, wait a moment for those that follow; for a while not, where nobody came."""
        if not self._crowded:
            return
        if self._alone:
            self._alone -= 1
            return
        before = self._queue.qsize()
        self.sleep(self._settings.gather_seconds)
        if self._queue.qsize() == before:
            self._alone = GROUPS_ALONE

    def _tell(self, told: list[Told]) -> None:
        if told:
            with suppress(RuntimeError):  # the event loop is closed: nobody waits
                self._notify(lambda: tell(told))

    def _commit_safely(self, group: list[Waiting]) -> list[Told]:
        self._busy_since = time.monotonic()
        try:
            return self._commit(group)
        except Exception as error:
            # Broad on purpose: a defect must not end the thread, on which everybody waits. One entry that cannot be
            # encoded must not cost the others either.
            if len(group) > 1:
                return [told for waiting in group for told in self._commit_safely([waiting])]
            log.exception("a commit of the spool failed")
            return self._fail(group, SpoolFailedError(f"defect: {error!r}"))
        finally:
            self._busy_since = None

    def _commit(self, group: list[Waiting]) -> list[Told]:
        """Make a group durable; what to tell whom."""
        first = self._ledger.end
        entries = [waiting.entry for waiting in group]
        if self._fence is not None and self._fence.broken:
            return self._fail(group, self._end_for_good(self._fence.broken))
        self._is_written = False
        try:
            segment, offset, accepted = self._write(first, entries)
        except OSError as error:
            return self._fail(group, self._judge(error))
        except SpoolFencedError as error:
            return self._fail(group, self._end_for_good(str(error)))
        end = first + sum(entry.count for entry in entries)
        segment.extend(offset, offset + len(self._buffer), first, end, accepted)
        self.tail = (segment.first, end)
        self._space.adjust(-sum(waiting.cost for waiting in group))
        self._ledger.commit(end)
        self.counters.appended += end - first
        self._recover()
        told: list[Told] = []
        for waiting in group:
            told.append((waiting.on_done, first, None))
            first += waiting.entry.count
        return told

    def _write(self, first: int, entries: list[Entry]) -> tuple[Segment, int, int]:
        """Write a frame and make it durable: its segment and offset, and when its first entry was accepted."""
        segment = self.active
        if segment is None or segment.taken >= self._settings.segment_bytes:
            self._close_segment()
            segment = self._open_segment(first)
        file, offset = self._file, segment.taken
        if file is None:
            raise RuntimeError("a segment without its file")
        encode_frame(self._buffer, segment.marker, first, entries)
        began = time.perf_counter()
        segment.taken += len(self._buffer)
        self._space.adjust(len(self._buffer))
        file.append(self._buffer)
        self._is_written = True
        file.sync(Sync.FRAME)
        if segment.size == 0:
            self._disk.sync_dir(self._directory, Sync.SEGMENT_NAME)
        if self._fence is not None:
            self._fence.check(Check.COMMIT)
        if segment.size == 0:
            self._segments.add(segment)
        self._count(time.perf_counter() - began)
        return segment, offset, entries[0].accepted_ms if entries else 0

    def _count(self, seconds: float) -> None:
        self.counters.commits += 1
        self.counters.seconds[bisect_left(COMMIT_BUCKETS, seconds)] += 1
        self.counters.seconds_sum += seconds

    def _open_segment(self, first: int) -> Segment:
        segment = Segment(self._directory, first, os.urandom(16))
        self._file = self._disk.create(segment.path)
        self.active = segment
        head = encode_segment_head(segment.marker, first, self.tail)
        segment.taken = len(head)
        self._space.adjust(len(head))
        self._file.append(head)
        return segment

    def _close_segment(self) -> None:
        """Its bytes are durable, or nobody was told so: closing does not have to succeed."""
        segment, file = self.active, self._file
        self.active = self._file = None
        if file is not None:
            with suppress(OSError):
                file.close()
        if segment is not None and segment.size == 0:
            # No entry of it was ever reported durable. Where it cannot be deleted, recovery finds what is in it.
            with suppress(OSError):
                self._disk.unlink(segment.path)
                self._space.adjust(-segment.taken)

    # -- when it does not work ----------------------------------------------------------------------------------------

    def _fail(self, group: list[Waiting], error: SpoolError) -> list[Told]:
        """Nobody knows what is on the disk: leave the segment, and the numbers."""
        self._close_segment()
        self._ledger.skip(self._ledger.end + max(sum(waiting.entry.count for waiting in group), 1))
        self._space.adjust(-sum(waiting.cost for waiting in group))
        return [(waiting.on_done, -1, error) for waiting in group]

    def _judge(self, error: OSError) -> SpoolError:
        before = self.state
        self.problem = error.strerror or str(error)
        self.state = LogState.FULL if error.errno in NO_SPACE else LogState.FAILED
        if self.state is not before:
            log.error("the spool cannot write", extra={"directory": self._directory, "problem": self.problem})
        # A frame that is written may be found by the next process, whatever a sync says: its fate is not known.
        is_known = self.state is LogState.FULL and not self._is_written
        return SpoolFullError(self.problem) if is_known else SpoolFailedError(self.problem)

    @property
    def _is_fenced(self) -> bool:
        return self._fence is not None and bool(self._fence.broken)

    def _end_for_good(self, problem: str) -> SpoolError:
        self.state, self.problem = LogState.FAILED, problem
        return SpoolFencedError(problem)

    def _recover(self) -> None:
        if self.state is not LogState.READY:
            log.warning("the spool writes again", extra={"directory": self._directory})
            self.state, self.problem = LogState.READY, ""

    def _probe(self) -> None:
        """Find out whether the disk writes again, by a frame without entries."""
        with suppress(OSError):
            if self.state is LogState.FAILED or self._disk.free_bytes(self._directory) >= self._settings.frame_bytes:
                self._tell(self._commit_safely([]))
