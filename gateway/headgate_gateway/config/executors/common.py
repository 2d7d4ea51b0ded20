"""What several executors have in common: names of fields, and what becomes of an event that a step cannot work on."""

from collections.abc import Iterable
from enum import StrEnum
from typing import Annotated

from pydantic import Field

FieldName = Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[^.\s]+$")]
"""The name of one field, without dots."""

SkippableName = Annotated[str, Field(max_length=128, pattern=r"^[^.\s]*$")]
"""The name of one field, or the empty text for a value that is left out."""


class OnFailure(StrEnum):
    """What becomes of an event that a step cannot work on."""

    REJECT = "Reject"
    KEEP = "Keep"


class OnBadField(StrEnum):
    """What becomes of an event one of whose fields cannot be converted."""

    REJECT = "Reject"
    REMOVE = "Remove"
    KEEP = "Keep"


def check_names(what: str, names: Iterable[str]) -> None:
    """Raises ValueError when a name comes twice, or when none is left; empty names leave a value out."""
    seen: set[str] = set()
    for name in filter(None, names):
        if name in seen:
            raise ValueError(f"{what} names {name!r} twice")
        seen.add(name)
    if not seen:
        raise ValueError(f"{what} names no field at all")
