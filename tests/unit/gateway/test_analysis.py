"""What is counted of a revision: sums over requests, whose counters they are, and how long they stay."""

import asyncio
from bisect import bisect_left
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.gateway.builders import (
    FakeProducer,
    constraint,
    expression,
    gateway,
    post,
    repo_config,
    served_repo,
)

from headgate_gateway.config.analysis import LATENCY_BOUNDS, LineSums, RecordSums, RepoSample
from headgate_gateway.http.analysis import AnalysisCounters, RevisionCounters
from headgate_gateway.http.counters import TrafficCounters
from headgate_gateway.kafka.outcome import FailureReason, Outcome, PartitionAck
from headgate_gateway.pipeline.records import Records
from headgate_gateway.pipeline.result import Processed

NAME = ("default", "logs")


@dataclass(frozen=True)
class Request:
    """One answered request, as a test sees it."""

    status: int
    seconds: float | None
    accepted: int
    dropped: int
    refused: int
    rejects: bool
    topic: str
    looked_at: bool

    @property
    def judged(self) -> bool:
        return self.status in {200, 207} or self.status >= 500 or (self.status == 400 and self.x > 0)

    @property
    def x(self) -> int:
        return self.accepted + self.dropped + self.refused if self.looked_at else 0

    @property
    def refused_whole(self) -> bool:
        return self.rejects and self.refused > 0

    @property
    def rejected(self) -> int:
        return 0 if not self.looked_at else self.x if self.refused_whole else self.refused

    @property
    def counted_as_dropped(self) -> int:
        return 0 if self.refused_whole or not self.looked_at else self.dropped

    @property
    def made(self) -> int:
        return 0 if self.refused_whole or not self.looked_at else self.accepted

    def processed(self) -> Processed | None:
        if not self.looked_at:
            return None
        result = Processed(received=self.x, accepted=self.accepted, dropped=self.dropped)
        result.refused.extend(range(1, self.refused + 1))
        if self.accepted:
            result.records = [Records("main", self.topic, [b"{}"] * self.accepted, list(range(self.accepted)))]
        return result


REQUESTS = st.lists(
    st.builds(
        Request,
        status=st.sampled_from([200, 207, 400, 401, 404, 408, 413, 415, 429, 499, 500, 503, 599]),
        seconds=st.none() | st.sampled_from([*LATENCY_BOUNDS, 61.0]) | st.floats(0, 70),
        accepted=st.integers(0, 50),
        dropped=st.integers(0, 50),
        refused=st.integers(0, 50),
        rejects=st.booleans(),
        topic=st.sampled_from(["a", "b"]),
        looked_at=st.booleans(),
    ),
    max_size=30,
)


def sums(pairs: list[tuple[int, int]]) -> LineSums:
    return LineSums(
        total=sum(y for _, y in pairs), squares=sum(y * y for _, y in pairs), products=sum(x * y for x, y in pairs)
    )


@given(REQUESTS)
def test_the_sums_are_those_over_the_judged_requests(requests: list[Request]) -> None:
    counters = RevisionCounters()
    for request in requests:
        counters.count(request.status, request.seconds, request.processed(), request.rejects)
    judged = [request for request in requests if request.judged]
    found = counters.sample(*NAME, "r1")
    assert (found.requests, found.excluded) == (len(judged), len(requests) - len(judged))
    assert found.server_errors == sum(request.status >= 500 for request in requests)
    assert found.received == sum(request.x for request in judged)
    assert found.received_squares == sum(request.x**2 for request in judged)
    assert found.rejected == sums([(request.x, request.rejected) for request in judged])
    assert found.dropped == sums([(request.x, request.counted_as_dropped) for request in judged])
    assert found.dead_lettered == LineSums()
    made = {topic: [r.made for r in judged if r.topic == topic and r.made] for topic in ("a", "b")}
    assert found.records == {
        topic: RecordSums(total=sum(counts), squares=sum(r * r for r in counts))
        for topic, counts in made.items()
        if counts
    }
    timed = [request.seconds for request in judged if request.seconds is not None]
    assert sum(found.latency) == len(timed)
    assert list(found.latency) == [
        sum(bisect_left(LATENCY_BOUNDS, seconds) == bucket for seconds in timed)
        for bucket in range(len(LATENCY_BOUNDS) + 1)
    ]


RUNS = st.lists(
    st.builds(
        PartitionAck, st.sampled_from(["a", "b"]), st.integers(0, 2), st.integers(0, 10**6), st.integers(1, 1_000)
    ),
    max_size=30,
)


@given(RUNS)
def test_what_was_written_is_the_span_of_kafkas_answers(acks: list[PartitionAck]) -> None:
    counters = RevisionCounters()
    counters.count_acks(acks[:7])
    counters.count_acks(acks[7:])
    for written in counters.sample(*NAME, "r1").written:
        runs = [ack for ack in acks if (ack.topic, ack.partition) == (written.topic, written.partition)]
        assert written.first == min(ack.base_offset for ack in runs)
        assert written.last == max(ack.base_offset + ack.count - 1 for ack in runs)
        assert written.records == sum(ack.count for ack in runs)
    assert len(counters.written) == len({(ack.topic, ack.partition) for ack in acks})


