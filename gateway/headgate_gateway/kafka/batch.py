"""Builds the bytes of record batches (Kafka's format v2). Pure: records in, bytes out.

The accumulator fills batches, the leader link seals them just before they are sent. Records are written by ourselves:
aiokafka's C builder takes a checksum of all that will be compressed, which then nobody needs.
Source of the format: Kafka's documentation, "Record Batch" and "Record".
"""

from collections.abc import Callable, Sequence
from struct import Struct
from typing import Final, cast

from aiokafka.record.util import calc_crc32c

from headgate_gateway.kafka.codec import Compressor
from headgate_gateway.kafka.varint import FEW, VARINTS, varint
from headgate_gateway.pipeline.records import Records
from headgate_gateway.pipeline.tombstone import NO_VALUE

HEADER_BYTES: Final = 61
MAX_BATCH_BYTES: Final = 1_000_000
"""Uncompressed. Just under the 1,048,588 bytes that a topic takes by default (`max.message.bytes`)."""

_HEADER = Struct(">qiibIhiqqqhii")
_MAGIC: Final = 2
_LENGTH = Struct(">i")
_LENGTH_AT: Final = 8
_AFTER_LENGTH: Final = 12
_CRC = Struct(">I")
_CRC_AT: Final = 17
_ATTRIBUTES = Struct(">h")
_ATTRIBUTES_AT: Final = 21
# It takes whatever has a buffer, which its annotation does not say.
_checksum = cast("Callable[[memoryview], int]", calc_crc32c)

_NONE: Final = b"\x01"
"""The length of a key or a value that is not there."""
_NO_HEADERS: Final = b"\x00"
_HEADS: Final[list[bytes]] = [length + b"\x00" for length in VARINTS]
"""What records of so many bytes begin with: their length, and attributes, of which there are none."""
_KEYLESS: Final[list[bytes]] = [_NONE + length for length in VARINTS]
"""What stands before values of so many bytes, where there is no key."""
_USUAL: Final = 2**60
"""Numbers below are cheap for compiled code."""


class UnencodableRecordError(ValueError):
    """A record that no batch can hold, such as a timestamp outside 64 bits. Carries its index in its request."""

    def __init__(self, index: int, reason: str) -> None:
        super().__init__(reason)
        self.index = index


