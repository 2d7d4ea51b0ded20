"""Lines on their way through executors: what is written anew, what is dropped, refused, or becomes several records."""

import itertools
from pathlib import Path
from typing import Any

import pytest
from tests.unit.gateway.builders import begin, constraint, expression, process, repo_config
from tests.unit.gateway.reading import only, refused
from tests.unit.pipeline.executors.plugins import install_module

from headgate_gateway.pipeline.executors.bounds import MAX_EVENT_BYTES

EXPLODE: list[Any] = [{"explode": {"field": "a"}}]
API = "from headgate_gateway.pipeline.steps import DROP, Reject\nSTEP_API_VERSION = 1\n"


@pytest.fixture
def odd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """A plugin that does what its event says."""
    code = """
def compile(config):
    def step(event):
        match event.get("do"):
            case "raise": raise KeyError("boom")
            case "none": return None
            case "unwritable": return {"a": object()}
            case "drop": return DROP
            case "reject": return Reject("no " + "x" * 1000)
            case "nothing": return []
            case "two": return [{"n": 1}, {"n": 2}]
        return event
    return step
"""
    install_module(tmp_path, monkeypatch, "odd_step", API + code)
    return [{"set": {"fields": [{"field": "s", "value": "v"}]}}, {"plugin": {"name": "odd_step"}}]


def test_events_are_written_anew() -> None:
    steps = [{"set": {"fields": [{"field": "new", "value": "ä/"}]}}]
    result = process(b'{"a" : 1.50, "big":123456789012345678901234567890}\n', executors=steps)
    assert only(result).values == ['{"a":1.5,"big":123456789012345678901234567890,"new":"ä/"}'.encode()]


def test_key_headers_and_timestamp_are_those_of_what_executors_made() -> None:
    steps = [{"rename": {"fields": [{"from": "a", "to": "b"}]}}]
    kafka = {
        "key": {"field": "b.c"},
        "timestamp": {"field": "b.t", "format": "UnixSeconds"},
        "headers": [{"name": "h", "field": "b.n"}],
    }
    records = only(process(b'{"a":{"c":7,"t":5,"n":1.50}}', executors=steps, kafka=kafka))
    assert (records.keys, records.timestamps, records.row_headers) == ([b"7"], [5_000], [(("h", b"1.5"),)])


def test_only_what_the_constraint_lets_through_is_reshaped(odd: list[Any]) -> None:
    wanted = constraint(expression("a", "In", 1))
    result = process(b'{"a":1}\n{"a":2,"do":"raise"}', executors=odd, constraint=wanted)
    assert (only(result).lines, result.dropped, result.defects) == ([1], 1, {})


def test_an_exploded_line_makes_several_records_of_one_number() -> None:
    result = process(b'{"a":[1,2],"b":0}\n{"a":[3]}', executors=EXPLODE, kafka={"key": {"field": "a"}})
    assert (only(result).values, only(result).lines) == ([b'{"b":0,"a":1}', b'{"b":0,"a":2}', b'{"a":3}'], [1, 1, 2])
    assert (only(result).keys, result.accepted, result.one_each) == ([b"1", b"2", b"3"], 2, False)


def test_a_line_shares_one_fate_even_if_one_of_its_records_is_bad() -> None:
    body = b'{"a":[1,[],2]}\n{"a":[3]}\n{"a":[4,{}]}'
    kafka = {"key": {"field": "a"}}
    result = process(body, executors=EXPLODE, kafka=kafka, partial="Accept")
    assert (only(result).lines, refused(result), result.accepted) == ([2], [1, 3], 1)
    buried = process(body, executors=EXPLODE, kafka={**kafka, "deadLetter": {"topic": "dead"}})
    assert (buried.accepted, buried.dead_lettered) == (3, 2)
    assert [records.values for records in buried.records] == [[b'{"a":3}'], [b'{"a":[1,[],2]}', b'{"a":[4,{}]}']]


def test_what_executors_drop_is_dropped(odd: list[Any]) -> None:
    result = process(b'{"do":"drop"}\n{"do":"nothing"}\n{"a":1}', executors=odd)
    assert (only(result).lines, result.dropped, result.accepted) == ([3], 2, 1)


def test_what_executors_refuse_names_the_step(odd: list[Any]) -> None:
    result = process(b'{"do":"reject"}\n{}', executors=odd, partial="Accept")
    (error,) = result.errors
    assert (error.line, error.reason, error.step) == (1, "ExecutorRefused", "executors[1].plugin")
    assert len(error.message) == 400
    buried = process(b'{"do":"reject"}', executors=odd, kafka={"deadLetter": {"topic": "dead"}})
    assert dict((only(buried).row_headers or [])[0])["headgate-step"] == b"executors[1].plugin"


@pytest.mark.parametrize(
    ("do", "step", "said"),
    [
        ("raise", "executors[1].plugin", "KeyError"),
        ("none", "executors[1].plugin", ""),
        ("unwritable", "executors[1].plugin", "TypeError"),
    ],
)
def test_a_defect_of_an_executor_costs_its_line_only(odd: list[Any], do: str, step: str, said: str) -> None:
    result = process(b'{"a":1}\n{"do":"%b"}\n{"a":2}' % do.encode(), executors=odd, partial="Accept")
    assert (only(result).lines, refused(result)) == ([1, 3], [2])
    (error,) = result.errors
    assert (error.reason, error.step) == ("ExecutorRefused", step)
    assert said in error.message
    assert "boom" not in error.message
    if said:
        assert [(name, type(defect).__name__) for name, defect in result.defects.items()] == [(step, said)]


