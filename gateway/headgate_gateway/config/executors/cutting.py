"""`splitter` cuts a text into a list; `assigner` gives a list's elements names."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from headgate_gateway.config.base import ContractModel, FieldPath
from headgate_gateway.config.executors.common import OnFailure, SkippableName, check_names


class Splitter(ContractModel):
    """Cuts the text in a field at a separator, into a list of texts."""

    field: FieldPath
    """Dotted path of the field that holds the text."""
    separator: Annotated[str, Field(min_length=1, max_length=64)]
    """What stands between the parts, taken literally."""
    into: FieldPath | None = None
    """Dotted path of the field that takes the list, beside the text; without it the list takes the text's place."""
    on_failure: OnFailure = OnFailure.REJECT
    """When there is no such field, it is no string, or it has more than 10,000 parts. Reject: the event is refused. Keep: it goes on as it is."""


class Assigner(ContractModel):
    """Gives the elements of a list names: together with splitter, `a|b|c` becomes fields."""

    field: FieldPath
    """Dotted path of the field that holds the list."""
    names: Annotated[tuple[SkippableName, ...], Field(min_length=1, max_length=256)]
    """The names of the elements in their order; an empty name leaves its element out. The list has as many elements as there are names."""
    into: FieldPath | None = None
    """Dotted path of an object that takes the fields; the event itself without it."""
    keep_source: bool = False
    """Whether the field with the list stays."""
    on_failure: OnFailure = OnFailure.REJECT
    """When there is no such field, it is no list, or it has more or fewer elements than there are names. Reject: the event is refused. Keep: it goes on as it is."""

    @model_validator(mode="after")
    def _check_names(self) -> Self:
        check_names("names", self.names)
        return self
