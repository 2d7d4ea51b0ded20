"""The books balance, whatever the repo, the body and Kafka do: every line and every record has one fate.

lines:   received = accepted + dropped + rejected
records: of accepted lines = delivered + dead_lettered + spooled + failed + unknown + in_flight
"""

import json
from dataclasses import fields
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.gateway.builders import (
    FakeProducer,
    FakeSpool,
    constraint,
    entry,
    expression,
    repo_config,
    served_repo,
)

from headgate_gateway.config import RepoConfig
from headgate_gateway.http.admission import Budget
from headgate_gateway.http.counters import TrafficCounters
from headgate_gateway.http.messages import Head, Response
from headgate_gateway.http.receipt import Durability
from headgate_gateway.http.router import ServedRepo, build_router
from headgate_gateway.http.upload import BodyUpload, SharedByUploads
from headgate_gateway.kafka.outcome import FailureReason, Outcome, PartitionAck
from headgate_gateway.pipeline import reshape
from headgate_gateway.pipeline.compile import compile_repo
from headgate_gateway.pipeline.records import Records
from headgate_gateway.pipeline.result import Processed

pytestmark = pytest.mark.thorough

LISTS = {"acked": "acked", "spooled": "spooledLines", "failed": "failed", "unknown": "unknown"}
"""Of an answer that is not a receipt, by fate."""
OTHER = {"name": "other", "bootstrapServers": ["127.0.0.1:9093"]}
PATH = "/events"


class FickleKafka(FakeProducer):
    """Takes some records, refuses some, says nothing of others, spools some where it may, as the dice say."""

    def __init__(self, dice: list[int]) -> None:
        super().__init__(hold=True, fate=self.throw)
        self.dice, self.thrown = dice, 0
        self.spools = False
        self.outcomes: list[tuple[Records, Outcome]] = []

    def throw(self, records: Records) -> Outcome:
        outcome = Outcome()
        for line in records.lines:
            self.thrown += 1
            fate = self.dice[self.thrown % len(self.dice)]
            last = outcome.spooled if self.spools else outcome.acked
            (outcome.acked, outcome.failed, outcome.unknown, last)[max(fate - 2, 0)].append(line)
        if outcome.acked:
            outcome.acks.append(PartitionAck(records.topic, 0, self.offset, len(outcome.acked)))
        if not outcome.complete:
            outcome.reason, outcome.reasons = FailureReason.TIMEOUT, {FailureReason.TIMEOUT}
        self.outcomes.append((records, outcome))
        return outcome


def maybe(**choices: Any) -> st.SearchStrategy[dict[str, Any]]:
    """Some of the choices, each by name."""
    return st.fixed_dictionaries({}, optional={name: st.sampled_from(values) for name, values in choices.items()})


