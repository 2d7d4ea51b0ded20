"""One request's records on several topics and clusters: who holds their bytes, and what their line is told."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from tests.unit.gateway.builders import (
    FakeProducer,
    Gateway,
    entry,
    expression,
    gateway,
    post,
    repo_config,
    served_repo,
)

from headgate_gateway.http.delivery import join_outcomes
from headgate_gateway.http.router import build_router
from headgate_gateway.kafka.outcome import FailureReason, Outcome, PartitionAck
from headgate_gateway.pipeline.records import Records

SECOND = {"when": [expression("to", "In", "second")], "topic": "second", "producerProfile": "other"}
KAFKA = {"topics": [SECOND], "deadLetter": {"topic": "dead"}}
OTHER = {"name": "other", "bootstrapServers": ["127.0.0.1:9093"]}
BODY = b'{"to":"first"}\n{"to":"second"}\nno\n{"to":"second"}\n'


@asynccontextmanager
async def two_clusters(other: FakeProducer, main: FakeProducer | None = None, **changes: Any) -> AsyncIterator[Gateway]:
    producers = {"main": entry()["producers"]["main"], "other": {**OTHER, **changes.pop("profile", {})}}
    config = repo_config(kafka={**KAFKA, **changes.pop("kafka", {})}, producers=producers, **changes)
    async with gateway(config, producer=main) as g:
        repo = served_repo(config, {"main": g.producer, "other": other}, g.ingest.traffic)
        g.ingest.router = build_router([repo])
        yield g


async def test_lines_go_to_two_clusters_and_the_dead_letter_in_one_request() -> None:
    other = FakeProducer()
    async with two_clusters(other) as g:
        answer = await g.ask(post(BODY))
        assert answer.status == 200
        assert (answer.json["accepted"], answer.json["deadLettered"]) == (4, 1)
        assert {p["topic"]: p["count"] for p in answer.json["partitions"]} == {"t": 1, "second": 2, "dead": 1}
        assert {records.topic for records in g.producer.submitted} == {"t", "dead"}
        assert other.values == [b'{"to":"second"}', b'{"to":"second"}']
        counters = g.counters()
        assert (counters.accepted, counters.delivered, counters.dead_lettered, counters.in_flight) == (4, 3, 1, 0)
        assert (g.budget.reserved, g.producer.reserved, other.reserved) == (0, 0, 0)


async def test_each_producer_holds_the_bytes_of_its_own_records() -> None:
    other, main = FakeProducer(hold=True), FakeProducer(hold=True)
    async with two_clusters(other, main) as g:
        client = await g.connect()
        client.send(post(b'{"to":"second","pad":"%b"}\n' % (b"x" * 9_000) * 10))
        async with asyncio.timeout(5):
            while not other.submitted:  # noqa: ASYNC110 - what is waited for knows nothing of tests
                await asyncio.sleep(0.01)
        assert 90_000 <= other.reserved <= 100_000
        assert main.reserved < 5_000
        assert g.budget.reserved == other.reserved + main.reserved
        other.settle()
        assert (await client.answer()).status == 200
        assert (g.budget.reserved, main.reserved, other.reserved) == (0, 0, 0)


@pytest.mark.parametrize(
    ("limit", "profile", "status", "reason"),
    [(10_000, {}, 503, "Overloaded"), (2**26, {"maxBufferBytes": "1Mi"}, 413, "BodyTooLarge")],
)
async def test_a_producer_without_room_refuses_the_whole_request(
    limit: int, profile: dict[str, Any], status: int, reason: str
) -> None:
    other = FakeProducer(limit=limit)
    async with two_clusters(other, profile=profile) as g:
        answer = await g.ask(post(b'{"to":"first"}\n' + b'{"to":"second","pad":"%b"}\n' % (b"x" * 9_000) * 150))
        assert (answer.status, answer.json["reason"]) == (status, reason)
        assert g.producer.submitted == other.submitted == []
        assert (g.counters().received, g.budget.reserved, g.producer.reserved, other.reserved) == (0, 0, 0, 0)


async def test_a_cluster_that_is_down_does_not_refuse_lines_for_the_other_beforehand() -> None:
    main = FakeProducer(down="no broker answers", refused={"t": "topic t does not exist"})
    async with two_clusters(FakeProducer(), main) as g:
        assert (await g.ask(post(b'{"to":"second"}'))).status == 200
    async with gateway(producer=main) as g:
        assert (await g.ask(post(b"{}"))).json["reason"] == "ProducerDown"


UNREACHABLE = [
    pytest.param(FakeProducer(down="no broker answers"), "ProducerDown", id="down"),
    pytest.param(FakeProducer(refused={"second": "topic second does not exist"}), "KafkaRefused", id="no topic"),
]


@pytest.mark.parametrize("delivery", ["Sync", "Async"])
@pytest.mark.parametrize(("other", "reason"), UNREACHABLE)
async def test_a_target_that_will_not_deliver_refuses_the_whole_request(
    other: FakeProducer, reason: str, delivery: str
) -> None:
    async with two_clusters(other, kafka={**KAFKA, "delivery": delivery}) as g:
        answer = await g.ask(post(BODY))
        assert (answer.status, answer.json["reason"], answer.headers["retry-after"]) == (503, reason, "5")
        assert g.producer.submitted == other.submitted == []
        assert (g.counters().received, g.budget.reserved, g.producer.reserved, other.reserved) == (0, 0, 0, 0)
        assert (await g.ask(post(b'{"to":"first"}'))).status == 200


@pytest.mark.parametrize("delivery", ["Sync", "Async"])
async def test_a_dead_letter_that_is_not_there_refuses_requests_with_lines_for_it(delivery: str) -> None:
    config = repo_config(kafka={"deadLetter": {"topic": "dead"}, "delivery": delivery})
    async with gateway(config, producer=FakeProducer(refused={"dead": "topic dead does not exist"})) as g:
        answer = await g.ask(post(b"{}\nno\n"))
        assert (answer.status, answer.json["reason"]) == (503, "KafkaRefused")
        assert (g.producer.submitted, g.budget.reserved) == ([], 0)
        assert (await g.ask(post(b"{}\n"))).status == 200


async def test_a_line_that_one_cluster_lost_is_named() -> None:
    def lose(records: Records) -> Outcome:
        return Outcome(
            failed=records.lines, reason=FailureReason.TIMEOUT, reasons={FailureReason.TIMEOUT}, message="late"
        )

    async with two_clusters(FakeProducer(fate=lose)) as g:
        answer = await g.ask(post(BODY))
        assert (answer.status, answer.json["message"]) == (503, "late")
        assert (answer.json["acked"], answer.json["failed"], answer.json["unknown"]) == (["1", "3"], ["2", "4"], [])
        assert (g.counters().delivered, g.counters().dead_lettered, g.counters().failed) == (1, 1, 2)


async def test_an_exploded_line_is_acked_only_when_all_its_records_are() -> None:
    def split(records: Records) -> Outcome:
        return Outcome(
            acked=[1, 1, 2], failed=[2, 3, 3], acks=[PartitionAck("t", 0, 5, 3)], reason=FailureReason.REFUSED
        )

    config = repo_config(executors=[{"explode": {"field": "a"}}])
    async with gateway(config, producer=FakeProducer(fate=split)) as g:
        answer = await g.ask(post(b'{"a":[1,2]}\n' * 3))
        assert (answer.json["acked"], answer.json["failed"], answer.json["unknown"]) == (["1"], ["3"], ["2"])
        assert (g.counters().accepted, g.counters().delivered, g.counters().failed) == (3, 3, 3)


def test_fates_of_parts_become_fates_of_lines() -> None:
    def part(acked: list[int], failed: list[int], unknown: list[int]) -> tuple[Records, Outcome]:
        reasons = {FailureReason.TIMEOUT} if failed or unknown else set()
        outcome = Outcome(acked, failed, unknown, [PartitionAck("t", 0, 0, len(acked))], reasons=reasons)
        return Records("main", "t", [], []), outcome

    joined = join_outcomes([part([1, 2, 3, 4], [], []), part([1, 5], [2, 6], [3]), part([], [6], [5])])
    assert (joined.acked, joined.failed, joined.unknown) == ([1, 4], [6], [2, 3, 5])
    assert (len(joined.acks), joined.reasons, joined.complete) == (3, {FailureReason.TIMEOUT}, False)
