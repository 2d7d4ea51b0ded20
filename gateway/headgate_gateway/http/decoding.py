"""Content codings of request bodies: gzip, zstd, lz4 and snappy, undone a piece at a time and bounded. Pure.

Never makes more than PIECE_BYTES beyond what its caller has taken (raw snappy apart, whose size is `foretold`), so that
whoever counts memory can say no before it is used. `preparation` calls it, in a thread for what takes long.
"""

import sys
import zlib
from collections.abc import Callable, Iterator
from typing import Final, Protocol

import cramjam
from lz4.frame import LZ4FrameDecompressor

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

PIECE_BYTES: Final = 256 * 2**10
"""Decoded at a time."""
MAX_MEMBERS: Final = 4_096
"""Members of a gzip body, frames of a zstd or lz4 one: each costs its set-up, even an empty one of twenty bytes."""
MAX_CHUNKS: Final = 65_536
"""Chunks of a snappy stream; one holds up to 64 KiB."""
MAX_EMPTY: Final = 32
"""Members or runs that hold nothing, one after the other, before the caller is asked again: a millisecond or so."""
ZSTD_WINDOW_LOG: Final = 23
"""8 MiB, the most that an encoder may ask of a receiver of HTTP (RFC 9659)."""

_FEED_AT_FIRST, _FEED = 1_024, 64 * 2**10
_SNAPPY_STREAM: Final = b"\xff\x06\x00\x00sNaPpY"
"""What a stream in snappy's framing format begins with. As a raw block it would copy from before its own beginning."""
_SNAPPY_CHUNK: Final = 64 * 2**10

Body = bytes | bytearray | memoryview


class InvalidEncodingError(ValueError):
    """A body that is not what its Content-Encoding says."""


class DecodedTooLargeError(ValueError):
    """A body that decodes to more than it may."""


class _Member(Protocol):
    """One gzip member, zstd frame or lz4 frame."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes | None: ...
    def decompress(self, data: Body, max_length: int) -> bytes: ...


class _GzipMember:
    """zlib's decoder in the shape of the others."""

    def __init__(self) -> None:
        self._decoder = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)

    @property
    def eof(self) -> bool:
        return self._decoder.eof

    @property
    def needs_input(self) -> bool:
        return not self._decoder.unconsumed_tail

    @property
    def unused_data(self) -> bytes:
        return self._decoder.unused_data

    def decompress(self, data: Body, max_length: int) -> bytes:
        return self._decoder.decompress(self._decoder.unconsumed_tail or data, max_length)


def _zstd_frame() -> _Member:
    return zstd.ZstdDecompressor(options={zstd.DecompressionParameter.window_log_max: ZSTD_WINDOW_LOG})


Decode = Callable[[Body, str], Iterator[bytes]]
"""Takes a body and the name of its coding. The pieces end where the body does; raises InvalidEncodingError."""


def _decode_members(open_member: Callable[[], _Member], *errors: type[Exception]) -> Decode:
    """Members one after the other, as each of these formats allows."""

    def decode(body: Body, coding: str) -> Iterator[bytes]:
        view, at = memoryview(body), 0
        for _ in range(MAX_MEMBERS):
            if at == len(view):
                return
            # What is fed beyond a member's end is copied: many small members would cost the square of the body.
            member, feed = open_member(), _FEED_AT_FIRST
            while not member.eof:
                given = view[at : at + feed] if member.needs_input else b""
                at, feed = at + len(given), min(2 * feed, _FEED)
                try:
                    piece = member.decompress(given, PIECE_BYTES)
                except errors as error:
                    raise InvalidEncodingError(f"the body is not {coding}: {error}") from error
                if piece:
                    yield piece
                elif at == len(view) and not given and not member.eof:
                    raise _truncated(coding)
            yield b""
            at -= len(member.unused_data or b"")
        if at < len(view):
            raise InvalidEncodingError(f"the body is {coding} in more than {MAX_MEMBERS} parts")

    return decode


def _truncated(coding: str) -> InvalidEncodingError:
    return InvalidEncodingError(f"the body is not whole: its {coding} ends too early")


def _is_framed(body: Body) -> bool:
    return bytes(body[: len(_SNAPPY_STREAM)]) == _SNAPPY_STREAM


def _decode_snappy(body: Body, coding: str) -> Iterator[bytes]:
    """The framing format by its stream identifier, else one raw block (github.com/google/snappy, both .txt)."""
    try:
        if not body:
            return
        if not _is_framed(body):
            yield bytes(cramjam.snappy.decompress_raw(body))
            return
        for run in _snappy_runs(memoryview(body), coding):
            yield bytes(cramjam.snappy.decompress(_SNAPPY_STREAM + run))
    except cramjam.DecompressionError as error:
        raise InvalidEncodingError(f"the body is not {coding}: {error}") from error


def _snappy_runs(view: memoryview, coding: str) -> Iterator[memoryview]:
    """Cuts a stream between chunks, so that no run decodes to more than PIECE_BYTES."""
    start = at = chunks = 0
    for _ in range(MAX_CHUNKS):
        if at == len(view):
            break
        end = at + 4 + int.from_bytes(view[at + 1 : at + 4], "little")
        if end > len(view) or at + 4 > len(view):
            raise _truncated(coding)
        chunks += 1
        at = end
        if chunks * _SNAPPY_CHUNK >= PIECE_BYTES:
            yield view[start:at]
            start, chunks = at, 0
    else:
        raise InvalidEncodingError(f"the body is {coding} in more than {MAX_CHUNKS} parts")
    if start < at:
        yield view[start:at]


_GZIP = _decode_members(_GzipMember, zlib.error)

CODINGS: Final[dict[bytes, Decode]] = {
    b"gzip": _GZIP,
    b"x-gzip": _GZIP,  # RFC 9110, section 8.4.1.3
    b"zstd": _decode_members(_zstd_frame, zstd.ZstdError),
    b"lz4": _decode_members(LZ4FrameDecompressor, RuntimeError),
    b"snappy": _decode_snappy,
    b"x-snappy-framed": _decode_snappy,
}
"""By the value of Content-Encoding in lower case."""


def foretold(coding: bytes, body: Body) -> int:
    """Bytes that come as one piece, however many: what a raw snappy block says it holds. 0 for all others."""
    if CODINGS[coding] is not _decode_snappy or not body or _is_framed(body):
        return 0
    try:
        return int(cramjam.snappy.decompress_raw_len(body))
    except cramjam.DecompressionError as error:
        raise InvalidEncodingError(f"the body is not {coding.decode()}: {error}") from error


def decode(coding: bytes, body: Body, limit: int) -> Iterator[bytes]:
    """The pieces of a decoded body, `limit` bytes in all at most; an empty one where it took long to find nothing.

    Raises InvalidEncodingError or DecodedTooLargeError, perhaps after some pieces.
    """
    if foretold(coding, body) > limit:
        raise DecodedTooLargeError
    decoded = empty = 0
    for piece in CODINGS[coding](body, coding.decode()):
        decoded += len(piece)
        if decoded > limit:
            raise DecodedTooLargeError
        empty = 0 if piece else empty + 1
        if piece or empty % MAX_EMPTY == 0:
            yield piece