RULES = [
    {"when": [expression("a", "In", 1, "x")], "topic": "ones", "producerProfile": "other"},
    {"when": [expression("b", "Exists")], "topic": "bees"},
]
KAFKA = maybe(
    topics=[RULES, RULES[1:]],
    deadLetter=[{"topic": "dead"}, {"topic": "t"}, {"topic": "dead", "producerProfile": "other"}],
    key=[{"field": "k"}, {"field": "message"}],
    headers=[[{"name": "h", "field": "b"}]],
    timestamp=[{"field": "ts", "format": "UnixSeconds"}],
    delivery=["Sync", "Sync", "Async"],
    onFailure=["Reject", "Spool"],
)
SETTINGS = maybe(
    constraint=[
        constraint(expression("a", "NotIn", 2)),
        constraint(expression("a", "NotIn", 2), on_mismatch="Reject"),
    ],
    executors=[
        [{"explode": {"field": "b", "onFailure": "Keep"}}],
        [{"explode": {"field": "b"}}],
        [{"explode": {"field": "b", "onFailure": "Keep"}}, {"sample": {"percent": 60, "field": "b"}}],
        [{"set": {"fields": [{"field": "a", "value": "x"}]}}],
    ],
    partial=["Accept", "Accept", "Accept", "Reject"],
    limits=[{"lineBytes": 256}],
)
ENDPOINTS = st.sampled_from(
    [
        {"format": "JSONL"},
        {"format": "JSONL"},
        {"format": "JSONL"},
        {"format": "Text"},
        {"format": "JSON"},
        {"format": "JSON", "envelope": "BodyData"},
        {"format": "JSON", "response": "Offset"},
        {"format": "JSONL", "response": "Empty"},
        {"format": "CloudEvents"},
        {"format": "CloudEvents"},
        {"format": "JSON", "topicHeader": {"name": "topic", "topics": ["named"]}},
    ]
)
SCALARS = st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from(["x", "ä", "y" * 300]) | st.just(1.5)
OBJECTS: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {},
    optional={
        "a": st.integers(0, 3) | SCALARS,
        "b": st.lists(st.integers(0, 9) | st.just([]), min_size=2, max_size=4) | SCALARS | st.just({"c": 1}),
        "k": st.sampled_from(["x", "y"]) | SCALARS | st.just([]),
        "ts": st.integers(0, 9) | st.integers(0, 9) | SCALARS,
    },
)
ODD = st.sampled_from([b"", b"  ", b"{", b"[]", b"5", b'{"a":1e999}', b"\xff", b'{"a":"\xff"}', b"{}\r"])
EVENT = {"specversion": "1.0", "id": "1", "source": "/s", "type": "t"}
EVENTS = OBJECTS.map(lambda value: {**EVENT, **{name: each for name, each in value.items() if name != "b"}})
GOOD = (OBJECTS | EVENTS).map(lambda value: json.dumps(value).encode())
LINES = st.lists(GOOD, min_size=1, max_size=8) | st.lists(GOOD | ODD, max_size=12)
BODIES = LINES.map(b"\n".join) | LINES.map(lambda lines: b"[" + b",".join(lines) + b"]")


def configure(endpoint: dict[str, Any], changes: dict[str, Any], kafka: dict[str, Any]) -> RepoConfig:
    if endpoint.get("response") == "Offset":
        kafka = {name: value for name, value in kafka.items() if name != "delivery"}
    producers = {"main": entry()["producers"]["main"], "other": OTHER}
    return repo_config(kafka=kafka, endpoints=[{"path": PATH, **endpoint}], producers=producers, **changes)


@given(ENDPOINTS, SETTINGS, KAFKA, BODIES, st.lists(st.integers(0, 5), min_size=1, max_size=9), st.booleans())
@settings(max_examples=500, deadline=None)
def test_the_books_balance(
    endpoint: dict[str, Any], changes: dict[str, Any], kafka: dict[str, Any], body: bytes, dice: list[int], disk: bool
) -> None:
    config = configure(endpoint, changes, kafka)
    producers = {"main": FickleKafka(dice), "other": FickleKafka(dice[::-1])}
    traffic, budget = TrafficCounters(), Budget(2**28)
    repo = served_repo(config, producers, traffic, spool=FakeSpool() if disk else None)
    for producer in producers.values():
        producer.spools = repo.spool is not None
    answers: list[Response] = []
    headers = {"topic": b"named", "content-type": b"application/cloudevents-batch+json"}
    head = Head("POST", PATH, headers, content_length=len(body))
    upload = BodyUpload(build_router([repo])[PATH], head, "id", SharedByUploads(budget, lambda: 1))
    assert upload.reserve(len(body)) is None
    upload.complete(body, answers.append)

    submitted = [records for producer in producers.values() for records in producer.submitted]
    made = sum(len(records.values) for records in submitted)
    assert repo.counters.in_flight == made
    assert len(answers) == (1 if repo.durability is Durability.MEMORY or not made else 0)
    check_reservations(budget, producers, submitted)
    for producer in producers.values():
        producer.settle()

    (answer,) = answers
    check_books(repo, submitted, made)
    check_answer(answer, repo, producers, submitted)
    assert (budget.reserved, producers["main"].reserved, producers["other"].reserved) == (0, 0, 0)
    assert repo._users == 1


@given(ENDPOINTS, SETTINGS, KAFKA, BODIES)
@settings(max_examples=200, deadline=None)
def test_what_executors_make_is_the_same_in_one_part_and_in_many(
    endpoint: dict[str, Any], changes: dict[str, Any], kafka: dict[str, Any], body: bytes
) -> None:
    (compiled,) = compile_repo(configure(endpoint, changes, kafka)).endpoints
    headers = {"topic": b"named", "content-type": b"application/cloudevents-batch+json"}
    whole, parts = compiled.begin(headers, 1), compiled.begin(headers, 1)
    kept = sum(whole.feed(*piece) for piece in whole.cut(body))
    with patch.object(reshape, "MADE_BYTES", 1):
        assert sum(parts.feed(*piece) for piece in parts.cut(body)) == kept
    assert told_of(parts.result) == told_of(whole.result)


