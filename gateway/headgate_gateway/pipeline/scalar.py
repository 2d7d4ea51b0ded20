"""A field's value as bytes: a string's bytes, a number's or boolean's source text. For keys and headers.

Absent and null give None; objects and arrays are refused by the caller, who knows what the value was for.
"""

from collections.abc import Callable
from typing import Any

from headgate_gateway.pipeline.fields import ABSENT, Fields

NOT_SCALAR = b"\0not scalar"
"""Never a value that `scalars` makes of a line on its own; compared by identity."""

_SHORT = 2**63

Scalars = Callable[[list[Any], list[bytes]], list[bytes | None]]
"""Takes one field's values and the lines they stand in."""


def compile_scalars(path: str, fields: Fields) -> Scalars:
    """A reader of one path as bytes; NOT_SCALAR marks the values that have none."""
    text = fields.text(path)

    def slow(value: Any, line: bytes) -> bytes | None:
        if value is ABSENT or value is None:
            return None
        if value.__class__ is bool:
            return b"true" if value else b"false"
        if value.__class__ is dict or value.__class__ is list:
            return NOT_SCALAR
        # -0, fractions, exponents and giants: only the source has their text.
        if value.__class__ is int and value and -_SHORT < value < _SHORT:
            return b"%d" % value
        return text(value, line)

    def scalars(values: list[Any], lines: list[bytes]) -> list[bytes | None]:
        return [
            value.encode() if value.__class__ is str else slow(value, line)
            for value, line in zip(values, lines, strict=True)
        ]

    return scalars
