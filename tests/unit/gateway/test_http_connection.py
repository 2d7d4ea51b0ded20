"""What happens around requests: keep-alive, pipelining, Expect, slow and vanishing clients, budgets, drain."""

import asyncio
import socket

import pytest
from tests.unit.gateway.builders import SHORT, FakeProducer, Gateway, chunked, gateway, post, repo_config

from headgate_gateway.http.server import Timeouts

HEAD = b"POST /log/repo/logs HTTP/1.1\r\nHost: gw\r\n"


async def until(condition: object, seconds: float = 3) -> None:
    assert callable(condition)
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - what is waited for knows nothing of tests
            await asyncio.sleep(0.01)


def at_rest(g: Gateway) -> bool:
    return (g.budget.reserved, g.producer.reserved) == (0, 0)


async def test_a_connection_serves_many_requests() -> None:
    async with gateway() as g:
        client = await g.connect()
        for _ in range(50):
            client.send(post(b"{}"))
            assert (await client.answer()).status == 200
        assert len(g.server.connections) == 1


async def test_pipelined_requests_are_answered_in_order() -> None:
    async with gateway() as g:
        client = await g.connect()
        requests = [post(b'{"n":%d}' % n, f"X-Request-Id: r{n}") for n in range(200)]
        requests[7] = post(b"oops", "X-Request-Id: r7")
        requests[9] = post(b"{}", "X-Request-Id: r9", path="/unknown")
        requests[11] = b"GET /status HTTP/1.1\r\nHost: gw\r\nX-Request-Id: r11\r\n\r\n"
        client.send(b"".join(requests))
        answers = [await client.answer() for _ in requests]
        assert [answer.headers["x-request-id"] for answer in answers] == [f"r{n}" for n in range(200)]
        assert [answers[n].status for n in (6, 7, 8, 9, 11)] == [200, 400, 200, 404, 200]


async def test_a_pipeline_waits_in_the_socket_beyond_its_bound() -> None:
    async with gateway(producer=FakeProducer(hold=True)) as g:
        client = await g.connect()
        one = post(b'{"a":"' + b"x" * 50_000 + b'"}')
        client.send(one * 200)
        await until(lambda: g.producer.waiting)
        await asyncio.sleep(0.2)
        (connection,) = g.server.connections
        assert connection._reader.buffered < 2_000_000
        assert len(g.producer.submitted) == 1
        g.producer.hold = False
        g.producer.settle()
        for _ in range(200):
            assert (await client.answer()).status == 200


@pytest.mark.parametrize("version", ["1.0", "1.1"])
async def test_close_is_answered_with_close(version: str) -> None:
    async with gateway() as g:
        client = await g.connect()
        client.send(f"GET /status HTTP/{version}\r\nHost: gw\r\nConnection: close\r\n\r\n".encode())
        assert (await client.answer()).headers["connection"] == "close"
        assert await client.closed()


async def test_what_cannot_be_understood_is_400_and_close() -> None:
    async with gateway() as g:
        client = await g.connect()
        client.send(
            post(b"{}") + HEAD + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + post(b"{}")
        )
        assert (await client.answer()).status == 200
        answer = await client.answer()
        assert (answer.status, answer.json["reason"], answer.headers["connection"]) == (400, "BadRequest", "close")
        assert answer.headers["x-request-id"]
        assert await client.closed()
        assert len(g.producer.submitted) == 1
        assert g.ingest.traffic.elsewhere.requests == {400: 1}


async def test_a_broken_chunk_is_400_and_sends_nothing() -> None:
    async with gateway() as g:
        client = await g.connect()
        client.send(HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\nzz\r\n")
        assert (await client.answer()).status == 400
        assert await client.closed()
        assert (g.producer.submitted, at_rest(g)) == ([], True)


async def test_a_flood_of_headers_is_431() -> None:
    async with gateway() as g:
        client = await g.connect()
        client.send(HEAD + b"A: b\r\n" * 100_000)
        assert (await client.answer()).status == 431


# Expect: 100-continue


async def test_100_comes_only_after_admission() -> None:
    async with gateway() as g:
        client = await g.connect()
        client.send(HEAD + b"Content-Length: 2\r\nExpect: 100-continue\r\n\r\n")
        assert await client.reader.readexactly(25) == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.send(b"{}")
        assert (await client.answer()).status == 200


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (HEAD.replace(b"logs", b"none") + b"Content-Length: 2\r\n", 404),
        (HEAD.replace(b"POST", b"PUT") + b"Content-Length: 2\r\n", 405),
        (HEAD + b"Content-Length: 99999999\r\n", 413),
        (HEAD + b"Content-Length: 2\r\nContent-Type: image/png\r\n", 415),
        (HEAD + b"Content-Length: 3000\r\n", 503),
    ],
)
async def test_instead_of_100_comes_the_final_status_and_close(request_bytes: bytes, status: int) -> None:
    async with gateway(producer=FakeProducer(limit=2_000)) as g:
        client = await g.connect()
        client.send(request_bytes + b"Expect: 100-continue\r\n\r\n")
        answer = await client.answer()
        assert (answer.status, answer.headers["connection"]) == (status, "close")
        assert await client.closed()


