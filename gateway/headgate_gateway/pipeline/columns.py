"""Keys, timestamps and headers of a run's records, one column each; lines that have no usable one are refused."""

from collections.abc import Callable
from itertools import compress
from typing import Any

from headgate_gateway.config.kafka import KafkaRouting
from headgate_gateway.pipeline.fields import Fields
from headgate_gateway.pipeline.headers import Header, compile_row_headers
from headgate_gateway.pipeline.key import compile_key
from headgate_gateway.pipeline.result import LineError
from headgate_gateway.pipeline.run import DecodedRun
from headgate_gateway.pipeline.step import StepError
from headgate_gateway.pipeline.timestamp import compile_timestamp

Columns = tuple[list[bytes | None] | None, list[int] | None, list[tuple[Header, ...]] | None]
"""Keys, timestamps and headers of a run's rows; None where the repo has none of the kind."""

NO_COLUMNS: Columns = (None, None, None)


def keep_columns(columns: Columns, holds: list[bool]) -> Columns:
    """Those of the rows that are held."""
    keys, timestamps, row_headers = columns
    return (
        None if keys is None else list(compress(keys, holds)),
        None if timestamps is None else list(compress(timestamps, holds)),
        None if row_headers is None else list(compress(row_headers, holds)),
    )


def add_own(columns: Columns, decoded: DecodedRun) -> Columns:
    """With what events say of themselves: headers beside the repo's, and keys where the repo has none."""
    keys, timestamps, row_headers = columns
    own = decoded.headers
    if own is not None and row_headers is not None:
        own = [first + then for first, then in zip(own, row_headers, strict=True)]
    return decoded.keys if keys is None else keys, timestamps, row_headers if own is None else own


ReadColumns = Callable[[DecodedRun, int], Columns]
"""Takes a run and the time of acceptance; lines with errors leave the run."""


def compile_columns(routing: KafkaRouting, fields: Fields) -> ReadColumns | None:
    """The reader of a repo's columns; None where it has none."""
    key = compile_key(routing.key, fields) if routing.key else None
    timestamp = compile_timestamp(routing.timestamp, fields) if routing.timestamp else None
    row_headers = compile_row_headers(routing.headers, fields)
    if key is None and timestamp is None and row_headers is None:
        return None

    def read(decoded: DecodedRun, now_ms: int) -> Columns:
        errors: list[StepError] = []
        columns = (
            key(decoded.rows, decoded.lines, errors) if key else None,
            timestamp(decoded.rows, now_ms, errors) if timestamp else None,
            row_headers(decoded.rows, decoded.lines, errors) if row_headers else None,
        )
        return _without_errors(decoded, columns, errors) if errors else columns

    return read


def _without_errors(decoded: DecodedRun, columns: Columns, errors: list[StepError]) -> Columns:
    # By number, since all records of a line share its fate.
    numbers = decoded.numbers
    first: dict[int, Any] = {numbers[index]: (reason, message) for index, reason, message in reversed(errors)}
    decoded.errors.extend(LineError(number, *why) for number, why in first.items())
    holds = [number not in first for number in numbers]
    decoded.keep(holds)
    return keep_columns(columns, holds)
