"""What a test of a repo says: requests, and what is to become of each. Types only, strict: what they do not know is refused.

What a case does not name must not happen: every record, dead letter and refused line is named, or there is none. Of a
record, what is not written is not compared.
"""

import base64
import binascii
from datetime import datetime
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Field, JsonValue, model_validator

from headgate_gateway.config.base import ContractModel


def parse_time(value: Any) -> int:
    """Milliseconds since the epoch of an RFC 3339 time, or such a number as it is. Raises ValueError."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    try:
        moment = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        moment = None
    if moment is None or moment.tzinfo is None:
        raise ValueError(f"{value!r} is no time: write it as 2026-11-21T08:00:00Z, or as milliseconds since the epoch")
    return round(moment.timestamp() * 1_000)


def _check_base64(value: Any) -> Any:
    try:
        base64.b64decode(value, validate=True)
    except (TypeError, ValueError, binascii.Error) as error:
        raise ValueError("is not base64") from error
    return value


Time = Annotated[int, BeforeValidator(parse_time)]
"""Milliseconds since the epoch."""
Base64 = Annotated[str, BeforeValidator(_check_base64)]


class _WithValue(ContractModel):
    """What has the bytes of a record to compare with."""

    value: JsonValue = None
    """Text: the record's value is exactly this. null: it has none. Anything else: it is JSON that means the same."""
    value_base64: Base64 | None = None
    """The value's bytes, where they are no text."""

    @model_validator(mode="after")
    def _check_one_value(self) -> Self:
        if {"value", "value_base64"} <= self.model_fields_set:
            raise ValueError("takes value or valueBase64, not both")
        return self


class ExpectedRecord(_WithValue):
    """A record as it reaches Kafka. What is not written is not compared."""

    topic: str | None = None
    producer_profile: str | None = None
    key: str | None = None
    """Text; null: the record has none."""
    headers: dict[str, str] | None = None
    """All of the record's headers."""
    timestamp: Time | None = None
    line: int | None = None
    """Number of the line that it was made from."""


class ExpectedDeadLetter(_WithValue):
    """A line that goes to the dead letter; its value is what was received."""

    reason: str
    step: str | None = None
    message: str | None = None
    """A part of the message."""
    topic: str | None = None
    line: int | None = None


class RejectedLine(ContractModel):
    """A line that the answer names as refused."""

    line: int
    reason: str
    message: str | None = None
    """A part of the message."""


class Expectation(ContractModel):
    """What becomes of a request."""

    status: Annotated[int, Field(ge=200, le=599)] = 200
    reason: str | None = None
    """Why the request as a whole is refused."""
    records: tuple[ExpectedRecord, ...] = ()
    """In order of their lines."""
    dead_letter: tuple[ExpectedDeadLetter, ...] = ()
    """In order of their lines."""
    dropped: Annotated[int, Field(ge=0)] = 0
    """Lines that go no further, by constraint or executor."""
    rejected: tuple[RejectedLine, ...] = ()
    """In order of their lines."""
    answer: JsonValue = None
    """Text: the answer's body is exactly this. An object: the body has at least these members."""


class Case(ContractModel):
    """One request. Without lines and body it has no body."""

    name: Annotated[str, Field(min_length=1, max_length=200)]
    endpoint: str | None = None
    """The path of one of the repo's endpoints; its first one without it. May have a query."""
    headers: dict[str, str] = Field(default_factory=dict)
    lines: tuple[JsonValue, ...] | None = None
    """Text is sent as it is, anything else as JSON; each ends in a line break."""
    body: JsonValue = None
    """Text is sent as it is, anything else as JSON."""
    body_base64: Base64 | None = None
    """A body that is no text, such as a compressed one."""
    expect: Expectation

    @model_validator(mode="after")
    def _check_one_body(self) -> Self:
        if len({"lines", "body", "body_base64"} & self.model_fields_set) > 1:
            raise ValueError("takes one of lines, body and bodyBase64")
        return self


class Suite(ContractModel):
    """The cases of one repo, run one by one: none sees what another did."""

    now: Time = parse_time("2026-01-01T00:00:00Z")
    """The time at which the requests come."""
    cases: Annotated[tuple[Case, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _check_names(self) -> Self:
        names = [case.name for case in self.cases]
        doubled = next((name for name in names if names.count(name) > 1), None)
        if doubled is not None:
            raise ValueError(f"two cases are called {doubled!r}: give each a name of its own")
        return self
