"""What holds for every body: conservation, numbering, and the fast path being the slow one."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.gateway.builders import begin, constraint, expression, process, repo_config
from tests.unit.gateway.reading import only, refused

from headgate_gateway.pipeline.compile import compile_repo
from headgate_gateway.pipeline.lines import runs, split_lines

pytestmark = pytest.mark.thorough

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8)
OBJECTS = st.dictionaries(st.sampled_from(["a", "b", "k"]), SCALARS | st.lists(SCALARS, max_size=2), max_size=3)
GOOD = OBJECTS.map(lambda value: json.dumps(value).encode())
ODD = st.sampled_from(
    [b"", b"  ", b"{", b"}", b"[]", b"{}{}", b'{"a":', b"1}", b"\xff", b'{"a":"\xff"}', b"{}\r", b'"}', b'{"']
)
BODIES = st.lists(GOOD | ODD | st.binary(max_size=6), max_size=12).map(b"\n".join)
SETTINGS: Any = {
    "constraint": constraint(expression("a", "NotIn", "x", 1), expression("b", "DoesNotExist")),
    "kafka": {"key": {"field": "k"}},
}


@given(BODIES)
@settings(max_examples=400, deadline=None)
def test_every_line_has_one_fate_and_keeps_its_number(body: bytes) -> None:
    result = process(body, **SETTINGS)
    assert result.received == result.accepted + result.dropped + len(refused(result))
    lines = [line.removesuffix(b"\r") for line in body.split(b"\n")]
    sent = only(result).lines if result.records else []
    assert sent == sorted(set(sent))
    assert not set(sent) & set(refused(result))
    assert [lines[number - 1] for number in sent] == (only(result).values if result.records else [])
    assert result.received == sum(not line.isspace() and line != b"" for line in lines)


@given(BODIES)
@settings(max_examples=400, deadline=None)
def test_decoding_together_is_decoding_one_by_one(body: bytes) -> None:
    together = process(body, **SETTINGS)
    endpoint = compile_repo(repo_config(**SETTINGS)).endpoints[0]
    bad, sent, keys = [], [], []
    for number, line in enumerate(body.split(b"\n"), 1):
        run = endpoint.begin({}, 0)
        run.feed(line + b"\n", split_lines(line + b"\n"))
        if run.result.refused:
            bad.append(number)
        if run.result.records:
            sent.append(number)
            keys += only(run.result).keys or []
    assert refused(together) == bad
    assert (only(together).lines if together.records else []) == sent
    assert (only(together).keys if together.records else []) == keys


@given(st.lists(GOOD | ODD, max_size=30), st.integers(1, 40))
@settings(max_examples=200, deadline=None)
def test_how_a_body_is_cut_into_runs_makes_no_difference(lines: list[bytes], size: int) -> None:
    body = b"\n".join(lines)
    whole = process(body, **SETTINGS)
    run = begin(repo_config(**SETTINGS))
    start = 0
    while start < len(body):
        end = body.find(b"\n", start + size) + 1 or len(body)
        run.feed(body[start:end], split_lines(body[start:end]))
        start = end
    assert (run.result.received, refused(run.result)) == (whole.received, refused(whole))
    assert run.result.records == (whole.records if whole.accepted else run.result.records)
    assert b"".join(runs(body)) == body
