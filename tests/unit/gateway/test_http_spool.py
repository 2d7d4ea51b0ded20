"""Requests whose lines go to the gateway's disk: what receipts promise, what is counted, what a full disk answers."""

from dataclasses import replace
from typing import Any

import pytest
from tests.unit.gateway.builders import (
    FakeProducer,
    FakeRefusal,
    FakeSpool,
    Gateway,
    constraint,
    expression,
    gateway,
    post,
    repo_config,
    until,
)

from headgate_gateway.http.delivery import join_outcomes
from headgate_gateway.kafka.outcome import FailureReason, Outcome, PartitionAck
from headgate_gateway.pipeline.records import Records

ASYNC = repo_config(kafka={"delivery": "Async"})
ON_FAILURE = repo_config(kafka={"onFailure": "Spool"})


def users(g: Gateway) -> int:
    return g.ingest.router["/log/repo/logs"].repo._users


def taken_by(spool: FakeSpool, **changes: Any) -> FakeProducer:
    """A producer that puts all into the spool."""
    return FakeProducer(fate=spool.take, **changes)


async def test_async_with_a_spool_is_answered_once_the_lines_are_on_disk_and_holds_nothing_then() -> None:
    spool = FakeSpool()
    async with gateway(ASYNC, producer=taken_by(spool, hold=True), spool=spool) as g:
        client = await g.connect()
        client.send(post(b'{"a":1}\n{"a":2}\n'))
        await until(lambda: bool(g.producer.waiting))
        assert (g.counters().in_flight, g.counters().requests) == (2, {})
        g.producer.settle()
        answer = await client.answer()
        assert (answer.status, answer.json["durability"], answer.json["spooled"]) == (200, "disk", 2)
        assert answer.json["partitions"] == []
        assert (g.budget.reserved, g.producer.reserved, users(g)) == (0, 0, 1)
        counters = g.counters()
        assert (counters.spooled, counters.in_flight, counters.delivered, counters.failed) == (2, 0, 0, 0)
    assert spool.taken == [b'{"a":1}', b'{"a":2}']


async def test_async_without_a_spool_is_answered_from_memory() -> None:
    async with gateway(ASYNC, producer=FakeProducer(hold=True)) as g:
        assert (await g.ask(post(b"{}"))).json["durability"] == "memory"
        g.producer.settle()


async def test_nothing_to_send_is_promised_what_the_repo_promises() -> None:
    only = constraint(expression("a", "Exists"))
    async with gateway(repo_config(kafka={"delivery": "Async"}, constraint=only), spool=FakeSpool()) as g:
        assert (await g.ask(post(b"{}"))).json["durability"] == "disk"


def first_to_kafka(spool: FakeSpool) -> FakeProducer:
    """A producer of which Kafka takes the first line, and the spool the others."""

    def fate(records: Records) -> Outcome:
        rest = replace(records, lines=records.lines[1:], values=records.values[1:])
        outcome = spool.take(rest)
        outcome.acked = records.lines[:1]
        outcome.acks = [PartitionAck(records.topic, 0, 41, 1)]
        return outcome

    return FakeProducer(fate=fate)


async def test_the_lowest_durability_that_a_line_reached_is_the_receipts() -> None:
    spool = FakeSpool()
    async with gateway(ON_FAILURE, producer=first_to_kafka(spool), spool=spool) as g:
        answer = await g.ask(post(b"{}\n{}\n{}\n"))
        assert (answer.status, answer.json["durability"], answer.json["spooled"]) == (200, "disk", 2)
        assert answer.json["partitions"] == [{"topic": "t", "partition": 0, "baseOffset": 41, "count": 1}]
        counters = g.counters()
        assert (counters.delivered, counters.spooled, counters.in_flight) == (1, 2, 0)


async def test_a_receipt_of_what_kafka_has_taken_says_nothing_of_disks() -> None:
    async with gateway(ON_FAILURE, spool=FakeSpool()) as g:
        answer = await g.ask(post(b"{}"))
        assert (answer.json["durability"], "spooled" in answer.json) == ("kafka", False)


async def test_refused_lines_are_named_beside_those_on_disk() -> None:
    spool = FakeSpool()
    config = repo_config(kafka={"onFailure": "Spool"}, partial="Accept")
    async with gateway(config, producer=taken_by(spool), spool=spool) as g:
        answer = await g.ask(post(b"{}\noops\n{}\n"))
        assert (answer.status, answer.json["durability"], answer.json["spooled"]) == (207, "disk", 2)
        assert answer.json["rejectedLines"] == ["2"]


async def test_an_offset_that_is_not_known_yet_is_not_made_up() -> None:
    spool = FakeSpool()
    endpoints = [{"path": "/log/repo/logs", "response": "Offset", "format": "JSON"}]
    config = repo_config(kafka={"onFailure": "Spool"}, endpoints=endpoints)
    async with gateway(config, producer=taken_by(spool), spool=spool) as g:
        answer = await g.ask(post(b"{}"))
        assert answer.body == b'{"status":"ok","partition":-1,"Offset":-1,"durability":"disk"}\n'


