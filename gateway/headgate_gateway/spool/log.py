"""One log: entries in order of acceptance, made durable in groups, read by number, forgotten once acknowledged.

    append -> queue -> writer thread: frame, write, fdatasync -> durable: `on_done(first number)` in the event loop
    read(number) -> entries not yet acknowledged -> acknowledge -> checkpoint -> segments deleted

It knows nothing of Kafka. Each record has a number; numbers never repeat in one directory and may have holes.
"""

import logging
import threading
from contextlib import suppress
from dataclasses import dataclass
from typing import Self

from headgate_gateway.pipeline.records import RECORD_OVERHEAD
from headgate_gateway.spool.checkpoint import Checkpoint, encode_checkpoint
from headgate_gateway.spool.checkpoints import CHECKPOINT_NAME, Told, read_checkpoints
from headgate_gateway.spool.damage import Damage
from headgate_gateway.spool.disk import Check, Disk
from headgate_gateway.spool.durable import make_directory, replace_file
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
from headgate_gateway.spool.extents import Extents, Range
from headgate_gateway.spool.ledger import Ledger
from headgate_gateway.spool.reading import Reader, Stored
from headgate_gateway.spool.recovery import Visit, recover
from headgate_gateway.spool.segments import Segments
from headgate_gateway.spool.space import Space
from headgate_gateway.spool.writer import COMMIT_BUCKETS, LogSettings, Notify, OnDone, Waiting, Writer

__all__ = ["COMMIT_BUCKETS", "Log", "LogReport", "LogSettings", "Notify", "OnDone", "Stored", "Visit"]

log = logging.getLogger(__name__)

