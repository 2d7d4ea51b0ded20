"""More connections than a gateway takes: the others are told so, and cost those that are there nothing."""

import asyncio
import resource
from collections.abc import Callable

import pytest
from tests.unit.gateway.builders import gateway, post

from headgate_gateway.descriptors import RESERVE, decide_max_connections, raise_open_files
from headgate_gateway.http.server import Timeouts
from headgate_gateway.http.surplus import MOST_SURPLUS


async def until(holds: Callable[[], object]) -> None:
    async with asyncio.timeout(10):
        while not holds():  # noqa: ASYNC110 - a server's counters tell nobody
            await asyncio.sleep(0.01)


async def test_one_connection_too_many_is_answered_503_and_closed() -> None:
    async with gateway(max_connections=2) as g:
        first, second, third = [await g.connect() for _ in range(3)]
        await until(lambda: g.server.surplus)
        third.send(post(b"{}"))
        answer = await third.answer()
        assert (answer.status, answer.json["reason"]) == (503, "TooManyConnections")
        assert (answer.headers["connection"], answer.headers["retry-after"]) == ("close", "1")
        assert answer.json["requestId"] == answer.headers["x-request-id"]
        assert await third.closed()
        for client in (first, second):
            client.send(post(b"{}"))
            assert (await client.answer()).status == 200
        assert (len(g.server.connections), g.server.connections_opened, g.server.connections_refused) == (2, 2, 1)
        assert g.ingest.traffic.elsewhere.requests == {503: 1}


async def test_a_connection_that_ends_makes_room() -> None:
    async with gateway(max_connections=1) as g:
        first = await g.connect()
        first.send(post(b"{}"))
        assert (await first.answer()).status == 200
        assert (await g.ask(post(b"{}"))).status == 503
        await first.close()
        await until(lambda: not g.server.connections)
        assert (await g.ask(post(b"{}"))).status == 200


async def test_a_large_body_does_not_reset_the_answer() -> None:
    async with gateway(max_connections=1) as g:
        await g.connect()
        await until(lambda: g.server.connections)
        client = await g.connect()
        client.send(post(b"x" * 500_000))
        assert (await client.answer()).status == 503
        assert (g.budget.reserved, g.producer.submitted) == (0, [])


async def test_whoever_says_nothing_is_closed_without_an_answer() -> None:
    async with gateway(max_connections=1) as g:
        await g.connect()
        await until(lambda: g.server.connections)
        client = await g.connect()
        assert await client.closed()
        await until(lambda: not g.server.surplus)
        assert g.ingest.traffic.elsewhere.requests == {}


async def test_of_those_too_many_only_some_may_wait_for_their_answer() -> None:
    async with gateway(timeouts=Timeouts(linger=60), max_connections=1) as g:
        await g.connect()
        waiting = [await g.connect() for _ in range(MOST_SURPLUS)]
        await until(lambda: len(g.server.surplus) == MOST_SURPLUS)
        beyond = [await g.connect() for _ in range(3)]
        assert all([await client.closed() for client in beyond])
        waiting[-1].send(post(b"{}"))
        assert (await waiting[-1].answer()).status == 503
        assert (len(g.server.connections), g.server.connections_refused) == (1, MOST_SURPLUS + 3)


async def test_the_end_of_a_server_cuts_those_too_many_as_well() -> None:
    async with gateway(max_connections=1) as g:
        await g.connect()
        await until(lambda: g.server.connections)
        client = await g.connect()
        await until(lambda: g.server.surplus)
        g.server.abort()
        assert await client.closed()


@pytest.mark.parametrize(
    ("asked", "open_files", "expected"),
    [
        (20_000, 20_000 + RESERVE, 20_000),
        (20_000, 10_000, 10_000 - RESERVE),
        (20_000, 1_024, 512),
        (100, 1_024, 100),
    ],
    ids=["all fit", "a reserve is kept", "of few files half is kept", "no more than asked for"],
)
def test_connections_leave_files_for_everything_else(asked: int, open_files: int, expected: int) -> None:
    assert decide_max_connections(asked, open_files) == expected


@pytest.mark.parametrize(
    ("soft", "hard", "raised"),
    [(1_024, 4_096, 3_000), (1_024, 2_000, 2_000), (8_192, 8_192, None), (1_024, -1, 3_000), (-1, -1, None)],
    ids=["soft is a default", "hard is the end", "enough", "no hard end", "no end"],
)
def test_the_soft_limit_of_open_files_is_raised_as_far_as_need_be(
    soft: int, hard: int, raised: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_to: list[tuple[int, int]] = []
    monkeypatch.setattr(resource, "getrlimit", lambda _: (soft, hard))
    monkeypatch.setattr(resource, "setrlimit", lambda _, limits: set_to.append(limits))
    assert raise_open_files(3_000) == (raised or 3_000)
    assert set_to == ([(raised, hard)] if raised else [])
