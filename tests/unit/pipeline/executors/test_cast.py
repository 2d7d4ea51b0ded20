from typing import Any

import pytest
from tests.unit.pipeline.executors.running import refusal, run


def cast(kind: str, **options: Any) -> dict[str, Any]:
    return {"cast": {"fields": [{"field": "a", "type": kind}], **options}}


GIANT = "1" * 4_300

GOOD = [
    ("Integer", "42", 42), ("Integer", "-0", 0), ("Integer", "007", 7), ("Integer", 3.0, 3), ("Integer", True, 1),
    ("Integer", 2**80, 2**80), ("Integer", GIANT, int(GIANT)),
    ("Float", "1.5", 1.5), ("Float", "1e3", 1000.0), ("Float", 2, 2.0), ("Float", "2", 2.0), ("Float", False, 0.0),
    ("String", 1, "1"), ("String", 1.0, "1.0"), ("String", 1e22, "1e22"), ("String", True, "true"), ("String", "x", "x"),
    ("Boolean", "true", True), ("Boolean", "No", False), ("Boolean", "ON", True), ("Boolean", "0", False),
    ("Boolean", 1, True), ("Boolean", 0.0, False), ("Boolean", False, False),
]  # fmt: skip

BAD = [
    ("Integer", "1.0"), ("Integer", ""), ("Integer", " 1"), ("Integer", "1\n"), ("Integer", "٣"), ("Integer", "1_000"),
    ("Integer", 1.5), ("Integer", GIANT + "1"), ("Integer", [1]), ("Integer", {}),
    ("Float", "nan"), ("Float", "1e999"), ("Float", "x"), ("Float", 10**400), ("Float", "0x1"), ("Float", []),
    ("String", {}), ("String", []),
    ("Boolean", "maybe"), ("Boolean", 2), ("Boolean", ""), ("Boolean", 0.5), ("Boolean", [True]),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "value", "converted"), GOOD)
def test_values_that_can_be_converted(kind: str, value: Any, converted: Any) -> None:
    event = run({"a": value}, cast(kind))
    assert event == {"a": converted}
    assert type(event["a"]) is type(converted)


@pytest.mark.parametrize(("kind", "value"), BAD)
def test_values_that_cannot_are_refused_removed_or_kept(kind: str, value: Any) -> None:
    event = {"a": value, "b": 1}
    assert refusal(event, cast(kind)) == f"field 'a' is not {'an' if kind == 'Integer' else 'a'} {kind.lower()}"
    assert run(event, cast(kind, onFailure="Remove")) == {"b": 1}
    assert run(event, cast(kind, onFailure="Keep")) == event


@pytest.mark.parametrize("event", [{}, {"a": None}])
@pytest.mark.parametrize("kind", ["Integer", "Float", "String", "Boolean"])
def test_absent_fields_and_null_stay_as_they_are(event: dict[str, Any], kind: str) -> None:
    assert run(event, cast(kind)) == event


def test_several_fields_are_cast_at_any_depth() -> None:
    fields = [{"field": "a.b", "type": "Integer"}, {"field": "a.c.d", "type": "Boolean"}]
    assert run({"a": {"b": "1", "c": {"d": "on"}}}, {"cast": {"fields": fields}}) == {"a": {"b": 1, "c": {"d": True}}}
