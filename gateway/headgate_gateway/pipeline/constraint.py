"""Which lines match. Compiles expressions into masks over columns of values.

In and NotIn compare by text and by number: a line's string equals a value's text, a number equals a value that is
numerically the same, a boolean equals `true` or `false`. NotIn is the exact opposite of In, so it holds for absent
fields and for objects. Exists asks for the key alone, so null exists. Whatever fits no operator does not match.
"""

import math
import re
from collections.abc import Callable, Iterable
from itertools import compress
from operator import ge, gt, le, lt
from typing import Any, assert_never

from headgate_gateway.config.constraint import ConstraintOperator, MatchExpression, compile_linear_regex
from headgate_gateway.pipeline.fields import ABSENT, Column, Fields

Mask = Callable[[list[Any]], list[bool]]
"""Takes one field's values, says for each whether the expression holds."""

Select = Callable[[list[Any]], list[bool] | None]
"""Takes decoded lines, says for each whether all expressions hold; None when they hold for all lines."""

_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?([eE][-+]?[0-9]+)?", re.ASCII)
_EXACT_DIGITS = 18
_COMPARE = {
    ConstraintOperator.GT: gt,
    ConstraintOperator.GE: ge,
    ConstraintOperator.LT: lt,
    ConstraintOperator.LE: le,
}


def number_of(text: str) -> int | float | None:
    """The number that a text writes in JSON's way (leading zeros allowed), None when it is none or not finite."""
    if not _NUMBER.fullmatch(text):
        return None
    if len(text) <= _EXACT_DIGITS and text.lstrip("-").isdigit():
        return int(text)
    number = float(text)
    return number if math.isfinite(number) else None


def _member(values: tuple[int | str, ...]) -> Mask:
    texts = frozenset(str(value) for value in values)
    numbers = (value if isinstance(value, int) else number_of(value) for value in values)
    members: frozenset[Any] = texts | frozenset(number for number in numbers if number is not None)
    # True == 1 in Python, so booleans are looked up by their text.
    with_false, with_true = "false" in texts, "true" in texts

    def other(value: Any) -> bool:
        return with_true if value is True else with_false if value is False else False

    return lambda column: [
        value in members if type(value) is str or type(value) is int or type(value) is float else other(value)
        for value in column
    ]


def _negation(mask: Mask) -> Mask:
    return lambda column: [not holds for holds in mask(column)]


def _exists(column: list[Any]) -> list[bool]:
    return [value is not ABSENT for value in column]


def _numeric(operator: ConstraintOperator, bound_text: int | str) -> Mask:
    bound = bound_text if isinstance(bound_text, int) else number_of(bound_text)
    if bound is None:
        raise ValueError(f"{operator} compares with a finite number, and {bound_text!r} is none")
    compare = _COMPARE[operator]

    def other(value: Any) -> bool:
        number = number_of(value) if type(value) is str else None
        return number is not None and compare(number, bound)

    return lambda column: [
        compare(value, bound) if type(value) is int or type(value) is float else other(value) for value in column
    ]


def _matches(patterns: tuple[int | str, ...]) -> Mask:
    searches = tuple(compile_linear_regex(str(pattern)).isinstance_python for pattern in patterns)
    if len(searches) == 1:
        search = searches[0]
        return lambda column: [type(value) is str and search(value) for value in column]
    return lambda column: [type(value) is str and any(search(value) for search in searches) for value in column]


def _prefix(values: tuple[int | str, ...]) -> Mask:
    prefixes = tuple(str(value) for value in values)
    return lambda column: [type(value) is str and value.startswith(prefixes) for value in column]


def compile_expression(expression: MatchExpression) -> Mask:
    """One expression as a mask. Raises ValueError for a pattern or a number that is none."""
    match expression.operator:
        case ConstraintOperator.IN:
            return _member(expression.values)
        case ConstraintOperator.NOT_IN:
            return _negation(_member(expression.values))
        case ConstraintOperator.EXISTS:
            return _exists
        case ConstraintOperator.DOES_NOT_EXIST:
            return _negation(_exists)
        case ConstraintOperator.GT | ConstraintOperator.GE | ConstraintOperator.LT | ConstraintOperator.LE:
            return _numeric(expression.operator, expression.values[0])
        case ConstraintOperator.MATCHES:
            return _matches(expression.values)
        case ConstraintOperator.PREFIX:
            return _prefix(expression.values)
        case _ as unknown:
            assert_never(unknown)


def compile_expressions(expressions: Iterable[MatchExpression], fields: Fields) -> Select:
    """All expressions as one selection over lines; each looks only at lines that the ones before let through."""
    steps: list[tuple[Column, Mask]] = [
        (fields.column(expression.field), compile_expression(expression)) for expression in expressions
    ]

    def select(rows: list[Any]) -> list[bool] | None:
        total: list[bool] | None = None
        for column, mask in steps:
            holds = mask(column(rows))
            if False in holds:
                rows = list(compress(rows, holds))
                total = holds if total is None else _narrow(total, holds)
        return total

    return select


def _narrow(total: list[bool], survivors: list[bool]) -> list[bool]:
    following = iter(survivors)
    return [held and next(following) for held in total]
