"""What goes into an entry comes out of it, by way of the disk's bytes."""

from random import Random

import msgspec
import pytest
from tests.unit.spool.story import ORIGIN, some_entry

from headgate_gateway.pipeline.records import Records
from headgate_gateway.pipeline.tombstone import NO_VALUE
from headgate_gateway.spool.entry import LANES, EntryHead, entry_of, lane_of, lanes_of, part_of, records_of
from headgate_gateway.spool.frames import decode_entries, decode_heads


def records() -> Records:
    return Records(
        profile="main",
        topic="access",
        values=[b'{"a":1}', NO_VALUE, b""],
        lines=[1, 3, 4],
        keys=[b"k", None, b""],
        timestamps=[1, 2, 3],
        headers=(("shared", b"\x00"),),
        row_headers=[(), (("own", b"1"),), ()],
    )


def test_records_come_back_with_their_positions_for_lines() -> None:
    entry = entry_of(records(), ORIGIN, 17, bytes(16))
    (read,) = decode_entries(memoryview(msgspec.msgpack.encode([entry])))
    assert read == entry
    back = records_of(read)
    expected = records()
    expected.lines = [0, 1, 2]
    assert back == expected
    assert [value is NO_VALUE for value in back.values] == [False, True, False]


def test_some_records_of_an_entry_keep_what_is_theirs() -> None:
    back = records_of(entry_of(records(), ORIGIN, 17, bytes(16)), [0, 2])
    assert (back.values, back.lines, back.keys, back.timestamps) == ([b'{"a":1}', b""], [0, 2], [b"k", b""], [1, 3])
    assert back.row_headers == [(), ()]


def test_a_part_of_an_entry_is_an_entry() -> None:
    part = part_of(entry_of(records(), ORIGIN, 17, bytes(16)), [1, 2], reason="RecordTooLarge")
    assert (part.count, part.values, part.keys, part.reason) == (2, [None, b""], [None, b""], "RecordTooLarge")
    assert part.buckets() == (lane_of(b""),)
    assert part.id == bytes(16)


@pytest.mark.parametrize("seed", range(20))
def test_a_head_is_an_entry_without_its_records(seed: int) -> None:
    entry = some_entry(Random(seed), seed)
    (head,) = decode_heads(memoryview(msgspec.msgpack.encode([entry])))
    assert isinstance(head, EntryHead)
    assert all(getattr(head, name) == getattr(entry, name) for name in EntryHead.__struct_fields__)


def test_fields_that_a_later_version_adds_are_passed_over() -> None:
    content = msgspec.msgpack.decode(msgspec.msgpack.encode([some_entry(Random(1), 1)]))
    content[0].append("news")
    assert decode_entries(memoryview(msgspec.msgpack.encode(content))) == [some_entry(Random(1), 1)]


def test_lanes_are_sorted_buckets_of_keys_each_once() -> None:
    keys = [b"%d" % number for number in range(5_000)]
    entry = entry_of(Records("p", "t", [b""] * 5_000, [], keys=[*keys]), ORIGIN, 1, bytes(16))
    assert list(entry.buckets()) == sorted({lane_of(key) for key in keys})
    assert len(entry.buckets()) > LANES * 0.9, "keys spread over the lanes"
    assert lanes_of(None) == lanes_of([None]) == b""


def test_the_bucket_of_a_key_is_the_same_in_every_version() -> None:
    assert [lane_of(key) for key in (b"", b"user-1", b"\xff")] == [0, 532, 0]
