import os
from dataclasses import replace

import pytest
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from hypothesis import given
from hypothesis import strategies as some

from headgate_gateway.config.producer import Compression, CompressionType
from headgate_gateway.kafka.batch import BatchWriter, UnencodableRecordError, compress_batch
from headgate_gateway.kafka.codec import build_compressor
from headgate_gateway.pipeline.tombstone import NO_VALUE

from .builders import NOW_MS, decode, records

COMPRESSIBLE = ['{"status":"404","uri":"/a/b/c"}' * 40 + str(number) for number in range(900)]
LEVELS = [
    Compression(type=CompressionType.NONE),
    Compression(type=CompressionType.GZIP),
    Compression(type=CompressionType.GZIP, level=1),
    Compression(type=CompressionType.GZIP, level=9),
    Compression(type=CompressionType.SNAPPY),
    Compression(type=CompressionType.LZ4),
    Compression(type=CompressionType.LZ4, level=9),
    Compression(type=CompressionType.ZSTD),
    Compression(type=CompressionType.ZSTD, level=1),
    Compression(type=CompressionType.ZSTD, level=10),
]


@pytest.mark.parametrize("compression", LEVELS, ids=lambda each: f"{each.type}-{each.level}")
def test_batch_reads_back_byte_for_byte_with_every_codec(compression: Compression) -> None:
    wanted = records(*COMPRESSIBLE)
    writer = BatchWriter(10**7)
    assert writer.append(wanted, range(len(COMPRESSIBLE)), NOW_MS) == len(COMPRESSIBLE)
    raw = writer.finish()

    sealed = compress_batch(raw, build_compressor(compression))

    assert [value for _, value, _, _ in decode(sealed)] == wanted.values
    assert compression.type is CompressionType.NONE or len(sealed) < len(raw) / 5


def test_batch_that_compression_would_grow_goes_uncompressed() -> None:
    writer = BatchWriter()
    wanted = replace(records("x"), values=[os.urandom(2000)])
    writer.append(wanted, range(1), NOW_MS)
    raw = writer.finish()
    assert compress_batch(raw, build_compressor(Compression(type=CompressionType.ZSTD))) is raw


def test_record_carries_key_timestamp_and_both_kinds_of_headers() -> None:
    wanted = replace(
        records("a", "b", keys=["k", None]),
        timestamps=[5, 7],
        headers=(("all", b"1"),),
        row_headers=[(), (("one", b"2"),)],
    )
    writer = BatchWriter()
    writer.append(wanted, range(2), NOW_MS)
    assert decode(compress_batch(writer.finish(), None)) == [
        (b"k", b"a", 5, [("all", b"1")]),
        (None, b"b", 7, [("all", b"1"), ("one", b"2")]),
    ]


def test_a_record_without_a_value_is_not_one_with_an_empty_value() -> None:
    wanted = replace(records("a", "b"), values=[NO_VALUE, b""], row_headers=[(), ()])
    writer = BatchWriter()
    writer.append(wanted, range(2), NOW_MS)
    assert [value for _, value, _, _ in decode(compress_batch(writer.finish(), None))] == [None, b""]


TIMESTAMPS = some.one_of(some.integers(-(2**63), 2**63 - 1), some.integers(NOW_MS - 10_000, NOW_MS + 10_000))
HEADERS = some.lists(some.tuples(some.text(max_size=5), some.binary(max_size=5)), max_size=3).map(tuple)
VALUES = some.one_of(some.binary(max_size=200), some.integers(8_100, 8_300).map(bytes))


@given(
    rows=some.lists(some.tuples(some.none() | some.binary(max_size=9), VALUES, TIMESTAMPS, HEADERS), max_size=8),
    shared=HEADERS,
    cap=some.integers(0, 2_000),
)
def test_a_batch_is_byte_for_byte_what_the_library_writes(
    rows: list[tuple[bytes | None, bytes, int, tuple[tuple[str, bytes], ...]]],
    shared: tuple[tuple[str, bytes], ...],
    cap: int,
) -> None:
    keys, values, timestamps, headers = (list(column) for column in zip(*rows, strict=True)) if rows else ([],) * 4
    wanted = replace(records(), values=values, keys=keys, timestamps=timestamps, headers=shared, row_headers=headers)
    ours, theirs = BatchWriter(cap), DefaultRecordBatchBuilder(2, 0, 0, -1, -1, -1, cap)
    taken = ours.append(wanted, range(len(rows)), NOW_MS)
    appended = (
        theirs.append(index, timestamp, key, value, [*shared, *own])
        for index, (key, value, timestamp, own) in enumerate(rows)
    )
    assert taken == next((index for index, each in enumerate(appended) if each is None), len(rows))
    if rows:
        assert compress_batch(ours.finish(), None) == theirs.build()


@pytest.mark.parametrize("now_ms", [NOW_MS, NOW_MS + 5, NOW_MS - 5], ids=["same", "later", "earlier"])
def test_records_of_several_requests_are_byte_for_byte_what_the_library_writes(now_ms: int) -> None:
    many = records(*(f"{number}" for number in range(9_000)))
    ours, theirs = BatchWriter(), DefaultRecordBatchBuilder(2, 0, 0, -1, -1, -1, 10**6)
    ours.append(many, range(4_500), NOW_MS)
    ours.append(many, range(4_500, 9_000), now_ms)
    for index, value in enumerate(many.values):
        theirs.append(index, NOW_MS if index < 4_500 else now_ms, None, value, [])
    assert compress_batch(ours.finish(), None) == theirs.build()


def test_full_batch_takes_no_more_and_says_how_many_it_took() -> None:
    writer = BatchWriter(cap_bytes=500)
    taken = writer.append(records(*["x" * 100] * 10), range(10), NOW_MS)
    assert 0 < taken < 10
    assert writer.append(records("y" * 300), range(1), NOW_MS) == 0


def test_first_record_is_taken_however_large() -> None:
    writer = BatchWriter(cap_bytes=500)
    assert writer.append(records("x" * 10_000, "y"), range(2), NOW_MS) == 1


def test_cap_of_records_is_kept() -> None:
    writer = BatchWriter(cap_records=3)
    assert writer.append(records("a", "b"), range(2), NOW_MS) == 2
    assert writer.append(records("c", "d"), range(2), NOW_MS) == 1


def test_record_that_no_batch_can_hold_is_named() -> None:
    wanted = replace(records("a", "b"), timestamps=[1, 2**70])
    with pytest.raises(UnencodableRecordError) as caught:
        BatchWriter().append(wanted, range(2), NOW_MS)
    assert caught.value.index == 1
