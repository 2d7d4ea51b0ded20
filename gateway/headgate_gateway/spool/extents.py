"""Which record numbers are done with: sorted ranges above a low watermark. Pure; whoever shares one locks it."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator

Range = tuple[int, int]
"""First number, and the one after the last."""


class Extents:
    """A set of numbers from 0 on, small while its holes are few."""

    __slots__ = ("_ends", "_firsts", "watermark")

    def __init__(self, watermark: int = 0, ranges: Iterable[Range] = ()) -> None:
        self.watermark = watermark
        """Every number below is in the set, and this one is not."""
        self._firsts: list[int] = []
        self._ends: list[int] = []
        for first, end in ranges:
            self.add(first, end)

    def add(self, first: int, end: int) -> int:
        """Take in the numbers from `first` to before `end`; how many of them were not in yet."""
        if end <= self.watermark or first >= end:
            return 0
        fresh = sum(stop - start for start, stop in self.missing(first, end))
        if first <= self.watermark:
            self._rise(end)
            return fresh
        firsts, ends = self._firsts, self._ends
        low = bisect_left(ends, first)  # the first range that touches or follows
        high = bisect_right(firsts, end)
        if low < high:
            first, end = min(first, firsts[low]), max(end, ends[high - 1])
        firsts[low:high] = [first]
        ends[low:high] = [end]
        return fresh

    def _rise(self, end: int) -> None:
        passed = bisect_right(self._firsts, end)
        if passed:
            end = max(end, self._ends[passed - 1])
            del self._firsts[:passed], self._ends[:passed]
        self.watermark = end

    def __contains__(self, number: int) -> bool:
        return not self.is_missing(number, number + 1)

    def ranges(self) -> Iterator[Range]:
        """The ranges above the watermark, ascending."""
        return zip(self._firsts, self._ends, strict=True)

    @property
    def end(self) -> int:
        """The number after the largest one."""
        return self._ends[-1] if self._ends else self.watermark

    def is_missing(self, first: int, end: int) -> bool:
        """Whether any number from `first` to before `end` is not in the set."""
        first = max(first, self.watermark)
        if first >= end:
            return False
        at = bisect_right(self._firsts, first) - 1
        return at < 0 or self._ends[at] < end

    def missing(self, first: int, end: int) -> list[Range]:
        """The ranges from `first` to before `end` that are not in the set."""
        found = []
        first = max(first, self.watermark)
        for at in range(bisect_right(self._ends, first), len(self._firsts)):
            if first >= end or self._firsts[at] >= end:
                break
            if first < self._firsts[at]:
                found.append((first, self._firsts[at]))
            first = self._ends[at]
        if first < end:
            found.append((first, end))
        return found

    def next_missing(self, number: int) -> int:
        """The smallest number from `number` on that is not in the set."""
        number = max(number, self.watermark)
        at = bisect_right(self._firsts, number) - 1
        return max(number, self._ends[at]) if at >= 0 else number

    def count(self, first: int, end: int) -> int:
        """How many numbers from `first` to before `end` are in the set."""
        return max(end - first, 0) - sum(stop - start for start, stop in self.missing(first, end))
