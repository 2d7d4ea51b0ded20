"""`cast`: a field's value becomes one of another type."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from headgate_gateway.config.base import ContractModel, FieldPath
from headgate_gateway.config.executors.common import OnBadField


class CastType(StrEnum):
    """What a value becomes."""

    INTEGER = "Integer"
    FLOAT = "Float"
    STRING = "String"
    BOOLEAN = "Boolean"


class CastField(ContractModel):
    """One field, and the type that it gets."""

    field: FieldPath
    """Dotted path of the field; where there is none, or null, nothing happens."""
    type: CastType
    """Integer: of a text that is a whole number, a number without a fraction, or a boolean. Float: of a text that is a number, a number, or a boolean. String: the JSON text of a number or boolean. Boolean: of true, false, yes, no, on, off, 1 and 0, in any case, and the numbers 1 and 0."""


class CastFields(ContractModel):
    """Gives fields other types."""

    fields: Annotated[tuple[CastField, ...], Field(min_length=1, max_length=64)]
    """The fields."""
    on_failure: OnBadField = OnBadField.REJECT
    """When a value cannot be converted. Reject: the event is refused. Remove: it goes on without the field. Keep: it goes on with the field as it is."""
