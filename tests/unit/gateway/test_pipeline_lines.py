"""How a body becomes lines: numbering, line ends, UTF-8, JSON, limits."""

import pytest
from tests.unit.gateway.builders import constraint, expression, process
from tests.unit.gateway.reading import only, refused

from headgate_gateway.pipeline.lines import bounded_runs, runs, split_lines
from headgate_gateway.pipeline.result import LineReason, Processed
from headgate_gateway.pipeline.run import RUN_BYTES, RUN_LINES

ON_A = constraint(expression("a", "Exists"))


def values(result: Processed) -> list[bytes]:
    return only(result).values if result.records else []


def numbers(result: Processed) -> list[int]:
    return only(result).lines if result.records else []


@pytest.mark.parametrize(
    ("body", "expected", "expected_numbers"),
    [
        pytest.param(b'{"a":1}\n{"a":2}\n', [b'{"a":1}', b'{"a":2}'], [1, 2], id="two lines"),
        pytest.param(b'{"a":1}\n{"a":2}', [b'{"a":1}', b'{"a":2}'], [1, 2], id="no end at the last line"),
        pytest.param(b'{"a":1}\r\n{"a":2}\r\n', [b'{"a":1}', b'{"a":2}'], [1, 2], id="CRLF is trimmed"),
        pytest.param(b'{"a":1}\r\n{"a":2}\n', [b'{"a":1}', b'{"a":2}'], [1, 2], id="mixed line ends"),
        pytest.param(b'{"a":1}\n\n\n{"a":2}\n', [b'{"a":1}', b'{"a":2}'], [1, 4], id="blank lines are counted"),
        pytest.param(b'\r\n  \t\r\n{"a":1}\n\n', [b'{"a":1}'], [3], id="white space alone is blank"),
        pytest.param(b' {"a": 1 } \n', [b' {"a": 1 } '], [1], id="bytes sent are the bytes received"),
        pytest.param('{"a":"é\u2028"}\n'.encode(), ['{"a":"é\u2028"}'.encode()], [1], id="U+2028 ends no line"),
        pytest.param(b"", [], [], id="nothing"),
        pytest.param(b"\n\r\n\n", [], [], id="only blank lines"),
    ],
)
def test_lines_are_cut_and_numbered(body: bytes, expected: list[bytes], expected_numbers: list[int]) -> None:
    result = process(body, constraint=ON_A)
    assert (values(result), numbers(result), refused(result)) == (expected, expected_numbers, [])
    assert result.received == len(expected)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        pytest.param(b"{", LineReason.INVALID_JSON, id="truncated"),
        pytest.param(b'{"a":1}x', LineReason.INVALID_JSON, id="rest behind the object"),
        pytest.param(b'{"a":1}{"a":2}', LineReason.INVALID_JSON, id="two objects on a line"),
        pytest.param(b'{"a":1,}', LineReason.INVALID_JSON, id="trailing comma"),
        pytest.param(b'{"a":NaN}', LineReason.INVALID_JSON, id="NaN"),
        pytest.param(b'{"b":01}', LineReason.INVALID_JSON, id="leading zero in a field not looked at"),
        pytest.param(b'{"b":"\x01"}', LineReason.INVALID_JSON, id="control character"),
        pytest.param(b'{"b":"\\ud800"}', LineReason.INVALID_JSON, id="lone surrogate"),
        pytest.param(b"\xef\xbb\xbf{}", LineReason.INVALID_JSON, id="byte order mark"),
        pytest.param(b"[1]", LineReason.NOT_AN_OBJECT, id="array"),
        pytest.param(b'"a"', LineReason.NOT_AN_OBJECT, id="string"),
        pytest.param(b"null", LineReason.NOT_AN_OBJECT, id="null"),
        pytest.param(b'{"b":"\xff"}', LineReason.INVALID_UTF8, id="broken UTF-8 in a field not looked at"),
        pytest.param(b'{"b":"\xed\xa0\x80"}', LineReason.INVALID_UTF8, id="surrogate in UTF-8"),
        pytest.param(b'{"b":' + b"[" * 5000 + b"]" * 5000 + b"}", LineReason.NESTED_TOO_DEEPLY, id="deep nesting"),
        pytest.param(b'{"a":' + b"[" * 5000 + b"]" * 5000 + b"}", LineReason.NESTED_TOO_DEEPLY, id="deep, looked at"),
    ],
)
def test_a_bad_line_is_refused_by_number_and_its_neighbours_are_not(line: bytes, reason: LineReason) -> None:
    result = process(b'{"a":1}\n' + line + b'\n{"a":2}\n', constraint=ON_A)
    assert [(error.line, error.reason) for error in result.errors] == [(2, reason)]
    assert (refused(result), numbers(result), result.received) == ([2], [1, 3], 3)


def test_an_object_over_two_lines_and_two_on_a_third_are_not_taken_for_three_lines() -> None:
    result = process(b'{"a":1}{"a":2}\n{"a":\n3}\n')
    assert (refused(result), values(result)) == ([1, 2, 3], [])


def test_objects_that_meet_at_line_ends_inside_a_value_are_refused() -> None:
    result = process(b'{"a":[{}\n{}]}\n')
    assert refused(result) == [1, 2]


