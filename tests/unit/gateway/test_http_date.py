"""Every answer says when it was made (RFC 9110, section 6.6.1), and the time is written once a second, not per answer."""

import asyncio

from tests.unit.gateway.builders import Gateway, gateway, post

from headgate_gateway.http.server import Timeouts

NOON = b"Sat, 21 Nov 2026 12:00:00 GMT"


async def dates(g: Gateway, *requests: bytes) -> set[tuple[int, str]]:
    answers = [await g.ask(request, request[:4].decode().strip()) for request in requests]
    return {(answer.status, answer.headers["date"]) for answer in answers}


async def test_answers_of_every_way_carry_the_date_of_the_last_sweep() -> None:
    async with gateway(timeouts=Timeouts(sweep=3_600)) as g:
        g.server.date = NOON
        said = await dates(
            g,
            post(b'{"one":1}'),  # the short way
            post(b'{"one":1}\n{"two":2}\n'),
            post(b"{"),
            post(b"{}", "Connection: close"),
            b"HEAD /status HTTP/1.1\r\nHost: gw\r\n\r\n",
            b"GET /none HTTP/1.1\r\nHost: gw\r\n\r\n",
            b"POST / HTTP/3.0\r\nHost: gw\r\n\r\n",
        )
        assert said == {(status, NOON.decode()) for status in (200, 400, 404, 505)}


async def test_each_sweep_writes_the_date_anew() -> None:
    async with gateway(timeouts=Timeouts(sweep=0.02)) as g:
        g.server.date = NOON
        async with asyncio.timeout(10):
            while g.server.date == NOON:  # noqa: ASYNC110 - the sweep tells nobody
                await asyncio.sleep(0.01)
        assert (await g.ask(post(b"{}"))).headers["date"] != NOON.decode()
