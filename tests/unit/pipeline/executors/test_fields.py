from typing import Any

import pytest
from tests.unit.pipeline.executors.running import chain, refusal, run

from headgate_gateway.pipeline.executors import Refusal


def set_one(field: str, **source: Any) -> dict[str, Any]:
    return {"set": {"fields": [{"field": field, **source}]}}


@pytest.mark.parametrize(
    ("source", "value"),
    [
        pytest.param({"value": "fra1"}, "fra1", id="text"),
        pytest.param({"value": ""}, "", id="empty text"),
        pytest.param({"json": "42"}, 42, id="number"),
        pytest.param({"json": "null"}, None, id="null"),
        pytest.param({"json": '{"a":[1]}'}, {"a": [1]}, id="object"),
        pytest.param({"from": "b.c"}, [1], id="another field"),
    ],
)
def test_set_takes_texts_json_and_other_fields(source: dict[str, Any], value: Any) -> None:
    assert run({"b": {"c": [1]}}, set_one("a", **source)) == {"a": value, "b": {"c": [1]}}


def test_set_makes_objects_on_the_way() -> None:
    assert run({}, set_one("a.b.c", value="x")) == {"a": {"b": {"c": "x"}}}


def test_set_from_a_field_that_is_not_there_sets_nothing() -> None:
    assert run({"b": 1}, set_one("a.x", **{"from": "b.c"})) == {"b": 1}


@pytest.mark.parametrize("blocking", [None, 1, "x", [{}], True])
def test_what_is_no_object_in_the_way_is_refused_by_its_path(blocking: Any) -> None:
    event = {"a": {"b": blocking}}
    assert refusal(event, set_one("a.b.c", value="x")) == "field 'a.b.c' cannot be set: 'a.b' is no object"
    assert "'a.b' is no object" in refusal(event, {"rename": {"fields": [{"from": "a", "to": "a.b"}]}}, set_one("a.b", value="x"), set_one("a.b.c", value="x"))  # fmt: skip


def test_a_copy_is_independent_of_what_it_was_copied_from() -> None:
    event = run(
        {"a": {"x": [{"y": 1}]}}, set_one("b", **{"from": "a"}), set_one("b.x", json="[2]"), set_one("b.z", value="z")
    )
    assert event == {"a": {"x": [{"y": 1}]}, "b": {"x": [2], "z": "z"}}


def test_events_do_not_share_a_constant_object() -> None:
    steps = chain(set_one("a", json='{"x":{}}'), set_one("a.x.y", **{"from": "v"}))
    assert steps({"v": 1}) == {"v": 1, "a": {"x": {"y": 1}}}
    assert steps({}) == {"a": {"x": {}}}


def test_rename_moves_in_order_and_over_what_was_there() -> None:
    pairs = [{"from": "a", "to": "x.y"}, {"from": "gone", "to": "b"}, {"from": "b", "to": "c"}]
    assert run({"a": 1, "b": 2, "c": 3}, {"rename": {"fields": pairs}}) == {"x": {"y": 1}, "c": 2}


def test_rename_can_move_a_field_into_an_object_of_its_own_name() -> None:
    assert run({"a": 1}, {"rename": {"fields": [{"from": "a", "to": "a.value"}]}}) == {"a": {"value": 1}}


def test_remove_takes_fields_at_any_depth_and_minds_no_absent_ones() -> None:
    step = {"remove": {"fields": ["a", "b.c", "x", "b.x.y", "l.0"]}}
    assert run({"a": 1, "b": {"c": 1, "d": 2}, "l": [1]}, step) == {"b": {"d": 2}, "l": [1]}


def test_a_refusal_names_its_step_by_place_and_word() -> None:
    outcome = run({"a": 1}, {"remove": {"fields": ["x"]}}, set_one("a.b", value="x"))
    assert outcome == Refusal("executors[1].set", "field 'a.b' cannot be set: 'a' is no object")


def test_no_executors_leave_the_event_alone() -> None:
    assert run({"a": 1}) == {"a": 1}
