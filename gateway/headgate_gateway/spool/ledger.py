"""Which records of a log there are, and which are done with. Counting only; each call is locked, and short."""

import threading

from headgate_gateway.spool.extents import Extents, Range


class Ledger:
    """Shared by the event loop, the writer's thread and readers."""

    def __init__(self, extents: Extents, end: int) -> None:
        self._extents = extents
        self._end = end
        self._backlog = end - extents.count(0, end)
        self._changes = 0
        self._lock = threading.Lock()

    @property
    def end(self) -> int:
        """The number after the last record."""
        return self._end

    @property
    def backlog(self) -> int:
        """Records that are not done with."""
        return self._backlog

    @property
    def start(self) -> int:
        """The smallest number that is not done with, `end` where there is none."""
        return self._extents.watermark

    def commit(self, end: int) -> None:
        """The records up to `end` are durable."""
        with self._lock:
            self._backlog += end - self._end
            self._end = end

    def skip(self, end: int) -> None:
        """The numbers up to `end` are taken, and nobody was told that their records are durable."""
        with self._lock:
            self._extents.add(self._end, end)
            self._end = end
            self._changes += 1

    def acknowledge(self, first: int, end: int) -> None:
        """Records are done with."""
        with self._lock:
            self._backlog -= self._extents.add(first, min(end, self._end))
            self._changes += 1

    def missing(self, first: int, end: int) -> list[Range]:
        """The ranges that are not done with."""
        with self._lock:
            return self._extents.missing(first, end)

    def is_missing(self, first: int, end: int) -> bool:
        """Whether any is not done with."""
        with self._lock:
            return self._extents.is_missing(first, end)

    def next_missing(self, number: int) -> int:
        """The smallest number from `number` on that is not done with."""
        with self._lock:
            return self._extents.next_missing(number)

    def snapshot(self) -> tuple[Extents, int, int]:
        """A copy of what is done with, the end, and a number that changes whenever these do."""
        with self._lock:
            copied = Extents(self._extents.watermark, self._extents.ranges())
            return copied, self._end, self._changes
