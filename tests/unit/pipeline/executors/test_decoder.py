from typing import Any

import pytest
from pydantic import ValidationError
from tests.unit.pipeline.executors.running import refusal, run

from headgate_gateway.config.executors import Decoder


def decoder(form: str, **options: Any) -> dict[str, Any]:
    return {"decoder": {"format": form, **options}}


REGEX = decoder("Regex", pattern=r"(?P<method>[A-Z]+) (?P<path>\S+)(?: (?P<status>\d{3}))?")


def test_fields_go_over_those_of_the_event_and_the_source_goes() -> None:
    assert run({"message": '{"a":1,"b":{"c":2}}', "a": 0, "z": 9}, decoder("JSON")) == {"a": 1, "b": {"c": 2}, "z": 9}


def test_a_decoded_field_may_have_the_sources_name() -> None:
    assert run({"message": '{"message":"m"}'}, decoder("JSON")) == {"message": "m"}
    assert run({"message": '{"message":"m"}'}, decoder("JSON", keepSource=True)) == {"message": "m"}


def test_the_source_is_kept_on_request_and_fields_go_into_an_object() -> None:
    step = decoder("Logfmt", field="log.line", into="log.fields", keepSource=True)
    assert run({"log": {"line": "a=1"}}, step) == {"log": {"line": "a=1", "fields": {"a": "1"}}}


def test_fields_may_take_the_place_of_their_source() -> None:
    assert run({"payload": '{"a":1}'}, decoder("JSON", field="payload", into="payload")) == {"payload": {"a": 1}}


def test_an_object_that_takes_fields_must_be_one() -> None:
    assert refusal({"message": "a=1", "x": 3}, decoder("Logfmt", into="x.y")) == "field 'x.y' cannot be set: 'x' is no object"  # fmt: skip


@pytest.mark.parametrize("event", [{}, {"message": None}, {"message": 5}, {"message": {"a": "x"}}])
def test_a_source_without_text_is_refused_or_kept(event: dict[str, Any]) -> None:
    assert refusal(event, decoder("JSON")) == "field 'message' holds no text"
    assert run(event, decoder("JSON", onFailure="Keep")) == event


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[1]", "it is JSON, but not an object"),
        ("7", "it is JSON, but not an object"),
        ('{"a":', "Input data was truncated"),
        ('{"a":1e999}', "Number out of range"),
        ('{"a":NaN}', "JSON is malformed"),
        ('{"a":"\\ud800"}', "Input data was truncated"),
        ('{"a":' + "[" * 5_000, "it nests too deeply"),
    ],
)
def test_what_is_no_json_object_says_why(text: str, why: str) -> None:
    assert why in refusal({"message": text}, decoder("JSON"))


def test_texts_that_do_not_fit_are_kept_whole_where_the_repo_says_so() -> None:
    event = {"message": "x", "a": 1}
    for step in (decoder("JSON"), decoder("NginxCombined"), decoder("CSV", columns=["p", "q"]), REGEX):
        kept = {"decoder": step["decoder"] | {"onFailure": "Keep"}}
        assert run(event, kept) == event
        assert f"cannot be decoded as {step['decoder']['format']}: " in refusal(event, step)


def test_groups_of_a_regex_that_take_part_become_fields() -> None:
    assert run({"message": "at 8: GET /a 200"}, REGEX) == {"method": "GET", "path": "/a", "status": "200"}
    assert run({"message": "GET /é😀"}, REGEX) == {"method": "GET", "path": "/é😀"}


def test_a_regex_of_the_other_spelling_of_groups_works() -> None:
    assert run({"message": "ab"}, decoder("Regex", pattern="(?<x>b)")) == {"x": "b"}


def test_a_regex_takes_linear_time() -> None:
    # Of any backtracking engine these ask for more time than there is.
    evil = decoder("Regex", pattern=r"^(?P<x>(a+)+|(a|a)*|(.*)(.*)(.*))!$", onFailure="Keep")
    event = {"message": "a" * 20_000}
    assert run(event, evil) == event


def test_a_pattern_as_long_as_the_contract_allows_runs() -> None:
    words = "|".join(rf"\w+-{number}" for number in range(1_000))
    pattern = f"(?P<x>{words[:4_000].rpartition('|')[0]})"
    assert run({"message": "at size-77!"}, decoder("Regex", pattern=pattern)) == {"x": "size-7"}


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"format": "CSV"}, "columns is for"),
        ({"format": "JSON", "columns": ["a"]}, "columns is for"),
        ({"format": "CSV", "columns": ["a", "a"]}, "names 'a' twice"),
        ({"format": "CSV", "columns": ["", ""]}, "names no field"),
        ({"format": "TSV", "columns": ["a"], "separator": ";"}, "separator is for"),
        ({"format": "CSV", "columns": ["a"], "separator": '"'}, "pattern"),
        ({"format": "Regex"}, "pattern is for"),
        ({"format": "Logfmt", "pattern": "x"}, "pattern is for"),
        ({"format": "Regex", "pattern": "no groups"}, "no named group"),
        ({"format": "Regex", "pattern": r"(?P<x>a)(?=b)"}, "does not compile"),
        ({"format": "Regex", "pattern": r"(?P<x>(a)\1)"}, "does not compile"),
        ({"format": "Regex", "pattern": "(?P<x>a{1001})"}, "does not compile as RE2: invalid repetition size"),
        ({"format": "Regex", "pattern": "(?P<x>" + r"\pL+" * 200 + ")"}, "does not compile as RE2: pattern too large"),
        ({"format": "Regex", "pattern": "(?P<x>(?x: a b))"}, "does not compile as RE2: invalid perl operator"),
        ({"format": "Regex", "pattern": r"\(?P<x>"}, "no named group"),
        ({"format": "XML"}, "Input should be"),
    ],
)
def test_a_decoder_that_makes_no_sense_is_refused_by_the_contract(options: dict[str, Any], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        Decoder.model_validate(options)