async def test_no_100_when_the_body_is_there_already() -> None:
    async with gateway() as g:
        assert (await g.ask(post(b"{}", "Expect: 100-continue"))).status == 200


# Early answers


async def test_a_short_body_of_a_refused_request_is_skipped() -> None:
    async with gateway() as g:
        client = await g.connect()
        client.send(post(b"{}" * 1_000, path="/unknown") + post(b"{}"))
        assert (await client.answer()).status == 404
        assert (await client.answer()).status == 200


async def test_a_refused_chunked_request_costs_the_connection() -> None:
    async with gateway() as g:
        client = await g.connect()
        client.send(chunked(b"{}").replace(b"logs", b"none"))
        answer = await client.answer()
        assert (answer.status, answer.headers["connection"]) == (404, "close")
        assert await client.closed()


# Budgets


async def test_beyond_the_memory_budget_is_503_at_once() -> None:
    async with gateway(producer=FakeProducer(hold=True), budget=10_000) as g:
        first = await g.connect()
        first.send(post(b'{"a":"' + b"x" * 3_000 + b'"}'))
        await until(lambda: g.producer.waiting)
        answer = await g.ask(post(b'{"a":"' + b"x" * 4_000 + b'"}'))
        assert (answer.status, answer.json["reason"], answer.headers["retry-after"]) == (503, "Overloaded", "1")
        g.producer.settle()
        assert (await first.answer()).status == 200
        assert at_rest(g)


async def test_a_profile_at_its_bound_starves_only_itself() -> None:
    async with gateway(producer=FakeProducer(hold=True, limit=7_000)) as g:
        first = await g.connect()
        first.send(post(b'{"a":"' + b"x" * 3_000 + b'"}'))
        await until(lambda: g.producer.waiting)
        answer = await g.ask(post(b"{}" * 2_000))
        assert (answer.status, answer.json["reason"]) == (503, "Overloaded")
        assert "producer main" in answer.json["message"]
        g.producer.settle()
        assert (await first.answer()).status == 200


async def test_a_body_that_can_never_fit_is_413() -> None:
    async with gateway(budget=10_000) as g:
        assert (await g.ask(post(b"x" * 20_000))).status == 413


async def test_what_tiny_lines_take_is_counted_too() -> None:
    async with gateway(budget=1_000_000) as g:
        answer = await g.ask(post(b"{}\n" * 100_000))
        assert (answer.status, answer.json["reason"]) == (413, "BodyTooLarge")
        assert at_rest(g)


async def test_a_chunked_body_is_reserved_chunk_by_chunk() -> None:
    async with gateway(budget=100_000) as g:
        client = await g.connect()
        client.send(HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + b"3E8\r\n" + b"x" * 1_000 + b"\r\n")
        await until(lambda: g.budget.reserved == 1_000)
        client.send(b"7D0\r\n" + b"x" * 2_000 + b"\r\n")
        await until(lambda: g.budget.reserved == 3_000)
        await client.close()
        await until(lambda: at_rest(g))


async def test_reservations_are_held_until_the_outcome_is_known() -> None:
    async with gateway(producer=FakeProducer(hold=True)) as g:
        client = await g.connect()
        body = b'{"a":1}\n' * 100
        client.send(post(body))
        await until(lambda: g.producer.waiting)
        assert g.budget.reserved == g.producer.reserved >= len(body) + 100 * 100
        g.producer.settle()
        await client.answer()
        assert at_rest(g)


# Slow and vanishing clients


async def test_a_head_that_does_not_come_is_408() -> None:
    async with gateway() as g:
        client = await g.connect()
        client.send(b"POST /log/repo/logs HTTP/1.1\r\nHo")
        for _ in range(4):  # dripping does not help
            await asyncio.sleep(0.08)
            client.send(b"s")
        answer = await client.answer()
        assert (answer.status, answer.json["reason"]) == (408, "RequestTimeout")
        assert await client.closed()


async def test_a_body_that_stops_halfway_is_408() -> None:
    async with gateway() as g:
        client = await g.connect()
        client.send(post(b'{"a":1}\n{"a"', length=100))
        answer = await client.answer()
        assert (answer.status, answer.headers["connection"]) == (408, "close")
        assert await client.closed()
        assert (g.producer.submitted, at_rest(g)) == ([], True)
        assert g.counters().requests == {408: 1}


async def test_a_body_that_drips_is_408() -> None:
    async with gateway() as g:
        client = await g.connect()
        client.send(post(b"{", length=1_000))
        dripping = asyncio.create_task(drip(client.writer))
        assert (await client.answer()).status == 408
        dripping.cancel()


