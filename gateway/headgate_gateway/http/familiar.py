"""Heads that have been understood before, whole or line by line: clients say the same again and again.

Takes what the strict parser would take, and nothing else: whatever is new in a way that matters (a request line, a
repeated header, a transfer-encoding, an upgrade, an expectation) goes to `head.parse_head`, which alone refuses. The
reader calls it. What it remembers is bounded, and forgotten all at once when it is full.

Lines that say who somebody is are never kept, only marked by a number that does not tell them. A whole head that comes
again and again is kept as it is, with the key or password in it: that is what makes single events of a client cheap.
"""

from typing import Final, TypeVar, cast

from headgate_gateway.http.head import DIGITS, HOST, LARGEST_NAME, MAX_HEADERS, TEXT, keeps_alive, parse_head
from headgate_gateway.http.messages import Head

Key = TypeVar("Key", bytes, int)
Value = TypeVar("Value")

MOST_HEADS: Final = 2_048
MOST_REQUEST_LINES: Final = 8_192
"""A fleet's repos, however many: of 1,000 that were asked in turn, 512 knew none."""
LARGEST_HEAD: Final = 2 * 2**10
MOST_LINES: Final = 4_096
LARGEST_LINE: Final = 256
MOST_NAMES: Final = 1_024
MOST_MARKS: Final = 4_096
"""About 13 MB when everything is full of the largest, most of it heads."""

_TOKEN = b"!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
_LEFT_TO_THE_PARSER = frozenset({"transfer-encoding", "upgrade", "expect"})
_OWN_TO_REQUESTS = frozenset(
    {"x-request-id", "traceparent", "tracestate", "x-forwarded-for", "x-real-ip", "idempotency-key"}
)
_SECRET = frozenset({"authorization", "proxy-authorization", "x-api-key", "cookie"})
_LEARNT_METHODS = frozenset({"POST", "GET"})
"""Other methods change what a parser makes of the rest, or are refused anyhow."""

_heads: dict[bytes, Head] = {}
_request_lines: dict[bytes, tuple[str, str, str]] = {}
"""Method, path and query of request lines in HTTP/1.1 that the parser has taken."""
_header_lines: dict[bytes, tuple[str, bytes]] = {}
"""Name and value of single headers."""

_marks: dict[int, bool] = {}
"""Of secret lines that have come: Python's hash of bytes, which is keyed anew in every process."""
_names: dict[bytes, str] = {}
"""Names of headers in lower case."""


def read_head(raw: bytes) -> Head:
    """The head of a request; it may be one that other requests have too. Raises HttpError for anything doubtful."""
    head = _heads.get(raw)
    if head is not None:
        return head
    head = _read_by_lines(raw)
    if head is None:
        head = parse_head(raw)
        _learn_request_line(raw, head)
    return head


def _read_by_lines(raw: bytes) -> Head | None:
    lines = raw.split(b"\r\n")
    asked = _request_lines.get(lines[0])
    if asked is None or len(lines) > MAX_HEADERS + 3:
        return None
    pairs = list(map(_header_lines.get, lines))
    # Of the request line, and of what follows the last two line ends.
    del pairs[0], pairs[-2:]
    seen = None not in pairs
    if not seen:
        fresh = [line for pair, line in zip(pairs, lines[1:], strict=False) if pair is None]
        seen = all(_is_secret_again(line) for line in fresh)
        pairs = [pair or _learn_header(line) for pair, line in zip(pairs, lines[1:], strict=False)]
        if None in pairs:
            return None
    headers = dict(cast("list[tuple[str, bytes]]", pairs))
    if len(headers) != len(pairs) or "host" not in headers:
        return None
    length, connection = headers.get("content-length"), headers.get("connection")
    stays = connection is None or keeps_alive(connection, "1.1")
    method, path, query = asked
    head = Head(method, path, headers, stays, int(length or 0), query=query)
    if seen and len(raw) <= LARGEST_HEAD:
        # One with a line of its own, such as a request id, will hardly come again.
        _remember(_heads, MOST_HEADS, raw, head)
    return head


def _learn_header(line: bytes) -> tuple[str, bytes] | None:
    """Name and value of a header that nobody could read in two ways; None: the parser has to judge."""
    raw_name, colon, value = line.partition(b":")
    name = _names.get(raw_name) or _learn_name(raw_name)
    if not name or not colon or value.translate(None, TEXT):
        return None
    value = value.strip(b" \t")
    if name in _OWN_TO_REQUESTS:
        return name, value  # its values come once and never again
    if name in _SECRET:
        return name, value
    if (name == "host" and not HOST.fullmatch(value)) or (name == "content-length" and not DIGITS.fullmatch(value)):
        return None
    if len(line) <= LARGEST_LINE:
        _remember(_header_lines, MOST_LINES, line, (name, value))
    return name, value


def _is_secret_again(line: bytes) -> bool:
    """Whether a line that is not kept, for what it tells, has come before."""
    if line.partition(b":")[0].decode("latin-1").lower() not in _SECRET or len(line) > LARGEST_LINE:
        return False
    mark = hash(line)
    if mark in _marks:
        return True
    _remember(_marks, MOST_MARKS, mark, value=True)
    return False


def _learn_name(raw_name: bytes) -> str:
    """A header's name in lower case; empty: the parser has to judge."""
    if raw_name.translate(None, _TOKEN):
        return ""
    name = raw_name.decode("ascii").lower()
    if name in _LEFT_TO_THE_PARSER:
        return ""
    if len(name) <= LARGEST_NAME:
        _remember(_names, MOST_NAMES, raw_name, name)
    return name


def _learn_request_line(raw: bytes, head: Head) -> None:
    line = raw[: raw.index(b"\r\n")]
    if len(line) <= LARGEST_LINE and head.method in _LEARNT_METHODS and not head.is_http10:
        _remember(_request_lines, MOST_REQUEST_LINES, line, (head.method, head.path, head.query))


def _remember(known: dict[Key, Value], most: int, key: Key, value: Value) -> None:
    if len(known) >= most:
        known.clear()  # cheaper than keeping an order of use
    known[key] = value
