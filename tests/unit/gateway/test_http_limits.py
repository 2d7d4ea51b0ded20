"""`limits.perGateway` over HTTP: who is refused, with what, and until when."""

import gzip
from dataclasses import dataclass
from typing import Any

import pytest
from tests.unit.gateway.builders import (
    FakeProducer,
    chunked,
    gateway,
    post,
    repo_config,
    served_repo,
)

from headgate_gateway.config import RepoConfig
from headgate_gateway.http.counters import TrafficCounters


@dataclass
class Clock:
    now: float = 5_000.0

    def __call__(self) -> float:
        return self.now


def limited(body_bytes: int = 8 * 2**20, endpoint: dict[str, Any] | None = None, **limits: Any) -> RepoConfig:
    return repo_config(
        limits={"bodyBytes": body_bytes, "perGateway": limits},
        endpoints=[{"path": "/log/repo/logs", **(endpoint or {})}],
    )


async def test_requests_over_the_limit_are_refused_until_they_fit() -> None:
    clock = Clock()
    async with gateway(limited(requestsPerSecond=2), clock=clock) as g:
        client = await g.connect()
        answers = []
        for _ in range(3):
            client.send(post(b"{}", "X-Request-Id: r"))
            answers.append(await client.answer())
        assert [answer.status for answer in answers] == [200, 200, 503]
        assert answers[2].headers["retry-after"] == "1"
        assert answers[2].json == {
            "reason": "RateLimited",
            "message": "the repo takes 2 requests a second at each gateway",
            "limit": "requestsPerSecond",
            "requestId": "r",
        }
        clock.now += 1
        client.send(post(b"{}"))
        assert (await client.answer()).status == 200
        assert (g.counters().over_limit, g.counters().requests) == (1, {200: 3, 503: 1})


@pytest.mark.parametrize(
    ("endpoint", "status"),
    [
        ({}, 503),
        ({"overLimitStatus": 429}, 429),
        ({"format": "JSON"}, 429),
        ({"format": "Text"}, 429),
        ({"format": "JSON", "overLimitStatus": 503}, 503),
    ],
    ids=str,
)
async def test_the_endpoint_says_with_what_status(endpoint: dict[str, Any], status: int) -> None:
    async with gateway(limited(requestsPerSecond=1, endpoint=endpoint), clock=Clock()) as g:
        await g.ask(post(b"{}"))
        answer = await g.ask(post(b"{}"))
        assert (answer.status, answer.json["reason"], answer.headers["retry-after"]) == (status, "RateLimited", "1")


async def test_announced_bodies_are_refused_before_they_are_read() -> None:
    clock = Clock()
    async with gateway(limited(body_bytes=4_096, bytesPerSecond=1_024), clock=clock) as g:
        assert (await g.ask(post(b'{"a":"' + b"x" * 4_000 + b'"}'))).status == 200
        client = await g.connect()
        client.send(post(b"", "Expect: 100-continue", length=3_000))
        answer = await client.answer()
        assert (answer.status, answer.json["limit"], answer.headers["retry-after"]) == (503, "bytesPerSecond", "3")
        clock.now += 3
        assert (await g.ask(post(b'{"a":"' + b"x" * 2_900 + b'"}'))).status == 200
        assert g.budget.reserved == 0


async def test_a_body_larger_than_a_seconds_worth_passes_when_nothing_else_came() -> None:
    async with gateway(limited(bytesPerSecond=1_024), clock=Clock()) as g:
        assert (await g.ask(post(b'{"a":1}\n' * 100_000))).status == 200


async def test_chunked_bodies_are_charged_as_they_come_and_refused_midway() -> None:
    clock = Clock()
    async with gateway(limited(body_bytes=8_192, bytesPerSecond=1_024), clock=clock) as g:
        assert (await g.ask(post(b"{}" + b" " * 5_000))).status == 200
        client = await g.connect()
        client.send(b"POST /log/repo/logs HTTP/1.1\r\nHost: gw\r\nTransfer-Encoding: chunked\r\n\r\n")
        client.send(b"c00\r\n" + b" " * 3_072 + b"\r\n")
        client.send(b"400\r\n" + b" " * 1_024 + b"\r\n")
        answer = await client.answer()
        assert (answer.status, answer.json["limit"], answer.headers["connection"]) == (503, "bytesPerSecond", "close")
        assert int(answer.headers["retry-after"]) >= 1
        assert await client.closed()
        assert (g.budget.reserved, g.producer.reserved) == (0, 0)
        clock.now += 8
        assert (await g.ask(chunked(b"{}" + b" " * 4_000))).status == 200