def told_of(result: Processed) -> list[Any]:
    told = [getattr(result, field.name) for field in fields(Processed) if field.name not in {"refused", "records"}]
    return [*told, result.refused.texts(), sorted(map(repr, result.records))]


def check_reservations(budget: Budget, producers: dict[str, FickleKafka], submitted: list[Records]) -> None:
    """Each producer holds the bytes of what it was given."""
    assert budget.reserved == sum(producer.reserved for producer in producers.values())
    for name, producer in producers.items():
        assert producer.reserved >= sum(records.nbytes for records in submitted if records.profile == name)


def check_books(repo: ServedRepo, submitted: list[Records], made: int) -> None:
    c = repo.counters
    assert c.received == c.accepted + c.dropped + c.rejected
    assert made == c.delivered + c.dead_lettered + c.spooled + c.failed + c.unknown
    assert c.in_flight == 0
    assert len({line for records in submitted for line in records.lines}) == c.accepted
    assert made >= c.accepted
    for records in submitted:
        assert records.lines == sorted(records.lines)
        for column in (records.keys, records.timestamps, records.row_headers):
            assert column is None or len(column) == len(records.values)
    sample = repo.analysis.sample("n", "n", "r")
    if sample.requests:
        judged = sample.rejected.total + sample.dropped.total + c.accepted
        assert sample.received == judged == c.received
        live = sum(len(records.values) for records in submitted if not records.dead_letter)
        assert sum(sums.total for sums in sample.records.values()) == live


def check_answer(
    answer: Response, repo: ServedRepo, producers: dict[str, FickleKafka], submitted: list[Records]
) -> None:
    c, parts = repo.counters, [part for producer in producers.values() for part in producer.outcomes]
    lost = any(not outcome.complete for _, outcome in parts)
    if answer.status in {400, 413} and not submitted:
        assert c.accepted == c.dropped == 0
        return
    if not answer.body.startswith(b"{") or b'"Offset"' in answer.body or not answer.body:
        assert answer.status == 200
        assert not lost or repo.durability is Durability.MEMORY
        return
    told = json.loads(answer.body)
    assert (told["accepted"], told["dropped"], told["rejected"]) == (c.accepted, c.dropped, c.rejected)
    assert told["deadLettered"] == len({line for r in submitted if r.dead_letter for line in r.lines})
    spooled = {line for _, outcome in parts for line in outcome.spooled}
    if repo.durability is Durability.MEMORY:
        assert (told["durability"], told["partitions"]) == ("memory", [])
    elif lost:
        check_fates(told, parts)
    else:
        assert told["durability"] == ("disk" if spooled else repo.durability)
        assert told.get("spooled", 0) == len(spooled)
        assert sum(run["count"] for run in told["partitions"]) == c.delivered + c.dead_lettered
        assert c.delivered + c.dead_lettered + c.spooled == sum(len(r.values) for r in submitted)


def check_fates(told: dict[str, Any], parts: list[tuple[Records, Outcome]]) -> None:
    """Every accepted line is in exactly one list, and in the right one."""
    fates: dict[int, set[str]] = {}
    for _, outcome in parts:
        for fate in LISTS:
            for line in getattr(outcome, fate):
                fates.setdefault(line, set()).add(fate)
    joined = {line: join(fate) for line, fate in fates.items()}
    listed = {line: fate for fate, name in LISTS.items() for line in numbers(told.get(name, []))}
    assert listed == joined
    assert sum(len(numbers(told.get(name, []))) for name in LISTS.values()) == len(joined)
    assert told.get("spooled", 0) == len(numbers(told.get("spooledLines", [])))


def join(fates: set[str]) -> str:
    """The fate of a line whose records have these."""
    if fates == {"acked", "spooled"}:
        return "spooled"
    return next(iter(fates)) if len(fates) == 1 else "unknown"


def numbers(ranges: list[str]) -> list[int]:
    found: list[int] = []
    for text in ranges:
        first, _, last = text.partition("-")
        found += range(int(first), int(last or first) + 1)
    return found
