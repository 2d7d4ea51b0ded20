"""Where lines go: rules, the request's own topic, the dead letter."""

from typing import Any

import pytest
from tests.unit.gateway.builders import begin, constraint, entry, expression, process, repo_config
from tests.unit.gateway.reading import refused

from headgate_gateway.config import RepoConfig
from headgate_gateway.pipeline.compile import compile_repo
from headgate_gateway.pipeline.records import Records
from headgate_gateway.pipeline.result import Processed
from headgate_gateway.pipeline.topic import TopicRefusedError

OTHER = {"name": "other", "bootstrapServers": ["127.0.0.1:9093"]}


def with_other(**changes: Any) -> dict[str, Any]:
    """A repo with a second profile."""
    return {**changes, "producers": {"main": entry()["producers"]["main"], "other": OTHER}}


def rule(topic: str, *when: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {"when": list(when), "topic": topic, **changes}


def placed(result: Processed) -> dict[tuple[str, str], list[int]]:
    return {(records.profile, records.topic): records.lines for records in result.records}


def dead(result: Processed) -> Records:
    (records,) = [records for records in result.records if records.dead_letter]
    return records


RULES = [
    rule("errors", expression("level", "In", "error"), producerProfile="other"),
    rule("slow", expression("ms", "Ge", 1_000)),
    rule("errors", expression("ms", "Exists"), expression("level", "In", "warn")),
]
LINES = [
    b'{"level":"error","ms":5000}',
    b'{"level":"info","ms":5000}',
    b'{"level":"info"}',
    b'{"level":"warn","ms":1}',
    b'{"level":"error"}',
    b'{"level":"warn"}',
]


@pytest.mark.parametrize(
    "executors", [[], [{"set": {"fields": [{"field": "new", "value": "x"}]}}]], ids=["as-is", "reshaped"]
)
def test_the_first_rule_that_matches_takes_a_line(executors: list[Any]) -> None:
    result = process(b"\n".join(LINES), **with_other(kafka={"topics": RULES}, executors=executors))
    assert placed(result) == {
        ("other", "errors"): [1, 5],
        ("main", "slow"): [2],
        ("main", "errors"): [4],
        ("main", "t"): [3, 6],
    }
    assert result.accepted == 6


def test_keys_headers_and_timestamps_go_with_their_lines() -> None:
    kafka = {
        "topics": [rule("even", expression("n", "In", 2, 4))],
        "key": {"field": "n"},
        "timestamp": {"field": "n", "format": "UnixSeconds"},
        "headers": [{"name": "n", "field": "n"}, {"name": "fixed", "value": "f"}],
    }
    result = process(b"".join(b'{"n":%d}\n' % n for n in range(1, 6)), kafka=kafka)
    found = {records.topic: records for records in result.records}
    assert (found["even"].keys, found["even"].timestamps) == ([b"2", b"4"], [2_000, 4_000])
    assert found["t"].row_headers == [(("n", b"1"),), (("n", b"3"),), (("n", b"5"),)]
    assert {records.headers for records in result.records} == {(("fixed", b"f"),)}


def test_runs_of_a_body_add_to_the_same_records() -> None:
    body = b"".join(b'{"n":%d,"pad":"%b"}\n' % (n % 3, b"x" * 100) for n in range(5_000))
    result = process(body, kafka={"topics": [rule("zero", expression("n", "In", 0))], "key": {"field": "n"}})
    assert {t: len(lines) for (_, t), lines in placed(result).items()} == {"zero": 1_667, "t": 3_333}
    assert all(records.lines == sorted(records.lines) for records in result.records)
    assert all(len(records.keys or []) == len(records.values) for records in result.records)


def test_rules_see_what_executors_made() -> None:
    steps = [{"set": {"fields": [{"field": "made", "value": "yes"}]}}]
    kafka = {"topics": [rule("made", expression("made", "In", "yes"))]}
    assert placed(process(b"{}", kafka=kafka, executors=steps)) == {("main", "made"): [1]}
    assert placed(process(b"{}", kafka=kafka)) == {("main", "t"): [1]}


# The request's own topic

NAMED = [{"path": "/putmessage", "format": "JSON", "topicHeader": {"name": "Topic", "topics": ["a", "b"]}}]


def test_a_header_names_the_topic_and_rules_come_first() -> None:
    kafka = {"topics": [rule("ruled", expression("x", "Exists"))]}
    assert placed(process(b'{"y":1}', {"topic": b"b"}, kafka=kafka, endpoints=NAMED)) == {("main", "b"): [1]}
    assert placed(process(b'{"x":1}', {"topic": b"b"}, kafka=kafka, endpoints=NAMED)) == {("main", "ruled"): [1]}


@pytest.mark.parametrize(
    ("headers", "status", "reason"),
    [({}, 400, "MissingTopic"), ({"topic": b" "}, 400, "MissingTopic"), ({"topic": b"t"}, 403, "TopicNotAllowed")],
)
def test_a_topic_is_named_and_allowed_or_the_request_refused(
    headers: dict[str, bytes], status: int, reason: str
) -> None:
    with pytest.raises(TopicRefusedError) as refusal:
        begin(repo_config(endpoints=NAMED), headers)
    assert (refusal.value.status, refusal.value.reason) == (status, reason)


def test_all_topics_are_known_by_profile() -> None:
    kafka = {"topics": RULES, "deadLetter": {"topic": "dead", "producerProfile": "other"}}
    config = repo_config(**with_other(kafka=kafka, endpoints=NAMED))
    assert config.topics == {"main": ("t", "slow", "errors", "a", "b"), "other": ("errors", "dead")}


# The dead letter

DEAD: dict[str, Any] = {"kafka": {"deadLetter": {"topic": "dead"}, "key": {"field": "k"}}}


def test_lines_that_cannot_be_processed_go_to_the_dead_letter_as_they_came() -> None:
    body = b'{"k":1}\r\n{"k":[]}\r\nno\n[]\n{"k":"\xff"}\n' + b'{"k":' + b"[" * 100_000
    result = process(body, name="logs", namespace="team", revision="5f3c", **DEAD)
    assert (result.received, result.accepted, result.dead_lettered, refused(result)) == (6, 6, 5, [])
    assert placed(result) == {("main", "t"): [1], ("main", "dead"): [2, 3, 4, 5, 6]}
    assert dead(result).values[:4] == [b'{"k":[]}', b"no", b"[]", b'{"k":"\xff"}']
    assert (dead(result).keys, dead(result).timestamps) == (None, None)
    assert dead(result).headers == (("headgate-repo", b"team/logs"), ("headgate-revision", b"5f3c"))
    why = [dict(headers) for headers in dead(result).row_headers or []]
    assert [(w["headgate-reason"], w["headgate-step"]) for w in why] == [
        (b"InvalidKey", b"key"),
        (b"InvalidJSON", b"decode"),
        (b"NotAnObject", b"decode"),
        (b"InvalidUTF8", b"decode"),
        (b"NestedTooDeeply", b"decode"),
    ]
    assert why[0]["headgate-message"].startswith(b"field 'k' is the key")


def test_what_the_constraint_rejects_and_what_is_too_large_is_refused_all_the_same() -> None:
    wanted = constraint(expression("a", "Exists"), on_mismatch="Reject")
    body = b'{"a":1}\n{"b":1}\n{"a":"%b"}\nx' % (b"x" * 300)
    result = process(body, partial="Accept", constraint=wanted, limits={"lineBytes": 256}, **DEAD)
    assert (refused(result), result.dead_lettered, result.accepted) == ([2, 3], 1, 2)
    assert dead(result).lines == [4]


def test_a_dead_letter_may_be_a_topic_that_good_lines_take_too() -> None:
    result = process(b"{}\nx", kafka={"deadLetter": {"topic": "t"}})
    assert [(records.dead_letter, records.lines) for records in result.records] == [(False, [1]), (True, [2])]


# What does not compile


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        (
            {"kafka": {"topics": [rule("x", expression("a", "Exists"), producerProfile="gone")]}},
            "no producer for profile 'gone'",
        ),
        ({"kafka": {"deadLetter": {"topic": "x", "producerProfile": "gone"}}}, "no producer for profile 'gone'"),
        ({"kafka": {"topics": [rule("x", expression("a", "Matches", "("))]}}, "regular expression"),
        (
            {"kafka": {"delivery": "Async"}, "endpoints": [{"path": "/p", "format": "JSON", "response": "Offset"}]},
            "Offset waits",
        ),
    ],
)
def test_a_repo_that_promises_what_it_cannot_do_does_not_compile(changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        compile_repo(RepoConfig.model_validate(entry(**changes)))


def test_acks_none_anywhere_does_not_go_with_sync() -> None:
    producers = {"main": entry()["producers"]["main"], "other": {**OTHER, "acks": "none"}}
    kafka = {"deadLetter": {"topic": "x", "producerProfile": "other"}}
    with pytest.raises(ValueError, match="acks none"):
        compile_repo(repo_config(kafka=kafka, producers=producers))
    compile_repo(repo_config(kafka={**kafka, "delivery": "Async"}, producers=producers))
