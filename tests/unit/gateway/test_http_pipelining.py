"""Pipelines whose client reads slowly, half-closes or speaks HTTP/1.0; deadlines that stand by themselves."""

import asyncio
import socket
from typing import cast

from tests.unit.gateway.builders import FakeProducer, Gateway, gateway, post

from headgate_gateway.http.connection import Connection, Phase
from headgate_gateway.http.server import Timeouts

NOTHING = b"GET /nothing HTTP/1.1\r\nHost: gw\r\n\r\n"
UNREAD = Timeouts(write=20, sweep=0.05)


async def slow_reader(g: Gateway) -> socket.socket:
    raw = socket.socket()
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    raw.setblocking(False)
    await asyncio.get_running_loop().sock_connect(raw, ("127.0.0.1", g.port))
    return raw


async def read_answers(raw: socket.socket, count: int) -> int:
    """How many answers came before `count`, or the end."""
    loop, answers, rest = asyncio.get_running_loop(), 0, b""
    while answers < count:
        data = await loop.sock_recv(raw, 2**18)
        if not data:
            break
        answers += (rest + data).count(b"HTTP/1.1 ")
        rest = data[-8:] if b"HTTP/1.1 " not in data[-16:] else b""
    return answers


async def test_pipelined_refusals_are_all_answered_though_reading_them_paused() -> None:
    async with gateway(timeouts=UNREAD) as g:
        raw, count = await slow_reader(g), 60_000
        sending = asyncio.create_task(asyncio.get_running_loop().sock_sendall(raw, NOTHING * count))
        await asyncio.sleep(1)
        async with asyncio.timeout(20):
            answered = await read_answers(raw, count)
        await sending
        raw.close()
        assert answered == count


async def test_pipelined_bodies_go_on_once_their_answers_are_read() -> None:
    async with gateway(timeouts=UNREAD) as g:
        raw, count = await slow_reader(g), 10_000
        requests = b"".join(NOTHING + post(b'{"n":%d}' % n) for n in range(count // 2))
        sending = asyncio.create_task(asyncio.get_running_loop().sock_sendall(raw, requests))
        await asyncio.sleep(0.5)
        async with asyncio.timeout(20):
            answered = await read_answers(raw, count)
        await sending
        raw.close()
        assert (answered, len(g.producer.submitted)) == (count, count // 2)


async def test_whole_requests_before_a_half_close_are_all_answered() -> None:
    async with gateway(producer=FakeProducer(hold=True)) as g:
        client = await g.connect()
        client.send(post(b'{"n":1}') + post(b'{"n":2}') + post(b'{"n":3}') + post(b"{", length=10))
        client.writer.write_eof()
        await asyncio.sleep(0.1)
        g.producer.hold = False
        g.producer.settle()
        for _ in range(3):
            assert (await client.answer()).status == 200
        assert await client.closed()
        assert (g.producer.values, g.budget.reserved) == ([b'{"n":1}', b'{"n":2}', b'{"n":3}'], 0)


async def test_the_last_answer_to_a_half_closed_client_says_close() -> None:
    async with gateway(producer=FakeProducer(hold=True)) as g:
        client = await g.connect()
        client.send(post(b"{}"))
        client.writer.write_eof()
        await asyncio.sleep(0.1)
        g.producer.settle()
        assert (await client.answer()).headers["connection"] == "close"


async def test_a_pipeline_in_memory_is_small() -> None:
    async with gateway(producer=FakeProducer(hold=True)) as g:
        client = await g.connect()
        client.send(post(b"{}"))
        await asyncio.sleep(0.1)
        for _ in range(40):
            client.send(post(b'{"a":"' + b"x" * 5_000 + b'"}'))
            await asyncio.sleep(0.005)
        (connection,) = g.server.connections
        assert 0 < connection._reader.buffered < 64 * 2**10
        g.producer.hold = False
        g.producer.settle()
        for _ in range(41):
            assert (await client.answer()).status == 200


async def test_http_1_0_is_told_that_its_connection_stays() -> None:
    async with gateway() as g:
        client = await g.connect()
        for _ in range(2):
            client.send(b"GET /status HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
            assert (await client.answer()).headers["connection"] == "keep-alive"
        client.send(b"GET /status HTTP/1.0\r\n\r\n")
        assert (await client.answer()).headers["connection"] == "close"


async def test_an_announced_body_is_to_be_whole_in_a_time_that_follows_from_its_size() -> None:
    quick = Timeouts(body=0.3, body_bytes_per_second=10_000, body_stall=5, sweep=0.02)
    async with gateway(timeouts=quick) as g:
        client, loop = await g.connect(), asyncio.get_running_loop()
        began = loop.time()
        client.send(post(b"", length=5_000))
        while not g.counters().requests and loop.time() < began + 3:
            client.send(b" " * 100)  # steady, and far too slow for what it holds
            await asyncio.sleep(0.05)
        assert (await client.answer()).status == 408
        assert 0.7 < loop.time() - began < 1.5
        assert g.budget.reserved == 0


class Broken:
    """A connection that raises once its deadline is over."""

    phase = Phase.IDLE
    deadline = 0.0

    def on_deadline(self) -> None:
        self.deadline = float("inf")
        raise RuntimeError


async def test_deadlines_outlive_a_connection_that_raises() -> None:
    async with gateway(timeouts=Timeouts(head=0.1, sweep=0.02)) as g:
        broken = Broken()
        g.server.connections.add(cast("Connection", broken))
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda *_: None)
        await asyncio.sleep(0.2)
        assert broken.deadline == float("inf")
        g.server.connections.discard(cast("Connection", broken))
        other = await g.connect()
        other.send(b"POST")
        assert (await other.answer()).status == 408
