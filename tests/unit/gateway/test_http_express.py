"""The short way of a request that is one good event: nobody can tell it from the long one."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tests.unit.gateway.builders import FakeLease, FakeProducer, constraint, expression, repo_config

from headgate_gateway.config import RepoConfig
from headgate_gateway.http.admission import Budget
from headgate_gateway.http.counters import TrafficCounters
from headgate_gateway.http.ingest import Ingest
from headgate_gateway.http.messages import Head, Response
from headgate_gateway.http.router import ServedRepo, build_router
from headgate_gateway.kafka.outcome import FailureReason, Outcome, PartitionAck
from headgate_gateway.pipeline.compile import compile_repo
from headgate_gateway.pipeline.records import Records

PATH = "/log/repo/logs"


def endpoint(**changes: Any) -> dict[str, Any]:
    return {"endpoints": [{"path": PATH, **changes}]}


WANTED = constraint(expression("a", "NotIn", "no"))
REPOS = {
    "lines": repo_config(),
    "lines with a constraint": repo_config(constraint=WANTED),
    "lines that are refused": repo_config(constraint=constraint(expression("a", "Exists"), on_mismatch="Reject")),
    "bad lines are refused alone": repo_config(partial="Accept"),
    "bad lines go to the dead letter": repo_config(kafka={"deadLetter": {"topic": "dead"}}),
    "keys, headers and timestamps": repo_config(
        kafka={
            "key": {"field": "a"},
            "timestamp": {"field": "t"},
            "headers": [{"name": "b", "field": "b"}, {"name": "tenant", "requestHeader": "X-Tenant"}],
        }
    ),
    "small lines only": repo_config(limits={"lineBytes": 256}),
    "empty answers": repo_config(**endpoint(response="Empty")),
    "JSON": repo_config(constraint=WANTED, **endpoint(format="JSON")),
    "JSON, offset": repo_config(**endpoint(format="JSON", response="Offset")),
    "body data": repo_config(
        **endpoint(
            format="JSON", response="Empty", envelope="BodyData", topicHeader={"name": "topic", "topics": ["t", "u"]}
        )
    ),
    "text": repo_config(**endpoint(format="Text")),
}


def acked(records: Records) -> Outcome:
    return Outcome(acked=records.lines, acks=[PartitionAck(records.topic, 3, 41, len(records.values))])


def unknown(records: Records) -> Outcome:
    return Outcome(unknown=records.lines, reason=FailureReason.TIMEOUT, reasons={FailureReason.TIMEOUT})


def failed(records: Records) -> Outcome:
    reason = FailureReason.RECORD_TOO_LARGE
    return Outcome(failed=records.lines, reason=reason, reasons={reason}, message="too large")


def sent(
    config: RepoConfig, body: bytes, headers: dict[str, bytes], producer: FakeProducer, *, short: bool
) -> list[Any]:
    """Everything that can be seen of a request that came whole."""
    traffic, budget = TrafficCounters(), Budget(4_096)
    ingest = Ingest(budget, traffic, lambda: 1_700_000_000_000)
    served = ServedRepo(compile_repo(config), {"main": FakeLease(producer)}, traffic)
    router = build_router([served])
    if not short:
        router = {path: replace(r, compiled=replace(r.compiled, single=None)) for path, r in router.items()}
    ingest.router = router
    said: list[Response] = []
    begun = ingest.take(Head("POST", PATH, headers, content_length=len(body)), body, "id-1", said.append)
    if isinstance(begun, Response):
        said.append(begun)
    elif begun is not None:
        assert begun.take(len(body)) is None
        begun.complete(body, said.append)
    held = budget.reserved, producer.reserved
    producer.settle()
    counters, analysis = dict(traffic.repos.items())["logs"], next(traffic.analysis.samples(("default", "logs")))
    profile = dict(traffic.profiles.items())["main"]
    return [
        said,
        [(r, r.values, r.keys) for r in producer.submitted],
        {name: getattr(counters, name) for name in dir(counters) if name[0] != "_" and name != "count_request"},
        analysis.model_copy(update={"latency": (sum(analysis.latency),)}),
        (profile.records_per_request.counts, sum(profile.delivery_seconds.counts)),
        held,
        (budget.reserved, producer.reserved, served._users),
        producer.peak,
    ]


events = st.sampled_from(
    [
        b"{}",
        b'{"a":1}',
        b'{"a":"no"}',
        b'{"a":"x","b":true,"t":1700000000}',
        b'{"a":[1],"b":{}}',
        b'{"a":1e999,"t":"x"}',
        '{"a":"ü"}'.encode(),
        b'{"a":"\xff"}',
        b"[1]",
        b"nonsense",
        b"{} {}",
        b'{"a":',
        b"",
        b"  ",
        b'{"a":"' + b"x" * 300 + b'"}',
        b'{"a":{"b":' * 600 + b"1" + b"}}" * 600,
        b'{"a":"' + b"x" * 3000 + b'"}',
        b"{",
        b"}",
        b"{\r}",
        b'{"a":\n1}',
    ]
)
bodies = st.tuples(events, st.sampled_from([b"", b"\n", b"\r\n", b"\n\n", b"\n{}\n", b" ", b"\x00"])).map(b"".join)
request_headers = st.fixed_dictionaries(
    {},
    optional={
        "content-type": st.sampled_from([b"application/json", b"Application/JSON; charset=utf-8", b"text/xml"]),
        "x-tenant": st.just(b"blue"),
        "topic": st.sampled_from([b"t", b"u", b"v", b""]),
        "traceparent": st.just(b"00-" + b"a" * 32 + b"-" + b"b" * 16 + b"-01"),
    },
)


@given(st.sampled_from(sorted(REPOS)), bodies, request_headers, st.sampled_from([acked, unknown, failed]))
@example("lines", b"{}\n", {}, acked)
@example("body data", b'{"a/b":1}', {"topic": b"u"}, acked)
def test_both_ways_answer_send_and_count_the_same(name: str, body: bytes, headers: dict[str, bytes], fate: Any) -> None:
    def way(*, short: bool) -> list[Any]:
        return sent(REPOS[name], body, headers, FakeProducer(hold=True, fate=fate), short=short)

    assert way(short=True) == way(short=False)


@pytest.mark.parametrize("name", [n for n in REPOS if n != "text"])
def test_one_good_event_takes_the_short_way(name: str) -> None:
    routes = build_router(
        [ServedRepo(compile_repo(REPOS[name]), {"main": FakeLease(FakeProducer())}, TrafficCounters())]
    )
    single = routes[PATH].compiled.single
    assert single is not None
    assert single(b'{"a":"b"}', {"topic": b"t"}, 1) is not None


def test_a_budget_or_a_producer_without_room_refuses_as_on_the_long_way() -> None:
    body = b'{"a":"' + b"x" * 2_000 + b'"}'
    for limit in (1_000, 2_100, 4_000, 4_200):
        ways = [sent(REPOS["lines"], body, {}, FakeProducer(hold=True, limit=limit), short=s) for s in (True, False)]
        assert ways[0] == ways[1]


class Again:
    """One repo that gets requests with the same head, one after the other."""

    def __init__(self, **changes: Any) -> None:
        self.producer = FakeProducer(hold=True)
        self.ingest = Ingest(Budget(2**20), TrafficCounters(), lambda: 1_700_000_000_000)
        self.body = b'{"a":"' + b"x" * 1_200 + b'"}'
        self.head = Head("POST", PATH, {}, content_length=len(self.body))
        self.serve(**changes)

    def serve(self, **changes: Any) -> None:
        served = ServedRepo(compile_repo(repo_config(**changes)), {"main": FakeLease(self.producer)}, TrafficCounters())
        self.ingest.router = build_router([served])

    def ask(self) -> int | None:
        """The status of an answer at once; None: the request is on its way."""
        begun = self.ingest.take(self.head, self.body, "id-1", lambda _: None)
        return begun.status if isinstance(begun, Response) else None


def test_a_head_that_was_taken_is_refused_once_kafka_is_away() -> None:
    repo = Again()
    assert repo.ask() is None
    assert repo.head.taken_by
    repo.producer.down = "no broker answers"
    assert repo.ask() == 503
    repo.producer.down = None
    assert repo.ask() is None


def test_a_head_that_was_taken_is_refused_once_its_topic_is_gone() -> None:
    repo = Again()
    assert repo.ask() is None
    repo.producer.refused = {"t": "no such topic"}
    assert repo.ask() == 503


def test_a_head_that_was_taken_is_judged_anew_after_a_reload() -> None:
    repo = Again()
    assert repo.ask() is None
    repo.serve(limits={"bodyBytes": 1_024, "lineBytes": 1_024})
    assert repo.ask() == 413


def test_heads_are_judged_each_time_where_they_name_the_topic() -> None:
    repo = Again(**endpoint(topicHeader={"name": "topic", "topics": ["t"]}))
    repo.head.headers["topic"] = b"t"
    assert repo.ask() is None
    assert not repo.head.taken_by
