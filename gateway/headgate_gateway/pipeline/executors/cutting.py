"""`splitter` cuts a text into a list, `assigner` names a list's elements."""

from collections.abc import Iterator
from typing import Any

from headgate_gateway.config.executors import Assigner, OnFailure, Splitter
from headgate_gateway.pipeline.executors.bounds import MAX_EVENTS
from headgate_gateway.pipeline.executors.context import ExecutorContext
from headgate_gateway.pipeline.executors.paths import compile_read, compile_take, compile_target, compile_write
from headgate_gateway.pipeline.steps import Answer, Event, Reject, Step


def compile_splitter(config: Splitter, context: ExecutorContext) -> Step:
    """A text without the separator is a list of one."""
    read, write = compile_read(config.field), compile_write(config.into or config.field)
    separator, keeps_failed = config.separator, config.on_failure is OnFailure.KEEP
    not_text = Reject(f"field {config.field!r} holds no text to split")
    too_many = Reject(f"field {config.field!r} has more than {MAX_EVENTS} parts")

    def split(event: Event) -> Answer:
        text = read(event)
        if text.__class__ is not str:
            return event if keeps_failed else not_text
        parts = text.split(separator, MAX_EVENTS)
        if len(parts) > MAX_EVENTS:
            return event if keeps_failed else too_many
        return write(event, parts) or event

    return split


def compile_assigner(config: Assigner, context: ExecutorContext) -> Step:
    """Named elements go over the fields that are there."""
    read, take, target = compile_read(config.field), compile_take(config.field), compile_target(config.into)
    names, count, names_all = config.names, len(config.names), all(config.names)
    keeps_source, keeps_failed = config.keep_source, config.on_failure is OnFailure.KEEP
    not_list = Reject(f"field {config.field!r} holds no list to assign")

    def miscounted(found: int) -> Reject:
        return Reject(f"field {config.field!r} has {found} elements, and there are {count} names")

    def assign(event: Event) -> Answer:
        elements = read(event)
        if elements.__class__ is not list:
            return event if keeps_failed else not_list
        if len(elements) != count:
            return event if keeps_failed else miscounted(len(elements))
        if not keeps_source:
            take(event)
        holder = target(event)
        if isinstance(holder, Reject):
            return holder
        holder.update(zip(names, elements, strict=True) if names_all else _named(names, elements))
        return event

    return assign


def _named(names: tuple[str, ...], elements: list[Any]) -> Iterator[tuple[str, Any]]:
    return ((name, element) for name, element in zip(names, elements, strict=True) if name)
