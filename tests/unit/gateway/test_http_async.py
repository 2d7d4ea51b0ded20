"""Delivery Async: answered from memory, bounded, and never lost without a word."""

import asyncio
import logging
from pathlib import Path
from typing import Any

import pytest
from tests.unit.gateway.builders import FakeProducer, Gateway, constraint, expression, gateway, post, repo_config
from tests.unit.pipeline.executors.plugins import install_module

from headgate_gateway.http.seldom import Seldom
from headgate_gateway.kafka.outcome import FailureReason, Outcome
from headgate_gateway.pipeline.records import Records

ASYNC = repo_config(kafka={"delivery": "Async"})


def users(g: Gateway) -> int:
    return g.ingest.router["/log/repo/logs"].repo._users


async def test_an_answer_does_not_wait_for_kafka_and_says_so() -> None:
    async with gateway(ASYNC, producer=FakeProducer(hold=True)) as g:
        answer = await g.ask(post(b"{}\n{}\n"))
        assert (answer.status, answer.json["accepted"]) == (200, 2)
        assert (answer.json["durability"], answer.json["partitions"]) == ("memory", [])
        assert (g.counters().in_flight, g.counters().requests, users(g)) == (2, {200: 1}, 2)
        assert g.budget.reserved == g.producer.reserved > 0
        g.producer.settle()
        assert (g.counters().in_flight, g.counters().delivered, g.counters().requests) == (0, 2, {200: 1})
        assert (g.budget.reserved, g.producer.reserved, users(g)) == (0, 0, 1)


async def test_what_waits_for_kafka_is_bounded() -> None:
    async with gateway(ASYNC, producer=FakeProducer(hold=True, limit=26_000)) as g:
        body = post(b'{"a":"%b"}\n' % (b"x" * 8_000))
        answers = [await g.ask(body) for _ in range(4)]
        assert [answer.status for answer in answers] == [200, 200, 503, 503]
        assert answers[2].json["reason"] == "Overloaded"
        g.producer.settle()
        assert (await g.ask(body)).status == 200


def lose(records: Records) -> Outcome:
    return Outcome(
        failed=records.lines[:1],
        unknown=records.lines[1:],
        reason=FailureReason.TIMEOUT,
        reasons={FailureReason.TIMEOUT},
        message="no answer from Kafka",
    )


async def test_what_is_lost_after_the_answer_is_counted_and_told_now_and_then(caplog: pytest.LogCaptureFixture) -> None:
    async with gateway(ASYNC, producer=FakeProducer(fate=lose)) as g:
        with caplog.at_level(logging.ERROR):
            for _ in range(3):
                assert (await g.ask(post(b"{}\n{}\n{}\n"))).status == 200
            await asyncio.sleep(0.02)
        assert (g.counters().failed, g.counters().unknown, g.counters().in_flight) == (3, 6, 0)
        assert (g.counters().requests, g.budget.reserved) == ({200: 3}, 0)
        (told,) = [record for record in caplog.records if "did not reach Kafka" in record.message]
        assert (told.__dict__["failed"], told.__dict__["unknown"], told.__dict__["repo"]) == (1, 2, "logs")


@pytest.mark.parametrize(("body", "status"), [(b"no", 207), (b'{"a":1}', 200)], ids=["refused", "dropped"])
async def test_nothing_to_send_is_no_reason_to_promise_more(body: bytes, status: int) -> None:
    wanted = constraint(expression("a", "DoesNotExist"))
    async with gateway(repo_config(kafka={"delivery": "Async"}, partial="Accept", constraint=wanted)) as g:
        answer = await g.ask(post(body))
        assert (answer.status, answer.json["durability"], users(g)) == (status, "memory", 1)


async def test_a_reload_waits_for_what_async_requests_have_under_way() -> None:
    async with gateway(ASYNC, producer=FakeProducer(hold=True)) as g:
        await g.ask(post(b"{}"))
        repo = g.ingest.router["/log/repo/logs"].repo
        g.ingest.router = {}
        repo.leave()
        lease: Any = repo.lease
        assert not lease.released
        g.producer.settle()
        assert lease.released


async def test_an_executor_that_breaks_costs_lines_and_is_told_once_a_minute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    code = "STEP_API_VERSION = 1\ndef compile(config):\n    return lambda event: event['a'] and event\n"
    install_module(tmp_path, monkeypatch, "breaking_step", code)
    config = repo_config(executors=[{"plugin": {"name": "breaking_step"}}], partial="Accept")
    async with gateway(config) as g:
        with caplog.at_level(logging.ERROR):
            answers = [await g.ask(post(b'{"a":1}\n{"b":1}\n{"c":1}\n')) for _ in range(2)]
        assert [answer.status for answer in answers] == [207, 207]
        assert answers[0].json["lines"][0]["reason"] == "ExecutorRefused"
        (told,) = [record for record in caplog.records if "executor broke" in record.message]
        assert told.__dict__["step"] == "executors[0].plugin"
        assert told.exc_info is not None


def test_something_is_said_once_a_minute_for_each_key() -> None:
    seldom = Seldom()
    said = [seldom.allows(key, now) for key, now in [("a", 0.0), ("a", 59.0), ("b", 59.0), ("a", 60.0), ("a", 61.0)]]
    assert said == [True, False, True, True, False]
    for number in range(5_000):
        seldom.allows(number, 1_000.0 + number)
    assert len(seldom._last) <= 1_000