def test_with_acks_none_nobody_says_what_was_written() -> None:
    counters = RevisionCounters()
    counters.count_acks([PartitionAck("t", 0, -1, 5)])
    assert counters.sample(*NAME, "r1").written == ()


# Whose they are, and how long they stay


def revisions(counters: AnalysisCounters) -> list[tuple[str, int]]:
    return [(sample.revision, sample.requests) for sample in counters.samples(NAME)]


def serve(counters: AnalysisCounters, revision: str) -> RevisionCounters:
    found = counters.acquire(NAME, revision)
    found.count(200, 0.1, None, False)
    return found


def test_the_revision_before_stays_and_the_one_before_that_leaves() -> None:
    counters = AnalysisCounters()
    serve(counters, "a")
    for old, new in (("a", "b"), ("b", "c")):
        serve(counters, new)
        counters.release(NAME, old)
    assert revisions(counters) == [("b", 1), ("c", 1)]


def test_a_rollback_finds_the_counters_of_before_and_keeps_those_of_the_bad_revision() -> None:
    counters = AnalysisCounters()
    for old, new in ((None, "good"), ("good", "bad"), ("bad", "good")):
        serve(counters, new)
        if old is not None:
            counters.release(NAME, old)
    assert revisions(counters) == [("bad", 1), ("good", 2)]


def test_a_revision_that_requests_still_hold_stays_however_old() -> None:
    counters = AnalysisCounters()
    serve(counters, "a")
    held = counters.acquire(NAME, "a")
    for old, new in (("a", "b"), ("b", "c"), ("c", "d")):
        serve(counters, new)
        counters.release(NAME, old)
    held.count(200, 0.1, None, False)
    assert revisions(counters) == [("a", 2), ("d", 1)]
    counters.release(NAME, "a")
    assert revisions(counters) == [("a", 2), ("d", 1)]


def test_a_revision_that_never_served_drives_none_out() -> None:
    counters = AnalysisCounters()
    serve(counters, "a")
    serve(counters, "b")
    counters.release(NAME, "a")
    counters.acquire(NAME, "refused")
    counters.release(NAME, "refused")
    assert revisions(counters) == [("a", 1), ("b", 1)]


def test_counters_leave_with_their_repo() -> None:
    traffic = TrafficCounters()
    repos = [served_repo(repo_config(revision=revision), {"main": FakeProducer()}, traffic) for revision in ("a", "b")]
    for repo in repos:
        repo.analysis.count(200, 0.1, None, False)
    repos[0].leave()
    assert [sample.revision for sample in traffic.analysis.samples(NAME)] == ["a", "b"]
    repos[1].leave()
    assert traffic.analysis.names() == []
    assert list(traffic.analysis.samples(NAME)) == []


def test_the_number_of_all_answers_never_falls() -> None:
    counters = AnalysisCounters()
    seen = []
    serve(counters, "a").count(404, None, None, False)
    for old, new in (("a", "b"), ("b", "c"), ("c", "d")):
        serve(counters, new)
        counters.release(NAME, old)
        seen.append(counters.answered)
    counters.release(NAME, "d")
    assert (seen, counters.answered, counters.names()) == ([3, 4, 5], 5, [])


# Over the traffic port


async def sample_of(*requests: bytes, producer: FakeProducer | None = None, **config: Any) -> RepoSample:
    async with gateway(repo_config(**config), producer=producer) as g:
        for request in requests:
            await g.ask(request)
        (sample,) = g.ingest.traffic.analysis.samples(NAME)
    return sample


async def test_lines_records_and_offsets_of_mixed_bodies() -> None:
    bodies = (b'{"a":1}\n{"a":0}\noops\n', b'{"a":2}\n' * 3, b'{"a":0}\n')
    sample = await sample_of(
        *map(post, bodies), partial="Accept", constraint=constraint(expression("a", "Ge", 1)), revision="r7"
    )
    assert (sample.namespace, sample.name, sample.revision) == ("default", "logs", "r7")
    assert (sample.requests, sample.excluded, sample.server_errors) == (3, 0, 0)
    assert (sample.received, sample.received_squares) == (7, 9 + 9 + 1)
    assert sample.rejected == LineSums(total=1, squares=1, products=3)
    assert sample.dropped == LineSums(total=2, squares=2, products=3 + 1)
    assert sample.records == {"t": RecordSums(total=4, squares=1 + 9)}
    assert [(w.topic, w.partition, w.first, w.last, w.records) for w in sample.written] == [("t", 0, 0, 3, 4)]
    assert sum(sample.latency) == 3


async def test_a_refused_body_has_all_its_lines_rejected_and_makes_no_record() -> None:
    sample = await sample_of(post(b"{}\noops\n{}\n"))
    assert sample.rejected == LineSums(total=3, squares=9, products=9)
    assert (sample.requests, sample.records, sample.written) == (1, {}, ())


