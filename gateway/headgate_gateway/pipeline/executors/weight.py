"""What events weigh in memory, about, and how much heavier each step may make one. Pure; `chain` and `explode` ask.

To weigh an event costs as much as several steps. So the chain keeps a bound, which every step raises by what it could
add at most, and weighs only where the bound has passed the limit: never, for lines of a usual size.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from headgate_gateway.config.executors import Decoder, DecoderFormat, Executor, SetField
from headgate_gateway.pipeline.executors.bounds import MAX_EVENTS, MAX_WEIGHT

_OBJECT: Final = 232
_LIST: Final = 64
_TEXT: Final = 56
_NUMBER: Final = 32
_NAMED: Final = 24
"""Of a field of an object, beside its name's characters: names are mostly shared."""
_PLACE: Final = 8
"""Of an element of a list."""
_ESCAPED: Final = 6
"""A character may be that many bytes of JSON."""
_PER_BYTE: Final = 80
"""What a byte of a line may weigh at most: that of `{},{},`."""
_HEADERS: Final = 2**16
"""What the attributes may weigh that a CloudEvent has beside its line: a head's 16 KiB, as fields."""


@dataclass(frozen=True, slots=True)
class Growth:
    """An event of weight w weighs at most `factor * w + extra` after a step. A factor of 0: no step makes it heavier."""

    factor: int = 1
    extra: int = 0


NO_GROWTH: Final = Growth(0)
UNKNOWN: Final = Growth(1, MAX_WEIGHT + 1)
"""Weighed each time."""


def weigh(value: Any, most: int = MAX_WEIGHT) -> int:
    """About the bytes that it takes in memory. Its JSON text is no longer, or twice that where texts are full of quotes and
    backslashes, each of which is written as two characters.

    It stops at the value that takes it beyond `most`, and returns what it has by then. What is there twice by reference
    counts twice, since it will be written twice; so nothing that holds itself is looked at for ever.
    """
    total, left = 0, [value]
    while left:
        one = left.pop()
        kind = one.__class__
        if kind is str:
            total += _TEXT + (len(one) if one.isascii() and one.isprintable() else _ESCAPED * len(one))
        elif kind is dict:
            total += _OBJECT + len(one) * _NAMED + _ESCAPED * sum(map(len, one))
            left += one.values()
        elif kind is list:
            total += _LIST + len(one) * _PLACE
            left += one
        else:
            total += _NUMBER + (one.bit_length() // 3 if kind is int else 0)
        if total > most:
            return total
    return total


def most_of_text(nbytes: int) -> int:
    """What an event weighs at most that is so many bytes of JSON."""
    return _PER_BYTE * nbytes


def most_of_line(nbytes: int) -> int:
    """What the event of a line of so many bytes weighs at most, whatever the line's format."""
    return most_of_text(nbytes) + _HEADERS


def growth_of(executor: Executor) -> Growth:
    """How much heavier one step may make an event."""
    match executor:
        case Executor(decoder=Decoder() as decoder):
            return _growth_of_decoder(decoder)
        case Executor(splitter=splitter) if splitter is not None:
            return Growth(2, _of_paths([splitter.into or ""]) + (MAX_EVENTS + 1) * (_TEXT + _PLACE))
        case Executor(assigner=assigner) if assigner is not None:
            return Growth(1 + assigner.keep_source, _of_paths([*assigner.names, assigner.into or ""]))
        case Executor(set=fields) if fields is not None:
            copies = any(field.source is not None for field in fields.fields)
            return Growth(2 if copies else 1, sum(map(_of_field, fields.fields)))
        case Executor(rename=rename) if rename is not None:
            return Growth(extra=_of_paths(field.to for field in rename.fields))
        case Executor(cast=cast) if cast is not None:
            return Growth(extra=320 * len(cast.fields))  # of 1e308 as an integer
        case Executor(timestamp=timestamp) if timestamp is not None:
            return Growth(extra=128 + _of_paths([timestamp.into or ""]))
        case Executor(mask=mask) if mask is not None:
            longest = len(mask.redact.text) * _ESCAPED if mask.redact is not None else 64
            return Growth(extra=(_TEXT + longest) * len(mask.fields))
        case Executor(explode=explode) if explode is not None:
            return Growth(extra=_of_paths([explode.into or ""]))
        case Executor(plugin=plugin) if plugin is not None:
            return UNKNOWN
        case _:
            return NO_GROWTH


def _growth_of_decoder(decoder: Decoder) -> Growth:
    extra = _of_paths([*decoder.columns, decoder.into or ""])
    match decoder.format:
        case DecoderFormat.JSON | DecoderFormat.LOGFMT:
            return Growth(1 + _PER_BYTE, extra)
        case DecoderFormat.REGEX:
            pattern = decoder.pattern or ""
            return Growth(1 + pattern.count("("), extra + _ESCAPED * len(pattern) + 88 * pattern.count("("))
        case _:
            return Growth(3, extra + 4_096 + len(decoder.columns) * _TEXT)


def _of_field(field: SetField) -> int:
    constant = field.value or field.json_text or ""
    return _of_paths([field.field]) + _TEXT + _PER_BYTE * len(constant)


def _of_paths(paths: Iterable[str]) -> int:
    """Of the objects and names that are made where none are."""
    return sum(_ESCAPED * len(path) + (path.count(".") + 1) * (_OBJECT + _NAMED) for path in paths)
