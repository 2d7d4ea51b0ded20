"""`explode`: makes an event of each element of a list."""

from collections.abc import Callable
from typing import Any

import msgspec

from headgate_gateway.config.executors import Explode, OnFailure
from headgate_gateway.pipeline.executors.bounds import (
    MAX_EVENT_BYTES,
    MAX_EVENTS,
    MAX_WEIGHT,
    too_heavy,
    too_many_bytes,
    too_many_events,
)
from headgate_gateway.pipeline.executors.context import ExecutorContext
from headgate_gateway.pipeline.executors.paths import compile_read, compile_take, compile_write
from headgate_gateway.pipeline.executors.weight import most_of_text, weigh
from headgate_gateway.pipeline.steps import DROP, Answer, Event, Reject, Step

_encode = msgspec.json.encode
_decode = msgspec.json.Decoder(Event).decode
_CONTAINERS = frozenset({dict, list})


def compile_explode(config: Explode, context: ExecutorContext) -> Step:
    """Each event gets its own copy of the other fields, for later steps may change them."""
    read, take = compile_read(config.field), compile_take(config.field)
    put = _compile_merge(config.field) if config.merge else compile_write(config.into or config.field)
    failure = (
        None if config.on_failure is OnFailure.KEEP else Reject(f"field {config.field!r} holds no list to explode")
    )

    def explode(event: Event) -> Answer:
        elements = read(event)
        if elements.__class__ is not list:
            return failure or event
        if len(elements) > MAX_EVENTS:
            return Reject(too_many_events(len(elements)))
        take(event)
        copies = _copies(event, len(elements))
        if isinstance(copies, Reject):
            return copies
        for copy, element in zip(copies, elements, strict=True):
            if (reject := put(copy, element)) is not None:
                return reject
        return copies or DROP

    return explode


def _copies(event: Event, count: int) -> list[Event] | Reject:
    if count < 2:
        return [event] * count
    text = _encode(event)
    if len(text) * count > MAX_EVENT_BYTES:
        return Reject(too_many_bytes(len(text) * count))
    if most_of_text(len(text)) * count > MAX_WEIGHT and weigh(event, MAX_WEIGHT // count) * count > MAX_WEIGHT:
        return Reject(too_heavy())
    if _CONTAINERS.isdisjoint(value.__class__ for value in event.values()):
        return [event.copy() for _ in range(count)]
    return [_decode(text) for _ in range(count)]


def _compile_merge(field: str) -> Callable[[Event, Any], Reject | None]:
    failure = Reject(f"field {field!r} has an element that is no object to merge")

    def merge(event: Event, element: Any) -> Reject | None:
        if element.__class__ is not dict:
            return failure
        event.update(element)
        return None

    return merge
