"""Segments as bytes: a header, then frames, each with a checksum. Pure: writes and scans bytes, touches no file.

    segment = magic | version | marker (16 random bytes) | first number | previous segment: first, end | crc32
    frame   = magic | marker | length | records | first number | accepted, ms | crc32 of payload | crc32 of head | payload

The marker makes frames findable after damage, and tells them from old bytes of a reused block. Integers are
little-endian; a payload is a msgpack array of entries.
"""

import struct
from collections.abc import Callable, Iterator, Sequence
from typing import Final, NamedTuple
from zlib import crc32

import msgspec

from headgate_gateway.spool.entry import Entry, EntryHead
from headgate_gateway.spool.extents import Range

FORMAT_VERSION = 1
_SEGMENT_MAGIC = b"HGSEGM"
_FRAME_MAGIC = b"\xf7HGf"
_SEGMENT = struct.Struct("<6sH16sQQQ")
_FRAME = struct.Struct("<4s16sIIQQI")
_CRC = struct.Struct("<I")
SEGMENT_HEAD: Final = _SEGMENT.size + _CRC.size
FRAME_HEAD: Final = _FRAME.size + _CRC.size
_BLOCK = 4 * 2**20
"""Bytes read at a time, by who goes through all of a segment."""

_encoder = msgspec.msgpack.Encoder()
_entries = msgspec.msgpack.Decoder(list[Entry])
_heads = msgspec.msgpack.Decoder(list[EntryHead])

ReadAt = Callable[[int, int], bytes]
"""Takes offset and number of bytes; may return fewer at the end of the file."""


class SegmentHead(NamedTuple):
    """What the header of a segment says."""

    version: int
    marker: bytes
    first: int
    previous: Range
    """First number of the segment written before by the same process, and the number after its last durable record."""


class Frame(NamedTuple):
    """A frame whose checksums hold; without its payload where that was not asked for."""

    offset: int
    end_offset: int
    first: int
    end: int
    """The number after its last record."""
    accepted_ms: int
    """Of its first entry."""
    payload: memoryview | None


class Bad(NamedTuple):
    """Bytes that are no frame."""

    offset: int
    end_offset: int
    torn: bool
    """An incomplete last frame, as a crash leaves it: nothing in it was ever reported durable."""


def encode_segment_head(marker: bytes, first: int, previous: Range) -> bytes:
    """The first bytes of a segment."""
    head = _SEGMENT.pack(_SEGMENT_MAGIC, FORMAT_VERSION, marker, first, *previous)
    return head + _CRC.pack(crc32(head))


def decode_segment_head(content: bytes) -> SegmentHead | None:
    """What the first bytes of a segment say; None: they are damaged."""
    if len(content) < SEGMENT_HEAD:
        return None
    magic, version, marker, first, previous_first, previous_end = _SEGMENT.unpack_from(content)
    (crc,) = _CRC.unpack_from(content, _SEGMENT.size)
    if magic != _SEGMENT_MAGIC or crc != crc32(content[: _SEGMENT.size]):
        return None
    return SegmentHead(version, marker, first, (previous_first, previous_end))


def encode_frame(buffer: bytearray, marker: bytes, first: int, entries: Sequence[Entry]) -> None:
    """Make `buffer` the frame of these entries. Raises TypeError, ValueError or OverflowError for what is no entry."""
    _encoder.encode_into(entries, buffer, FRAME_HEAD)
    with memoryview(buffer) as view, view[FRAME_HEAD:] as payload:
        count = sum(entry.count for entry in entries)
        accepted = entries[0].accepted_ms if entries else 0
        _FRAME.pack_into(buffer, 0, _FRAME_MAGIC, marker, len(payload), count, first, accepted, crc32(payload))
        _CRC.pack_into(buffer, _FRAME.size, crc32(view[: _FRAME.size]))


def decode_entries(payload: memoryview) -> list[Entry]:
    """The entries of a frame. Raises msgspec.DecodeError."""
    return _entries.decode(payload)


def decode_heads(payload: memoryview) -> list[EntryHead]:
    """The entries of a frame without their records. Raises msgspec.DecodeError."""
    return _heads.decode(payload)


