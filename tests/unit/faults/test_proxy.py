"""The proxy between two ends on loopback: what passes, what is cut where, what waits."""

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from tests.faults.proxy import PRODUCE, Proxy, Weather

METADATA = 3


def request(identity: int, kind: int = PRODUCE, size: int = 100) -> bytes:
    payload = struct.pack(">hhi", kind, 7, identity) + b"q" * size
    return struct.pack(">i", len(payload)) + payload


def answer(identity: int, size: int = 100) -> bytes:
    payload = struct.pack(">i", identity) + b"a" * size
    return struct.pack(">i", len(payload)) + payload


class Broker:
    """Answers every whole request with one of the same number; keeps all bytes that it got."""

    def __init__(self) -> None:
        self.got = bytearray()
        self.ended = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        pending = b""
        while data := await reader.read(65_536):
            self.got += data
            pending += data
            while len(pending) >= 12 and len(pending) >= 4 + struct.unpack_from(">i", pending)[0]:
                writer.write(answer(struct.unpack_from(">i", pending, 8)[0]))
                pending = pending[4 + struct.unpack_from(">i", pending)[0] :]
        self.ended.set()
        writer.close()


class World:
    def __init__(self, broker: Broker, proxy: Proxy, weather: Weather) -> None:
        self.broker, self.proxy, self.weather = broker, proxy, weather
        self.writers: list[asyncio.StreamWriter] = []

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.proxy.port)
        self.writers.append(writer)
        return reader, writer


@asynccontextmanager
async def world() -> AsyncIterator[World]:
    broker, weather = Broker(), Weather()
    server = await asyncio.start_server(broker.serve, "127.0.0.1", 0)
    proxy = Proxy(0, server.sockets[0].getsockname()[1], weather)
    await proxy.start()
    made = World(broker, proxy, weather)
    try:
        yield made
    finally:
        for writer in made.writers:
            writer.transport.abort()
        await proxy.stop()
        server.close()
        await asyncio.sleep(0)


async def read_all(reader: asyncio.StreamReader) -> bytes:
    async with asyncio.timeout(5):
        try:
            return await reader.read()
        except ConnectionResetError:
            return b""


async def test_requests_and_answers_pass_as_they_are() -> None:
    async with world() as made:
        reader, writer = await made.connect()
        sent = request(1) + request(2, METADATA, 100_000) + request(3)
        writer.write(sent)
        for number in (1, 2, 3):
            assert await reader.readexactly(len(answer(number))) == answer(number)
        assert bytes(made.broker.got) == sent


@pytest.mark.parametrize("part", [0.0, 0.5, 1.0])
async def test_a_produce_request_is_cut_where_it_was_asked_for(part: float) -> None:
    async with world() as made:
        made.weather.cut_requests.append(part)
        reader, writer = await made.connect()
        writer.write(request(1, METADATA))
        assert await reader.readexactly(len(answer(1))) == answer(1)
        writer.write(request(2))
        assert await read_all(reader) == b""
        async with asyncio.timeout(5):
            await made.broker.ended.wait()
        whole = request(1, METADATA) + request(2)
        assert bytes(made.broker.got) == whole[: len(request(1, METADATA)) + int(len(request(2)) * part)]
        assert made.weather.cuts == 1


@pytest.mark.parametrize("part", [0.0, 0.5])
async def test_an_answer_is_cut_after_kafka_has_the_request(part: float) -> None:
    async with world() as made:
        made.weather.cut_answers.append(part)
        reader, writer = await made.connect()
        writer.write(request(1, METADATA))
        assert await reader.readexactly(len(answer(1))) == answer(1)
        writer.write(request(2))
        assert await read_all(reader) == answer(2)[: int(len(answer(2)) * part)]
        assert bytes(made.broker.got).endswith(request(2))


async def test_nothing_passes_a_black_hole_and_all_of_it_later() -> None:
    async with world() as made:
        reader, writer = await made.connect()
        made.weather.swallow()
        writer.write(request(1))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reader.readexactly(1), 0.1)
        assert made.broker.got == b""
        made.weather.release()
        assert await reader.readexactly(len(answer(1))) == answer(1)


async def test_what_refuses_ends_connections_as_they_come() -> None:
    async with world() as made:
        made.weather.refuse = True
        reader, _ = await made.connect()
        assert await read_all(reader) == b""
        made.weather.clear()
        reader, writer = await made.connect()
        writer.write(request(1))
        assert await reader.readexactly(len(answer(1))) == answer(1)


async def test_a_reset_ends_what_is_open() -> None:
    async with world() as made:
        reader, writer = await made.connect()
        writer.write(request(1))
        assert await reader.readexactly(len(answer(1))) == answer(1)
        made.proxy.reset()
        assert await read_all(reader) == b""


async def test_slow_ways_pass_everything_in_order() -> None:
    async with world() as made:
        made.weather.delay, made.weather.rate = 0.01, 1_000_000
        reader, writer = await made.connect()
        sent = b"".join(request(number, size=20_000) for number in range(4))
        writer.write(sent)
        for number in range(4):
            assert await reader.readexactly(len(answer(number))) == answer(number)
        assert bytes(made.broker.got) == sent


async def test_a_broker_that_is_not_there_is_a_connection_that_ends() -> None:
    async with world() as made:
        nobody = Proxy(0, 1, made.weather)
        await nobody.start()
        reader, writer = await asyncio.open_connection("127.0.0.1", nobody.port)
        made.writers.append(writer)
        assert await read_all(reader) == b""
        await nobody.stop()
