"""Which lines of a repo go on to Kafka: a list of expressions over fields, all of which must hold.

What an expression means at run time is compiled in `headgate_gateway.pipeline.constraint`.
"""

import re
from enum import StrEnum
from typing import Annotated, Self

from pydantic import ConfigDict, Field, WithJsonSchema, model_validator
from pydantic_core import SchemaError, SchemaValidator, core_schema

from headgate_gateway.config.base import ContractModel, FieldPath, cel


class ConstraintOperator(StrEnum):
    """How a field is compared with the values."""

    IN = "In"
    NOT_IN = "NotIn"
    EXISTS = "Exists"
    DOES_NOT_EXIST = "DoesNotExist"
    GT = "Gt"
    GE = "Ge"
    LT = "Lt"
    LE = "Le"
    MATCHES = "Matches"
    PREFIX = "Prefix"


NUMERIC_OPERATORS = frozenset(
    {ConstraintOperator.GT, ConstraintOperator.GE, ConstraintOperator.LT, ConstraintOperator.LE}
)
PRESENCE_OPERATORS = frozenset({ConstraintOperator.EXISTS, ConstraintOperator.DOES_NOT_EXIST})


NUMBER_PATTERN = r"^-?[0-9]+([.][0-9]+)?([eE][-+]?[0-9]+)?$"
"""A number as text: what JSON allows, and leading zeros."""


class OnMismatch(StrEnum):
    """What becomes of a line that the constraint does not let through."""

    DROP = "Drop"
    REJECT = "Reject"


ConstraintValue = Annotated[
    int | str,
    WithJsonSchema({"x-kubernetes-int-or-string": True, "anyOf": [{"type": "integer"}, {"type": "string"}]}),
]


def compile_linear_regex(pattern: str) -> SchemaValidator:
    """A matcher on Rust's linear-time engine; `.isinstance_python(text)` searches anywhere in the text.

    Raises ValueError for a pattern that the engine refuses (look-around and back-references among them).
    """
    schema = core_schema.str_schema(pattern=pattern, regex_engine="rust-regex", strict=True)
    try:
        return SchemaValidator(schema)
    except SchemaError as error:
        reason = str(error).strip().splitlines()[-1].strip()
        raise ValueError(
            f"regular expression {pattern!r} does not compile: {reason} "
            "(the engine is linear-time: look-around and back-references are not available)"
        ) from error


class MatchExpression(ContractModel):
    """One comparison of a field of the line with values."""

    model_config = ConfigDict(
        json_schema_extra=cel(
            (
                (
                    "self.operator in ['Exists', 'DoesNotExist'] ? (!has(self.values) || size(self.values) == 0)"
                    " : (has(self.values) && size(self.values) > 0)"
                ),
                "Exists and DoesNotExist take no values; every other operator needs at least one",
            ),
            (
                "!(self.operator in ['Gt', 'Ge', 'Lt', 'Le']) || !has(self.values) || size(self.values) == 1",
                "Gt, Ge, Lt and Le take exactly one value",
            ),
            (
                (
                    "!(self.operator in ['Gt', 'Ge', 'Lt', 'Le']) || !has(self.values) || size(self.values) != 1"
                    " || type(self.values[0]) == int"
                    f" || string(self.values[0]).matches('{NUMBER_PATTERN}')"
                ),
                'Gt, Ge, Lt and Le compare with a number, such as 400 or "0.5"',
            ),
        )
    )

    field: FieldPath
    """Dotted path of the field to look at, such as `request.status`."""
    operator: ConstraintOperator
    """In, NotIn, Exists, DoesNotExist, Gt, Ge, Lt, Le, Matches (a regular expression found anywhere in the text) or Prefix."""
    values: Annotated[tuple[ConstraintValue, ...], Field(max_length=256)] = ()
    """What to compare with. Integers may stand bare; quote everything else."""

    @model_validator(mode="after")
    def _check_values(self) -> Self:
        if self.operator in PRESENCE_OPERATORS:
            if self.values:
                raise ValueError(f"{self.operator} takes no values: remove `values`")
            return self
        if not self.values:
            raise ValueError(f"{self.operator} needs at least one value")
        if self.operator in NUMERIC_OPERATORS:
            self._check_number()
        if self.operator is ConstraintOperator.MATCHES:
            for value in self.values:
                compile_linear_regex(str(value))
        return self

    def _check_number(self) -> None:
        if len(self.values) != 1:
            raise ValueError(f"{self.operator} takes exactly one value, not {len(self.values)}")
        if not re.fullmatch(NUMBER_PATTERN, str(self.values[0])):
            raise ValueError(f"{self.operator} compares with a number, and {self.values[0]!r} is none")


class Constraint(ContractModel):
    """Which lines go on: all expressions must hold."""

    match_expressions: Annotated[tuple[MatchExpression, ...], Field(min_length=1, max_length=32)]
    """The comparisons; a line goes on when all of them hold."""
    on_mismatch: OnMismatch = OnMismatch.DROP
    """Drop: the line is counted and forgotten. Reject: it is refused, as a malformed line is."""
