"""The strict parser, without sockets: what it takes, and every way of saying two things at once that it refuses."""

from collections.abc import Iterable

import pytest

from headgate_gateway.http.messages import Head, HttpError
from headgate_gateway.http.reader import END, End, RequestReader

LINE = b"POST /log/repo/logs HTTP/1.1\r\n"
HOST = b"Host: gw\r\n"
CHUNKED = LINE + HOST + b"Transfer-Encoding: chunked\r\n\r\n"


def read(parts: Iterable[bytes]) -> list[Head | bytes | End]:
    """Events of a connection's bytes, neighbouring pieces of body joined."""
    reader = RequestReader()
    events: list[Head | bytes | End] = []
    for part in parts:
        reader.feed(part)
        while (event := reader.next_event()) is not None:
            if isinstance(event, bytes) and events and isinstance(events[-1], bytes):
                event = events.pop() + event  # type: ignore[operator]
            events.append(event)
    return events


def one_by_one(data: bytes) -> list[bytes]:
    return [data[index : index + 1] for index in range(len(data))]


def head_of(data: bytes) -> Head:
    event = read([data])[0]
    assert isinstance(event, Head)
    return event


REFUSED: dict[str, tuple[bytes, int]] = {
    "no host": (LINE + b"\r\n", 400),
    "two hosts": (LINE + HOST + HOST + b"\r\n", 400),
    "host with a comma": (LINE + b"Host: a, b\r\n\r\n", 400),
    "host with a path": (LINE + b"Host: a/b\r\n\r\n", 400),
    "host with user info": (LINE + b"Host: a@b\r\n\r\n", 400),
    "two hosts over HTTP/1.0": (b"POST / HTTP/1.0\r\n" + HOST + HOST + b"\r\n", 400),
    "content-length and transfer-encoding": (CHUNKED[:-2] + b"Content-Length: 3\r\n\r\n", 400),
    "transfer-encoding and content-length": (
        LINE + HOST + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
        400,
    ),
    "two content-lengths": (LINE + HOST + b"Content-Length: 3\r\nContent-Length: 4\r\n\r\n", 400),
    "the same content-length twice": (LINE + HOST + b"Content-Length: 3\r\nContent-Length: 3\r\n\r\n", 400),
    "a list of content-lengths": (LINE + HOST + b"Content-Length: 3, 3\r\n\r\n", 400),
    "content-length with a sign": (LINE + HOST + b"Content-Length: +3\r\n\r\n", 400),
    "negative content-length": (LINE + HOST + b"Content-Length: -3\r\n\r\n", 400),
    "hexadecimal content-length": (LINE + HOST + b"Content-Length: 0x3\r\n\r\n", 400),
    "content-length in words": (LINE + HOST + b"Content-Length: three\r\n\r\n", 400),
    "empty content-length": (LINE + HOST + b"Content-Length: \r\n\r\n", 400),
    "content-length with a space in it": (LINE + HOST + b"Content-Length: 1 1\r\n\r\n", 400),
    "content-length beyond 64 bits": (LINE + HOST + b"Content-Length: 99999999999999999999\r\n\r\n", 400),
    "gzip, chunked": (LINE + HOST + b"Transfer-Encoding: gzip, chunked\r\n\r\n", 400),
    "chunked, identity": (LINE + HOST + b"Transfer-Encoding: chunked, identity\r\n\r\n", 400),
    "chunked twice": (LINE + HOST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
    "identity": (LINE + HOST + b"Transfer-Encoding: identity\r\n\r\n", 400),
    "almost chunked": (LINE + HOST + b"Transfer-Encoding: xchunked\r\n\r\n", 400),
    "quoted chunked": (LINE + HOST + b'Transfer-Encoding: "chunked"\r\n\r\n', 400),
    "chunked behind a vertical tab": (LINE + HOST + b"Transfer-Encoding: \x0bchunked\r\n\r\n", 400),
    "empty transfer-encoding": (LINE + HOST + b"Transfer-Encoding:\r\n\r\n", 400),
    "HTTP/1.0 chunked": (b"POST / HTTP/1.0\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n", 400),
    "bare LF after the request line": (b"POST / HTTP/1.1\n" + HOST + b"\r\n", 400),
    "bare LF after a header": (LINE + b"Host: gw\nA: b\r\n\r\n", 400),
    "bare LF everywhere": (b"POST / HTTP/1.1\nHost: gw\n\n", 400),
    "bare CR in a header": (LINE + HOST + b"A: b\rc\r\n\r\n", 400),
    "NUL in a header": (LINE + HOST + b"A: b\x00c\r\n\r\n", 400),
    "folded header": (LINE + HOST + b"A: b\r\n c\r\n\r\n", 400),
    "folded with a tab": (LINE + HOST + b"A: b\r\n\tc\r\n\r\n", 400),
    "fold before the first header": (LINE + b" Host: gw\r\n\r\n", 400),
    "space before the colon": (LINE + b"Host : gw\r\n\r\n", 400),
    "tab before the colon": (LINE + HOST + b"Content-Length\t: 3\r\n\r\n", 400),
    "space in a header's name": (LINE + HOST + b"A b: c\r\n\r\n", 400),
    "no name": (LINE + HOST + b": c\r\n\r\n", 400),
    "no colon": (LINE + HOST + b"nothing\r\n\r\n", 400),
    "two spaces in the request line": (b"POST  / HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    "tab in the request line": (b"POST\t/ HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    "space in the target": (b"POST /a b HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    "bytes beyond ASCII in the target": (b"POST /\xc3\xa9 HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    "lower-case version": (b"POST / http/1.1\r\n" + HOST + b"\r\n", 400),
    "unknown method": (b"BREW / HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    "no version": (b"GET /\r\n\r\n", 505),
    "HTTP/2's preface": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
    "a TLS hello": (b"\x16\x03\x01\x02\x00\x01", 400),
    "unknown expectation": (LINE + HOST + b"Content-Length: 1\r\nExpect: tea\r\n\r\n", 417),
    "a head too large": (LINE + HOST + b"A: " + b"x" * 17_000 + b"\r\n\r\n", 431),
    "a head without end": (LINE + HOST + b"A: " + b"x" * 17_000, 431),
    "a header's name without end": (LINE + HOST + b"x" * 17_000, 431),
    "a target without end": (b"POST /" + b"x" * 17_000, 431),
    "too many headers": (LINE + HOST + b"A: b\r\n" * 100 + b"\r\n", 431),
    "chunk size with a sign": (CHUNKED + b"+3\r\nabc\r\n0\r\n\r\n", 400),
    "chunk size with 0x": (CHUNKED + b"0x3\r\nabc\r\n0\r\n\r\n", 400),
    "chunk size with a space before": (CHUNKED + b" 3\r\nabc\r\n0\r\n\r\n", 400),
    "empty chunk size": (CHUNKED + b"\r\nabc\r\n0\r\n\r\n", 400),
    "chunk size of nine digits": (CHUNKED + b"000000003\r\nabc\r\n0\r\n\r\n", 400),
    "chunk size with bare LF": (CHUNKED + b"3\nabc\r\n0\r\n\r\n", 400),
    "chunk size with bare CR": (CHUNKED + b"3\rabc\r\n0\r\n\r\n", 400),
    "chunk longer than its size": (CHUNKED + b"3\r\nabcd\r\n0\r\n\r\n", 400),
    "chunk ended by bare LF": (CHUNKED + b"3\r\nabc\n0\r\n\r\n", 400),
    "chunk extension with bare LF": (CHUNKED + b"3;a\nb\r\nabc\r\n0\r\n\r\n", 400),
    "nothing but empty lines": (b"\r\n\r\n\r\n", 400),
    "two empty lines before the request": (b"\r\n\r\n" + LINE + HOST + b"\r\n", 400),
    "endless chunk extension": (CHUNKED + b"3;" + b"x" * 300, 400),
    "endless trailers": (CHUNKED + b"0\r\n" + b"A: b\r\n" * 1_000, 400),
    "a trailer that is no header": (CHUNKED + b"0\r\nGET / HTTP/1.1\r\n\r\n", 400),
    "a folded trailer": (CHUNKED + b"0\r\nA: b\r\n c\r\n\r\n", 400),
}


@pytest.mark.parametrize(("data", "status"), REFUSED.values(), ids=REFUSED.keys())
@pytest.mark.parametrize("cut", ["whole", "byte by byte"])
def test_refused(data: bytes, status: int, cut: str) -> None:
    with pytest.raises(HttpError) as caught:
        read([data] if cut == "whole" else one_by_one(data))
    assert caught.value.status == status


ENDLESS_WITHOUT_LINE_END = CHUNKED + b"0\r\nA: " + b"x" * 5_000


def test_one_endless_trailer_is_refused() -> None:
    with pytest.raises(HttpError):
        read([ENDLESS_WITHOUT_LINE_END])


TAKEN: dict[str, tuple[bytes, bytes]] = {
    "content-length": (LINE + HOST + b"Content-Length: 3\r\n\r\nabc", b"abc"),
    "no body": (LINE + HOST + b"\r\n", b""),
    "leading zeros": (LINE + HOST + b"Content-Length: 003\r\n\r\nabc", b"abc"),
    "white space around a value": (LINE + HOST + b"Content-Length: \t3 \r\n\r\nabc", b"abc"),
    "chunked": (CHUNKED + b"3\r\nabc\r\n1\r\nd\r\n0\r\n\r\n", b"abcd"),
    "chunked, large letters": (
        CHUNKED.replace(b"chunked", b"Chunked") + b"A\r\n0123456789\r\n0\r\n\r\n",
        b"0123456789",
    ),
    "chunk extension": (CHUNKED + b'3;name="va lue"\r\nabc\r\n0;x\r\n\r\n', b"abc"),
    "white space behind a chunk's size": (CHUNKED + b"3  \r\nabc\r\n0\r\n\r\n", b"abc"),
    "trailers": (CHUNKED + b"3\r\nabc\r\n0\r\nX-Sum: 1\r\nContent-Length: 99\r\n\r\n", b"abc"),
    "an empty line before the request": (b"\r\n" + LINE + HOST + b"Content-Length: 1\r\n\r\na", b"a"),
    "upgrade to h2c is ignored": (
        LINE + HOST + b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n"
        b"Content-Length: 3\r\n\r\nabc",
        b"abc",
    ),
    "upgrade to h2c with chunks": (
        CHUNKED[:-2] + b"Connection: Upgrade\r\nUpgrade: h2c\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        b"abc",
    ),
    "IPv6 host": (LINE + b"Host: [::1]:8080\r\nContent-Length: 1\r\n\r\na", b"a"),
    "HTTP/1.0 without host": (b"POST / HTTP/1.0\r\nContent-Length: 1\r\n\r\na", b"a"),
    "header bytes beyond ASCII": (LINE + HOST + b"A: \xc3\xa9\xff\r\nContent-Length: 1\r\n\r\na", b"a"),
}


@pytest.mark.parametrize(("data", "body"), TAKEN.values(), ids=TAKEN.keys())
@pytest.mark.parametrize("cut", ["whole", "byte by byte"])
def test_taken(data: bytes, body: bytes, cut: str) -> None:
    events = read([data, data] if cut == "whole" else [*one_by_one(data), *one_by_one(data)])
    bodies = [event for event in events if isinstance(event, bytes)]
    assert [event for event in events if event is END] == [END, END]
    assert b"".join(bodies) == body * 2


@pytest.mark.parametrize(
    ("target", "path"),
    [
        (b"/a/b?c=/d", "/a/b"),
        (b"/%6Cog/..//x", "/%6Cog/..//x"),
        (b"http://gw:80/a?b", "/a"),
        (b"HTTPS://gw", "/"),
        (b"*", "*"),
        (b"/a;b=c", "/a;b=c"),
    ],
)
def test_path_is_the_targets_own_undecoded(target: bytes, path: str) -> None:
    method = b"OPTIONS" if target == b"*" else b"POST"
    assert head_of(method + b" " + target + b" HTTP/1.1\r\n" + HOST + b"\r\n").path == path


@pytest.mark.parametrize(
    ("version", "connection", "keeps"),
    [
        (b"1.1", b"", True),
        (b"1.1", b"Connection: close\r\n", False),
        (b"1.1", b"Connection: keep-alive, Close\r\n", False),
        (b"1.1", b"Connection: TE\r\nConnection: close\r\n", False),
        (b"1.0", b"", False),
        (b"1.0", b"Connection: Keep-Alive\r\n", True),
    ],
)
def test_connection_is_kept(version: bytes, connection: bytes, keeps: bool) -> None:
    assert head_of(b"GET / HTTP/" + version + b"\r\n" + HOST + connection + b"\r\n").keep_alive is keeps


def test_repeated_headers_are_joined() -> None:
    assert head_of(LINE + HOST + b"A: 1\r\nB: x\r\na: 2\r\n\r\n").headers["a"] == b"1, 2"


def test_expectation_counts_only_with_a_body_and_http_1_1() -> None:
    expect = b"Expect: 100-Continue\r\n"
    assert head_of(LINE + HOST + expect + b"Content-Length: 1\r\n\r\n").expects_continue
    assert not head_of(LINE + HOST + expect + b"\r\n").expects_continue
    assert not head_of(b"POST / HTTP/1.0\r\n" + HOST + expect + b"Content-Length: 1\r\n\r\n").expects_continue


def test_ninety_nine_headers_and_a_head_just_below_the_bound_pass() -> None:
    assert len(head_of(LINE + HOST + b"".join(b"A%d: b\r\n" % n for n in range(99)) + b"\r\n").headers) == 100
    rest = 16 * 1024 - len(LINE + HOST + b"A: \r\n")
    assert head_of(LINE + HOST + b"A: " + b"x" * (rest - 10) + b"\r\n\r\n").path == "/log/repo/logs"
