"""Bodies of JSON: the document, or the elements of an array, byte for byte, and what is no JSON as a whole."""

import json
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.unit.gateway.builders import begin, constraint, expression, process, repo_config
from tests.unit.gateway.reading import only, refused, sent

from headgate_gateway.pipeline.json_body import NotEventsError, cut_events
from headgate_gateway.pipeline.result import Processed
from headgate_gateway.pipeline.run import RUN_BYTES, RUN_LINES

JSON: dict[str, Any] = {"endpoints": [{"path": "/post", "format": "JSON"}]}
OFFSET: dict[str, Any] = {"endpoints": [{"path": "/post", "format": "JSON", "response": "Offset"}]}


def broken(result: Processed) -> tuple[str, str]:
    assert result.broken is not None
    assert (result.received, result.accepted, refused(result), result.records) == (1, 0, [1], [])
    return result.broken.reason.value, result.broken.message


def test_an_object_is_one_event_and_is_sent_as_it_came() -> None:
    body = b' {"a" : 1.50,\n "a":2}\r\n'
    result = process(body, kafka={"key": {"field": "a"}}, **JSON)
    assert (only(result).values, only(result).lines, only(result).keys) == ([body], [1], [b"2"])


def test_elements_of_an_array_are_events_numbered_by_their_position() -> None:
    result = process(b' [ {"a" : 1} ,\n{"a":\n[2, {}]},{"a":"],[{,"}]\n', **JSON)
    assert only(result).values == [b'{"a" : 1}', b'{"a":\n[2, {}]}', b'{"a":"],[{,"}']
    assert only(result).lines == [1, 2, 3]


def test_elements_are_judged_one_by_one() -> None:
    body = b'[{"a":1},5,{"a":2},"\xff",{"a":1}]'
    result = process(body, partial="Accept", constraint=constraint(expression("a", "In", 1)), **JSON)
    assert (sent(result), result.dropped, refused(result), result.broken) == ([1, 5], 1, [2, 4], None)
    assert [error.reason for error in result.errors] == ["NotAnObject", "InvalidUTF8"]


@pytest.mark.parametrize("body", [b"", b" \n\t", b"[]", b" [ ]\n"])
def test_nothing_holds_no_events(body: bytes) -> None:
    result = process(body, **JSON)
    assert (result.received, result.records, result.broken) == (0, [], None)


@pytest.mark.parametrize(
    ("body", "reason", "message"),
    [
        (b'{"a"', "InvalidJSON", "truncated"),
        (b'{"a":1}{"a":2}', "InvalidJSON", "trailing"),
        (b'{"a":"\xff"}', "InvalidUTF8", "UTF-8"),
        (b"5", "NotAnObject", "not an object"),
        (b"[" * 100_000, "NestedTooDeeply", "too deeply"),
        (b'[{"a":1},]', "InvalidJSON", "byte 9"),
        (b'  [{"a":1},,{}]', "InvalidJSON", "byte 11"),
        (b'[{"a":1}', "InvalidJSON", "truncated"),
        (b'[{"a":1}]x', "InvalidJSON", "trailing"),
        (b'[{"a":1}] [{}]', "InvalidJSON", "trailing"),
        (b"[,]", "InvalidJSON", "byte 1"),
    ],
)
@pytest.mark.parametrize("partial", ["Reject", "Accept"])
def test_what_is_no_json_as_a_whole_is_refused_as_a_whole(body: bytes, reason: str, message: str, partial: str) -> None:
    said = broken(process(body, partial=partial, **JSON))
    assert said[0] == reason
    assert message in said[1]


def test_events_before_the_fault_are_not_sent() -> None:
    good = b'{"a":"%b"}' % (b"x" * 100)
    for fault in (b'{"a"', b",", b'{"a":1},', b"nul"):
        body = b"[" + b",".join([good] * 3_000) + b"," + fault + b"]"
        assert broken(process(body, partial="Accept", **JSON))[0] == "InvalidJSON"


