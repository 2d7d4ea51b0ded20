"""Heads read line by line, from memory, are what the strict parser makes of them: whatever it refuses is refused."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from headgate_gateway.http import familiar, head
from headgate_gateway.http.familiar import read_head
from headgate_gateway.http.head import parse_head
from headgate_gateway.http.messages import Head, HttpError

LINE = b"POST /log/repo/logs HTTP/1.1"

names = st.sampled_from(
    [
        b"Host",
        b"host",
        b"Content-Length",
        b"content-length",
        b"Content-Type",
        b"Connection",
        b"Expect",
        b"Upgrade",
        b"Transfer-Encoding",
        b"X-Request-Id",
        b"A",
        b"a|b",
        b"",
        b"A ",
        b" A",
        b"A b",
        b"A\xe4",
        b"{a}",
        b"A\x00",
    ]
)
values = st.sampled_from(
    [
        b"gw",
        b"gw:80",
        b"a/b",
        b"3",
        b"03",
        b"+3",
        b"3, 3",
        b"1 1",
        b"",
        b" 3 ",
        b"\t3\t",
        b"close",
        b"keep-alive, close",
        b"upgrade",
        b"h2c",
        b"chunked",
        b"100-continue",
        b"tea",
        b"\xe4",
        b"a\rb",
        b"a\nb",
        b"a\x00",
        b"x" * 300,
        b":",
    ]
) | st.binary(max_size=8)
headers = st.tuples(names, st.sampled_from([b":", b": ", b" :", b""]), values).map(b"".join)
request_lines = st.sampled_from([LINE, b"GET / HTTP/1.1", b"POST /a?b HTTP/1.1", b"POST http://gw/a HTTP/1.1"]) | (
    st.sampled_from(
        [b"POST / HTTP/1.0", b"POST  / HTTP/1.1", b"BREW / HTTP/1.1", b"PUT / HTTP/1.1", b"CONNECT a:1 HTTP/1.1"]
    )
)


def answer(read: object, raw: bytes) -> Head | int:
    try:
        return read(raw)  # type: ignore[operator, no-any-return]
    except HttpError as error:
        return error.status


@given(request_lines, st.lists(headers, max_size=4))
@example(LINE, [b"Host: gw", b"A: b", b"A: c"])
def test_reading_from_memory_changes_nothing(line: bytes, added: list[bytes]) -> None:
    raw = b"\r\n".join([line, b"Host: gw", *added, b"", b""])
    if raw.find(b"\r\n\r\n") != len(raw) - 4:
        return  # more than a head
    expected = answer(parse_head, raw)
    assert [answer(read_head, raw) for _ in range(3)] == [expected] * 3


def test_requests_with_the_same_head_share_it_and_request_ids_do_not_fill_the_memory() -> None:
    raw = LINE + b"\r\nHost: shared\r\nContent-Length: 5\r\n\r\n"
    for _ in range(3):
        read_head(raw)
    assert read_head(raw) is read_head(raw)
    for number in range(familiar.MOST_LINES * 2):
        read_head(LINE + b"\r\nHost: shared\r\nX-Request-Id: %d\r\n\r\n" % number)
    assert read_head(raw) is read_head(raw)


@pytest.mark.parametrize("header", [b"A: %d", b"%d: a"], ids=["values", "names"])
def test_what_is_remembered_is_bounded(header: bytes) -> None:
    for number in range(familiar.MOST_LINES + 10):
        raw = LINE + b"\r\nHost: gw\r\n" + header % number + b"\r\n\r\n"
        read_head(raw)
        read_head(raw)
    assert len(familiar._heads) <= familiar.MOST_HEADS
    assert len(familiar._header_lines) <= familiar.MOST_LINES
    assert len(familiar._names) <= familiar.MOST_NAMES


@pytest.mark.parametrize("name", [b"Authorization", b"X-API-Key", b"Proxy-Authorization", b"Cookie"])
def test_lines_that_say_who_somebody_is_are_kept_in_whole_heads_alone(name: bytes) -> None:
    raw = b"\r\n".join([LINE, b"Host: gw", name + b": hush", b"", b""])
    heads = [read_head(raw) for _ in range(5)]
    assert heads[-1] is heads[-2]
    assert heads[-1].headers == parse_head(raw).headers
    assert not [line for line in familiar._header_lines if b"hush" in line]


def test_long_names_of_headers_are_not_remembered() -> None:
    parse_head(b"\r\n".join([LINE, b"Host: gw", b"N" * 65 + b": x", b"", b""]))
    assert max(map(len, head._known_names)) <= 64
