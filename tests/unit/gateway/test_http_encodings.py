"""Bodies with a content coding: decoded, bounded, refused when they are not what they say."""

import asyncio
import gzip
import json
import random
import tracemalloc
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import cramjam
import pytest
import zstandard
from lz4.frame import compress as encode_lz4  # type: ignore[attr-defined, unused-ignore]
from tests.unit.gateway.builders import FakeProducer, chunked, gateway, post, repo_config

from headgate_gateway.http import decoding
from headgate_gateway.http.decoding import DecodedTooLargeError, InvalidEncodingError, decode
from headgate_gateway.http.preparation import DECODING_THREADS, INLINE_BYTES

MIB = 2**20


def snappy_block(data: bytes) -> bytes:
    return bytes(cramjam.snappy.compress_raw(data))


def snappy_stream(data: bytes) -> bytes:
    return bytes(cramjam.snappy.compress(data))


Encode = Callable[[bytes], bytes]
ENCODERS: list[tuple[str, Encode]] = [
    ("gzip", gzip.compress),
    ("zstd", zstandard.compress),
    ("lz4", encode_lz4),
    ("snappy", snappy_block),
    ("snappy", snappy_stream),
]
IDS = ["gzip", "zstd", "lz4", "snappy-block", "snappy-stream"]
all_codings = pytest.mark.parametrize(("coding", "encode"), ENCODERS, ids=IDS)
OF_MEMBERS = [*ENCODERS[:3], ENCODERS[4]]
codings_of_members = pytest.mark.parametrize(("coding", "encode"), OF_MEMBERS, ids=[*IDS[:3], IDS[4]])


def decoded(coding: str, body: bytes, limit: int = 64 * MIB) -> bytes:
    return b"".join(decode(coding.encode(), body, limit))


def json_lines(count: int) -> bytes:
    numbers = random.Random(7)
    return b"".join(b'{"n":%d,"r":"%032x"}\n' % (n, numbers.getrandbits(128)) for n in range(count))


# The decoders


@all_codings
def test_what_was_encoded_is_decoded(coding: str, encode: Encode) -> None:
    for data in (b"", b"x", json_lines(20_000)):
        assert decoded(coding, encode(data)) == data


@codings_of_members
def test_parts_one_after_the_other_are_one_body(coding: str, encode: Encode) -> None:
    assert decoded(coding, encode(b"one\n") + encode(b"") + encode(json_lines(5_000))) == b"one\n" + json_lines(5_000)


@all_codings
@pytest.mark.parametrize("kept", [0.01, 0.5, 0.999])
def test_a_body_that_was_cut_off_is_invalid(coding: str, encode: Encode, kept: float) -> None:
    whole = encode(json_lines(5_000))
    with pytest.raises(InvalidEncodingError, match=coding):
        decoded(coding, whole[: int(len(whole) * kept)])


@all_codings
@pytest.mark.parametrize("garbage", [b"x", b"\0", b"and something else after it"])
def test_what_follows_the_end_makes_a_body_invalid(coding: str, encode: Encode, garbage: bytes) -> None:
    with pytest.raises(InvalidEncodingError, match=coding):
        decoded(coding, encode(json_lines(100)) + garbage)


@all_codings
def test_another_coding_than_was_said_is_invalid(coding: str, encode: Encode) -> None:
    other = encode(json_lines(100))
    for said in {"gzip", "zstd", "lz4", "snappy"} - {coding}:
        with pytest.raises(InvalidEncodingError, match=said):
            decoded(said, other)


@pytest.mark.parametrize(
    ("coding", "body"),
    [
        ("gzip", gzip.compress(b"line\n")[:-5] + b"\0\0\0\0\0"),
        ("lz4", encode_lz4(b"line\n" * 50, content_checksum=True)[:-1] + b"!"),
        ("zstd", zstandard.ZstdCompressor(write_checksum=True).compress(b"line\n")[:-1] + b"!"),
        ("snappy", snappy_stream(b"line\n").replace(b"line", b"lime")),
    ],
    ids=["gzip", "lz4", "zstd", "snappy"],
)
def test_checksums_are_checked(coding: str, body: bytes) -> None:
    with pytest.raises(InvalidEncodingError):
        decoded(coding, body)


def test_skippable_parts_are_passed_over() -> None:
    skippable = b"\x50\x2a\x4d\x18\x03\0\0\0abc"
    assert decoded("zstd", skippable + zstandard.compress(b"a") + skippable) == b"a"
    assert decoded("lz4", skippable + encode_lz4(b"a") + skippable) == b"a"
    assert decoded("snappy", snappy_stream(b"a") + b"\x80\x03\0\0abc" + snappy_stream(b"b")) == b"ab"


