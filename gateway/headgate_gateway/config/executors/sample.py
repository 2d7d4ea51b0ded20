"""`sample`: a part of the events goes on."""

import re
from typing import Annotated

from pydantic import WithJsonSchema, field_validator

from headgate_gateway.config.base import ContractModel, FieldPath

_PERCENT = r"^(100|[0-9]{1,2}([.][0-9]{1,9})?)$"

Percent = Annotated[
    int | str,
    WithJsonSchema(
        {
            "x-kubernetes-int-or-string": True,
            "anyOf": [{"type": "integer"}, {"type": "string"}],
            "minimum": 0,
            "maximum": 100,
            "pattern": _PERCENT,
        }
    ),
]
"""From 0 to 100; a fraction is quoted."""


class Sample(ContractModel):
    """Lets a part of the events go on, and drops the others. Which ones depends on nothing but the event: every gateway, now and later, decides alike."""

    percent: Percent
    """How many of a hundred go on: `10`, or `"0.5"`, quoted."""
    field: FieldPath | None = None
    """Dotted path of the field that decides, such as a user's or a trace's name: events with the same value share one fate. Without it, and for events without such a field, the whole event decides."""

    @field_validator("percent")
    @classmethod
    def _check_percent(cls, percent: int | str) -> int | str:
        if not re.fullmatch(_PERCENT, str(percent)):
            raise ValueError(f'percent is a number from 0 to 100, such as 10 or "0.5", and {percent!r} is none')
        return percent
