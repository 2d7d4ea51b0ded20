"""Lines of text as events: each has one field, `message`, and is sent as it came. Blank lines are none."""

from collections.abc import Callable
from typing import Any

from headgate_gateway.pipeline.run import DecodedRun, DecodeRun, decode_each, is_utf8, why_unusable

_is_blank: Callable[[bytes], bool] = bytes.isspace


def compile_decode_text(line_limit: int) -> DecodeRun:
    """The decoder of lines of UTF-8 text; their rows are strings."""

    def decode_one(line: bytes) -> Any:
        unusable = why_unusable(line, line_limit)
        if unusable is not None or not line or line.isspace():
            return unusable
        return line.decode()

    def decode_run(run: bytes, lines: list[bytes], before: int) -> DecodedRun:
        small = len(run) <= line_limit or max(map(len, lines), default=0) <= line_limit
        if not small or not all(lines) or any(map(_is_blank, lines)) or not is_utf8(run):
            return decode_each(lines, before, decode_one)
        count = len(lines)
        return DecodedRun(lines, list(map(bytes.decode, lines)), list(range(before + 1, before + count + 1)), count)

    return decode_run
