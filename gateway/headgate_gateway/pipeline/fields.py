"""Which fields of a line are looked at, and how they are read without a schema. Compiled once per repo.

A line is decoded into a Struct of just the top-level fields that the repo's steps need, each of any type; a dotted
path walks plain objects from there. Where an object repeats a key, the last one counts (as in Python, JavaScript
and Go; RFC 8259 leaves it open), for every step alike. Lines of text have one field, and what executors made of a
line is a plain object.
"""

import json
import math
from collections.abc import Callable, Iterable
from operator import attrgetter
from typing import Any, Protocol

import msgspec

ABSENT = msgspec.UNSET
"""The value of a field that is not there; JSON's null is None."""


class OutOfRange:
    """Stands for a number too large to compare, such as 1e999: fits no operator, and never fails its line."""


OUT_OF_RANGE = OutOfRange()

Column = Callable[[list[Any]], list[Any]]
"""Takes decoded lines, returns one field's value of each."""

_MAX_DIGITS = 308
"""Of an integer that is still compared as one; Python itself stops at 4,300, where conversions take quadratic time."""

_decode_raw_object = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


ReadText = Callable[[Any, bytes], bytes]
"""Takes a number and the line that it stands in, returns the number's text."""


class Fields(Protocol):
    """How steps read fields of rows."""

    def column(self, path: str) -> Column:
        """A reader of one path."""
        ...

    def text(self, path: str) -> ReadText:
        """A reader of a number's text at that path."""
        ...


class JsonFields(Fields, Protocol):
    """Rows that msgspec makes of lines."""

    @property
    def type(self) -> Any:
        """What a line is decoded to."""
        ...

    def decode_leniently(self, line: bytes) -> Any:
        """The row of a line whose numbers are out of range. Raises ValueError where there can be none."""
        ...


class FieldSet:
    """The top-level fields that a repo needs, of lines of JSON."""

    def __init__(self, paths: Iterable[str]) -> None:
        tops = dict.fromkeys(path.partition(".")[0] for path in paths)
        self._attributes = {top: f"f{index}" for index, top in enumerate(tops)}
        self.type: type[msgspec.Struct] = msgspec.defstruct(
            "Line",
            [(attribute, Any, ABSENT) for attribute in self._attributes.values()],
            rename={attribute: top for top, attribute in self._attributes.items()},
            gc=False,
        )

    def reader(self, path: str) -> Callable[[Any], Any]:
        """A reader of one path, for one row."""
        top, _, rest = path.partition(".")
        read = attrgetter(self._attributes[top])
        if not rest:
            return read
        parts = tuple(rest.split("."))
        return lambda row: _walk(read(row), parts)

    def column(self, path: str) -> Column:
        """A reader of one path."""
        top, _, rest = path.partition(".")
        read = attrgetter(self._attributes[top])
        if not rest:
            return lambda rows: list(map(read, rows))
        parts = tuple(rest.split("."))
        return lambda rows: [_walk(read(row), parts) for row in rows]

    def text(self, path: str) -> ReadText:
        """A reader of a number's text as the line has it."""
        return lambda _, line: source_text(line, path)

    def decode_leniently(self, line: bytes) -> Any:
        """Decodes a line that is JSON but holds a number out of range in a needed field; the rest stays readable.

        Raises ValueError or msgspec.DecodeError when it is not JSON after all.
        """
        # json takes what msgspec refuses in any line, lone surrogates above all: they are no text that could be
        # encoded as a key or a header. msgspec looks at the whole line here, and at no number's size.
        _decode_raw_object(line)
        plain = json.loads(
            line, parse_int=_int_or_out_of_range, parse_float=_float_or_out_of_range, parse_constant=_refuse_constant
        )
        return self.type(**{a: plain[top] for top, a in self._attributes.items() if top in plain})


class ObjectFields:
    """Any field of plain objects: what executors work on, and what they made."""

    type: Any = dict[str, Any]

    def column(self, path: str) -> Column:
        """A reader of one path."""
        parts = tuple(path.split("."))
        if len(parts) == 1:
            return lambda rows: [row.get(path, ABSENT) for row in rows]
        return lambda rows: [_walk(row, parts) for row in rows]

    def text(self, path: str) -> ReadText:
        """A reader of a number's text as it is written when the object is."""
        del path
        return lambda value, _: msgspec.json.encode(value)

    def decode_leniently(self, line: bytes) -> Any:
        """No: an object that is written again cannot hold a number that nobody can read."""
        del line
        raise ValueError


class TextFields:
    """The one field of a line of text. Its rows are strings."""

    name = "message"

    def column(self, path: str) -> Column:
        """A reader of one path."""
        if path == self.name:
            return lambda rows: rows
        return lambda rows: [ABSENT] * len(rows)

    def text(self, path: str) -> ReadText:
        """Never called: the field is a string."""
        del path
        return lambda _, line: line


def _float_or_out_of_range(text: str) -> float | OutOfRange:
    number = float(text)
    return number if math.isfinite(number) else OUT_OF_RANGE


def _int_or_out_of_range(text: str) -> int | OutOfRange:
    return int(text) if len(text) <= _MAX_DIGITS else OUT_OF_RANGE


def _refuse_constant(text: str) -> Any:
    raise ValueError(f"{text} is not JSON")


def _walk(value: Any, parts: tuple[str, ...]) -> Any:
    for part in parts:
        if value.__class__ is not dict:
            return ABSENT
        value = value.get(part, ABSENT)
    return value


def source_text(line: bytes, path: str) -> bytes:
    """The text of a scalar as the line has it: `1.0` stays `1.0`. The line is known to hold the path."""
    raw: Any = line
    for part in path.split("."):
        raw = _decode_raw_object(raw)[part]
    return bytes(raw)