async def test_encoded_bodies_are_charged_as_they_are_received() -> None:
    body = gzip.compress(b"{}" + b" " * 100_000)
    async with gateway(limited(body_bytes=200_000, bytesPerSecond=1_024), clock=Clock()) as g:
        for _ in range(5):
            assert (await g.ask(post(body, "Content-Encoding: gzip"))).status == 200


async def test_a_request_that_is_refused_for_another_reason_is_not_charged() -> None:
    async with gateway(limited(requestsPerSecond=1), producer=FakeProducer(down="away"), clock=Clock()) as g:
        assert (await g.ask(b"GET /log/repo/logs HTTP/1.1\r\nHost: gw\r\n\r\n")).status == 405
        assert (await g.ask(post(b"{}", "Content-Encoding: br"))).status == 415
        assert (await g.ask(post(b"{}"))).json["reason"] == "ProducerDown"
        g.producer.down = None
        assert (await g.ask(post(b"{}"))).status == 200
        assert (await g.ask(post(b"{}"))).status == 503


async def test_a_refusal_over_the_limit_says_nothing_about_a_revision() -> None:
    async with gateway(limited(body_bytes=4_096, requestsPerSecond=1, bytesPerSecond=1_024), clock=Clock()) as g:
        assert (await g.ask(post(b"{}" + b" " * 4_000))).status == 200
        assert (await g.ask(post(b"{}"))).status == 503
        (sample,) = g.ingest.traffic.analysis.samples(("default", "logs"))
        assert (sample.requests, sample.excluded, sample.server_errors) == (1, 1, 0)


async def test_a_chunked_refusal_says_nothing_about_a_revision_either() -> None:
    async with gateway(limited(body_bytes=4_096, bytesPerSecond=1_024), clock=Clock()) as g:
        assert (await g.ask(post(b"{}" + b" " * 4_000))).status == 200
        assert (await g.ask(chunked(b" " * 1_024))).status == 503
        (sample,) = g.ingest.traffic.analysis.samples(("default", "logs"))
        assert (sample.requests, sample.excluded, sample.server_errors) == (1, 1, 0)


async def test_repos_have_limits_of_their_own() -> None:
    other = repo_config("other", limits={"perGateway": {"requestsPerSecond": 1}})
    async with gateway(limited(requestsPerSecond=1), other, clock=Clock()) as g:
        assert [(await g.ask(post(b"{}"))).status for _ in range(2)] == [200, 503]
        assert [(await g.ask(post(b"{}", path="/log/repo/other"))).status for _ in range(2)] == [200, 503]


def test_a_reload_fills_no_bucket_and_a_repo_that_left_begins_anew() -> None:
    traffic = TrafficCounters()

    def serve() -> Any:
        return served_repo(limited(requestsPerSecond=3), {"main": FakeProducer()}, traffic)

    first = serve()
    assert [first.guard.rates.begin(0, 1.0) is None for _ in range(3)] == [True] * 3
    second = serve()
    first.leave()
    assert second.guard.rates.begin(0, 1.0) is not None
    second.leave()
    assert serve().guard.rates.begin(0, 1.0) is None


def test_a_repo_without_authentication_or_limits_has_no_guard() -> None:
    assert served_repo(repo_config(), {"main": FakeProducer()}, TrafficCounters()).guard is None


async def test_a_request_that_finds_no_room_is_not_charged() -> None:
    config = repo_config(limits={"perGateway": {"requestsPerSecond": 1, "bytesPerSecond": 1_024}})
    async with gateway(config, clock=lambda: 5.0) as g:
        g.budget.reserve(g.budget.limit)
        for _ in range(3):
            answer = await g.ask(post(b"{}"))
            assert (answer.status, answer.json["reason"]) == (503, "Overloaded")
        g.budget.release(g.budget.limit)
        assert (await g.ask(post(b"{}"))).status == 200
        assert (await g.ask(post(b"{}"))).json["reason"] == "RateLimited"
