"""`timestamp`: a time in one of several spellings, written in one."""

import re
from typing import Annotated, Self

from pydantic import Field, model_validator

from headgate_gateway.config.base import ContractModel, FieldPath
from headgate_gateway.config.executors.common import OnBadField
from headgate_gateway.config.kafka import TimestampFormat

TIME_DIRECTIVES = frozenset("YymbBdHIMSpfzaA%")
"""What may follow % in a pattern, as `strptime` has it; names of months and days are English."""

TimeFormat = Annotated[str, Field(max_length=64, pattern=r"^(RFC3339|UnixSeconds|UnixMilliseconds|[^\r\n]*%[^\r\n]*)$")]
"""A named format, or a pattern such as `%d/%b/%Y:%H:%M:%S %z`."""


def check_time_pattern(pattern: str) -> None:
    """Raises ValueError for a pattern that names no day, or the same thing twice, or what is not known."""
    directives = re.findall(r"%(.?)", pattern)
    if unknown := [each for each in directives if each not in TIME_DIRECTIVES or not each]:
        raise ValueError(f"time format {pattern!r} has %{unknown[0]}, which is not known")
    said = ["Y" if each == "y" else "m" if each in "bB" else "H" if each == "I" else each for each in directives]
    if twice := sorted({each for each in said if each != "%" and said.count(each) > 1}):
        raise ValueError(f"time format {pattern!r} says %{twice[0]}, or its like, more than once")
    if missing := [each for each in "Ymd" if each not in said]:
        raise ValueError(f"time format {pattern!r} names no day: it has no %{missing[0]}")
    if ("I" in directives) != ("p" in directives):
        raise ValueError(f"time format {pattern!r} takes %I and %p together")


class ParseTimestamp(ContractModel):
    """Reads a time in one of several formats, and writes it in one."""

    field: FieldPath
    """Dotted path of the field; where there is none, or null, nothing happens."""
    formats: Annotated[tuple[TimeFormat, ...], Field(min_length=1, max_length=8)] = (TimestampFormat.RFC3339.value,)
    """Tried in their order: RFC3339, UnixSeconds, UnixMilliseconds, or a pattern as strptime has it, such as nginx's `%d/%b/%Y:%H:%M:%S %z`. A pattern without %z is of UTC."""
    into: FieldPath | None = None
    """Dotted path of the field that takes the result, beside what was read; without it the result takes its place."""
    output: TimestampFormat = TimestampFormat.RFC3339
    """RFC3339: in UTC and with microseconds, `2026-11-21T08:00:00.000000Z`, so that times sort as texts. UnixSeconds or UnixMilliseconds: a number."""
    on_failure: OnBadField = OnBadField.REJECT
    """When no format fits. Reject: the event is refused. Remove: it goes on without the field. Keep: it goes on as it is."""

    @model_validator(mode="after")
    def _check_formats(self) -> Self:
        for each in self.formats:
            if each not in TimestampFormat.__members__.values():
                check_time_pattern(each)
        return self