async def test_a_refusal_by_the_head_is_judged_without_lines() -> None:
    sample = await sample_of(post(b"{}\n"), producer=FakeProducer(down="no broker answers"))
    assert (sample.requests, sample.server_errors, sample.received) == (1, 1, 0)
    assert sum(sample.latency) == 0  # no body was ever complete


@pytest.mark.parametrize(
    ("request_bytes", "judged"),
    [
        pytest.param(post(b"{}"), True, id="200"),
        pytest.param(post(b""), False, id="400 of an empty body"),
        pytest.param(post(b" \n\n"), False, id="400 of blank lines"),
        pytest.param(post(b"oops"), True, id="400 of a bad line"),
        pytest.param(b"GET /log/repo/logs HTTP/1.1\r\nHost: gw\r\n\r\n", False, id="405"),
        pytest.param(post(b"x" * 2_000), False, id="413 of the body"),
        pytest.param(post(b'{"a":"%b"}' % (b"x" * 300)), False, id="413 of a line"),
        pytest.param(post(b"{}", "Content-Type: image/png"), False, id="415"),
        pytest.param(post(b"{", length=2), False, id="408"),
    ],
)
async def test_what_says_nothing_about_a_revision_is_excluded(request_bytes: bytes, judged: bool) -> None:
    sample = await sample_of(request_bytes, limits={"bodyBytes": 1_024, "lineBytes": 256})
    assert (sample.requests, sample.excluded) == ((1, 0) if judged else (0, 1))


async def test_an_undelivered_request_counts_its_records_and_what_kafka_took_of_it() -> None:
    def half(records: Records) -> Outcome:
        return Outcome(
            acked=records.lines[:1],
            unknown=records.lines[1:],
            acks=[PartitionAck("t", 2, 40, 1)],
            reason=FailureReason.TIMEOUT,
        )

    sample = await sample_of(post(b"{}\n{}\n"), producer=FakeProducer(fate=half))
    assert (sample.requests, sample.server_errors, sample.received) == (1, 1, 2)
    assert sample.records == {"t": RecordSums(total=2, squares=4)}
    assert [(w.partition, w.first, w.last, w.records) for w in sample.written] == [(2, 40, 40, 1)]
    assert sum(sample.latency) == 1


async def test_a_request_answered_from_memory_that_loses_records_is_counted_once_as_lost() -> None:
    def half(records: Records) -> Outcome:
        return Outcome(acked=records.lines[:1], failed=records.lines[1:], reason=FailureReason.RECORD_TOO_LARGE)

    rule = {"when": [expression("a", "Exists")], "topic": "u"}
    kafka = {"delivery": "Async", "topics": [rule]}
    async with gateway(repo_config(kafka=kafka), producer=FakeProducer(fate=half)) as g:
        assert (await g.ask(post(b'{"a":1}\n{}\n{}\n{"a":2}\n'))).status == 200
        assert (await g.ask(post(b"{}\n"))).status == 200
        await asyncio.sleep(0.01)
        (sample,) = g.ingest.traffic.analysis.samples(NAME)
    assert (sample.requests, sample.server_errors, sample.lost, sample.received) == (2, 0, 1, 5)


async def test_latency_lasts_until_the_answer() -> None:
    producer = FakeProducer(hold=True)
    async with gateway(producer=producer) as g:
        client = await g.connect()
        client.send(post(b"{}"))
        while not producer.waiting:  # noqa: ASYNC110
            await asyncio.sleep(0.001)
        await asyncio.sleep(0.021)
        producer.waiting.pop()()
        assert (await client.answer()).status == 200
        (sample,) = g.ingest.traffic.analysis.samples(NAME)
    (bucket,) = [bucket for bucket, count in enumerate(sample.latency) if count]
    assert bucket >= LATENCY_BOUNDS.index(0.02)


async def test_dead_lettered_lines_are_counted_apart_and_make_no_records_of_their_topic() -> None:
    config = repo_config(kafka={"deadLetter": {"topic": "dead"}})
    async with gateway(config) as g:
        assert (await g.ask(post(b"{}\nno\n{}\nno\n"))).status == 200
        assert (await g.ask(post(b"no\n"))).status == 200
        (sample,) = g.ingest.traffic.analysis.samples(NAME)
    assert sample.dead_lettered == LineSums(total=3, squares=4 + 1, products=4 * 2 + 1)
    assert (sample.received, sample.rejected) == (5, LineSums())
    assert sample.records == {"t": RecordSums(total=2, squares=4)}
    assert {(w.topic, w.records) for w in sample.written} == {("t", 2), ("dead", 3)}


async def test_a_request_on_one_topic_of_two_clusters_counts_once() -> None:
    rule = {"when": [expression("a", "Exists")], "topic": "t", "producerProfile": "other"}
    producers = {name: {"name": name, "bootstrapServers": ["127.0.0.1:9092"]} for name in ("main", "other")}
    async with gateway(repo_config(kafka={"topics": [rule]}, producers=producers)) as g:
        assert (await g.ask(post(b'{"a":1}\n{}\n{}\n'))).status == 200
        (sample,) = g.ingest.traffic.analysis.samples(NAME)
    assert sample.records == {"t": RecordSums(total=3, squares=9)}
