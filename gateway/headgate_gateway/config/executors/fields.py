"""`set`, `rename` and `remove`: fields as a whole."""

import json
from typing import Annotated, Any, Self

from pydantic import ConfigDict, Field, model_validator

from headgate_gateway.config.base import ContractModel, FieldPath, cel

_ONE_VALUE = (
    "[has(self.value), has(self.json), has(self.from)].exists_one(x, x)",
    "a field is set to exactly one of value, json and from",
)


JsonText = Annotated[str, Field(min_length=1, max_length=4096)]


def _refuse_constant(text: str) -> Any:
    raise ValueError(f"{text} is not JSON")


class SetField(ContractModel):
    """One field, and what it is set to."""

    model_config = ConfigDict(json_schema_extra=cel(_ONE_VALUE))

    field: FieldPath
    """Dotted path of the field; objects on the way are made where they are not there."""
    value: Annotated[str, Field(max_length=4096)] | None = None
    """A text."""
    json_text: Annotated[JsonText | None, Field(alias="json")] = None
    """A value as JSON, such as `42`, `true` or `{"site": "fra1"}`."""
    source: Annotated[FieldPath | None, Field(alias="from")] = None
    """Dotted path of another field, whose value is copied; where there is none, nothing is set."""

    @model_validator(mode="after")
    def _check_one_value(self) -> Self:
        if sum(given is not None for given in (self.value, self.json_text, self.source)) != 1:
            raise ValueError(_ONE_VALUE[1])
        if self.json_text is not None:
            try:
                json.loads(self.json_text, parse_constant=_refuse_constant)
            except (ValueError, RecursionError) as error:
                raise ValueError(f"field {self.field!r} is set to what is no JSON: {error}") from error
        return self


class SetFields(ContractModel):
    """Sets fields, in their order, whatever they held before."""

    fields: Annotated[tuple[SetField, ...], Field(min_length=1, max_length=64)]
    """The fields."""


class RenameField(ContractModel):
    """One field, and its new name."""

    source: Annotated[FieldPath, Field(alias="from")]
    """Dotted path of the field; where there is none, nothing happens."""
    to: FieldPath
    """Dotted path that it moves to, over what was there; objects on the way are made where they are not there."""


class RenameFields(ContractModel):
    """Moves fields to other names, in their order."""

    fields: Annotated[tuple[RenameField, ...], Field(min_length=1, max_length=64)]
    """The fields."""


class RemoveFields(ContractModel):
    """Removes fields."""

    fields: Annotated[tuple[FieldPath, ...], Field(min_length=1, max_length=64)]
    """Dotted paths; those that are not there are no trouble."""
