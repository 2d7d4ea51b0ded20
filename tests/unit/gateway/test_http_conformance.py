"""RFC 9110 and 9112 as a server of POSTs has to keep them: one table of whole connections, over real sockets.

Each row sends some bytes and says, in order, the statuses that come back, and whether the connection lives on. What the
parser makes of a head, byte by byte, is `test_http_parser`; deadlines are `test_http_connection`.
"""

import asyncio
import re
from contextlib import suppress
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from time import time

import pytest
from tests.unit.gateway.builders import Answer, Client, gateway, repo_config

POST = b"POST /log/repo/logs HTTP/1.1\r\nHost: gw\r\n"
OLD = b"POST /log/repo/logs HTTP/1.0\r\n"
GOOD = POST + b"Content-Length: 2\r\n\r\n{}"
CHUNKS = POST + b"Transfer-Encoding: chunked\r\n"
STATUS = b"GET /status HTTP/1.1\r\nHost: gw\r\n\r\n"


_DATE = re.compile(r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun), [0-9]{2} [A-Z][a-z]{2} [0-9]{4} [0-9]{2}:[0-9]{2}:[0-9]{2} GMT")


@dataclass(frozen=True)
class Row:
    """What is sent, and what has to come of it."""

    sent: bytes
    statuses: tuple[int, ...]
    lives: bool = True
    lines: int = 0
    """Lines that reach the producer."""
    head: bool = False
    """Whether the first request is a HEAD."""
    overruns: bool = False
    """Whether it goes on after its end of the connection, which may then be reset under the answer: sent at once."""


