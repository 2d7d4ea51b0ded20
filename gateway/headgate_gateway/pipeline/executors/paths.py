"""Reads, writes and takes fields of events by dotted paths, compiled once per path.

A path means the same as for constraints and keys: it walks objects alone, so a list on the way holds no field.
"""

from collections.abc import Callable
from typing import Any

from headgate_gateway.pipeline.fields import ABSENT
from headgate_gateway.pipeline.steps import Event, Reject

Read = Callable[[Event], Any]
"""The value at a path, ABSENT where there is none."""

Write = Callable[[Event, Any], Reject | None]
"""Puts a value at a path; objects on the way are made. What is no object in the way is not overwritten: a Reject."""

Take = Callable[[Event], Any]
"""Removes the value at a path and returns it, ABSENT where there was none."""


def compile_read(path: str) -> Read:
    """A reader of one path."""
    *way, last = path.split(".")
    if not way:
        return lambda event: event.get(last, ABSENT)

    def read(event: Event) -> Any:
        holder = _descend(event, way)
        return ABSENT if holder is None else holder.get(last, ABSENT)

    return read


def compile_take(path: str) -> Take:
    """A remover of one path. An object that it leaves empty stays."""
    *way, last = path.split(".")
    if not way:
        return lambda event: event.pop(last, ABSENT)

    def take(event: Event) -> Any:
        holder = _descend(event, way)
        return ABSENT if holder is None else holder.pop(last, ABSENT)

    return take


def compile_write(path: str) -> Write:
    """A writer of one path."""
    *way, last = path.split(".")
    if not way:

        def write_top(event: Event, value: Any) -> None:
            event[last] = value

        return write_top

    def write(event: Event, value: Any) -> Reject | None:
        holder = _reach(event, way)
        if holder is None:
            return _blocked(event, way, path)
        holder[last] = value
        return None

    return write


def compile_target(into: str | None) -> Callable[[Event], Event | Reject]:
    """The object that takes a step's fields: the event itself, or one at a path, which is made where there is none."""
    if into is None:
        return lambda event: event
    parts = into.split(".")

    def target(event: Event) -> Event | Reject:
        holder = _reach(event, parts)
        return _blocked(event, parts, into) if holder is None else holder

    return target


def _descend(event: Event, way: list[str]) -> Event | None:
    """The object at the end of the way; None where there is none."""
    holder: Any = event
    for part in way:
        holder = holder.get(part)
        if holder.__class__ is not dict:
            return None
    return holder  # type: ignore[no-any-return]


def _reach(event: Event, way: list[str]) -> Event | None:
    """Walks down to the object at the end of the way, making what is not there; None where no object is in the way."""
    holder: Any = event
    for part in way:
        below = holder.get(part, ABSENT)
        if below is ABSENT:
            below = holder[part] = {}
        elif below.__class__ is not dict:
            return None
        holder = below
    return holder  # type: ignore[no-any-return]


def _blocked(event: Event, way: list[str], path: str) -> Reject:
    for length in range(1, len(way) + 1):
        part = ".".join(way[:length])
        if compile_read(part)(event).__class__ is not dict:
            return Reject(f"field {path!r} cannot be set: {part!r} is no object")
    raise AssertionError(f"nothing is in the way of {path!r}")
