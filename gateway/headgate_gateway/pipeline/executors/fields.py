"""`set`, `rename` and `remove`."""

from collections.abc import Callable
from typing import Any

import msgspec

from headgate_gateway.config.executors import RemoveFields, RenameFields, SetField, SetFields
from headgate_gateway.pipeline.executors.context import ExecutorContext
from headgate_gateway.pipeline.executors.paths import Read, Write, compile_read, compile_take, compile_write
from headgate_gateway.pipeline.fields import ABSENT
from headgate_gateway.pipeline.steps import Answer, Event, Step

_CONTAINERS = frozenset({dict, list})


def compile_set(config: SetFields, context: ExecutorContext) -> Step:
    """Sets fields, in order. Raises ValueError for a value that no event can hold."""
    pairs: list[tuple[Read, Write]] = [(_source(field), compile_write(field.field)) for field in config.fields]

    def set_fields(event: Event) -> Answer:
        for value_of, write in pairs:
            value = value_of(event)
            if value is not ABSENT and (reject := write(event, value)) is not None:
                return reject
        return event

    return set_fields


def _source(field: SetField) -> Read:
    if field.source is not None:
        return _copy_of(compile_read(field.source))
    value: Any = field.value if field.json_text is None else _decoded(field.json_text)
    if not isinstance(value, dict | list):
        return lambda event: value
    text = msgspec.json.encode(value)
    decode = msgspec.json.decode
    # Each event gets an object of its own, for a later step may change it.
    return lambda event: decode(text)


def _decoded(text: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError, UnicodeEncodeError) as error:
        raise ValueError(f"json {text!r} cannot be a value of an event: {error}") from error


def _copy_of(read: Read) -> Read:
    def copy(event: Event) -> Any:
        value = read(event)
        return copied(value) if value.__class__ in _CONTAINERS else value

    return copy


def copied(value: Any) -> Any:
    """A copy of an event's value, all the way down."""
    if value.__class__ is dict:
        return {key: copied(each) for key, each in value.items()}
    if value.__class__ is list:
        return [copied(each) for each in value]
    return value


def compile_rename(config: RenameFields, context: ExecutorContext) -> Step:
    """Moves fields, in order."""
    pairs: list[tuple[Callable[[Event], Any], Write]] = [
        (compile_take(field.source), compile_write(field.to)) for field in config.fields
    ]

    def rename(event: Event) -> Answer:
        for take, write in pairs:
            value = take(event)
            if value is not ABSENT and (reject := write(event, value)) is not None:
                return reject
        return event

    return rename


def compile_remove(config: RemoveFields, context: ExecutorContext) -> Step:
    """Removes fields."""
    takes = [compile_take(path) for path in config.fields]

    def remove(event: Event) -> Answer:
        for take in takes:
            take(event)
        return event

    return remove
