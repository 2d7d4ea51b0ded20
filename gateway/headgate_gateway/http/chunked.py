"""Decodes a chunked body, strictly (RFC 9112, section 7.1). Without sockets; `reader` feeds it.

Chunk extensions and trailers are passed over, and bounded. Every line ends in CRLF, nothing else.

    SIZE --(size > 0)--> DATA --> DATA_END --> SIZE
    SIZE --(size = 0)--> TRAILERS --> DONE
"""

import re
from enum import Enum, auto

from headgate_gateway.http.head import has_stray_bytes, refuse

MAX_SIZE_LINE = 256
MAX_TRAILER_BYTES = 4 * 2**10

_SIZE = re.compile(rb"([0-9A-Fa-f]{1,8})[ \t]*(;[\t -~\x80-\xff]*)?")
_TRAILER = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+:[\t -~\x80-\xff]*")


class ChunkState(Enum):
    """What is expected next."""

    SIZE = auto()
    DATA = auto()
    DATA_END = auto()
    TRAILERS = auto()
    DONE = auto()


class ChunkedBody:
    """The decoder of one body."""

    __slots__ = ("_left", "_trailer_bytes", "state")

    def __init__(self) -> None:
        self.state = ChunkState.SIZE
        self._left = 0
        self._trailer_bytes = 0

    @property
    def done(self) -> bool:
        """Whether the body is complete."""
        return self.state is ChunkState.DONE

    def read(self, data: bytes, start: int) -> tuple[bytes, int]:
        """Payload in `data` from `start`, and where it stopped: at the body's end, or where more bytes are needed.

        Raises HttpError for a body that is not chunked as the standard says.
        """
        pieces: list[bytes] = []
        position = start
        while self.state is not ChunkState.DONE:
            before = position
            position = self._step(data, position, pieces)
            if position == before:
                break
        return b"".join(pieces), position

    def _step(self, data: bytes, position: int, pieces: list[bytes]) -> int:
        match self.state:
            case ChunkState.SIZE:
                return self._size(data, position)
            case ChunkState.DATA:
                return self._data(data, position, pieces)
            case ChunkState.DATA_END:
                return self._data_end(data, position)
            case _:
                return self._trailer(data, position)

    def _size(self, data: bytes, position: int) -> int:
        line = _line(data, position, MAX_SIZE_LINE, "a chunk's size line is too long")
        if line is None:
            return position
        matched = _SIZE.fullmatch(line)
        if matched is None:
            refuse("a chunk's size is not hexadecimal")
        self._left = int(matched[1], 16)
        self.state = ChunkState.DATA if self._left else ChunkState.TRAILERS
        return position + len(line) + 2

    def _data(self, data: bytes, position: int, pieces: list[bytes]) -> int:
        piece = data[position : position + self._left]
        pieces.append(piece)
        self._left -= len(piece)
        if not self._left:
            self.state = ChunkState.DATA_END
        return position + len(piece)

    def _data_end(self, data: bytes, position: int) -> int:
        end = data[position : position + 2]
        if not b"\r\n".startswith(end):
            refuse("a chunk is longer than its size says")
        if len(end) < 2:
            return position
        self.state = ChunkState.SIZE
        return position + 2

    def _trailer(self, data: bytes, position: int) -> int:
        line = _line(data, position, MAX_TRAILER_BYTES - self._trailer_bytes, "the trailers are too long")
        if line is None:
            return position
        if not line:
            self.state = ChunkState.DONE
        elif not _TRAILER.fullmatch(line):
            refuse("a trailer is not a header")
        self._trailer_bytes += len(line) + 2
        return position + len(line) + 2


def _line(data: bytes, position: int, limit: int, too_long: str) -> bytes | None:
    end = data.find(b"\r\n", position, position + max(limit, 0) + 2)
    if end >= 0:
        return data[position:end]
    rest = data[position:]
    if len(rest) > limit + 1:
        refuse(too_long)
    if has_stray_bytes(rest.removesuffix(b"\r")):
        refuse("a line of the chunked body holds a bare LF or a control character")
    return None
