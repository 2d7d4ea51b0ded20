"""Parses one request head, strictly: what two parsers could understand differently is refused, never repaired.

llhttp (through httptools) tokenizes; the checks around it close what it lets pass. Takes the bytes of exactly one
head, up to and including the empty line; `familiar` asks where it has not read the same before.
"""

import re
from typing import NoReturn

import httptools

from headgate_gateway.http.messages import Head, HttpError

MAX_HEAD_BYTES = 16 * 2**10
MAX_HEADERS = 100
LARGEST_NAME = 64
"""Of a header, to be remembered."""

TEXT = bytes([0x09, *range(0x20, 0x7F), *range(0x80, 0x100)])
DIGITS = re.compile(rb"[0-9]{1,18}")
HOST = re.compile(rb"[A-Za-z0-9._~!$&'()*+;=%-]*(:[0-9]{0,5})?|\[[0-9A-Fa-f:.]+\](:[0-9]{0,5})?")
_TARGET = re.compile(rb"[!-~]+")
_VERSION = re.compile(rb"[^\r\n]* HTTP/([0-9]\.[0-9])\r\n")
_ABSOLUTE = re.compile(r"https?://[^/?#]*", re.IGNORECASE)


def refuse(message: str, status: int = 400, reason: str = "BadRequest") -> NoReturn:
    """Raise the error that answers a request which cannot be understood."""
    raise HttpError(status, reason, message)


class _Fields:
    """Collects llhttp's callbacks."""

    __slots__ = ("headers", "target")

    def __init__(self) -> None:
        self.target = b""
        self.headers: list[tuple[bytes, bytes]] = []

    def on_url(self, target: bytes) -> None:
        self.target += target

    # A method, never a closure kept on the object: each request would leave a cycle to the garbage collector.
    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name, value))


def has_stray_bytes(raw: bytes) -> bool:
    """Whether bytes hold a control character, a bare CR or a bare LF."""
    return raw.translate(None, TEXT) != b"\r\n" * raw.count(b"\r\n")


def parse_head(raw: bytes) -> Head:
    """The head of a request. Raises HttpError for anything doubtful."""
    if has_stray_bytes(raw):
        refuse("the head holds a control character, a bare CR or a bare LF")
    fields = _Fields()
    parser = httptools.HttpRequestParser(fields)
    try:
        parser.feed_data(raw)
    except httptools.HttpParserUpgrade:
        pass  # Java's HttpClient asks for h2c by default; a server may ignore the wish (RFC 9110, section 7.8)
    except httptools.HttpParserError as error:
        _check_version(raw)
        refuse(f"the head is not HTTP: {error}")
    version = parser.get_http_version()
    if version not in {"1.1", "1.0"}:
        _refuse_version(version)
    if len(fields.headers) > MAX_HEADERS:
        refuse(f"more than {MAX_HEADERS} headers", 431, "HeadersTooLarge")
    method = parser.get_method()
    if not raw.startswith(b"%b %b HTTP/%b\r\n" % (method, fields.target, version.encode())):
        refuse("the request line has more than its two spaces")  # llhttp takes any number of them
    target = _origin_form(fields.target)
    head = Head(method.decode("ascii"), target, _collect(fields.headers))
    if "?" in target:
        head.path, _, head.query = target.partition("?")
    _frame(head, version)
    return head


def _refuse_version(version: str) -> NoReturn:
    refuse(f"HTTP/{version} is not spoken here", 505, "HttpVersionNotSupported")


def _check_version(raw: bytes) -> None:
    """Names what llhttp takes for no HTTP at all: a version that it does not know."""
    found = _VERSION.match(raw)
    if found is not None and found[1] not in {b"1.1", b"1.0"}:
        _refuse_version(found[1].decode())


_ONCE = frozenset({"host", "content-length", "transfer-encoding", "content-type", "content-encoding", "expect"})


_KNOWN_NAMES_BOUND = 1_000
_known_names: dict[bytes, str] = {}
"""Lower-case names of headers seen, since clients send the same ones for ever; bounded, since some do not."""


def _lower(raw_name: bytes) -> str:
    name = raw_name.decode("latin-1").lower()
    if len(name) <= LARGEST_NAME and len(_known_names) < _KNOWN_NAMES_BOUND:
        _known_names[raw_name] = name
    return name


def _collect(pairs: list[tuple[bytes, bytes]]) -> dict[str, bytes]:
    headers: dict[str, bytes] = {}
    for raw_name, raw_value in pairs:
        name = _known_names.get(raw_name) or _lower(raw_name)
        if name not in headers:
            headers[name] = raw_value.strip(b" \t")
        elif name in _ONCE:
            refuse(f"header {name} stands more than once")
        else:
            headers[name] += b", " + raw_value.strip(b" \t")
    return headers


def _origin_form(target: bytes) -> str:
    """A target's path and query."""
    if not _TARGET.fullmatch(target):
        refuse("the request's target holds characters that no target may hold")
    text = target.decode("ascii")
    if not text.startswith("/"):
        # A server must take the absolute form too (RFC 9112, section 3.2.2).
        text = _ABSOLUTE.sub("", text, count=1) or "/"
    return text


def _frame(head: Head, version: str) -> None:
    headers = head.headers
    head.is_http10 = version == "1.0"
    host = headers.get("host")
    if host is None and version == "1.1":
        refuse("header host is missing")
    if host is not None and not HOST.fullmatch(host):
        refuse("header host is not a host")
    length, encoding = headers.get("content-length"), headers.get("transfer-encoding")
    if encoding is not None:
        _check_chunked(encoding, length, version)
        head.chunked = True
    elif length is not None:
        if not DIGITS.fullmatch(length):
            refuse("header content-length is not a number")
        head.content_length = int(length)
    _negotiate(head, version)


def _check_chunked(encoding: bytes, length: bytes | None, version: str) -> None:
    if length is not None:
        refuse("content-length and transfer-encoding exclude each other")
    if version == "1.0":
        refuse("HTTP/1.0 has no transfer-encoding")
    if encoding.lower() != b"chunked":
        refuse("the only transfer-encoding is chunked")


def _negotiate(head: Head, version: str) -> None:
    head.keep_alive = keeps_alive(head.headers.get("connection"), version)
    expect = head.headers.get("expect")
    if expect is None or version == "1.0":
        return  # HTTP/1.0 clients cannot mean it (RFC 9110, section 10.1.1)
    if expect.lower() != b"100-continue":
        refuse("the only expectation is 100-continue", 417, "ExpectationFailed")
    head.expects_continue = head.has_body


def keeps_alive(connection: bytes | None, version: str) -> bool:
    """What the header Connection means, in this version, for the time after the answer."""
    if connection is None:
        return version == "1.1"
    tokens = {token.strip() for token in connection.lower().split(b",")}
    return b"close" not in tokens and (version == "1.1" or b"keep-alive" in tokens)
