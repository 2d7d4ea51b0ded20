"""Cuts the bytes of one connection into requests: Head, pieces of body, END, or all at once. Without sockets, timers or tasks.

The head's size is counted before anything is parsed. Whoever feeds it decides when to ask for the next event, so a
request is read only when the one before it has been answered.
"""

from typing import Final

from headgate_gateway.http.chunked import ChunkedBody
from headgate_gateway.http.familiar import read_head
from headgate_gateway.http.head import MAX_HEAD_BYTES, has_stray_bytes, refuse
from headgate_gateway.http.messages import Head


class End:
    """The request is complete."""


END: Final = End()


class RequestReader:
    """Bytes in, events out."""

    __slots__ = ("_chunks", "_data", "_in_body", "_left", "_passed_over", "_position")

    def __init__(self) -> None:
        self._data = b""
        self._position = 0
        self._in_body = False
        self._left = 0
        self._passed_over = False
        """Whether an empty line came before the next head: one may."""
        self._chunks: ChunkedBody | None = None

    @property
    def buffered(self) -> int:
        """Bytes fed and not yet part of an event."""
        return len(self._data) - self._position

    @property
    def between_requests(self) -> bool:
        """Whether no byte of a further request has come."""
        return not self._in_body and self.buffered == 0

    def feed(self, data: bytes) -> None:
        """Take bytes from the connection."""
        self._data = self._data[self._position :] + data if self.buffered else data
        self._position = 0

    def next_event(self) -> Head | bytes | End | None:
        """The next event, None when more bytes are needed. Raises HttpError; after that the reader is of no use."""
        if not self._in_body:
            return self._read_head()
        return self._read_chunks() if self._chunks is not None else self._read_length()

    def next_request(self) -> "tuple[Head, bytes] | Head | bytes | End | None":
        """As `next_event`, but a request that is all there comes at once, as its head and its body."""
        if self._in_body:
            return self.next_event()
        head = self._read_head()
        if head is None or head.chunked:
            return head
        data, start = self._data, self._position
        end = start + head.content_length
        if end > len(data):
            return head
        self._in_body = False
        if end == len(data):
            self._data, self._position = b"", 0
        else:
            self._position = end
        return head, data[start:end]

    def _read_head(self) -> Head | None:
        data = self._data
        if self._position == len(data):
            return None
        while data.startswith(b"\r\n", self._position):
            if self._passed_over:
                refuse("more than one empty line stands before the request")
            self._position += 2  # one empty line before a request is to be passed over (RFC 9112, section 2.2)
            self._passed_over = True
        start = self._position
        end = data.find(b"\r\n\r\n", start, start + MAX_HEAD_BYTES)
        if end < 0:
            self._check_partial_head(data[start:])
            return None
        self._position = end + 4
        self._passed_over = False
        head = read_head(data[start : end + 4])
        self._in_body, self._left = True, head.content_length
        self._chunks = ChunkedBody() if head.chunked else None
        return head

    def _check_partial_head(self, partial: bytes) -> None:
        """Refuses early what would otherwise only time out: a flood, a bare LF, a TLS hello."""
        if len(partial) >= MAX_HEAD_BYTES:
            refuse(f"the head is larger than {MAX_HEAD_BYTES} bytes", 431, "HeadersTooLarge")
        if has_stray_bytes(partial.removesuffix(b"\r")):
            refuse("the head holds a control character, a bare CR or a bare LF")

    def _read_length(self) -> bytes | End | None:
        if not self._left:
            return self._finish()
        start, data = self._position, self._data
        piece = data[start : start + self._left]
        if not piece:
            return None
        self._position += len(piece)
        self._left -= len(piece)
        return piece

    def _read_chunks(self) -> bytes | End | None:
        chunks = self._chunks
        if chunks is None or chunks.done:
            return self._finish()
        piece, self._position = chunks.read(self._data, self._position)
        return piece or self._end_of(chunks)

    def _end_of(self, chunks: ChunkedBody) -> End | None:
        # A function of its own: type checkers, and so mypyc, believe that reading leaves `done` as it was.
        return self._finish() if chunks.done else None

    def _finish(self) -> End:
        self._in_body, self._chunks = False, None
        if self._position == len(self._data):
            self._data, self._position = b"", 0
        return END