class BatchWriter:
    """One open batch: takes records until it is full."""

    __slots__ = ("_cap_bytes", "_cap_records", "_first_ms", "_largest_ms", "_parts", "_size", "count")

    def __init__(self, cap_bytes: int = MAX_BATCH_BYTES, cap_records: int = 2**31 - 1) -> None:
        self._cap_bytes = cap_bytes
        self._cap_records = cap_records
        self._first_ms = self._largest_ms = 0
        self._parts: list[bytes] = [bytes(HEADER_BYTES)]
        """All of it, to be put together at once: growing an array costs copies, and pages that the kernel has to clear."""
        self._size = HEADER_BYTES
        self.count = 0

    def append(self, records: Records, indices: Sequence[int], now_ms: int) -> int:
        """Take records from the front of `indices`; return how many fitted. The first record of a batch always does.

        Raises UnencodableRecordError; the batch must then be thrown away.
        """
        room = self._cap_records - self.count
        if len(indices) > room:
            indices = indices[:room]
        before = self.count
        if records.keys is None and records.timestamps is None and records.row_headers is None:
            self._append_plain(records, indices, now_ms)
        else:
            self._append_full(records, indices, now_ms)
        return self.count - before

    def _append_plain(self, records: Records, indices: Sequence[int], now_ms: int) -> None:
        put, values, before = self._put, records.values, self.count
        index = indices[0] if indices else -1
        try:
            time, headers = self._time(now_ms), _encode_headers(records.headers)
            for index in indices:
                value = values[index]
                length = len(value)
                if not put(time, _KEYLESS[length] if length < FEW else _NONE + varint(length), value, headers):
                    break
        except (TypeError, ValueError, OverflowError) as error:
            raise UnencodableRecordError(index, str(error)) from error
        if self.count > before:
            self._largest_ms = max(self._largest_ms, now_ms)

    def _append_full(self, records: Records, indices: Sequence[int], now_ms: int) -> None:
        put = self._put
        values, keys, timestamps, rows = records.values, records.keys, records.timestamps, records.row_headers
        index = -1
        try:
            for index in indices:
                value = values[index]
                key = _NONE if keys is None else _encode_bytes(keys[index])
                before = key + (_NONE if value is NO_VALUE else varint(len(value)))
                headers = _encode_headers(records.headers if rows is None else (*records.headers, *rows[index]))
                timestamp = now_ms if timestamps is None else timestamps[index]
                if not put(self._time(timestamp), before, b"" if value is NO_VALUE else value, headers):
                    break
                self._largest_ms = max(self._largest_ms, timestamp)
        except (TypeError, ValueError, OverflowError) as error:
            raise UnencodableRecordError(index, str(error)) from error

    def _time(self, timestamp: int) -> bytes:
        """As a record has it: the difference from the first one's, in 64 bits."""
        if not -_USUAL < timestamp < _USUAL and not -(2**63) <= timestamp < 2**63:
            raise OverflowError(f"the timestamp {timestamp} does not fit into 64 bits")
        if not self.count:
            self._first_ms = self._largest_ms = timestamp
        passed = timestamp - self._first_ms
        return varint(passed if -_USUAL < passed < _USUAL else (passed + 2**63) % 2**64 - 2**63)

    def _put(self, time: bytes, before: bytes, value: bytes, headers: bytes) -> bool:
        """Add a record, if there is room; `before` is its key and the value's length."""
        count = self.count
        offset = varint(count)
        length = 1 + len(time) + len(offset) + len(before) + len(value) + len(headers)
        head = _HEADS[length] if length < FEW else varint(length) + b"\x00"
        size = self._size + len(head) - 1 + length
        if size > self._cap_bytes and count:
            return False
        parts = self._parts
        parts.append(head)
        parts.append(time)
        parts.append(offset)
        parts.append(before)
        parts.append(value)
        parts.append(headers)
        self._size = size
        self.count = count + 1
        return True

    def finish(self) -> bytearray:
        """The uncompressed batch, header included but for its checksum. No more records then."""
        # not transactional, no codec, no producer id, epoch and sequence; the broker sets offset and epoch
        raw = bytearray().join(self._parts)
        length, last = len(raw) - _AFTER_LENGTH, self.count - 1
        times = self._first_ms, self._largest_ms
        _HEADER.pack_into(raw, 0, 0, length, -1, _MAGIC, 0, 0, last, *times, -1, -1, -1, self.count)
        return raw


def _encode_bytes(value: bytes | None) -> bytes:
    return _NONE if value is None else varint(len(value)) + value


def _encode_headers(headers: Sequence[tuple[str, bytes]]) -> bytes:
    if not headers:
        return _NO_HEADERS
    return varint(len(headers)) + b"".join(
        [_encode_bytes(name.encode()) + _encode_bytes(value) for name, value in headers]
    )


def compress_batch(raw: bytearray, compressor: Compressor | None) -> bytearray:
    """The batch as it is sent: compressed where that makes it smaller, with length, attributes and checksum set."""
    batch = raw if compressor is None else _compressed(raw, compressor)
    with memoryview(batch) as view, view[_ATTRIBUTES_AT:] as covered:
        crc = _checksum(covered)
    _CRC.pack_into(batch, _CRC_AT, crc)
    return batch


def _compressed(raw: bytearray, compressor: Compressor) -> bytearray:
    with memoryview(raw) as view, view[HEADER_BYTES:] as records:
        compressed = compressor.compress(records)
    if len(compressed) >= len(raw) - HEADER_BYTES:
        return raw
    batch = raw[:HEADER_BYTES]
    batch += compressed
    _LENGTH.pack_into(batch, _LENGTH_AT, len(batch) - _AFTER_LENGTH)
    _ATTRIBUTES.pack_into(batch, _ATTRIBUTES_AT, compressor.attributes)
    return batch
