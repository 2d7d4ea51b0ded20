"""Bodies of text: a line is an event with one field."""

from typing import Any

from tests.unit.gateway.builders import constraint, expression, process
from tests.unit.gateway.reading import only, refused, sent

TEXT: dict[str, Any] = {"endpoints": [{"path": "/text", "format": "Text"}]}


def test_lines_are_sent_as_they_came() -> None:
    result = process("a \tb\r\n\n  \nnäme {\n".encode(), **TEXT)
    assert (only(result).values, only(result).lines) == ([b"a \tb", "näme {".encode()], [1, 4])
    assert (result.received, result.counted) == (2, 4)


def test_the_one_field_is_the_message() -> None:
    wanted = constraint(expression("message", "Prefix", "GET"), expression("other", "DoesNotExist"))
    result = process(b"GET /a\nPUT /b\nGET /c", constraint=wanted, kafka={"key": {"field": "message"}}, **TEXT)
    assert (only(result).keys, result.dropped) == ([b"GET /a", b"GET /c"], 1)
    assert process(b"a\nb", constraint=constraint(expression("message.x", "Exists")), **TEXT).dropped == 2


def test_what_is_no_text_is_refused_by_number() -> None:
    result = process(b"a\nb\xff\n" + b"x" * 300, partial="Accept", limits={"lineBytes": 256}, **TEXT)
    assert (sent(result), refused(result)) == ([1], [2, 3])
    assert [error.reason for error in result.errors] == ["InvalidUTF8", "LineTooLarge"]


def test_executors_make_objects_of_lines() -> None:
    steps = [{"set": {"fields": [{"field": "from", "value": "here"}]}}]
    assert only(process('say "ä"'.encode(), executors=steps, **TEXT)).values == [
        '{"message":"say \\"ä\\"","from":"here"}'.encode()
    ]
