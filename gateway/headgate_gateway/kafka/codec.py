"""Compresses the records of a batch as Kafka's readers expect each codec. Pure; one `Compressor` per producer.

Exists because aiokafka's own codecs have fixed levels, hold the GIL and are patched process-wide.
"""

import zlib
from collections.abc import Callable
from typing import NamedTuple

import cramjam
import lz4.frame
import zstandard

from headgate_gateway.config.producer import Compression, CompressionType

_XERIAL_HEADER = b"\x82SNAPPY\x00" + (1).to_bytes(4, "big") + (1).to_bytes(4, "big")
_XERIAL_BLOCK = 32 * 1024
_GZIP_WINDOW = zlib.MAX_WBITS | 16
# Kafka's lz4 reader refuses linked blocks, so each block is a window of its own: bigger blocks compress better.
_LZ4_BLOCK = lz4.frame.BLOCKSIZE_MAX256KB
_LZ4_HIGH_COMPRESSION = 3
"""From this level on lz4 is an order of magnitude slower."""


class Compressor(NamedTuple):
    """One codec at one level."""

    attributes: int
    """The codec's number in a batch's attributes."""
    compress: Callable[[bytes | memoryview], bytes]
    thread_above: int
    """Bytes from which compressing is worth a thread, since the event loop would feel it."""


def _gzip(level: int) -> Callable[[bytes | memoryview], bytes]:
    def compress(data: bytes | memoryview) -> bytes:
        return zlib.compress(data, level, _GZIP_WINDOW)

    return compress


def _snappy(data: bytes | memoryview) -> bytes:
    """Snappy in the framing of xerial's SnappyOutputStream, which Kafka's Java side writes."""
    view = memoryview(data)
    parts = [_XERIAL_HEADER]
    for start in range(0, len(view), _XERIAL_BLOCK):
        block = bytes(cramjam.snappy.compress_raw(view[start : start + _XERIAL_BLOCK]))
        parts.append(len(block).to_bytes(4, "big"))
        parts.append(block)
    return b"".join(parts)


def _lz4(level: int) -> Callable[[bytes | memoryview], bytes]:
    def compress(data: bytes | memoryview) -> bytes:
        compressed: bytes = lz4.frame.compress(  # type: ignore[attr-defined, unused-ignore]
            data, compression_level=level, block_size=_LZ4_BLOCK, block_linked=False, store_size=False
        )
        return compressed

    return compress


def _zstd(level: int) -> Callable[[bytes | memoryview], bytes]:
    def compress(data: bytes | memoryview) -> bytes:
        # A compressor each time: one must not be used by two threads at once, and making it costs microseconds.
        return zstandard.ZstdCompressor(level=level).compress(data)

    return compress


def build_compressor(compression: Compression) -> Compressor | None:
    """The profile's codec; None where batches go uncompressed."""
    level = compression.level
    match compression.type:
        case CompressionType.NONE:
            return None
        case CompressionType.GZIP:
            return Compressor(1, _gzip(6 if level is None else level), 32 * 1024)
        case CompressionType.SNAPPY:
            return Compressor(2, _snappy, 2**40)
        case CompressionType.LZ4:
            slow = level is not None and level >= _LZ4_HIGH_COMPRESSION
            return Compressor(3, _lz4(level or 0), 64 * 1024 if slow else 2**40)
        case CompressionType.ZSTD:
            return Compressor(4, _zstd(3 if level is None else level), 128 * 1024)
