"""Cuts a body into lines and decodes each into the fields that the repo needs. The first step of every repo.

UTF-8 is checked on purpose, since msgspec passes broken strings that it skips. A run of lines is decoded in one call
where that is provably the same as decoding line by line; the first oddity sends the run down the slow path, which
alone knows about blank lines, line numbers and reasons.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any

import msgspec

from headgate_gateway.pipeline.fields import FieldSet
from headgate_gateway.pipeline.result import LineError, LineReason

RUN_BYTES = 64 * 2**10
"""Bytes decoded at a time: bounds what decoded values take, and how long the event loop is held."""
RUN_LINES = 2_048
"""Lines decoded at a time, about: a line costs microseconds however short it is, above all a bad one."""

_first, _last = itemgetter(0), itemgetter(-1)
_ONLY_OPENING, _ONLY_CLOSING = {ord("{")}, {ord("}")}


@dataclass(slots=True)
class DecodedRun:
    """Lines that decoded, and those that did not."""

    lines: list[bytes]
    """As received, without their line ends."""
    rows: list[Any]
    """Their needed fields; same length as `lines`."""
    numbers: list[int]
    """Their 1-based numbers; same length."""
    counted: int
    """Lines in the run, blank ones included."""
    errors: list[LineError] = field(default_factory=list)


Run = tuple[bytes, list[bytes]]
"""Whole lines as one piece, and one by one without their ends."""

DecodeRun = Callable[[bytes, list[bytes], int], DecodedRun]
"""Takes a run's two forms and the number of lines before it."""


def runs(body: bytes | bytearray) -> Iterator[bytes]:
    """Cuts a body after line ends into runs of about RUN_BYTES. A longer line is a run of its own."""
    if len(body) <= RUN_BYTES:
        yield bytes(body)
        return
    start, view = 0, memoryview(body)
    while start < len(body):
        end = body.find(b"\n", start + RUN_BYTES) + 1 or len(body)
        yield bytes(view[start:end])
        start = end


def bounded_runs(body: bytes | bytearray) -> Iterator[Run]:
    """Runs of at most RUN_LINES lines each, with these lines.

    Cut where the lines are known anyway: counting line ends beforehand took a sixth of a line's whole time.
    """
    for run in runs(body):
        lines = split_lines(run)
        if len(lines) <= RUN_LINES:
            yield run, lines
            continue
        for start in range(0, len(lines), RUN_LINES):
            part = lines[start : start + RUN_LINES]
            yield b"\n".join(part), part


def split_lines(run: bytes) -> list[bytes]:
    """Lines without their ends. A line end finishes a line, so the last one opens no further line."""
    lines = run.split(b"\n")
    if not lines[-1]:
        del lines[-1]
    if b"\r" in run:
        return [line.removesuffix(b"\r") for line in lines]
    return lines


def _is_utf8(data: bytes) -> bool:
    if data.isascii():
        return True
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def compile_decode(fields: FieldSet, line_limit: int) -> DecodeRun:
    """The decoder of a repo's lines."""
    decoder = msgspec.json.Decoder(fields.type)
    decode_lines = decoder.decode_lines
    decode_one = _compile_decode_one(fields, decoder.decode, line_limit)

    def decode_run(run: bytes, lines: list[bytes], before: int) -> DecodedRun:
        count = len(lines)
        if _is_utf8(run) and (len(run) <= line_limit or max(map(len, lines), default=0) <= line_limit):
            rows = _decode_together(lines, run, decode_lines)
            if rows is not None:
                return DecodedRun(lines, rows, list(range(before + 1, before + count + 1)), count)
        return _decode_each(lines, before, decode_one)

    return decode_run


def _decode_together(lines: list[bytes], run: bytes, decode_lines: Callable[[bytes], list[Any]]) -> list[Any] | None:
    """One call for all lines, or None.

    Exact, not likely: when every line starts with { and ends with }, each line end stands between } and {, which
    JSON allows only between two top-level values (strings hold no bare line ends, and inside a value a comma must
    stand there). So no value spans lines, every line holds at least one, and equal counts mean one each.
    """
    try:
        if set(map(_first, lines)) != _ONLY_OPENING or set(map(_last, lines)) != _ONLY_CLOSING:
            return None
        rows = decode_lines(run)
    except (IndexError, msgspec.DecodeError, RecursionError):
        return None
    return rows if len(rows) == len(lines) else None


DecodeOne = Callable[[bytes], Any]
"""Returns the row of a line, None for a blank one, or a (reason, message) pair."""


def _decode_each(lines: list[bytes], before: int, decode_one: DecodeOne) -> DecodedRun:
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


def _compile_decode_one(fields: FieldSet, decode: Callable[[bytes], Any], line_limit: int) -> DecodeOne:
    def decode_one(line: bytes) -> Any:
        if len(line) > line_limit:
            return LineReason.TOO_LARGE, f"the line has {len(line)} bytes, and the repo's limit is {line_limit}"
        if not line or line.isspace():
            return None
        if not _is_utf8(line):
            return LineReason.INVALID_UTF8, "the line is not UTF-8"
        try:
            return decode(line)
        except RecursionError:
            return LineReason.NESTED_TOO_DEEPLY, "the line nests too deeply"
        except msgspec.ValidationError as error:
            if str(error).startswith("Expected `object`"):
                return LineReason.NOT_AN_OBJECT, "the line is JSON, but not an object"
            return _decode_out_of_range(line, error)
        except msgspec.DecodeError as error:
            return LineReason.INVALID_JSON, str(error)

    def _decode_out_of_range(line: bytes, error: msgspec.ValidationError) -> Any:
        try:
            return fields.decode_leniently(line)
        except (ValueError, RecursionError, msgspec.DecodeError):
            return LineReason.INVALID_JSON, str(error)

    return decode_one