async def test_what_neither_kafka_nor_a_full_disk_takes_is_503_with_the_time_until_there_is_room() -> None:
    spool = FakeSpool(FakeRefusal(retry_after=17))
    async with gateway(ON_FAILURE, producer=first_to_kafka(spool), spool=spool) as g:
        answer = await g.ask(post(b"{}\n{}\n{}\n"))
        assert (answer.status, answer.json["reason"], answer.headers["retry-after"]) == (503, "SpoolFull", "17")
        assert (answer.json["acked"], answer.json["failed"], answer.json["unknown"]) == (["1"], ["2-3"], [])
        counters = g.counters()
        assert (counters.delivered, counters.failed, counters.spooled, counters.in_flight) == (1, 2, 0, 0)


@pytest.mark.parametrize("config", [ASYNC, ON_FAILURE], ids=["Async", "onFailure Spool"])
async def test_a_full_disk_is_told_before_the_body_is_read_where_nothing_else_takes_the_lines(config: Any) -> None:
    full = FakeSpool(FakeRefusal(FailureReason.SPOOL_FAILED, "the disk is read-only", 5))
    async with gateway(config, producer=FakeProducer(down="no brokers"), spool=full) as g:
        answer = await g.ask(post(b"", "Expect: 100-continue", length=10))
        assert (answer.status, answer.json["reason"], answer.headers["retry-after"]) == (503, "SpoolFailed", "5")
        assert answer.json["message"] == "the disk is read-only"
        assert g.producer.submitted == []


async def test_a_missing_topic_is_a_full_disks_matter_too() -> None:
    full = FakeSpool(FakeRefusal())
    async with gateway(ON_FAILURE, producer=FakeProducer(refused={"t": "no such topic"}), spool=full) as g:
        assert (await g.ask(post(b"{}"))).json["reason"] == "SpoolFull"


async def test_kafka_takes_lines_while_the_disk_is_full() -> None:
    async with gateway(ON_FAILURE, spool=FakeSpool(FakeRefusal())) as g:
        assert (await g.ask(post(b"{}"))).json["durability"] == "kafka"


async def test_a_repo_that_rejects_knows_nothing_of_the_disk() -> None:
    async with gateway(producer=FakeProducer(down="no brokers"), spool=FakeSpool(FakeRefusal())) as g:
        assert (await g.ask(post(b"{}"))).json["reason"] == "ProducerDown"


async def test_the_dead_letter_of_a_line_may_be_on_disk_too() -> None:
    spool = FakeSpool()
    config = repo_config(kafka={"onFailure": "Spool", "deadLetter": {"topic": "dead"}})
    async with gateway(config, producer=taken_by(spool), spool=spool) as g:
        answer = await g.ask(post(b"{}\noops\n"))
        assert (answer.json["accepted"], answer.json["deadLettered"], answer.json["spooled"]) == (2, 1, 2)
        assert (g.counters().spooled, g.counters().dead_lettered) == (2, 0)


def part(**fates: Any) -> tuple[Records, Outcome]:
    return Records("main", "t", [], []), Outcome(**fates)


def test_a_line_is_spooled_when_its_records_are_on_disk_or_in_kafka_and_unknown_when_one_is_nowhere() -> None:
    joined = join_outcomes(
        [
            part(acked=[1, 2, 4], spooled=[3]),
            part(spooled=[2, 3], acked=[1]),
            part(failed=[4, 5], reasons={FailureReason.SPOOL_FULL}, retry_after=9),
            part(spooled=[6], unknown=[7]),
            part(failed=[6]),
        ]
    )
    assert (joined.acked, joined.spooled, joined.failed, joined.unknown) == ([1], [2, 3], [5], [4, 6, 7])
    assert (joined.halved, joined.retry_after, joined.complete) == (2, 9, False)


@pytest.mark.parametrize(("config", "errors"), [(ON_FAILURE, 1), (ASYNC, 0)], ids=["onFailure Spool", "Async"])
async def test_a_revision_is_judged_by_whether_kafka_takes_its_lines(config: Any, errors: int) -> None:
    spool = FakeSpool()
    async with gateway(config, producer=taken_by(spool), spool=spool) as g:
        assert (await g.ask(post(b"{}"))).status == 200
        sample = g.ingest.router["/log/repo/logs"].repo.analysis.sample("default", "logs", "r1")
        assert (sample.requests, sample.server_errors) == (1, errors)
        assert g.counters().requests == {200: 1}


async def test_one_event_of_a_repo_that_spools_takes_the_long_way() -> None:
    async with gateway(ON_FAILURE, repo_config("plain"), spool=FakeSpool()) as g:
        assert set(g.ingest._express) == {"/log/repo/plain"}