_STUCK = "the disk hangs: what was to be written has been under way for too long"
_ENTRY_BYTES = 128
_RECORD_BYTES = 24
"""Counted for an entry beside its records, and for each of these beside its value, until its size on disk is known."""


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

    def __init__(
        self,
        disk: Disk,
        directory: str,
        space: Space,
        damage: Damage,
        ledger: Ledger,
        segments: Segments,
        writer: Writer,
        fence: Fence | None = None,
    ) -> None:
        """Made by `open`."""
        self._disk = disk
        self._directory = directory
        self._space = space
        self._damage = damage
        self._ledger = ledger
        self._segments = segments
        self._writer = writer
        self._fence = fence
        self._reader = Reader(damage, ledger, segments)
        self._closed = False
        self._checkpoint_name = CHECKPOINT_NAME if fence is None else fence.checkpoint
        self._stale: list[str] = []
        """Checkpoints that say nothing, or nothing that the next one does not say."""
        self._checkpoint_lock = threading.Lock()
        self._written = -1
        """What the ledger's changes were at the last checkpoint."""

    @classmethod
    def open(
        cls,
        disk: Disk,
        directory: str,
        space: Space,
        notify: Notify,
        settings: LogSettings | None = None,
        *,
        visit: Visit | None = None,
        fence: Fence | None = None,
    ) -> Self:
        """Find out what is there, and take entries from now on. Blocks; `visit` gets what is not all acknowledged, in order.

        The caller holds the directory's lock, or (`fence`) has its epoch in it. Raises OSError, SpoolVersionError.
        """
        make_directory(disk, directory)
        if fence is not None:
            disk.refresh(directory)
        settings = settings or LogSettings()
        damage = Damage(disk, space, settings.unreadable)
        damage.find_kept(directory)
        told = read_checkpoints(disk, directory)
        if told.unreadable:
            log.error(
                "a checkpoint of the spool is damaged: records may be sent again",
                extra={"directory": directory, "files": told.unreadable},
            )
        found = recover(disk, directory, told, visit, damage, is_told=not told.unreadable)
        damage.opened()
        ledger, segments = Ledger(found.extents, found.position), Segments()
        for segment in found.segments:
            segments.add(segment)
            space.adjust(segment.taken)
        if fence is not None:
            ledger.skip(fence.first_number(found.position, is_whole=not told.unreadable))
        writer = Writer(disk, directory, space, notify, settings, ledger, segments, fence)
        opened = cls(disk, directory, space, damage, ledger, segments, writer, fence)
        opened._find_stale(told)
        if told.unreadable:
            # One that cannot be read now may be so later, and would give up what gets the same numbers until then.
            opened.checkpoint()
        elif found.position or fence is not None:
            with suppress(OSError, SpoolFencedError):  # it is tried again with the next one
                opened.checkpoint()
        else:
            opened._written = 0
        writer.start()
        return opened

    @property
    def state(self) -> LogState:
        """Whether it takes entries."""
        if self._closed:
            return LogState.CLOSED
        if self._fenced or self._writer.is_stuck:
            return LogState.FAILED
        if self._writer.state is LogState.READY and self._space.full:
            return LogState.FULL
        return self._writer.state

    @property
    def end(self) -> int:
        """The number after the last durable record. Any thread."""
        return self._ledger.end

    @property
    def start(self) -> int:
        """The smallest number that is not acknowledged; `end` where all are. Any thread."""
        return self._ledger.start

    @property
    def backlog(self) -> int:
        """Durable records that are not acknowledged. Any thread."""
        return self._ledger.backlog

    def append(self, entry: Entry, on_done: OnDone, *, privileged: bool = False) -> None:
        """Make an entry durable. Entries become durable, and `on_done` is called, in the order of the calls.

        `on_done` is called once, in the event loop, never from within this call. `privileged`: it may use the headroom.
        Raises SpoolFullError, SpoolFailedError or SpoolClosedError at once where there is no point in waiting.
        """
        cost = entry.nbytes - (RECORD_OVERHEAD - _RECORD_BYTES) * entry.count + _ENTRY_BYTES
        is_over = self._closed or self._fenced or self._writer.is_stuck
        if is_over or (self._writer.state is not LogState.READY and not privileged):
            raise self._refusal()
        if not self._space.take(cost, privileged=privileged):
            raise SpoolFullError("the spool holds as much as it may")
        try:
            self._writer.put(Waiting(entry, cost, on_done))
        except SpoolClosedError:
            self._space.adjust(-cost)
            raise

    @property
    def _fenced(self) -> str:
        return self._fence.broken if self._fence is not None else ""

    def _refusal(self) -> SpoolError:
        if self._closed:
            return SpoolClosedError("the spool is closed")
        if self._fenced:
            return SpoolFencedError(self._fenced)
        if self._writer.is_stuck:
            return SpoolFailedError(_STUCK)
        kind = SpoolFullError if self._writer.state is LogState.FULL else SpoolFailedError
        return kind(self._writer.problem)

    def read(self, number: int, max_bytes: int) -> tuple[list[Stored], int]:
        """Entries with records from `number` on that are not all acknowledged, and the number to go on from.

        About `max_bytes` of them (whole commits, so up to a commit more), at least one where there is one; none, and
        `end`: that is all for now. An entry that was partly passed is given whole. Blocks; any thread. Raises OSError
        where there are none that can be read: then the same call may succeed later; SpoolFencedError where another process
        has the directory, and they are its to deliver.
        """
        entries, after = self._reader.read(number, max_bytes)
        if entries:
            self.confirm()
        return entries, after

    def confirm(self) -> None:
        """Find out whether what was read is still this process's to deliver. Blocks; any thread.

        Raises SpoolFencedError where it is not; OSError where nobody can tell.
        """
        if self._fence is not None:
            self._fence.check(Check.READ)

    @property
    def is_shared(self) -> bool:
        """Whether another process can take the directory, so that `confirm` has something to find out."""
        return self._fence is not None

    def acknowledge(self, first: int, end: int) -> None:
        """Records from `first` to before `end` are done with. Not durable before the next checkpoint. Any thread."""
        self._ledger.acknowledge(first, end)

    def missing(self, first: int, end: int) -> list[Range]:
        """The ranges from `first` to before `end` that are not acknowledged. Any thread."""
        return self._ledger.missing(first, end)

    def checkpoint(self) -> bool:
        """Make durable what is acknowledged, and delete the segments that nobody needs; False: there was nothing new.

        Blocks; any thread but the event loop's. Raises OSError, after which it may be called again; SpoolFencedError where
        another process has the directory, which is noticed here even where there is nothing new.
        """
        with self._checkpoint_lock:
            if self._fence is not None:
                self._fence.check(Check.CHECKPOINT)
            extents, end, changes = self._ledger.snapshot()
            if changes == self._written:
                self._delete_segments(extents)
                return False
            checkpoint = Checkpoint(extents.watermark, list(extents.ranges()), end, self._writer.tail)
            path, content = f"{self._directory}/{self._checkpoint_name}", encode_checkpoint(checkpoint)
            try:
                replace_file(self._disk, path, content)
            except OSError as error:
                if error.errno not in NO_SPACE or not self._delete_segments(extents):
                    raise
                # A segment all of whose records are done with is not missed by recovery, whatever the checkpoint says:
                # where there is no room even for a checkpoint, deleting comes first.
                replace_file(self._disk, path, content)
            self._delete_stale()
            self._written = changes
            self._delete_segments(extents)
            return True

    def _find_stale(self, told: Told) -> None:
        fence = self._fence
        over = [name for name in self._disk.listdir(self._directory) if fence is not None and fence.is_over(name)]
        self._stale = sorted({*told.unreadable, *over} - {self._checkpoint_name})

    def _delete_stale(self) -> None:
        while self._stale:
            with suppress(FileNotFoundError):
                self._disk.unlink(f"{self._directory}/{self._stale[-1]}")
            self._stale.pop()

    def _delete_segments(self, done: Extents) -> int:
        """Delete segments that hold nothing but what is done with; how many."""
        # In this order: a segment that is listed and not active then will never be written again.
        candidates = self._segments.all()
        active = self._writer.active
        deleted = 0
        for segment in candidates:
            if segment.held or done.is_missing(segment.first, segment.end):
                continue
            if segment is active:
                if self._space.full or segment.taken >= self._writer.rotate_after:
                    self._writer.rotate()
                continue
            if self._damage.is_spoiled(segment.path):
                with suppress(OSError):  # it is tried again with the next checkpoint
                    self._damage.keep_segment(segment.path, segment.taken)
                    self._segments.remove(segment)
                continue
            with suppress(FileNotFoundError):  # somebody else deleted it
                self._disk.unlink(segment.path)
            self._segments.remove(segment)
            self._space.adjust(-segment.taken)
            deleted += 1
        return deleted

    def oldest_ms(self) -> int | None:
        """About when the oldest record that is not acknowledged was accepted, milliseconds since the epoch; None: none."""
        if not self._ledger.backlog:
            return None
        segment = self._segments.find(self._ledger.start)
        return (segment.accepted_ms(self._ledger.start) or None) if segment is not None else None

    def report(self) -> LogReport:
        """What there is to tell. Any thread."""
        segments, counters = self._segments.all(), self._writer.counters
        return LogReport(
            state=self.state,
            problem=self._fenced or (_STUCK if self._writer.is_stuck else self._writer.problem),
            nbytes=sum(segment.taken for segment in segments),
            segments=len(segments),
            damaged=self._damage.found,
            appended=counters.appended,
            commits=counters.commits,
            commit_seconds=tuple(counters.seconds),
            commit_seconds_sum=counters.seconds_sum,
        )

    def close(self) -> None:
        """Make durable what waits, take no more, write a last checkpoint. Blocks."""
        self._closed = True
        self._writer.stop()
        with suppress(OSError, SpoolFencedError):  # what is acknowledged is sent again, then
            self.checkpoint()
        self._damage.close()
