from typing import Any

import pytest
from pydantic import ValidationError
from tests.unit.pipeline.executors.running import chain, refusal, run


def splitter(**options: Any) -> dict[str, Any]:
    return {"splitter": {"field": "message", "separator": "|", **options}}


def assigner(*names: str, **options: Any) -> dict[str, Any]:
    return {"assigner": {"field": "message", "names": names, **options}}


def test_together_they_turn_a_text_into_fields() -> None:
    assert run({"message": "a|b|c"}, splitter(), assigner("x", "y", "z")) == {"x": "a", "y": "b", "z": "c"}


@pytest.mark.parametrize(
    ("text", "parts"),
    [("a", ["a"]), ("", [""]), ("|", ["", ""]), ("a||b", ["a", "", "b"]), ("é|😀", ["é", "😀"])],
)
def test_a_text_is_cut_at_each_separator(text: str, parts: list[str]) -> None:
    assert run({"message": text}, splitter()) == {"message": parts}


def test_a_separator_is_literal_and_may_be_long() -> None:
    assert run({"message": "a.*b.*c"}, splitter(separator=".*")) == {"message": ["a", "b", "c"]}


def test_the_list_may_stand_beside_the_text() -> None:
    assert run({"message": "a|b"}, splitter(into="parts.all")) == {"message": "a|b", "parts": {"all": ["a", "b"]}}


@pytest.mark.parametrize("event", [{}, {"message": 1}, {"message": ["a"]}])
def test_what_is_no_text_is_refused_or_kept(event: dict[str, Any]) -> None:
    assert refusal(event, splitter()) == "field 'message' holds no text to split"
    assert run(event, splitter(onFailure="Keep")) == event


def test_parts_are_bounded() -> None:
    assert len(run({"message": "|" * 9_999}, splitter())["message"]) == 10_000  # type: ignore[call-overload, index]
    event = {"message": "|" * 10_000}
    assert refusal(event, splitter()) == "field 'message' has more than 10000 parts"
    assert run(event, splitter(onFailure="Keep")) == event


def test_elements_of_any_kind_get_names_and_an_empty_name_leaves_one_out() -> None:
    assert run({"message": [1, None, {"a": 2}]}, assigner("x", "", "z", into="o")) == {"o": {"x": 1, "z": {"a": 2}}}
    assert run({"message": [1]}, assigner("x", keepSource=True)) == {"message": [1], "x": 1}


@pytest.mark.parametrize(
    ("event", "why"),
    [
        ({}, "field 'message' holds no list to assign"),
        ({"message": "a|b"}, "field 'message' holds no list to assign"),
        ({"message": ["a"]}, "field 'message' has 1 elements, and there are 2 names"),
        ({"message": ["a", "b", "c"]}, "field 'message' has 3 elements, and there are 2 names"),
    ],
)
def test_what_does_not_fit_the_names_is_refused_or_kept(event: dict[str, Any], why: str) -> None:
    assert refusal(event, assigner("x", "y")) == why
    assert run(event, assigner("x", "y", onFailure="Keep")) == event


def test_names_are_given_once() -> None:
    with pytest.raises(ValidationError, match="names 'x' twice"):
        chain(assigner("x", "x"))
