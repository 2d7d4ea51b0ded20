"""Builds the bytes of record batches (Kafka's format v2). Pure: records in, bytes out.

aiokafka's C builder writes records and an uncompressed header; compressing and the final header are ours. The
accumulator fills batches, the leader link seals them just before they are sent.
Source of the format: Kafka's documentation, "Record Batch".
"""

from collections.abc import Sequence
from struct import Struct
from typing import Final

from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.util import calc_crc32c

from headgate_gateway.kafka.codec import Compressor
from headgate_gateway.pipeline.records import Records
from headgate_gateway.pipeline.tombstone import NO_VALUE

HEADER_BYTES: Final = 61
MAX_BATCH_BYTES: Final = 1_000_000
"""Uncompressed. Just under the 1,048,588 bytes that a topic takes by default (`max.message.bytes`)."""

_LENGTH = Struct(">i")
_LENGTH_AT: Final = 8
_AFTER_LENGTH: Final = 12
_CRC = Struct(">I")
_CRC_AT: Final = 17
_ATTRIBUTES = Struct(">h")
_ATTRIBUTES_AT: Final = 21


class UnencodableRecordError(ValueError):
    """A record that no batch can hold, such as a timestamp outside 64 bits. Carries its index in its request."""

    def __init__(self, index: int, reason: str) -> None:
        super().__init__(reason)
        self.index = index


class BatchWriter:
    """One open batch: takes records until it is full."""

    __slots__ = ("_builder", "_cap_records", "count")

    def __init__(self, cap_bytes: int = MAX_BATCH_BYTES, cap_records: int = 2**31 - 1) -> None:
        # magic 2, no codec, not transactional, no producer id, epoch and sequence
        self._builder = DefaultRecordBatchBuilder(2, 0, 0, -1, -1, -1, cap_bytes)
        self._cap_records = cap_records
        self.count = 0

    def append(self, records: Records, indices: Sequence[int], now_ms: int) -> int:
        """Take records from the front of `indices`; return how many fitted. The first record of a batch always does.

        Raises UnencodableRecordError; the batch must then be thrown away, since half a record may be in it.
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
        append = self._builder.append
        values = records.values
        headers: list[tuple[str, bytes | None]] = list(records.headers)
        count = self.count
        index = -1
        try:
            for index in indices:
                if append(count, now_ms, None, values[index], headers) is None:
                    break
                count += 1
        except (TypeError, ValueError, OverflowError) as error:
            raise UnencodableRecordError(index, str(error)) from error
        self.count = count

    def _append_full(self, records: Records, indices: Sequence[int], now_ms: int) -> None:
        append = self._builder.append
        values, keys, timestamps, rows = records.values, records.keys, records.timestamps, records.row_headers
        shared: list[tuple[str, bytes | None]] = list(records.headers)
        count = self.count
        index = -1
        try:
            for index in indices:
                value = values[index]
                taken = append(
                    count,
                    now_ms if timestamps is None else timestamps[index],
                    None if keys is None else keys[index],
                    None if value is NO_VALUE else value,
                    shared if rows is None else [*shared, *rows[index]],
                )
                if taken is None:
                    break
                count += 1
        except (TypeError, ValueError, OverflowError) as error:
            raise UnencodableRecordError(index, str(error)) from error
        self.count = count

    def finish(self) -> bytearray:
        """The uncompressed batch, header included."""
        raw: bytearray = self._builder.build()
        return raw


def compress_batch(raw: bytearray, compressor: Compressor | None) -> bytes | bytearray:
    """The batch as it is sent: compressed where that makes it smaller, with length, attributes and checksum set."""
    if compressor is None:
        return raw
    with memoryview(raw) as view, view[HEADER_BYTES:] as records:
        compressed = compressor.compress(records)
    if len(compressed) >= len(raw) - HEADER_BYTES:
        return raw
    batch = raw[:HEADER_BYTES]
    batch += compressed
    _LENGTH.pack_into(batch, _LENGTH_AT, len(batch) - _AFTER_LENGTH)
    _ATTRIBUTES.pack_into(batch, _ATTRIBUTES_AT, compressor.attributes)
    _CRC.pack_into(batch, _CRC_AT, calc_crc32c(batch[_ATTRIBUTES_AT:]))
    return batch
