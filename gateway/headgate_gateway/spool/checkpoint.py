"""A checkpoint as bytes: which records are done with. Pure.

checkpoint = magic | version | crc32 of the rest | msgpack
"""

import struct
from zlib import crc32

import msgspec

from headgate_gateway.spool.errors import SpoolVersionError
from headgate_gateway.spool.extents import Extents, Range

FORMAT_VERSION = 1
_MAGIC = b"HGCKPT"
_HEAD = struct.Struct("<6sHI")


class Checkpoint(msgspec.Struct, array_like=True, frozen=True):
    """What a log knows of its records beside its segments."""

    watermark: int
    ranges: list[Range]
    """Done with, above the watermark."""
    end: int
    """Numbers below are taken: a record that comes later never gets one of them."""
    tail: Range
    """First number of the newest segment, and the number after its last durable record."""

    def extents(self) -> Extents:
        """What is done with."""
        return Extents(self.watermark, self.ranges)


NOTHING = Checkpoint(0, [], 0, (0, 0))


def encode_checkpoint(checkpoint: Checkpoint) -> bytes:
    """The content of its file."""
    payload = msgspec.msgpack.encode(checkpoint)
    return _HEAD.pack(_MAGIC, FORMAT_VERSION, crc32(payload)) + payload


def decode_checkpoint(content: bytes) -> Checkpoint | None:
    """What a file says; None: it is damaged. Raises SpoolVersionError where a newer version wrote it."""
    if len(content) < _HEAD.size:
        return None
    magic, version, crc = _HEAD.unpack_from(content)
    payload = content[_HEAD.size :]
    if magic != _MAGIC or crc != crc32(payload):
        return None
    if version > FORMAT_VERSION:
        raise SpoolVersionError(f"its checkpoint has format version {version}, newer than {FORMAT_VERSION}")
    try:
        return msgspec.msgpack.decode(payload, type=Checkpoint)
    except msgspec.DecodeError:
        return None