async def drip(writer: asyncio.StreamWriter) -> None:
    while True:
        await asyncio.sleep(0.05)
        writer.write(b" ")


async def test_a_slow_but_steady_body_is_taken() -> None:
    async with gateway() as g:
        client = await g.connect()
        line = b'{"a":"' + b"x" * 500 + b'"}\n'
        client.send(post(b"", length=len(line) * 10))
        for _ in range(10):
            await asyncio.sleep(0.1)
            client.send(line)
        assert (await client.answer()).status == 200


async def test_an_idle_connection_is_closed_after_its_time_without_a_word() -> None:
    async with gateway(timeouts=Timeouts(keep_alive=0.3, sweep=0.05)) as g:
        client = await g.connect()
        client.send(post(b"{}"))
        assert (await client.answer()).status == 200
        assert await client.closed()


async def test_a_waiting_answer_has_no_deadline_of_the_connections() -> None:
    async with gateway(producer=FakeProducer(hold=True)) as g:
        client = await g.connect()
        client.send(post(b"{}"))
        await asyncio.sleep(1)
        g.producer.settle()
        assert (await client.answer()).status == 200


async def test_a_client_that_leaves_halfway_leaves_nothing_behind() -> None:
    async with gateway() as g:
        client = await g.connect()
        client.send(post(b"{}", length=100))
        await until(lambda: g.budget.reserved == 100)
        await client.close()
        await until(lambda: at_rest(g) and not g.server.connections)
        assert (g.counters().requests, g.producer.submitted) == ({499: 1}, [])


async def test_a_client_that_leaves_before_the_answer_loses_no_lines() -> None:
    async with gateway(producer=FakeProducer(hold=True)) as g:
        client = await g.connect()
        client.send(post(b"{}"))
        await until(lambda: g.producer.waiting)
        await client.close()
        await asyncio.sleep(0.1)
        g.producer.settle()
        await until(lambda: not g.server.connections)
        assert (g.counters().delivered, at_rest(g)) == (1, True)


async def test_a_half_closed_client_gets_its_answer() -> None:
    async with gateway(producer=FakeProducer(hold=True)) as g:
        client = await g.connect()
        client.send(post(b"{}"))
        client.writer.write_eof()
        await until(lambda: g.producer.waiting)
        g.producer.settle()
        assert (await client.answer()).status == 200
        assert await client.closed()


async def test_a_client_that_reads_no_answers_is_cut() -> None:
    async with gateway(timeouts=Timeouts(write=0.3, sweep=0.05)) as g:
        loop = asyncio.get_running_loop()
        with socket.socket() as raw:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
            raw.setblocking(False)
            await loop.sock_connect(raw, ("127.0.0.1", g.port))
            request = b"GET /log/repo/logs HTTP/1.1\r\nHost: gw\r\n\r\n" * 1_000
            with pytest.raises(ConnectionError):
                await flood(raw, request)
            await until(lambda: not g.server.connections)


async def flood(raw: socket.socket, data: bytes) -> None:
    async with asyncio.timeout(10):
        while True:
            await asyncio.get_running_loop().sock_sendall(raw, data)


# Drain


async def test_while_draining_answers_carry_close() -> None:
    async with gateway() as g:
        client = await g.connect()
        client.send(post(b"{}"))
        assert "connection" not in (await client.answer()).headers
        g.server.draining = True
        client.send(post(b"{}"))
        answer = await client.answer()
        assert (answer.status, answer.headers["connection"]) == (200, "close")
        assert await client.closed()


async def test_finish_waits_for_open_requests_and_closes_idle_connections() -> None:
    async with gateway(producer=FakeProducer(hold=True), timeouts=SHORT) as g:
        idle, busy = await g.connect(), await g.connect()
        busy.send(post(b"{}"))
        await until(lambda: g.producer.waiting and len(g.server.connections) == 2)
        g.server.draining = True
        await g.server.stop_listening()
        finishing = asyncio.create_task(g.server.finish(5))
        assert await idle.closed()
        assert not finishing.done()
        g.producer.settle()
        assert (await busy.answer()).headers["connection"] == "close"
        assert await finishing


async def test_finish_gives_up_when_its_time_is_over() -> None:
    async with gateway(producer=FakeProducer(hold=True)) as g:
        client = await g.connect()
        client.send(post(b"{}"))
        await until(lambda: g.producer.waiting)
        assert not await g.server.finish(0.2)


async def test_two_repos_are_served_side_by_side() -> None:
    async with gateway(repo_config("a"), repo_config("b")) as g:
        assert (await g.ask(post(b"{}", path="/log/repo/a"))).status == 200
        assert (await g.ask(post(b"oops", path="/log/repo/b"))).status == 400
        assert (g.counters("a").received, g.counters("b").received) == (1, 1)