@pytest.mark.parametrize("count", [3, 4, 5, 100])
async def test_padding_within_a_snappy_stream_is_not_its_end(count: int) -> None:
    line = b'{"n":1}\n'
    stream = bytes(cramjam.snappy.compress(line))
    padded = stream[:10] + b"\xfe\x01\x00\x00\x00" * count + stream[10:]
    async with gateway() as g:
        answer = await g.ask(post(padded, "Content-Encoding: snappy"))
        assert (answer.status, g.producer.values) == (200, [line.strip()])


def test_a_window_larger_than_http_allows_is_invalid() -> None:
    wide = zstandard.ZstdCompressor(compression_params=zstandard.ZstdCompressionParameters(window_log=24)).compressobj()
    body = wide.compress(json_lines(1_000)) + wide.flush()
    with pytest.raises(InvalidEncodingError, match="zstd"):
        decoded("zstd", body)


@pytest.mark.parametrize(
    ("coding", "part", "most"),
    [
        ("gzip", gzip.compress(b""), decoding.MAX_MEMBERS),
        ("zstd", zstandard.compress(b""), decoding.MAX_MEMBERS),
        ("lz4", encode_lz4(b""), decoding.MAX_MEMBERS),
    ],
    ids=["gzip", "zstd", "lz4"],
)
def test_endless_empty_parts_are_refused(coding: str, part: bytes, most: int) -> None:
    assert decoded(coding, part * most) == b""
    with pytest.raises(InvalidEncodingError, match="parts"):
        decoded(coding, part * (most + 1))


def test_endless_empty_chunks_are_refused() -> None:
    stream, padding = snappy_stream(b"a"), b"\xfe\0\0\0"
    with pytest.raises(InvalidEncodingError, match="parts"):
        decoded("snappy", stream + padding * decoding.MAX_CHUNKS)


@all_codings
@pytest.mark.parametrize(("limit", "fits"), [(100_000, True), (99_999, False)])
def test_the_limit_is_exact(coding: str, encode: Encode, limit: int, fits: bool) -> None:
    body = encode(b"x" * 100_000)
    if fits:
        assert len(decoded(coding, body, limit)) == 100_000
        return
    with pytest.raises(DecodedTooLargeError):
        decoded(coding, body, limit)


@all_codings
def test_a_bomb_takes_no_memory(coding: str, encode: Encode) -> None:
    bomb = encode(b"\0" * (64 * MIB))
    tracemalloc.start()
    try:
        with pytest.raises(DecodedTooLargeError):
            max(map(len, decode(coding.encode(), bomb, MIB)))
        assert tracemalloc.get_traced_memory()[1] < 2 * MIB
    finally:
        tracemalloc.stop()


# Requests


@all_codings
@pytest.mark.parametrize(("count", "large"), [(3, False), (60_000, True)], ids=["small", "large"])
async def test_an_encoded_body_is_a_body(coding: str, encode: Encode, count: int, large: bool) -> None:
    lines = json_lines(count)
    body = encode(lines)
    assert (len(body) > INLINE_BYTES) is large
    async with gateway() as g:
        answer = await g.ask(post(body, f"Content-Encoding: {coding.upper()}"))
        assert answer.status == 200, answer.body
        assert b"".join(value + b"\n" for value in g.producer.values) == lines
        assert g.counters().bytes_received == len(body)
        assert (g.budget.reserved, g.producer.reserved) == (0, 0)


async def test_a_chunked_encoded_body_is_a_body() -> None:
    body = gzip.compress(b'{"a":1}\n{"a":2}\n')
    data = chunked(body[:7], body[7:]).replace(b"Host: gw", b"Host: gw\r\nContent-Encoding: gzip")
    async with gateway() as g:
        assert ((await g.ask(data)).status, g.producer.values) == (200, [b'{"a":1}', b'{"a":2}'])


async def test_an_encoded_nothing_is_an_empty_body() -> None:
    async with gateway() as g:
        answer = await g.ask(post(gzip.compress(b""), "Content-Encoding: gzip"))
        assert (answer.status, answer.json["reason"]) == (400, "EmptyBody")


@all_codings
async def test_a_broken_body_is_400_and_sends_nothing(coding: str, encode: Encode) -> None:
    async with gateway() as g:
        for body in (encode(json_lines(10))[:-2], encode(json_lines(60_000))[:-2], b"plain\n"):
            answer = await g.ask(post(body, f"Content-Encoding: {coding}"))
            assert (answer.status, answer.json["reason"]) == (400, "InvalidEncoding")
            assert coding in answer.json["message"]
        assert g.producer.submitted == []
        assert (g.budget.reserved, g.producer.reserved) == (0, 0)


@all_codings
async def test_a_bomb_is_413_and_reserves_no_more_than_the_limit(coding: str, encode: Encode) -> None:
    bomb = encode(b"\0" * (32 * MIB))
    producer = FakeProducer()
    async with gateway(repo_config(limits={"bodyBytes": 2 * MIB}), producer=producer) as g:
        answer = await g.ask(post(bomb, f"Content-Encoding: {coding}"))
        assert (answer.status, answer.json["reason"]) == (413, "BodyTooLarge")
        assert producer.peak <= 2 * MIB + len(bomb)
        assert (g.budget.reserved, producer.reserved) == (0, 0)


