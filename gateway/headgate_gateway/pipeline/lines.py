"""Cuts a body into lines and decodes JSON into the fields that the repo needs. The first step of most endpoints.

UTF-8 is checked on purpose, since msgspec passes broken strings that it skips. A run of lines is decoded in one call
where that is provably the same as decoding line by line; the first oddity sends the run down the slow path, which
alone knows about blank lines, line numbers and reasons.
"""

from collections.abc import Callable, Iterator
from io import BytesIO
from operator import itemgetter
from typing import Any

import msgspec

from headgate_gateway.pipeline.fields import JsonFields
from headgate_gateway.pipeline.result import LineReason
from headgate_gateway.pipeline.run import (
    RUN_BYTES,
    RUN_LINES,
    DecodedRun,
    DecodeOne,
    DecodeRun,
    Run,
    decode_each,
    is_utf8,
    why_unusable,
)

_skip = msgspec.json.Decoder(msgspec.Raw).decode
_first, _last = itemgetter(0), itemgetter(-1)
_ONLY_OPENING, _ONLY_CLOSING = {ord("{")}, {ord("}")}


def runs(body: bytes | bytearray, size: int = RUN_BYTES) -> Iterator[bytes]:
    """Cuts a body after line ends into runs of about `size` bytes. A longer line is a run of its own."""
    start, view = 0, memoryview(body)
    while start < len(body):
        end = body.find(b"\n", start + size) + 1 or len(body)
        yield bytes(view[start:end])
        start = end


def bounded_runs(body: bytes | bytearray, size: int = RUN_BYTES) -> Iterator[Run]:
    """Runs of about `size` bytes and at most RUN_LINES lines each, with these lines.

    Cut where the lines are known anyway: counting line ends beforehand took a sixth of a line's whole time.
    """
    if len(body) <= size:
        # The way of most requests, cut short.
        run = bytes(body)
        lines = split_lines(run)
        return iter(((run, lines),)) if len(lines) <= RUN_LINES else parts_of(lines)
    return _cut_large(body, size)


def _cut_large(body: bytes | bytearray, size: int) -> Iterator[Run]:
    for run in runs(body, size):
        lines = split_lines(run)
        if len(lines) <= RUN_LINES:
            yield run, lines
        else:
            yield from parts_of(lines)


def parts_of(lines: list[bytes]) -> Iterator[Run]:
    """Runs of at most RUN_LINES lines."""
    for start in range(0, len(lines), RUN_LINES):
        part = lines[start : start + RUN_LINES]
        yield b"\n".join(part), part


def split_lines(run: bytes) -> list[bytes]:
    """Lines without their ends. A line end finishes a line, so the last one opens no further line."""
    # A stream finds line ends many bytes at a time, bytes.split looks at each one: half of the time for usual lines.
    lines = BytesIO(run).readlines()
    if lines and not run.endswith(b"\n"):
        lines[-1] += b"\n"
    if b"\r" in run:
        return [line[:-1].removesuffix(b"\r") for line in lines]
    return [line[:-1] for line in lines]


def compile_decode(fields: JsonFields, line_limit: int, *, any_json: bool = False) -> DecodeRun:
    """The decoder of a repo's lines. `any_json`: a line that is no object passes, as one without fields."""
    decoder = msgspec.json.Decoder(fields.type)
    decode_lines = decoder.decode_lines
    decode_one = _compile_decode_one(fields, decoder.decode, line_limit, any_json=any_json)

    def decode_run(run: bytes, lines: list[bytes], before: int) -> DecodedRun:
        count = len(lines)
        if is_utf8(run) and (len(run) <= line_limit or max(map(len, lines), default=0) <= line_limit):
            rows = _decode_together(lines, run, decode_lines)
            if rows is not None:
                return DecodedRun(lines, rows, list(range(before + 1, before + count + 1)), count)
        return decode_each(lines, before, decode_one)

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


def _compile_decode_one(
    fields: JsonFields, decode: Callable[[bytes], Any], line_limit: int, *, any_json: bool
) -> DecodeOne:
    def decode_one(line: bytes) -> Any:
        if not line:
            return None
        unusable = why_unusable(line, line_limit)
        if unusable is not None or line.isspace():
            return unusable
        try:
            return decode(line)
        except RecursionError:
            return LineReason.NESTED_TOO_DEEPLY, "the line nests too deeply"
        except msgspec.ValidationError as error:
            if str(error).startswith("Expected `object`"):
                return _decode_other(line)
            return _decode_out_of_range(line, error)
        except msgspec.DecodeError as error:
            return LineReason.INVALID_JSON, str(error)

    def _decode_out_of_range(line: bytes, error: msgspec.ValidationError) -> Any:
        try:
            return fields.decode_leniently(line)
        except (ValueError, RecursionError, msgspec.DecodeError):
            return LineReason.INVALID_JSON, str(error)

    def _decode_other(line: bytes) -> Any:
        if not any_json:
            return LineReason.NOT_AN_OBJECT, "the line is JSON, but not an object"
        return _why_no_json(line) or fields.type()

    return decode_one


def _why_no_json(line: bytes) -> tuple[LineReason, str] | None:
    try:
        _skip(line)
    except RecursionError:
        return LineReason.NESTED_TOO_DEEPLY, "the line nests too deeply"
    except msgspec.DecodeError as error:
        return LineReason.INVALID_JSON, str(error)
    return None
