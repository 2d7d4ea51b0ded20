"""Numbers of lines as ranges: a list that is complete and yet short, and bounded where there is no end of them. Pure."""

from collections.abc import Iterable
from itertools import starmap

MAX_RANGES = 1_000
"""Ranges that a bounded list keeps; about 120 bytes each, and as much again in the answer."""


class LineRanges:
    """Line numbers, added in ascending order. Beyond `limit` ranges, numbers are only counted."""

    __slots__ = ("_limit", "count", "omitted", "ranges")

    def __init__(self, limit: int | None = None) -> None:
        self._limit = limit
        self.count = 0
        """Of all numbers added."""
        self.omitted = 0
        """How many of them stand in no range."""
        self.ranges: list[list[int]] = []
        """First and last number of each range."""

    def __bool__(self) -> bool:
        return self.count > 0

    def extend(self, numbers: Iterable[int]) -> None:
        """Add numbers, each larger than the one before."""
        ranges, limit = self.ranges, self._limit
        last = ranges[-1] if ranges else None
        for number in numbers:
            self.count += 1
            if self.omitted:
                self.omitted += 1
            elif last is not None and last[1] == number - 1:
                last[1] = number
            elif limit is not None and len(ranges) >= limit:
                self.omitted += 1  # from here on all are, so that the list is complete up to its end
            else:
                last = [number, number]
                ranges.append(last)

    def texts(self) -> list[str]:
        """As answers have them: `1-40`, `57`."""
        return list(starmap(_text, self.ranges))


def _text(first: int, last: int) -> str:
    return str(first) if first == last else f"{first}-{last}"
