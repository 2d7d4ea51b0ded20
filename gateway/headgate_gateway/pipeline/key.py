"""The record's key from a field: a scalar's bytes; absent or null means keyless; anything else is a line error."""

from collections.abc import Callable
from typing import Any

from headgate_gateway.config.kafka import KeySource
from headgate_gateway.pipeline.fields import Fields
from headgate_gateway.pipeline.result import LineReason
from headgate_gateway.pipeline.scalar import NOT_SCALAR, compile_scalars
from headgate_gateway.pipeline.step import StepError

KeyStep = Callable[[list[Any], list[bytes], list[StepError]], list[bytes | None]]


def compile_key(source: KeySource, fields: Fields) -> KeyStep:
    """Keys of lines; what has none is reported by index."""
    column, scalars = fields.column(source.field), compile_scalars(source.field, fields)

    def keys(rows: list[Any], lines: list[bytes], errors: list[StepError]) -> list[bytes | None]:
        found = scalars(column(rows), lines)
        if NOT_SCALAR in found:
            message = f"field {source.field!r} is the key and must be a string, a number, a boolean or null"
            errors.extend(
                (index, LineReason.INVALID_KEY, message) for index, key in enumerate(found) if key is NOT_SCALAR
            )
        return found

    return keys
