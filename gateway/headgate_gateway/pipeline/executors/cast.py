"""`cast`: gives fields other types."""

import math
import re
from collections.abc import Callable
from typing import Any

import msgspec

from headgate_gateway.config.constraint import NUMBER_PATTERN
from headgate_gateway.config.executors import CastFields, CastType, OnBadField
from headgate_gateway.pipeline.executors.context import ExecutorContext
from headgate_gateway.pipeline.executors.paths import Read, Take, Write, compile_read, compile_take, compile_write
from headgate_gateway.pipeline.fields import ABSENT
from headgate_gateway.pipeline.steps import Answer, Event, Reject, Step

_MAX_DIGITS = 4_300
"""Python's own limit for turning texts into integers and back, which takes quadratic time."""

_INTEGER = re.compile(r"-?[0-9]+")
_NUMBER = re.compile(NUMBER_PATTERN)
_WORDS = {"true": True, "false": False, "yes": True, "no": False, "on": True, "off": False, "1": True, "0": False}
_LONGEST_WORD = 5


def to_integer(value: Any) -> Any:
    """The integer that is meant, ABSENT for what is none."""
    kind = value.__class__
    if kind is int:
        return value
    if kind is str:
        return int(value) if len(value) <= _MAX_DIGITS and _INTEGER.fullmatch(value) else ABSENT
    if kind is float:
        return int(value) if value.is_integer() else ABSENT
    return int(value) if kind is bool else ABSENT


def to_float(value: Any) -> Any:
    """The number that is meant, as a float, ABSENT for what is none or not finite."""
    kind = value.__class__
    if kind is str and (len(value) > _MAX_DIGITS or not _NUMBER.fullmatch(value)):
        return ABSENT
    if kind is dict or kind is list:
        return ABSENT
    try:
        number = float(value)
    except OverflowError:
        return ABSENT
    return number if math.isfinite(number) else ABSENT


def to_string(value: Any) -> Any:
    """A scalar's text, ABSENT for objects and lists."""
    kind = value.__class__
    if kind is str:
        return value
    return ABSENT if kind is dict or kind is list else msgspec.json.encode(value).decode()


def to_boolean(value: Any) -> Any:
    """What the word or number means, ABSENT where it means neither."""
    kind = value.__class__
    if kind is bool:
        return value
    if kind is str:
        return _WORDS.get(value.lower(), ABSENT) if len(value) <= _LONGEST_WORD else ABSENT
    return bool(value) if (kind is int or kind is float) and value in (0, 1) else ABSENT


_CONVERT: dict[CastType, tuple[Callable[[Any], Any], str]] = {
    CastType.INTEGER: (to_integer, "an integer"),
    CastType.FLOAT: (to_float, "a float"),
    CastType.STRING: (to_string, "a string"),
    CastType.BOOLEAN: (to_boolean, "a boolean"),
}

_Plan = tuple[Read, Write, Take, Callable[[Any], Any], Reject]


def compile_cast(config: CastFields, context: ExecutorContext) -> Step:
    """Absent fields and null stay as they are."""
    plans = [_plan(field.field, field.type) for field in config.fields]
    on_failure = config.on_failure

    def cast(event: Event) -> Answer:
        for read, write, take, convert, failure in plans:
            value = read(event)
            if value is ABSENT or value is None:
                continue
            converted = convert(value)
            if converted is not ABSENT:
                write(event, converted)
            elif on_failure is OnBadField.REJECT:
                return failure
            elif on_failure is OnBadField.REMOVE:
                take(event)
        return event

    return cast


def _plan(path: str, kind: CastType) -> _Plan:
    convert, meant = _CONVERT[kind]
    return (
        compile_read(path),
        compile_write(path),
        compile_take(path),
        convert,
        Reject(f"field {path!r} is not {meant}"),
    )
