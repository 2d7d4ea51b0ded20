"""What a line may weigh between its steps: bombs are refused while they are small, and nothing else is."""

import tracemalloc
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter
from tests.unit.gateway.builders import process, repo_config
from tests.unit.gateway.reading import only, refused
from tests.unit.pipeline.executors.running import chain, refusal, run

from headgate_gateway.config.executors import Executor
from headgate_gateway.pipeline.executors import ExecutorContext, Refusal
from headgate_gateway.pipeline.executors.bounds import MAX_WEIGHT, too_heavy, too_much_to_weigh
from headgate_gateway.pipeline.executors.chain import _parts
from headgate_gateway.pipeline.executors.registry import COMPILERS
from headgate_gateway.pipeline.executors.weight import growth_of, most_of_text, weigh

_EXECUTOR: TypeAdapter[Executor] = TypeAdapter(Executor)


def copy(field: str, source: str) -> dict[str, Any]:
    return {"field": field, "from": source}


DOUBLING = {"set": {"fields": [copy(f"a.x{n}", "a") for n in range(60)]}}
"""Each field takes a copy of all that is there so far: 2 to the power of 60."""
EACH = {"explode": {"field": "l"}}
LISTS = {"set": {"fields": [{"field": f"f{n}", "json": "[" + ",".join(["[]"] * 1_000) + "]"} for n in range(60)]}}
AGAIN = {"decoder": {"format": "JSON", "field": "t", "into": "p", "keepSource": True}}

BOMBS: dict[str, tuple[dict[str, Any], list[dict[str, Any]], str, str]] = {
    "copies of copies, in one step": ({"a": {"b": "x"}}, [DOUBLING], "executors[0].set", too_heavy()),
    "copies of copies, in many steps": (
        {"a": {"b": "x"}},
        [{"set": {"fields": [copy(f"a.x{n}", "a")]}} for n in range(32)],
        "executors[24].set",
        too_heavy(),
    ),
    "constants in each of many events": ({"l": [0] * 10_000}, [EACH, LISTS], "executors[1].set", too_heavy()),
    "many events of many lists": ({"l": [0] * 5_000, "r": [[]] * 1_000}, [EACH], "executors[0].explode", too_heavy()),
    "events that double, each within the limit": (
        {"l": [0] * 200, "a": {"b": "x" * 1_000}},
        [EACH, {"set": {"fields": DOUBLING["set"]["fields"][:10]}}],
        "executors[1].set",
        too_heavy(),
    ),
    "lists of lists, copied": ({"a": {"b": [[]] * 100_000}}, [DOUBLING], "executors[0].set", too_heavy()),
    "one text by many names": (
        {"t": "x" * 400_000},
        [{"set": {"fields": [copy(f"{name}{n}", "t") for n in range(64)]}} for name in "fg"],
        "executors[1].set",
        too_much_to_weigh(),
    ),
}


@pytest.mark.thorough
@pytest.mark.parametrize(("event", "executors", "step", "message"), BOMBS.values(), ids=BOMBS)
@pytest.mark.parametrize("told", [True, False], ids=["size known", "size unknown"])
def test_a_bomb_is_refused_before_it_is_large(
    event: dict[str, Any], executors: list[dict[str, Any]], step: str, message: str, *, told: bool
) -> None:
    line = msgspec.json.encode(event)
    sizes = (len(line),) if told else ()
    burst = chain(*executors)
    tracemalloc.start()
    try:
        outcome = burst(msgspec.json.decode(line), *sizes)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert isinstance(outcome, Refusal)
    assert outcome.message == message or step.endswith("explode")
    assert outcome.costly or step.endswith("explode")
    assert outcome.step.rpartition(".")[2] == step.rpartition(".")[2]
    assert most < 5 * MAX_WEIGHT


def test_what_holds_itself_is_refused() -> None:
    names = {"field": "l", "keepSource": True}
    entangled = [{"assigner": {"names": ["o"], **names}}, {"assigner": {"names": ["itself"], "into": "o", **names}}]
    assert refusal({"l": [{}]}, *entangled, {"set": {"fields": [copy("x", "o")]}}) == "the event nests too deeply"
    assert refusal({"l": [{}], "t": "{}"}, *entangled, *[AGAIN] * 9) == too_heavy()


def test_a_bomb_costs_its_line_only_and_says_so() -> None:
    result = process(b'{"a":{"b":1}}\n{"n":1}', executors=[DOUBLING], partial="Accept")
    assert (only(result).lines, refused(result)) == ([2], [1])
    (error,) = result.errors
    assert (error.reason, error.step) == ("ExecutorRefused", "executors[0].set")
    assert error.message == "the line would take more than 33554432 bytes of memory"
    buried = process(b'{"a":{"b":1}}', executors=[DOUBLING], kafka={"deadLetter": {"topic": "dead"}})
    assert only(buried).values == [b'{"a":{"b":1}}']