@pytest.mark.parametrize("value", [b'"404"', b"404", b"4.04e2", b"true", b"null", b"[404]", b'{"b":404}', b"1e999"])
def test_no_type_of_a_field_is_an_error(value: bytes) -> None:
    result = process(
        b'{"status":' + value + b"}\n",
        constraint=constraint(expression("status", "Lt", 0)),
        kafka={"key": {"field": "k"}},
    )
    assert (refused(result), result.dropped) == ([], 1)


def test_a_number_out_of_range_spoils_no_other_field() -> None:
    body = b'{"a":{"big":1e999,"id":"x"},"a2":5}\n'
    result = process(body, constraint=constraint(expression("a2", "Ge", 5)), kafka={"key": {"field": "a.id"}})
    assert only(result).keys == [b"x"]


def test_of_a_repeated_key_the_last_counts_for_every_step() -> None:
    body = b'{"k":"first","k":"last"}\n'
    result = process(body, constraint=constraint(expression("k", "In", "last")), kafka={"key": {"field": "k"}})
    assert (only(result).keys, only(result).values) == ([b"last"], [b'{"k":"first","k":"last"}'])


def test_an_escaped_name_is_the_same_field() -> None:
    assert process(b'{"\\u0061":1}\n', constraint=ON_A).accepted == 1


def test_a_line_over_the_limit_is_refused_and_named() -> None:
    long = b'{"a":"' + b"x" * 300 + b'"}'
    result = process(b'{"a":1}\n' + long + b"\n", limits={"lineBytes": 256})
    assert (refused(result), result.too_large, result.accepted) == ([2], result.errors[0], 1)
    assert "309" in result.errors[0].message or "308" in result.errors[0].message
    assert "256" in result.errors[0].message


def test_a_line_at_the_limit_passes_with_its_carriage_return_not_counted() -> None:
    line = b'{"a":"' + b"x" * 248 + b'"}'
    assert len(line) == 256
    assert process(line + b"\r\n" + line + b"\r\n", limits={"lineBytes": 256}).accepted == 2


def test_runs_end_at_line_ends_and_lose_nothing() -> None:
    body = b"".join(b'{"n":%d,"pad":"%b"}\n' % (n, b"x" * (n % 997)) for n in range(2_000))
    pieces = list(runs(bytearray(body)))
    assert len(pieces) > 5
    assert b"".join(pieces) == body
    assert all(piece.endswith(b"\n") for piece in pieces)
    assert all(len(piece) < RUN_BYTES + 2_000 for piece in pieces)


def test_line_numbers_go_on_over_runs() -> None:
    lines = [b'{"n":%d,"pad":"%b"}' % (n, b"x" * 500) for n in range(1_000)]
    lines[10], lines[700], lines[701] = b"", b"oops", b""
    result = process(b"\n".join(lines))
    assert refused(result) == [701]
    assert numbers(result) == [n for n in range(1, 1_001) if n not in {11, 701, 702}]
    assert values(result) == [lines[n - 1] for n in numbers(result)]


def test_only_so_many_lines_are_explained_and_all_are_counted() -> None:
    result = process(b"x\n" * 5_000)
    assert (len(result.errors), len(refused(result)), result.received) == (100, 5_000, 5_000)


def test_ranges_of_refused_lines_are_bounded_and_the_others_counted() -> None:
    result = process(b"x\n\n" * 3_000)
    assert (len(result.refused.ranges), result.refused.omitted, result.refused.count) == (1_000, 2_000, 3_000)
    assert result.refused.texts()[:2] == ["1", "3"]
    process_on = process(b"x\n\n" * 1_000 + b"x\nx\n")
    assert process_on.refused.texts()[-1] == "1999"
    assert process_on.refused.omitted == 2


@pytest.mark.parametrize(
    "body", [b"1\n" * 131_072, b"\n" * 70_000 + b'{"a":"%b"}\n' % (b"x" * 100_000) + b"{}\n" * 50_000]
)
def test_runs_of_tiny_lines_are_bounded_by_lines(body: bytes) -> None:
    cut = list(bounded_runs(body))
    assert [line for _, lines in cut for line in lines] == split_lines(body)
    assert max(len(lines) for _, lines in cut) == RUN_LINES
    assert all(run.removesuffix(b"\n") == b"\n".join(lines).removesuffix(b"\n") for run, lines in cut)
    assert len(cut) < 2 * body.count(b"\n") / RUN_LINES + 10


@pytest.mark.parametrize(
    "line", [rb'{"n":1e999,"k":"\ud800"}', rb'{"n":1e999,"k":{"\udfff":1}}', rb'{"n":1e999,"\ud800":1}']
)
def test_a_lone_surrogate_beside_a_number_out_of_range_is_no_json(line: bytes) -> None:
    result = process(
        line + b"\n{}\n", constraint=constraint(expression("n", "NotIn", 7)), kafka={"key": {"field": "k"}}
    )
    assert [(error.line, error.reason) for error in result.errors] == [(1, LineReason.INVALID_JSON)]
    assert result.accepted == 1