@pytest.mark.parametrize("size", [3 * MIB, 30 * MIB], ids=["inline", "thread"])
async def test_what_comes_out_is_reserved_as_it_comes(size: int) -> None:
    body = gzip.compress(b" " * size)
    async with gateway(repo_config(limits={"bodyBytes": 64 * MIB}), budget=2 * MIB) as g:
        answer = await g.ask(post(body, "Content-Encoding: gzip"))
        assert (answer.status, answer.json["reason"], g.budget.reserved) == (413, "BodyTooLarge", 0)
        g.budget.limit = 64 * MIB
        g.budget.reserved = 63 * MIB
        answer = await g.ask(post(body, "Content-Encoding: gzip"))
        assert (answer.status, answer.json["reason"]) == (503, "Overloaded")
        assert g.budget.reserved == 63 * MIB


async def test_decoding_a_large_body_leaves_the_event_loop_to_others() -> None:
    body = gzip.compress(json_lines(100_000), 1)
    async with gateway() as g:
        asking = asyncio.create_task(g.ask(post(body, "Content-Encoding: gzip")))
        small = 0
        while not asking.done():
            assert (await g.ask(post(b"{}"))).status == 200
            small += 1
        assert (asking.result().status, small > 3) == (200, True)


async def test_more_large_bodies_than_threads_are_decoded_in_turn() -> None:
    lines = json_lines(20_000)
    body = gzip.compress(lines, 1)
    async with gateway() as g:
        answers = await asyncio.gather(*(g.ask(post(body, "Content-Encoding: gzip")) for _ in range(9)))
        assert [answer.status for answer in answers] == [200] * 9
        assert (g.ingest.decoders.waiting, g.budget.reserved) == (0, 0)


@pytest.mark.parametrize("size", [10, 60_000], ids=["inline", "thread"])
async def test_a_defect_while_decoding_is_answered_500_and_holds_up_nobody(
    size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = gzip.compress(json_lines(size))

    def broken(*_: Any) -> Any:
        raise ZeroDivisionError

    async with gateway() as g:
        with monkeypatch.context() as patch:
            patch.setitem(decoding.CODINGS, b"gzip", broken)
            for _ in range(3):
                assert (await g.ask(post(body, "Content-Encoding: gzip"))).status == 500
        assert (await g.ask(post(body, "Content-Encoding: gzip"))).status == 200
        assert (g.budget.reserved, g.producer.reserved) == (0, 0)


@pytest.mark.parametrize("encoding", ["br", "deflate", "gzip, gzip", "identity, gzip", "gzip,", "zlib"])
async def test_another_or_a_stacked_coding_is_415_and_names_those_that_are_taken(encoding: str) -> None:
    async with gateway() as g:
        answer = await g.ask(post(b"{}", f"Content-Encoding: {encoding}"))
        assert (answer.status, answer.json["reason"]) == (415, "UnsupportedContentEncoding")
        assert json.loads(answer.body)["message"].endswith("send one of gzip, zstd, lz4, snappy, identity")
        assert answer.headers["accept-encoding"] == "gzip, zstd, lz4, snappy, identity"


@pytest.mark.parametrize(("coding", "encode"), ENCODERS[:3], ids=IDS[:3])
def test_empty_members_are_passed_over_a_few_at_a_time(coding: str, encode: Encode) -> None:
    pieces = list(decode(coding.encode(), encode(b"") * 1_000 + encode(b"x"), 10))
    assert pieces == [b""] * (1_000 // decoding.MAX_EMPTY) + [b"x"]


@pytest.mark.parametrize(("coding", "encode"), ENCODERS[:3], ids=IDS[:3])
async def test_a_body_goes_on_after_empty_members(coding: str, encode: Encode) -> None:
    async with gateway() as g:
        body = encode(b"") * 1_000 + encode(b"{}") + encode(b"") * 100
        assert (await g.ask(post(body, f"Content-Encoding: {coding}"))).status == 200
        assert g.producer.values == [b"{}"]


async def test_without_a_thread_a_body_is_500_and_the_next_has_its_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_thread(*_: Any, **__: Any) -> Any:
        raise RuntimeError("can't start new thread")

    body = post(gzip.compress(json_lines(10_000)), "Content-Encoding: gzip")
    async with gateway() as g:
        with monkeypatch.context() as patch:
            patch.setattr(ThreadPoolExecutor, "submit", no_thread)
            for _ in range(DECODING_THREADS):
                assert (await g.ask(body)).status == 500
        assert (await g.ask(body)).status == 200
        assert g.budget.reserved == 0