def find_marker(content: bytes) -> bytes | None:
    """The marker of a segment whose header is damaged, from the first frame whose head holds."""
    at = content.find(_FRAME_MAGIC)
    while at >= 0:
        marker = content[at + len(_FRAME_MAGIC) : at + len(_FRAME_MAGIC) + 16]
        if _frame_at(memoryview(content), at, at, marker) is not None:
            return marker
        at = content.find(_FRAME_MAGIC, at + 1)
    return None


def _frame_at(content: memoryview, at: int, offset: int, marker: bytes) -> tuple[Frame, int] | None:
    """The frame without payload whose head is at `at`, which is `offset` in the file, and its payload's checksum."""
    if len(content) - at < FRAME_HEAD:
        return None
    magic, its_marker, nbytes, count, first, accepted_ms, payload_crc = _FRAME.unpack_from(content, at)
    (crc,) = _CRC.unpack_from(content, at + _FRAME.size)
    if magic != _FRAME_MAGIC or its_marker != marker or crc != crc32(content[at : at + _FRAME.size]):
        return None
    return Frame(offset, offset + FRAME_HEAD + nbytes, first, first + count, accepted_ms, None), payload_crc


def _wanted(frame: Frame) -> bool:
    return True


class Scanner:
    """Reads a segment front to back, past what is damaged."""

    def __init__(self, read_at: ReadAt, size: int, marker: bytes, block: int = _BLOCK) -> None:
        """`block`: bytes read at a time, or a frame's where it has more."""
        self._block_bytes = block
        self._read_at = read_at
        self._size = size
        self._marker = marker
        self._sign = _FRAME_MAGIC + marker
        self._base = 0
        self._block = memoryview(b"")

    def scan(self, offset: int, wanted: Callable[[Frame], bool] = _wanted) -> Iterator[Frame | Bad]:
        """What is there from `offset` on, which is the start of a frame: frames and bad places, without a gap.

        The payload is read and checked of frames that are `wanted`; a view of it is good until the next step.
        """
        while offset < self._size:
            found = self._frame(offset, wanted) or self._skip(offset)
            yield found
            offset = found.end_offset

    def _bytes(self, offset: int, nbytes: int) -> memoryview:
        """So many bytes of the file, fewer at its end."""
        at = offset - self._base
        if at < 0 or at + nbytes > len(self._block):
            self._base, at = offset, 0
            self._block = memoryview(self._read_at(offset, min(max(nbytes, self._block_bytes), self._size - offset)))
        return self._block[at : at + nbytes]

    def _frame(self, offset: int, wanted: Callable[[Frame], bool]) -> Frame | Bad | None:
        """The frame at `offset`; None: there is none that holds."""
        found = _frame_at(self._bytes(offset, FRAME_HEAD), 0, offset, self._marker)
        if found is None:
            return None
        frame, crc = found
        if frame.end_offset > self._size:
            return Bad(offset, self._size, torn=True)
        if not wanted(frame):
            return frame
        payload = self._bytes(offset + FRAME_HEAD, frame.end_offset - offset - FRAME_HEAD)
        return frame._replace(payload=payload) if crc32(payload) == crc else None

    def _skip(self, offset: int) -> Bad:
        """The bad place at `offset`, up to the next frame whose head holds."""
        at = offset + 1
        while at < self._size:
            block = bytes(self._read_at(at, min(_BLOCK, self._size - at)))
            found = block.find(self._sign)
            if found >= 0:
                head = memoryview(self._read_at(at + found, FRAME_HEAD))
                if _frame_at(head, 0, at + found, self._marker) is not None:
                    return Bad(offset, at + found, torn=False)
                at += found + 1
            else:
                # The sign may begin in this block and end in the next.
                at += max(len(block) - len(self._sign) + 1, 1)
        return Bad(offset, self._size, torn=self._is_torn(offset))

    def _is_torn(self, offset: int) -> bool:
        """Whether the last bytes are less than a frame's head, as far as they are not zeros that were never written."""
        if self._size - offset < FRAME_HEAD:
            return True
        written = bytes(self._read_at(offset, FRAME_HEAD)).rstrip(b"\0")
        if len(written) == FRAME_HEAD:
            return False
        return not any(
            self._read_at(at, min(_BLOCK, self._size - at)).strip(b"\0")
            for at in range(offset + FRAME_HEAD, self._size, _BLOCK)
        )
