"""What a body became: counts, refused lines with reasons, records. Holds data, decides nothing; the HTTP side reads it."""

from dataclasses import dataclass, field
from enum import StrEnum

from headgate_gateway.pipeline.ranges import MAX_RANGES, LineRanges
from headgate_gateway.pipeline.records import Records

MAX_DETAILS = 100
"""Refused lines that are explained one by one; the numbers of the others are kept without an explanation."""


class LineReason(StrEnum):
    """Why a line was refused; part of the answer's body."""

    INVALID_UTF8 = "InvalidUTF8"
    INVALID_JSON = "InvalidJSON"
    NOT_AN_OBJECT = "NotAnObject"
    INVALID_CLOUD_EVENT = "InvalidCloudEvent"
    NESTED_TOO_DEEPLY = "NestedTooDeeply"
    TOO_LARGE = "LineTooLarge"
    INVALID_KEY = "InvalidKey"
    INVALID_TIMESTAMP = "InvalidTimestamp"
    INVALID_HEADER = "InvalidHeader"
    MISMATCH = "ConstraintMismatch"
    EXECUTOR_REFUSED = "ExecutorRefused"
    TOO_MANY_EVENTS = "TooManyEvents"


@dataclass(frozen=True, slots=True)
class LineError:
    """One refused line."""

    line: int
    """1-based, blank lines counted."""
    reason: LineReason
    message: str
    step: str = ""
    """The executor that refused it, such as `executors[2].cast`; empty: the reason says which step it was."""


@dataclass(slots=True)
class Processed:
    """A body after the pipeline: received = accepted + dropped + rejected."""

    counted: int = 0
    """Lines looked at so far, blank ones included."""
    received: int = 0
    """Lines that are not blank."""
    accepted: int = 0
    dropped: int = 0
    refused: LineRanges = field(default_factory=lambda: LineRanges(MAX_RANGES))
    """Numbers of the refused lines."""
    errors: list[LineError] = field(default_factory=list)
    """Explanations of the first MAX_DETAILS of them."""
    too_large: LineError | None = None
    """The first line that was refused for its size."""
    dead_lettered: int = 0
    """How many of the accepted lines go to the dead letter."""
    records: list[Records] = field(default_factory=list)
    """One for each topic that takes lines, in no particular order; empty when no line is left to send."""
    broken: LineError | None = None
    """Why the body as a whole is no events: it is refused, whatever the repo's `partial` says."""
    defects: dict[str, Exception] = field(default_factory=dict)
    """What executors raised that no executor should, by step: defects of theirs, each of which cost a line."""
    may_be_empty: bool = False
    """Whether a body without any event is a good one."""
    one_each: bool = True
    """Whether each accepted line became exactly one record."""

    def forget(self) -> None:
        """Begin anew: what was found so far turned out to be part of no events."""
        self.counted = self.received = self.accepted = self.dropped = self.dead_lettered = 0
        self.refused = LineRanges(MAX_RANGES)
        self.errors, self.records = [], []
        self.too_large = None
        self.one_each = True