def test_a_body_that_is_no_json_goes_to_the_dead_letter_as_it_came() -> None:
    body = b"[" + b",".join([b'{"a":"%b"}' % (b"x" * 100)] * 3_000) + b",{]"
    result = process(body, kafka={"deadLetter": {"topic": "dead"}}, **JSON)
    assert (result.received, result.accepted, result.dead_lettered, result.broken) == (1, 1, 1, None)
    assert (only(result).topic, only(result).values) == ("dead", [body])


def test_an_endpoint_that_answers_with_an_offset_takes_one_event() -> None:
    assert only(process(b'[{"a":1}]', **OFFSET)).values == [b'{"a":1}']
    for body in (b'[{"a":1},{"a":2}]', b"[" + b"1," * 100_000 + b"1]"):
        assert broken(process(body, partial="Accept", **OFFSET))[0] == "TooManyEvents"


def test_the_limit_of_a_line_is_one_of_an_event() -> None:
    limit = {"lineBytes": 300}
    small, large = b'{"a":1}', b'{"a":"%b"}' % (b"x" * 300)
    result = process(b"[%b,%b,%b]" % (small, large, small), partial="Accept", limits=limit, **JSON)
    assert (sent(result), refused(result)) == ([1, 3], [2])
    assert result.too_large is not None
    assert broken(process(large, partial="Accept", limits=limit, **JSON))[0] == "LineTooLarge"
    huge = b'[{"a":[%b]},%b]' % (b",".join([b'{"b":1}'] * 100_000), small)
    assert broken(process(huge, partial="Accept", limits=limit, **JSON))[0] == "LineTooLarge"


# Cutting


def pieces(body: bytes) -> list[list[bytes]]:
    return [lines for _, lines in begin(repo_config(**JSON)).cut(body)]


@pytest.mark.parametrize(
    "element",
    [
        b'{"a":"%b"}' % (b"y" * 270),
        b'{"a":[{"b":1},{"b":2}],"c":"},{"}',
        b'{"a":"' + b"},{" * 90_000 + b'"}',
        b'{"a":[' + b",".join([b'{"b":1}'] * 50_000) + b"]}",
        b"1",
        b'"a,b"',
        b'"\\\\\\","',
        b'[[{"a":1},{"a":2}],[]]',
    ],
    ids=lambda element: str(element[:24]),
)
def test_large_arrays_are_cut_between_elements(element: bytes) -> None:
    count = max(3, 500_000 // len(element))
    cut = pieces(b"[" + b" , ".join([element] * count) + b"]\n")
    assert [line for lines in cut for line in lines] == [element] * count
    assert all(len(lines) <= RUN_LINES for lines in cut)
    assert all(sum(map(len, lines)) <= 2 * RUN_BYTES + 2 * len(element) for lines in cut)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@given(st.lists(VALUES, max_size=30), st.integers(1, 60), st.sampled_from([",", " ,\n"]))
@settings(max_examples=300, deadline=None)
def test_wherever_an_array_is_cut_its_elements_are_the_same(values: list[Any], size: int, comma: str) -> None:
    elements = [json.dumps(value).encode() for value in values]
    body = b"[" + comma.encode().join(elements) + b"]"
    found = [line for _, lines in cut_events(body, size, 2**20, one=False) for line in lines]
    assert found == elements


@given(st.binary(max_size=40) | st.text('[]{},:"\\ a1', max_size=40).map(str.encode), st.integers(1, 20))
@example(b'["]', 1)
@example(b'[1,"', 1)
@settings(max_examples=500, deadline=None)
def test_whatever_the_body_it_is_json_or_refused(body: bytes, size: int) -> None:
    try:
        found = [json.loads(line) for _, lines in cut_events(body, size, 2**20, one=False) for line in lines]
    except (NotEventsError, ValueError):
        return
    if body.strip().startswith(b"["):
        assert json.loads(body) == found
