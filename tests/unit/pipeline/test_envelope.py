"""The request's text within an object, written as lua-cjson writes it."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.gateway.builders import constraint, expression, process
from tests.unit.gateway.reading import only

from headgate_gateway.pipeline.envelope import wrap_body_data

WRAPPED: dict[str, Any] = {"endpoints": [{"path": "/putmessage", "format": "JSON", "envelope": "BodyData"}]}


@pytest.mark.parametrize(
    ("text", "written"),
    [
        (b'{"a":"b"}', rb"{\"a\":\"b\"}"),
        (b"a/b\\c", rb"a\/b\\c"),
        (b"\x00\x07\x08\x09\x0a\x0b\x0c\x0d\x1f\x7f", rb"\u0000\u0007\b\t\n\u000b\f\r\u001f\u007f"),
        ("ä€😀".encode(), "ä€😀".encode()),
        (b"\xff\x80", b"\xff\x80"),
        (b"<>&'", b"<>&'"),
    ],
)
def test_strings_are_escaped_as_lua_cjson_does(text: bytes, written: bytes) -> None:
    # Expected values: the table char2escape in lua_cjson.c.
    assert wrap_body_data(text) == b'{"body_data":"' + written + b'"}'


@given(st.text())
def test_any_text_comes_back(text: str) -> None:
    try:
        encoded = text.encode()
    except UnicodeEncodeError:
        return
    assert json.loads(wrap_body_data(encoded)) == {"body_data": text}


@pytest.mark.parametrize("body", [b'{"a":1}\n', b'[{"a":1},{"a":2}]', b" 5", b'"x"', b"null"])
def test_any_json_is_one_event(body: bytes) -> None:
    result = process(body, **WRAPPED)
    assert (only(result).values, only(result).lines) == ([wrap_body_data(body)], [1])


@pytest.mark.parametrize(
    ("body", "reason"), [(b"{", "InvalidJSON"), (b"[1,", "InvalidJSON"), (b'"\xff"', "InvalidUTF8")]
)
def test_what_is_no_json_is_refused(body: bytes, reason: str) -> None:
    result = process(body, partial="Accept", **WRAPPED)
    assert (result.records, result.broken.reason if result.broken else None) == ([], reason)


def test_fields_are_those_of_the_text() -> None:
    settings: dict[str, Any] = {"constraint": constraint(expression("a", "Exists")), "kafka": {"key": {"field": "a"}}}
    assert only(process(b'{"a":"k"}', **settings, **WRAPPED)).keys == [b"k"]
    assert process(b'[{"a":"k"}]', **settings, **WRAPPED).dropped == 1


def test_executors_work_on_what_is_wrapped() -> None:
    steps = [{"remove": {"fields": ["b"]}}]
    assert only(process(b'{"a":"/","b":1}', executors=steps, **WRAPPED)).values == [wrap_body_data(b'{"a":"/"}')]
    refused = process(b"[1]", executors=steps, **WRAPPED)
    assert (refused.broken.reason if refused.broken else None) == "NotAnObject"
