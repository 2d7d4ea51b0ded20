"""What each operator holds for."""

from typing import Any

import pytest
from tests.unit.gateway.builders import constraint, expression, process, repo_config
from tests.unit.gateway.reading import only, refused

from headgate_gateway.pipeline.compile import compile_repo

HOLDS: list[tuple[str, dict[str, Any], bytes, bool]] = [
    ("In: string", expression("f", "In", "a", "b"), b'"b"', True),
    ("In: other string", expression("f", "In", "a", "b"), b'"c"', False),
    ("In: number", expression("f", "In", 404, 500), b"404", True),
    ("In: number written otherwise", expression("f", "In", 404), b"4.04e2", True),
    ("In: quoted fraction", expression("f", "In", "0.5"), b"0.50", True),
    ("In: quoted number and a number", expression("f", "In", "404"), b"404", True),
    ("In: number and its text", expression("f", "In", 404), b'"404"', True),
    ("In: text of a number written otherwise", expression("f", "In", "4.04e2"), b'"404"', False),
    ("In: true", expression("f", "In", "true"), b"true", True),
    ("In: true is not 1", expression("f", "In", 1), b"true", False),
    ("In: 1 is not true", expression("f", "In", "true"), b"1", False),
    ("In: false is not 0", expression("f", "In", 0, "x"), b"false", False),
    ("In: false", expression("f", "In", "false"), b"false", True),
    ("In: null", expression("f", "In", "null"), b"null", False),
    ("In: absent", expression("g", "In", "a"), b'"a"', False),
    ("In: object", expression("f", "In", "a"), b'{"a":1}', False),
    ("In: array", expression("f", "In", "a"), b'["a"]', False),
    ("In: beyond a double", expression("f", "In", "a"), b"1e999", False),
    ("NotIn: absent", expression("g", "NotIn", "a"), b"1", True),
    ("NotIn: other", expression("f", "NotIn", "a"), b'"b"', True),
    ("NotIn: same", expression("f", "NotIn", "a"), b'"a"', False),
    ("NotIn: number", expression("f", "NotIn", 404), b"404.0", False),
    ("NotIn: object", expression("f", "NotIn", "a"), b"{}", True),
    ("NotIn: null", expression("f", "NotIn", "a"), b"null", True),
    ("Exists", expression("f", "Exists"), b"0", True),
    ("Exists: null", expression("f", "Exists"), b"null", True),
    ("Exists: absent", expression("g", "Exists"), b"1", False),
    ("DoesNotExist", expression("g", "DoesNotExist"), b"1", True),
    ("DoesNotExist: there", expression("f", "DoesNotExist"), b"1", False),
    ("Gt: above", expression("f", "Gt", 400), b"401", True),
    ("Gt: equal", expression("f", "Gt", 400), b"400", False),
    ("Ge: equal", expression("f", "Ge", 400), b"400", True),
    ("Ge: below", expression("f", "Ge", 400), b"399.9", False),
    ("Lt: below", expression("f", "Lt", "0.5"), b"0.4999", True),
    ("Lt: equal", expression("f", "Lt", "0.5"), b"0.5", False),
    ("Le: equal", expression("f", "Le", "-1e3"), b"-1000", True),
    ("Ge: numeric string", expression("f", "Ge", 400), b'"404"', True),
    ("Ge: numeric string, exponent", expression("f", "Ge", 400), b'"4.04e2"', True),
    ("Ge: string with spaces", expression("f", "Ge", 400), b'" 404"', False),
    ("Ge: string with underscore", expression("f", "Ge", 400), b'"4_040"', False),
    ("Ge: other digits", expression("f", "Ge", 1), '"٤٠٤"'.encode(), False),
    ("Ge: nan", expression("f", "Ge", 400), b'"nan"', False),
    ("Ge: inf", expression("f", "Ge", 400), b'"inf"', False),
    ("Ge: too large a string", expression("f", "Ge", 400), b'"1e999"', False),
    ("Ge: too large a number", expression("f", "Ge", 400), b"1e999", False),
    ("Ge: boolean", expression("f", "Ge", 0), b"true", False),
    ("Ge: null", expression("f", "Ge", 0), b"null", False),
    ("Ge: absent", expression("g", "Ge", 0), b"1", False),
    ("Lt: absent", expression("g", "Lt", 1), b"0", False),
    ("Ge: array", expression("f", "Ge", 0), b"[1]", False),
    ("Gt: giants, exactly", expression("f", "Gt", 2**53), b"9007199254740993", True),
    ("Matches: anywhere", expression("f", "Matches", "b+c"), b'"abbcd"', True),
    ("Matches: anchored", expression("f", "Matches", "^b"), b'"ab"', False),
    ("Matches: one of", expression("f", "Matches", "^x", "d$"), b'"abcd"', True),
    ("Matches: number", expression("f", "Matches", "4"), b"404", False),
    ("Matches: absent", expression("g", "Matches", ".*"), b'"a"', False),
    ("Prefix", expression("f", "Prefix", "/api/"), b'"/api/x"', True),
    ("Prefix: one of", expression("f", "Prefix", "/x", "/api"), b'"/api/x"', True),
    ("Prefix: none", expression("f", "Prefix", "api"), b'"/api"', False),
    ("Prefix: number", expression("f", "Prefix", "4"), b"404", False),
    ("path into objects", expression("f.a.b", "In", "x"), b'{"a":{"b":"x"}}', True),
    ("path through a string", expression("f.a.b", "Exists"), b'{"a":"x"}', False),
    ("path through an array", expression("f.a.0", "Exists"), b'{"a":["x"]}', False),
    ("path through null", expression("f.a", "DoesNotExist"), b"null", True),
    ("name that is no identifier", expression("@f-é", "In", "x"), b'1,"@f-\xc3\xa9":"x"', True),
]


@pytest.mark.parametrize(("name", "test", "value", "holds"), HOLDS, ids=[case[0] for case in HOLDS])
def test_operator(name: str, test: dict[str, Any], value: bytes, holds: bool) -> None:
    body = b'{"f":' + value + b"}\n"
    result = process(body, constraint=constraint(test))
    assert (result.accepted, result.dropped, refused(result)) == (int(holds), int(not holds), [])


def test_all_expressions_must_hold() -> None:
    both = constraint(expression("a", "Ge", 1), expression("b", "In", "x"), expression("c", "DoesNotExist"))
    lines = [b'{"a":1,"b":"x"}', b'{"a":0,"b":"x"}', b'{"a":1,"b":"y"}', b'{"a":2,"b":"x","c":1}', b'{"b":"x","a":3}']
    result = process(b"\n".join(lines), constraint=both)
    assert (only(result).lines, result.dropped) == ([1, 5], 3)


def test_on_mismatch_reject_refuses_the_line() -> None:
    result = process(b'{"a":1}\n{"a":0}\n', constraint=constraint(expression("a", "Ge", 1), on_mismatch="Reject"))
    assert [(e.line, e.reason) for e in result.errors] == [(2, "ConstraintMismatch")]
    assert (result.accepted, result.dropped) == (1, 0)


def test_a_regular_expression_takes_linear_time() -> None:
    body = b'{"a":"' + b"a" * 50_000 + b'!"}\n'
    assert process(body, constraint=constraint(expression("a", "Matches", "(a+)+$"))).dropped == 1


@pytest.mark.parametrize("bound", ["nan", "inf", "1e999", " 4"])
def test_a_bound_that_is_no_finite_number_does_not_compile(bound: str) -> None:
    with pytest.raises(ValueError, match="number"):
        compile_repo(repo_config(constraint=constraint(expression("a", "Gt", bound))))