@pytest.mark.parametrize("with_constraint", [False, True])
def test_a_number_that_nobody_can_write_again_refuses_its_line(with_constraint: bool) -> None:
    wanted: dict[str, Any] = {"constraint": constraint(expression("x", "DoesNotExist"))} if with_constraint else {}
    steps = [{"remove": {"fields": ["a"]}}]
    result = process(b'{"n":1e999}\n{}', executors=steps, partial="Accept", **wanted)
    assert (refused(result), [error.reason for error in result.errors]) == ([1], ["InvalidJSON"])


def test_bytes_of_what_lines_become_are_told() -> None:
    run = begin(repo_config(executors=EXPLODE))
    pad = b"x" * 1_000
    line = b'{"a":[%b],"pad":"%b"}' % (b",".join([b"1"] * 50), pad)
    assert sum(run.feed(*piece) for piece in run.cut(line)) > 50 * len(pad)


LONG: list[Any] = [*EXPLODE, {"set": {"fields": [{"field": f"s{n}", "value": "x" * 4_000} for n in range(4)]}}]
TWICE: list[Any] = [*EXPLODE, {"explode": {"field": "b"}}]


def a_list(count: int) -> bytes:
    return b"[%b]" % b",".join([b"1"] * count)


def test_a_line_that_becomes_more_bytes_than_any_may_is_refused() -> None:
    body = b'{"a":%b}\n{"a":[1]}\n' % a_list(2_000)
    result = process(body, executors=LONG, partial="Accept")
    (error,) = result.errors
    assert (only(result).lines, error.line, error.reason, error.step) == ([2], 1, "ExecutorRefused", "encode")
    assert f"{MAX_EVENT_BYTES} is the limit" in error.message


def test_a_line_that_becomes_one_event_of_more_bytes_than_any_may_is_refused() -> None:
    steps = [LONG[1]]
    line = b'{"pad":"%b"}' % (b"x" * (MAX_EVENT_BYTES - 10_000))
    limits = {"lineBytes": 2**24, "bodyBytes": 2**25}
    result = process(line + b"\n{}", executors=steps, partial="Accept", limits=limits)
    assert (only(result).lines, refused(result)) == ([2], [1])


@pytest.mark.parametrize(
    ("executors", "line", "each"),
    [(LONG, b'{"a":%b}' % a_list(500), 500), (TWICE, b'{"a":%b,"b":%b}' % (a_list(90), a_list(90)), 8_100)],
)
def test_what_a_run_becomes_is_told_before_the_rest_of_it_becomes_more(
    executors: list[Any], line: bytes, each: int
) -> None:
    run = begin(repo_config(executors=executors))
    kept, made = [], [0]
    for piece in run.cut(b"\n".join([line] * 12)):
        kept.append(run.feed(*piece))
        made.append(sum(len(records.values) for records in run.result.records))
    assert made[-1] == 12 * each
    assert max(after - before for before, after in itertools.pairwise(made)) == each
    assert (len(kept), run.result.accepted, run.result.received, run.result.counted) == (12, 12, 12, 12)
    assert only(run.result).lines == sorted([*range(1, 13)] * each)


def test_lines_made_in_vain_end_a_turn_too() -> None:
    run = begin(repo_config(executors=TWICE, partial="Accept"))
    body = b"\n".join([b'{"a":%b,"b":%b}' % (a_list(110), a_list(110))] * 4)
    assert len([run.feed(*piece) for piece in run.cut(body)]) == 4
    assert (refused(run.result), run.result.received) == ([1, 2, 3, 4], 4)


@pytest.mark.parametrize("format_", ["JSONL", "JSON"])
def test_a_run_in_parts_is_counted_and_refused_as_one(format_: str) -> None:
    many = b'{"a":%b,"k":1}' % a_list(200)
    events = [many, b'{"k":2}', b'{"a":[1],"k":[]}', many, b'{"a":1}', many, b'{"a":[],"k":1}', b'{"drop":1,"k":1}']
    body = b"[%b]" % b",".join(events) if format_ == "JSON" else b"\n".join([*events, b"no"])
    changes: dict[str, Any] = {
        "executors": LONG,
        "endpoints": [{"path": "/x", "format": format_}],
        "constraint": constraint(expression("drop", "DoesNotExist")),
    }
    kafka = {"key": {"field": "k"}}
    result = process(body, partial="Accept", kafka=kafka, **changes)
    bad = [2, 3, 5] + ([9] if format_ == "JSONL" else [])
    assert (only(result).lines, refused(result)) == ([1] * 200 + [4] * 200 + [6] * 200, bad)
    assert [error.line for error in result.errors] == bad
    assert (result.accepted, result.dropped, result.received) == (3, 2, 5 + len(bad))
    buried = process(body, kafka={**kafka, "deadLetter": {"topic": "dead"}}, **changes)
    (dead,) = [records for records in buried.records if records.dead_letter]
    assert dead.values == [(b"no" if line == 9 else events[line - 1]) for line in bad]
