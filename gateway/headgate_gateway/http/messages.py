"""Requests' heads and answers as values, and how an answer becomes bytes. No sockets, no decisions."""

from dataclasses import dataclass, field
from enum import Enum
from http import HTTPStatus

import msgspec

_encode_json = msgspec.json.Encoder().encode

_STATUS_LINES = {
    status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in HTTPStatus if status >= 200
}
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
JSON = b"application/json"
TEXT = b"text/plain; charset=utf-8"


class Ending(Enum):
    """What the end of an answer's head says about the connection."""

    UNSAID = b"\r\n"
    CLOSE = b"Connection: close\r\n\r\n"
    KEEP_ALIVE = b"Connection: keep-alive\r\n\r\n"
    """HTTP/1.0 clients have to be told (RFC 9112, section 9.3)."""


_UNSAID = Ending.UNSAID  # looked up once, since Python 3.11 runs code of its own for every look
_OK_JSON = (
    _STATUS_LINES[200]
    + b"Date: %b\r\nContent-Type: application/json\r\nContent-Length: %d\r\nX-Request-Id: %b\r\n\r\n%b"
)


@dataclass(slots=True)
class Head:
    """A request's head that passed the strict parser. Requests with the same head share one: it is only read, but for `taken_by`."""

    method: str
    path: str
    """The target's path: no query, no scheme and authority, nothing decoded."""
    headers: dict[str, bytes]
    """By lower-case name; repeated ones joined by a comma and a space (RFC 9110, section 5.3)."""
    keep_alive: bool = True
    content_length: int = 0
    chunked: bool = False
    expects_continue: bool = False
    is_http10: bool = False
    """Such a client takes a connection for closing unless the answer says that it stays."""
    query: str = ""
    """What follows the path's question mark, nothing decoded."""
    taken_by: int = field(default=0, compare=False, repr=False)
    """Number of the short way that took a request with this head last: such a head need not be judged again."""

    @property
    def has_body(self) -> bool:
        """Whether bytes of a body follow."""
        return self.chunked or self.content_length > 0


@dataclass(slots=True, init=False)
class Response:
    """An answer, before it knows its request id and what becomes of the connection."""

    status: int
    body: bytes
    content_type: bytes
    headers: tuple[tuple[bytes, bytes], ...]

    # Written out, since each request makes one: what a dataclass makes itself is not compiled.
    def __init__(
        self, status: int, body: bytes = b"", content_type: bytes = JSON, headers: tuple[tuple[bytes, bytes], ...] = ()
    ) -> None:
        self.status = status
        self.body = body
        self.content_type = content_type
        self.headers = headers


class HttpError(Exception):
    """A request that cannot be understood, or not in time. The connection closes after the answer."""

    def __init__(self, status: int, reason: str, message: str, headers: tuple[tuple[bytes, bytes], ...] = ()) -> None:
        super().__init__(status, reason, message, headers)
        self.status = status
        self.reason = reason
        self.message = message
        self.headers = headers


def json_response(status: int, body: object, *headers: tuple[bytes, bytes]) -> Response:
    """An answer with a JSON body."""
    return Response(status, _encode_json(body), JSON, headers)


def error_response(status: int, reason: str, message: str, request_id: str, *headers: tuple[bytes, bytes]) -> Response:
    """An answer that explains a refusal of the whole request."""
    return json_response(status, {"reason": reason, "message": message, "requestId": request_id}, *headers)


def encode_response(
    response: Response, request_id: str, ending: Ending, date: bytes, *, head_only: bool = False
) -> bytes:
    """The bytes of an answer. `date` is the time in HTTP's form (RFC 9110, section 5.6.7), which every answer says."""
    if (
        response.status == 200
        and response.content_type is JSON
        and response.body
        and not response.headers
        and ending is _UNSAID
        and not head_only
    ):
        return _OK_JSON % (date, len(response.body), request_id.encode(), response.body)  # as nearly all go, cut short
    parts = [_STATUS_LINES[response.status], b"Date: %b\r\n" % date]
    if response.body:
        parts.append(b"Content-Type: %b\r\n" % response.content_type)
    parts.append(b"Content-Length: %d\r\nX-Request-Id: %b\r\n" % (len(response.body), request_id.encode()))
    parts.extend(b"%b: %b\r\n" % header for header in response.headers)
    parts.append(ending.value)
    if not head_only:
        parts.append(response.body)
    return b"".join(parts)
