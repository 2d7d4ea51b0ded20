"""The record's timestamp from a field, as milliseconds since the epoch; absent or null means the time of acceptance.

Holds from 1970 to the year 9999, which is RFC 3339's end; Kafka refuses negative timestamps.
"""

import math
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any, assert_never

import msgspec

from headgate_gateway.config.kafka import TimestampFormat, TimestampSource
from headgate_gateway.pipeline.constraint import number_of
from headgate_gateway.pipeline.fields import ABSENT, Fields
from headgate_gateway.pipeline.result import LineReason
from headgate_gateway.pipeline.step import StepError

TimestampStep = Callable[[list[Any], int, list[StepError]], list[int]]

_LATEST = 253_402_300_799_999
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_AWARE = Annotated[datetime, msgspec.Meta(tz=True)]
_KINDS = {
    TimestampFormat.RFC3339: "an RFC 3339 time with its offset, such as 2026-11-21T08:00:00Z",
    TimestampFormat.UNIX_SECONDS: "seconds since 1970",
    TimestampFormat.UNIX_MILLISECONDS: "milliseconds since 1970",
}


def _rfc3339(value: Any) -> int | None:
    if value.__class__ is not str:
        return None
    try:
        since: Any = msgspec.convert(value, _AWARE) - _EPOCH
    except (msgspec.ValidationError, OverflowError):
        return None
    milliseconds: int = since.days * 86_400_000 + since.seconds * 1_000 + since.microseconds // 1_000
    return milliseconds


def _scaled(value: Any, factor: int) -> int | None:
    number = number_of(value) if value.__class__ is str else value
    if number.__class__ is int:
        return int(number) * factor
    if number.__class__ is not float or not math.isfinite(number):
        return None
    # Decimal, for 1700000000.123 * 1000 is not a whole number in binary.
    return int(Decimal(repr(number)) * factor)


def _unix_seconds(value: Any) -> int | None:
    return _scaled(value, 1_000)


def _unix_milliseconds(value: Any) -> int | None:
    return _scaled(value, 1)


def _reader(form: TimestampFormat) -> Callable[[Any], int | None]:
    match form:
        case TimestampFormat.RFC3339:
            return _rfc3339
        case TimestampFormat.UNIX_SECONDS:
            return _unix_seconds
        case TimestampFormat.UNIX_MILLISECONDS:
            return _unix_milliseconds
        case _ as unknown:
            assert_never(unknown)


def compile_timestamp(source: TimestampSource, fields: Fields) -> TimestampStep:
    """Timestamps of lines; what has none is reported by index."""
    column, read = fields.column(source.field), _reader(source.format)
    message = f"field {source.field!r} is the timestamp and must be {_KINDS[source.format]}"

    def timestamps(rows: list[Any], now_ms: int, errors: list[StepError]) -> list[int]:
        found: list[int] = []
        for index, value in enumerate(column(rows)):
            milliseconds = now_ms if value is ABSENT or value is None else read(value)
            if milliseconds is None or not 0 <= milliseconds <= _LATEST:
                errors.append((index, LineReason.INVALID_TIMESTAMP, message))
                milliseconds = now_ms
            found.append(milliseconds)
        return found

    return timestamps
