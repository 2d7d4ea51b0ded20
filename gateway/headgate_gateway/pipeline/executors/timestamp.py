"""`timestamp`: reads a time in one of several formats, writes it in one. Between them it is microseconds since 1970."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from math import isfinite
from typing import Annotated, Any, assert_never

import msgspec

from headgate_gateway.config.executors import OnBadField, ParseTimestamp
from headgate_gateway.config.kafka import TimestampFormat
from headgate_gateway.pipeline.constraint import number_of
from headgate_gateway.pipeline.executors.context import ExecutorContext
from headgate_gateway.pipeline.executors.paths import compile_read, compile_take, compile_write
from headgate_gateway.pipeline.executors.strptime import compile_pattern
from headgate_gateway.pipeline.fields import ABSENT
from headgate_gateway.pipeline.steps import Answer, Event, Reject, Step

ReadTime = Callable[[Any], int | None]
"""Takes a value, returns microseconds since 1970, None where it is no time in this format."""

_EPOCH = datetime(1970, 1, 1)
_AWARE_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_EARLIEST = (datetime.min - _EPOCH) // _MICROSECOND
_LATEST = (datetime.max - _EPOCH) // _MICROSECOND
_AWARE = Annotated[datetime, msgspec.Meta(tz=True)]


def _read_rfc3339(value: Any) -> int | None:
    if value.__class__ is not str:
        return None
    try:
        since: timedelta = msgspec.convert(value, _AWARE) - _AWARE_EPOCH
    except (msgspec.ValidationError, OverflowError):
        return None
    return since // _MICROSECOND


def _compile_read_unix(factor: int) -> ReadTime:
    def read(value: Any) -> int | None:
        number = number_of(value) if value.__class__ is str else value
        if number.__class__ is int:
            return int(number) * factor
        if number.__class__ is not float or not isfinite(number):
            return None
        # Decimal, for 1700000000.123 * 1000000 is not a whole number in binary.
        return int(Decimal(repr(number)) * factor)

    return read


def compile_read_time(written: str) -> ReadTime:
    """A reader of one format, as the config names it."""
    match written:
        case TimestampFormat.RFC3339:
            return _read_rfc3339
        case TimestampFormat.UNIX_SECONDS:
            return _compile_read_unix(1_000_000)
        case TimestampFormat.UNIX_MILLISECONDS:
            return _compile_read_unix(1_000)
        case _:
            return compile_pattern(written)


def _write_rfc3339(microseconds: int) -> str:
    return (_EPOCH + timedelta(microseconds=microseconds)).isoformat(timespec="microseconds") + "Z"


def _write_seconds(microseconds: int) -> int | float:
    seconds, fraction = divmod(microseconds, 1_000_000)
    return float(Decimal(microseconds) / 1_000_000) if fraction else seconds


def _compile_write_time(output: TimestampFormat) -> Callable[[int], Any]:
    match output:
        case TimestampFormat.RFC3339:
            return _write_rfc3339
        case TimestampFormat.UNIX_SECONDS:
            return _write_seconds
        case TimestampFormat.UNIX_MILLISECONDS:
            return lambda microseconds: microseconds // 1_000
        case _ as unknown:
            assert_never(unknown)


def _compile_convert(config: ParseTimestamp) -> Callable[[Any], Any]:
    readers = [compile_read_time(written) for written in config.formats]
    write_time = _compile_write_time(config.output)
    # Lines of one second follow each other: the last text's result is kept. One tuple, so that threads see both halves.
    last: tuple[Any, Any] = (None, ABSENT)

    def convert(value: Any) -> Any:
        for read_time in readers:
            microseconds = read_time(value)
            if microseconds is not None and _EARLIEST <= microseconds <= _LATEST:
                return write_time(microseconds)
        return ABSENT

    def convert_or_recall(value: Any) -> Any:
        nonlocal last
        known, result = last
        if value.__class__ is str and value == known:
            return result
        result = convert(value)
        if value.__class__ is str:
            last = (value, result)
        return result

    return convert_or_recall


def compile_timestamp(config: ParseTimestamp, context: ExecutorContext) -> Step:
    """An absent field and null stay as they are."""
    read, take, write = (
        compile_read(config.field),
        compile_take(config.field),
        compile_write(config.into or config.field),
    )
    convert, on_failure = _compile_convert(config), config.on_failure
    failure = Reject(f"field {config.field!r} is no time in any of the formats {', '.join(config.formats)}")

    def parse(event: Event) -> Answer:
        value = read(event)
        if value is ABSENT or value is None:
            return event
        time = convert(value)
        if time is not ABSENT:
            return write(event, time) or event
        if on_failure is OnBadField.REJECT:
            return failure
        if on_failure is OnBadField.REMOVE:
            take(event)
        return event

    return parse