ROWS: dict[str, Row] = {
    # RFC 9110: semantics
    "9110 5.3: a field that is no list stands once": Row(
        POST + b"Content-Type: a/b\r\nContent-Type: a/b\r\n\r\n", (400,), False
    ),
    "9110 5.4: 431 for fields too large": Row(POST + b"A: %b\r\n\r\n" % (b"x" * 20_000), (431,), False),
    "9110 5.5: obsolete bytes in a value are opaque": Row(
        POST + b"A: \x80\xff\r\nContent-Length: 2\r\n\r\n{}", (200,), lines=1
    ),
    "9110 5.5: CR, LF and NUL in a value are refused": Row(POST + b"A: b\0c\r\n\r\n", (400,), False),
    "9110 7.2: a host that is none": Row(b"POST /log/repo/logs HTTP/1.1\r\nHost: a b\r\n\r\n", (400,), False),
    "9110 7.2: an empty host is one": Row(GOOD.replace(b"Host: gw", b"Host: "), (200,), lines=1),
    "9110 7.2: any host is ours, since Gateways choose": Row(GOOD.replace(b"gw", b"other.example:1"), (200,), lines=1),
    "9110 7.8: a wish to upgrade may be ignored": Row(
        POST + b"Connection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 2\r\n\r\n{}", (200,), lines=1
    ),
    "9110 8.4: 415 for a coding that is not known": Row(
        POST + b"Content-Encoding: br\r\nContent-Length: 2\r\n\r\n{}", (415,)
    ),
    "9110 8.6: content-length is a number": Row(POST + b"Content-Length: 2x\r\n\r\n{}", (400,), False),
    "9110 9.3.2: HEAD is GET without content": Row(
        b"HEAD /status HTTP/1.1\r\nHost: gw\r\n\r\n" + STATUS, (200, 200), head=True
    ),
    "9110 9.1: methods are told apart by case": Row(GOOD.replace(b"POST", b"post"), (400,), False),
    "9110 9.3.6: CONNECT opens no tunnel": Row(b"CONNECT gw:80 HTTP/1.1\r\nHost: gw\r\n\r\n", (404,)),
    "9110 9.3.8: TRACE echoes nothing": Row(b"TRACE /log/repo/logs HTTP/1.1\r\nHost: gw\r\n\r\n", (405,)),
    "9110 10.1.1: 417 for another expectation": Row(
        POST + b"Expect: tea\r\nContent-Length: 2\r\n\r\n{}", (417,), False
    ),
    "9110 10.1.1: HTTP/1.0 expects nothing": Row(
        OLD + b"Expect: 100-continue\r\nContent-Length: 2\r\n\r\n{}", (200,), False, 1
    ),
    "9110 10.1.1: no 100 for what is there already": Row(
        POST + b"Expect: 100-continue\r\nContent-Length: 2\r\n\r\n{}", (200,), lines=1
    ),
    "9110 15.5.14: 413 before the content": Row(POST + b"Content-Length: 5000\r\n\r\n" + b" " * 5_000, (413,)),
    "9110 15.5.14: 413 amid chunks": Row(CHUNKS + b"\r\n1388\r\n" + b" " * 5_000 + b"\r\n0\r\n\r\n", (413,), False),
    # RFC 9112: messages
    "9112 2.2: an empty line before a request is passed over": Row(
        b"\r\n" + GOOD + b"\r\n" + GOOD, (200, 200), lines=2
    ),
    "9112 2.2: white space before a request line is not": Row(b" " + GOOD, (400,), False),
    "9112 2.2: a bare LF ends no line here": Row(GOOD.replace(b"\r\n", b"\n"), (400,), False),
    "9112 2.3: 505 for another major version": Row(b"POST / HTTP/3.0\r\nHost: gw\r\n\r\n", (505,), False),
    "9112 3: a request line has two spaces": Row(GOOD.replace(b"POST /", b"POST  /"), (400,), False),
    "9112 3.2: no host": Row(b"POST /log/repo/logs HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}", (400,), False),
    "9112 3.2: two hosts": Row(POST + b"Host: gw\r\nContent-Length: 2\r\n\r\n{}", (400,), False),
    "9112 3.2: HTTP/1.0 needs none": Row(OLD + b"Content-Length: 2\r\n\r\n{}", (200,), False, 1),
    "9112 3.2.1: a path is compared as it stands": Row(GOOD.replace(b"/logs", b"/%6Cogs"), (404,)),
    "9112 3.2.1: a path of dots is not resolved": Row(GOOD.replace(b"/logs", b"/x/../logs"), (404,)),
    "9112 3.2.1: a query is no part of it": Row(GOOD.replace(b"/logs", b"/logs?a=/b"), (200,), lines=1),
    "9112 3.2.2: the absolute form is taken": Row(GOOD.replace(b"/log/", b"http://gw/log/", 1), (200,), lines=1),
    "9112 3.2.2: its authority goes before the host": Row(
        GOOD.replace(b"/log/", b"http://x:1/log/", 1), (200,), lines=1
    ),
    "9112 3.2.4: the asterisk is no repo": Row(b"OPTIONS * HTTP/1.1\r\nHost: gw\r\n\r\n", (404,)),
    "9112 5.1: no white space before a colon": Row(POST + b"A : b\r\n\r\n", (400,), False),
    "9112 5.2: folded fields are refused": Row(POST + b"A: b\r\n c\r\n\r\n", (400,), False),
    "9112 6.1: transfer-encoding and content-length": Row(
        CHUNKS + b"Content-Length: 2\r\n\r\n0\r\n\r\n" + GOOD, (400,), False
    ),
    "9112 6.1: a coding that is not known": Row(
        POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", (400,), False
    ),
    "9112 6.1: HTTP/1.0 has no transfer-encoding": Row(
        OLD + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", (400,), False
    ),
    "9112 6.3: two lengths": Row(POST + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}", (400,), False),
    "9112 6.3: the same length twice": Row(POST + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}", (400,), False),
    "9112 6.3: neither means no content": Row(POST + b"\r\n" + GOOD, (400, 200), lines=1),
    "9112 7.1: chunks": Row(CHUNKS + b"\r\n1\r\n{\r\n1\r\n}\r\n0\r\n\r\n" + GOOD, (200, 200), lines=2),
    "9112 7.1.1: extensions are ignored": Row(CHUNKS + b'\r\n2;a="b";c\r\n{}\r\n0;d\r\n\r\n', (200,), lines=1),
    "9112 7.1.2: trailers are ignored": Row(
        CHUNKS + b"\r\n2\r\n{}\r\n0\r\nContent-Length: 9\r\nHost: x\r\n\r\n" + GOOD, (200, 200), lines=2
    ),
    "9112 7.1: a chunk's size that overflows": Row(CHUNKS + b"\r\nffffffffffffffff1\r\n{}\r\n0\r\n\r\n", (400,), False),
    "9112 9.3: HTTP/1.1 persists": Row(GOOD + GOOD, (200, 200), lines=2),
    "9112 9.3: HTTP/1.0 does not": Row(OLD + b"Content-Length: 2\r\n\r\n{}" + GOOD, (200,), False, 1, overruns=True),
    "9112 9.3: unless it asks": Row(
        OLD + b"Connection: keep-alive\r\nContent-Length: 2\r\n\r\n{}" + GOOD, (200, 200), lines=2
    ),
    "9112 9.3.2: pipelined answers keep their order": Row(
        GOOD + STATUS.replace(b"GET", b"PUT") + GOOD.replace(b"/logs", b"/none") + GOOD, (200, 405, 404, 200), lines=2
    ),
    "9112 9.6: after close nothing is read": Row(
        POST + b"Connection: close\r\nContent-Length: 2\r\n\r\n{}" + GOOD, (200,), False, 1, overruns=True
    ),
    "9112 11.2: nothing of a smuggled request is run": Row(
        POST + b"Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + GOOD, (400,), False
    ),
}


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS.keys())
@pytest.mark.parametrize("cut", [None, 7], ids=["at once", "in pieces"])
async def test_a_connection_goes_as_the_standard_says(row: Row, cut: int | None) -> None:
    async with gateway(repo_config(limits={"bodyBytes": "4Ki"})) as g:
        client = await g.connect()
        await send(client, row.sent, None if row.overruns else cut)
        answers = [
            await client.answer("HEAD" if row.head and not index else "POST") for index in range(len(row.statuses))
        ]
        assert tuple(answer.status for answer in answers) == row.statuses
        assert all(is_framed(answer) for answer in answers)
        assert (answers[-1].headers.get("connection") == "close") is not row.lives
        if row.lives:
            client.send(STATUS)
            assert (await client.answer()).status == 200
        else:
            assert await client.closed()
        assert (len(g.producer.values), g.budget.reserved) == (row.lines, 0)


async def send(client: Client, data: bytes, cut: int | None) -> None:
    """Writes all of it, or as much as the server takes before it has had enough."""
    if cut is None or len(data) > 2_000:
        client.send(data)
        return
    for start in range(0, len(data), cut):
        with suppress(RuntimeError):  # uvloop's, of a connection that was closed
            client.send(data[start : start + cut])
        await asyncio.sleep(0)


def is_framed(answer: Answer) -> bool:
    """An answer says when it was made, how long it is, of what type, and whose it is.

    RFC 9110, sections 6.6.1, 8.3 and 8.6; RFC 9112, section 6.3.
    """
    headers = answer.headers
    return (
        _DATE.fullmatch(headers["date"]) is not None
        and abs(parsedate_to_datetime(headers["date"]).timestamp() - time()) < 60
        and headers["content-length"].isdecimal()
        and "transfer-encoding" not in headers
        and bool(headers["x-request-id"])
        and ("content-type" in headers or headers["content-length"] == "0")
        and (answer.status != 405 or bool(headers["allow"]))
        and (answer.status != 503 or headers["retry-after"].isdecimal())
    )
