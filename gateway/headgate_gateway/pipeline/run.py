"""A part of a body between two steps: lines with what was read of them, and those that were refused. Holds data."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import compress
from typing import Any

from headgate_gateway.pipeline.headers import Header
from headgate_gateway.pipeline.result import LineError, LineReason

RUN_BYTES = 64 * 2**10
"""Bytes decoded at a time: bounds what decoded values take, and how long the event loop is held."""
RUN_LINES = 2_048
"""Lines decoded at a time, about: a line costs microseconds however short it is, above all a bad one."""

Run = tuple[bytes, list[bytes]]
"""Whole lines as one piece, and one by one without their ends. Where lines are elements of a JSON array, the piece
holds them with line ends between them.
"""

CutBody = Callable[[bytes | bytearray], Iterator[Run]]
"""Cuts a whole body into runs."""

FeedRun = Callable[[bytes, list[bytes]], int]
"""Takes both forms of a run; returns about how many bytes it keeps: records, ranges of refused lines."""


@dataclass(slots=True)
class DecodedRun:
    """Lines that decoded, and those that did not.

    `lines`, `rows`, `numbers` and, where they are not None, `values`, `headers` and `keys` have the same length.
    """

    lines: list[bytes]
    """As received, without their line ends."""
    rows: list[Any]
    """Their fields, in the form that the step's Fields read."""
    numbers: list[int]
    """Their 1-based numbers; several rows of one line have the same."""
    counted: int
    """Lines in the run, blank ones included."""
    errors: list[LineError] = field(default_factory=list)
    values: list[bytes] | None = None
    """What is sent of them; None: the lines as they are."""
    headers: list[tuple[Header, ...]] | None = None
    """Headers of their records that events of the format have of themselves."""
    keys: list[bytes | None] | None = None
    """Their keys, where the repo says nothing else."""

    def keep(self, holds: list[bool]) -> None:
        """Forget the rows that are not held."""
        self.lines = list(compress(self.lines, holds))
        self.rows = list(compress(self.rows, holds))
        self.numbers = list(compress(self.numbers, holds))
        if self.values is not None:
            self.values = list(compress(self.values, holds))
        if self.headers is not None:
            self.headers = list(compress(self.headers, holds))
        if self.keys is not None:
            self.keys = list(compress(self.keys, holds))


DecodeRun = Callable[[bytes, list[bytes], int], DecodedRun]
"""Takes a run's two forms and the number of lines before it."""

DecodeOne = Callable[[bytes], Any]
"""Returns the row of a line, None for a blank one, or a (reason, message) pair."""


def decode_each(lines: list[bytes], before: int, decode_one: DecodeOne) -> DecodedRun:
    """The slow way, which alone knows about blank lines, line numbers and reasons."""
    decoded = DecodedRun([], [], [], len(lines))
    for number, line in enumerate(lines, before + 1):
        row = decode_one(line)
        if row.__class__ is tuple:
            decoded.errors.append(LineError(number, *row))
        elif row is not None:
            decoded.lines.append(line)
            decoded.rows.append(row)
            decoded.numbers.append(number)
    return decoded


def is_utf8(data: bytes) -> bool:
    """Whether bytes are UTF-8."""
    if data.isascii():
        return True
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def why_unusable(line: bytes, line_limit: int) -> tuple[LineReason, str] | None:
    """Why a line is not even looked into; None: it may be."""
    if len(line) > line_limit:
        return LineReason.TOO_LARGE, f"the line has {len(line)} bytes, and the repo's limit is {line_limit}"
    if not is_utf8(line):
        return LineReason.INVALID_UTF8, "the line is not UTF-8"
    return None
