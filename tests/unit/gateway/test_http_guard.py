"""Whatever breaks inside a request: it is answered, and nothing that it held stays behind."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from tests.unit.gateway.builders import FakeProducer, Gateway, constraint, expression, gateway, post, repo_config

LARGE = b'{"a":"%b"}\n' % (b"x" * 1_000) * 1_000


class DefectError(Exception):
    """What nobody expects."""


def broken(*_: Any, **__: Any) -> Any:
    raise DefectError


class Outcomeless:
    """A submission whose outcome cannot be read."""

    @property
    def outcome(self) -> Any:
        raise DefectError


class BrokenWithin(FakeProducer):
    """Takes records, then raises; tells their fate nevertheless."""

    def submit(self, records: Any, now_ms: int, on_done: Callable[[Any], None]) -> Any:
        super().submit(records, now_ms, on_done)
        raise DefectError


class BrokenFate(FakeProducer):
    """Tells a fate that cannot be read."""

    def submit(self, records: Any, now_ms: int, on_done: Callable[[Any], None]) -> Any:
        asyncio.get_running_loop().call_soon(lambda: on_done(Outcomeless()))


def served(g: Gateway) -> Any:
    return g.ingest.router["/log/repo/logs"].repo


def at_rest(g: Gateway) -> bool:
    held = (g.budget.reserved, g.producer.reserved, served(g)._users, g.counters().in_flight)
    return held == (0, 0, 1, 0)


def compile_to(g: Gateway, begin: Callable[..., Any], single: Callable[..., Any] | None = None) -> None:
    route = g.ingest.router["/log/repo/logs"]
    compiled = replace(route.compiled, begin=begin, single=single)
    g.ingest.router = {"/log/repo/logs": replace(route, compiled=compiled)}


def break_begin(g: Gateway) -> None:
    compile_to(g, broken)


def break_both_ways(g: Gateway) -> None:
    compile_to(g, broken, broken)


def break_third_run(g: Gateway) -> None:
    compiled = g.ingest.router["/log/repo/logs"].compiled

    def begin(headers: Any, now_ms: int) -> Any:
        run, fed = compiled.begin(headers, now_ms), iter(range(100))
        feed = run.feed
        run.feed = lambda *piece: feed(*piece) if next(fed) < 2 else broken()
        return run

    compile_to(g, begin)


def break_nothing(_: Gateway) -> None:
    """The producer is what breaks."""


CASES = [
    pytest.param(FakeProducer, break_begin, b"{}", 0, id="the pipeline on a small body"),
    pytest.param(FakeProducer, break_both_ways, b"{}", 0, id="the short way and the pipeline"),
    pytest.param(FakeProducer, break_begin, LARGE, 0, id="the pipeline on a large body"),
    pytest.param(FakeProducer, break_third_run, LARGE, 0, id="the pipeline after some lines"),
    pytest.param(BrokenWithin, break_nothing, b"{}", 1, id="submitting"),
    pytest.param(BrokenFate, break_nothing, b"{}", 1, id="reading the outcome"),
    pytest.param(BrokenFate, break_nothing, LARGE, 1_000, id="reading the outcome of many lines"),
]


@pytest.mark.parametrize(("producer", "break_it", "body", "unknown"), CASES)
async def test_a_defect_is_answered_500_and_leaves_nothing_behind(
    producer: type[FakeProducer], break_it: Callable[[Gateway], None], body: bytes, unknown: int
) -> None:
    async with gateway(producer=producer()) as g:
        break_it(g)
        client = await g.connect()
        client.send(post(body))
        answer = await client.answer()
        assert (answer.status, answer.json["reason"]) == (500, "InternalError")
        await asyncio.sleep(0.02)
        assert at_rest(g)
        assert (g.counters().requests, g.counters().unknown) == ({500: 1}, unknown)
        client.send(b"GET /status HTTP/1.1\r\nHost: gw\r\n\r\n")
        assert (await client.answer()).status == 200


@pytest.mark.parametrize("lines", [1, 20_000])
async def test_a_crafted_line_is_refused_like_any_bad_line(lines: int) -> None:
    crafted = repo_config(constraint=constraint(expression("n", "NotIn", 7)), kafka={"key": {"field": "k"}})
    async with gateway(crafted) as g:
        answer = await g.ask(post(rb'{"n":1e999,"k":"\ud800"}' + b"\n" + b'{"a":"xxxxxxxxxxxxxx"}\n' * lines))
        assert (answer.status, answer.json["rejectedLines"]) == (400, ["1"])
        assert at_rest(g)


async def test_a_defect_that_requests_can_repeat_is_told_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    async with gateway() as g:
        break_both_ways(g)
        for _ in range(3):
            assert (await g.ask(post(b"{}"))).status == 500
        told = [record.message for record in caplog.records if record.exc_info]
        assert sorted(told) == ["request broke", "the short way broke"]
        assert g.counters().requests == {500: 3}