def test_large_lines_that_stay_large_pass() -> None:
    pad = {"pad": "x" * 4_000_000, "n": list(range(100_000)), "t": "{}"}
    assert run(pad, AGAIN, {"set": {"fields": [copy("m", "n")]}})["pad"] == pad["pad"]  # type: ignore[index, call-overload]
    limits = {"lineBytes": 2**24, "bodyBytes": 2**25}
    repo = repo_config(executors=[AGAIN], limits=limits)
    assert repo.executors
    assert only(process(msgspec.json.encode(pad), executors=[AGAIN], limits=limits)).lines == [1]


def test_a_line_that_stays_close_to_the_limit_is_told_that_it_is_weighed_too_often() -> None:
    event = {"pad": "x" * (MAX_WEIGHT * 3 // 4), "t": "{}"}
    assert isinstance(run(event, *[AGAIN] * 5), dict)
    assert refusal(event, *[AGAIN] * 6) == too_much_to_weigh()


TEXTS = st.one_of(
    st.text(max_size=40),
    st.sampled_from(['{"a":[[],{}]}', 'a b=c d="e f"', "1,2", "1\t2", "[[[[[]]]]]", '{"":{"":{}}}', "1e308", "a|b||c"]),
)
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), TEXTS),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=5), inner, max_size=4)),
    max_leaves=12,
)
EVENTS = st.fixed_dictionaries({}, optional={"a": VALUES, "t": TEXTS, "l": st.lists(VALUES, min_size=2, max_size=2)})
COMBINED = '1.2.3.4 - - [21/Nov/2026:17:52:00 +0000] "GET / HTTP/1.1" 200 5 "-" "\\x01\\x02"'

GROWING: list[dict[str, Any]] = [
    AGAIN,
    {"decoder": {"format": "Logfmt", "field": "t", "keepSource": True, "onFailure": "Keep"}},
    {"decoder": {"format": "CSV", "field": "t", "columns": ["c", "d"], "keepSource": True, "into": "o.p"}},
    {"decoder": {"format": "TSV", "field": "t", "columns": ["c", "d"], "keepSource": True}},
    {"decoder": {"format": "NginxCombined", "field": "t", "keepSource": True}},
    {"decoder": {"format": "Regex", "field": "t", "pattern": "(?P<x>(?P<y>.*)(?P<z>))", "keepSource": True}},
    {"splitter": {"field": "t", "separator": "|", "into": "parts"}},
    {"splitter": {"field": "t", "separator": ","}},
    {"assigner": {"field": "l", "names": ["x", "y"], "into": "o.p", "keepSource": True}},
    {"assigner": {"field": "l", "names": ["x", "y"]}},
    {"set": {"fields": [{"field": "n.e.w", "json": "[[[[]]],{}]"}, {"field": "a", "value": "\x01ä"}]}},
    {"set": {"fields": [copy("b.c", "a")]}},
    {"set": {"fields": [copy("t.c", "t")]}},
    {"rename": {"fields": [{"from": "a", "to": "x.y.z"}, {"from": "t", "to": "ä"}]}},
    {"cast": {"fields": [{"field": "a", "type": "Integer"}, {"field": "t", "type": "Float"}], "onFailure": "Keep"}},
    {"cast": {"fields": [{"field": "a", "type": "String"}], "onFailure": "Keep"}},
    {"timestamp": {"field": "a", "formats": ["UnixSeconds"], "into": "at.x", "onFailure": "Keep"}},
    {"mask": {"fields": ["a", "t"], "redact": {"text": "\x01" * 200}}},
    {"remove": {"fields": ["a"]}},
]


@pytest.mark.parametrize("given_step", GROWING, ids=lambda step: str(step)[:60])
@given(event=EVENTS)
@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
def test_no_step_makes_an_event_heavier_than_it_is_expected_to(
    given_step: dict[str, Any], event: dict[str, Any]
) -> None:
    if "NginxCombined" in str(given_step):
        event["t"] = COMBINED
    for part in _parts(_EXECUTOR.validate_python(given_step)):
        growth, before = growth_of(part), weigh(event)
        after = COMPILERS[part.name](getattr(part, part.name), ExecutorContext("shop", "clicks"))(event)
        if isinstance(after, dict):
            assert weigh(after) <= max(before, growth.factor * before + growth.extra)
            event = after


@given(VALUES)
def test_a_line_tells_what_its_event_weighs_at_most(value: Any) -> None:
    text = msgspec.json.encode({"a": value})
    event = msgspec.json.decode(text)
    assert len(text) <= weigh(event) <= most_of_text(len(text))


@pytest.mark.parametrize(
    "line",
    [b"[" * 400 + b"]" * 400, b"[[],[],[]]", b"[" + b"{}," * 500 + b"{}]", b'{"":{}}', b"[1,2]", '"ä\\u0001"'.encode()],
)
def test_so_does_one_made_to_weigh_much(line: bytes) -> None:
    assert weigh(msgspec.json.decode(line)) <= most_of_text(len(line))


def test_a_text_of_quotes_is_twice_as_long_as_it_weighs_at_most() -> None:
    text = '"\\' * 50_000
    assert weigh(text) < len(msgspec.json.encode(text)) < 2 * weigh(text)


def test_nobody_looks_further_than_needed() -> None:
    endless: list[Any] = []
    endless.append(endless)
    assert MAX_WEIGHT < weigh(endless) < MAX_WEIGHT + 1_000
