from typing import Any

import pytest
from pydantic import ValidationError
from tests.unit.pipeline.executors.running import chain, refusal, run

from headgate_gateway.pipeline.steps import DROP

NAMES = {"set": {"fields": [{"field": "o.x", "from": "l"}]}}


def explode(**options: Any) -> dict[str, Any]:
    return {"explode": {"field": "l", **options}}


def test_each_element_takes_the_lists_place() -> None:
    assert run({"a": 1, "l": [1, "x", {"b": 2}]}, explode()) == [
        {"a": 1, "l": 1},
        {"a": 1, "l": "x"},
        {"a": 1, "l": {"b": 2}},
    ]


def test_elements_go_under_a_name_or_into_the_event() -> None:
    assert run({"a": 1, "l": [1, 2]}, explode(into="o.x")) == [{"a": 1, "o": {"x": 1}}, {"a": 1, "o": {"x": 2}}]
    assert run({"a": 1, "l": [{"a": 2}, {"l": 3}]}, explode(merge=True)) == [{"a": 2}, {"a": 1, "l": 3}]
    assert refusal({"l": [{}, 1]}, explode(merge=True)) == "field 'l' has an element that is no object to merge"
    assert refusal({"l": [1], "o": 1}, explode(into="o.x")) == "field 'o.x' cannot be set: 'o' is no object"


def test_an_empty_list_leaves_no_event() -> None:
    assert run({"a": 1, "l": []}, explode()) is DROP


def test_a_list_of_one_is_a_list_of_one_event() -> None:
    assert run({"l": [1]}, explode()) == [{"l": 1}]


@pytest.mark.parametrize("event", [{}, {"l": None}, {"l": {"a": 1}}, {"l": "a"}])
def test_what_is_no_list_is_refused_or_kept(event: dict[str, Any]) -> None:
    assert refusal(event, explode()) == "field 'l' holds no list to explode"
    assert run(event, explode(onFailure="Keep")) == event


def test_later_steps_change_one_event_alone() -> None:
    assert run({"o": {"p": {}}, "l": [1, 2]}, explode(), NAMES) == [
        {"o": {"p": {}, "x": 1}, "l": 1},
        {"o": {"p": {}, "x": 2}, "l": 2},
    ]


def test_lists_in_lists_explode_one_after_the_other() -> None:
    event = {"l": [{"m": [1, 2]}, {"m": []}, {"m": [3]}]}
    assert run(event, explode(), {"explode": {"field": "l.m", "into": "m"}}) == [
        {"l": {}, "m": 1},
        {"l": {}, "m": 2},
        {"l": {}, "m": 3},
    ]


def test_events_that_are_dropped_later_leave_the_others() -> None:
    big = {"filter": {"matchExpressions": [{"field": "l", "operator": "Gt", "values": [1]}]}}
    assert run({"l": [1, 2, 3]}, explode(), big) == [{"l": 2}, {"l": 3}]
    assert run({"l": [1, 0]}, explode(), big) is DROP


def test_one_event_that_is_refused_refuses_the_line() -> None:
    number = {"cast": {"fields": [{"field": "l", "type": "Integer"}]}}
    assert refusal({"l": [1, "x", 3]}, explode(), number) == "field 'l' is not an integer"


def test_events_are_bounded_in_number() -> None:
    assert len(run({"l": [0] * 10_000}, explode())) == 10_000  # type: ignore[arg-type]
    assert "would become 10001 events" in refusal({"l": [0] * 10_001}, explode())
    twice = {"l": [[0] * 101] * 100}
    assert "would become 10100 events" in refusal(twice, explode(), explode())


def test_events_are_bounded_in_bytes() -> None:
    event = {"rest": "x" * 20_000, "l": [0] * 1_000}
    assert "bytes of events, and 16777216 is the limit" in refusal(event, explode())
    nested = {"l": [{"rest": "x" * 100_000, "m": [0] * 100} for _ in range(4)]}
    assert "bytes of memory" in refusal(nested, explode(merge=True), {"explode": {"field": "m"}})


def test_an_element_goes_to_one_place() -> None:
    with pytest.raises(ValidationError, match="not both"):
        chain(explode(merge=True, into="x"))
