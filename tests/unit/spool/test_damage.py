"""Bits that flip, segments that are cut: what is whole is read all the same, what is not is set aside and counted."""

from random import Random
from zlib import crc32

import pytest
from tests.unit.spool.damaged import FIRST, LOG, ONE_SEGMENT, aside, filled, ids, offsets, opened
from tests.unit.spool.story import read_all, some_entry

from headgate_gateway.spool.errors import SpoolVersionError
from headgate_gateway.spool.frames import FRAME_HEAD, SEGMENT_HEAD, encode_segment_head
from headgate_gateway.spool.log import LogSettings
from headgate_gateway.spool.space import Space


@pytest.mark.parametrize("seed", range(60))
def test_a_flipped_bit_costs_one_frame_at_most_and_is_counted(seed: int) -> None:
    disk, entries = filled(8)
    content = disk.content(FIRST)
    random = Random(seed)
    at = random.randrange(len(content))
    starts = [*offsets(disk), len(content)]
    hit = next(number for number, end in enumerate(starts[1:]) if at < end) if at >= SEGMENT_HEAD else None
    before = bytes(content)
    content[at] ^= 1 << random.randrange(8)
    log = opened(disk)
    assert ids(log) == [number for number in range(len(entries)) if number != hit]
    assert log.report().damaged == 1
    (kept,) = aside(disk).values()
    flipped = [index for index, (old, new) in enumerate(zip(before, content, strict=True)) if old != new]
    assert kept == (content[starts[hit] : starts[hit + 1]] if hit is not None else content[:SEGMENT_HEAD])
    assert flipped == [at]
    log.close()
    again = opened(disk)
    assert ids(again) == [number for number in range(len(entries)) if number != hit]
    again.close()


def test_what_is_damaged_while_the_log_is_open_is_passed_and_the_rest_delivered() -> None:
    disk, _ = filled(8)
    log = opened(disk)
    starts = offsets(disk)
    disk.content(FIRST)[starts[3] + FRAME_HEAD + 5] ^= 1
    assert ids(log) == [0, 1, 2, 4, 5, 6, 7]
    assert log.report().damaged == 1
    assert len(aside(disk)) == 1
    log.acknowledge(0, log.end)
    assert log.backlog == 0
    log.close()


def test_several_damaged_places_are_counted_one_by_one() -> None:
    disk, _ = filled(10)
    starts = offsets(disk)
    for frame in (1, 2, 5, 9):
        disk.content(FIRST)[starts[frame] + 3] ^= 0xFF
    log = opened(disk)
    assert ids(log) == [0, 3, 4, 6, 7, 8]
    assert log.report().damaged == 3, "neighbours are one place"
    log.close()


def test_a_torn_tail_is_normal() -> None:
    disk, _ = filled(5)
    content = disk.content(FIRST)
    last = offsets(disk)[-1]
    for cut in range(last + 1, len(content), 7):
        torn, _ = filled(5)
        del torn.content(FIRST)[cut:]
        log = opened(torn)
        assert ids(log) == [0, 1, 2, 3]
        assert log.report().damaged == 0
        assert aside(torn) == {}
        log.close()


def test_a_tail_of_zeros_that_was_never_written_is_normal() -> None:
    disk, _ = filled(5)
    disk.content(FIRST).extend(bytes(10_000))
    log = opened(disk)
    assert ids(log) == [0, 1, 2, 3, 4]
    assert log.report().damaged == 0
    log.close()


def test_a_segment_that_was_cut_where_it_had_been_durable_is_damaged() -> None:
    settings = LogSettings(frame_bytes=1, segment_bytes=1_500)
    disk, _ = filled(12, settings)
    assert len([name for name in disk.listdir(LOG) if name.endswith(".seg")]) > 2
    content = disk.content(FIRST)
    del content[len(content) // 2 :]
    log = opened(disk, settings)
    found = ids(log)
    assert found == sorted(found)
    assert 11 in found
    assert log.report().damaged == 1
    log.acknowledge(0, log.end)
    assert log.backlog == 0
    log.close()


@pytest.mark.parametrize("lost", [0, 1, -2])
def test_a_segment_that_is_gone_is_missed(lost: int) -> None:
    settings = LogSettings(frame_bytes=1, segment_bytes=1_500)
    disk, _ = filled(12, settings)
    names = [name for name in disk.listdir(LOG) if name.endswith(".seg")]
    log = opened(disk, settings)
    log.checkpoint()
    log.close()
    disk.unlink(f"{LOG}/{names[lost]}")
    after = opened(disk, settings)
    assert after.report().damaged == 1
    after.close()
    again = opened(disk, settings)
    assert again.report().damaged == 0, "it is told once"
    again.close()


def test_a_segment_that_is_done_with_is_not_missed() -> None:
    settings = LogSettings(frame_bytes=1, segment_bytes=1_500)
    disk, entries = filled(12, settings)
    log = opened(disk, settings)
    log.acknowledge(0, sum(entry.count for entry in entries[:8]))
    log.close()
    after = opened(disk, settings)
    assert after.report().damaged == 0
    after.close()


def test_the_newest_segment_is_missed_as_far_as_a_checkpoint_knew_of_it() -> None:
    disk, _ = filled(6)
    log = opened(disk, ONE_SEGMENT)
    log.append(some_entry(Random(7), 7), lambda first, error: None)
    log.append(some_entry(Random(8), 8), lambda first, error: None)
    log.acknowledge(0, 1)
    while log.report().commits < 2:
        pass
    log.checkpoint()
    name = max(name for name in disk.listdir(LOG) if name.endswith(".seg"))
    log.close()
    content = disk.content(f"{LOG}/{name}")
    del content[-10:]
    after = opened(disk)
    assert after.report().damaged == 1
    after.close()


@pytest.mark.parametrize("content", [b"", b"\0" * 100, b"HGSEG", encode_segment_head(b"m" * 16, 0, (0, 0))])
def test_a_segment_in_which_nothing_is_goes_without_a_word(content: bytes) -> None:
    disk, _ = filled(2)
    disk.content(FIRST)[:] = content
    log = opened(disk)
    assert ids(log) == []
    assert log.report().damaged == 0
    assert aside(disk) == {}
    log.close()
    assert [name for name in disk.listdir(LOG) if name.endswith(".seg")] == []


def test_a_segment_of_rubbish_is_set_aside_whole() -> None:
    disk, _ = filled(2)
    rubbish = Random(1).randbytes(5_000)
    disk.content(FIRST)[:] = rubbish
    log = opened(disk)
    assert ids(log) == []
    assert log.report().damaged == 1
    assert list(aside(disk).values()) == [rubbish]
    log.close()
    assert not disk.listdir(LOG)[0].endswith(".seg")


def test_a_damaged_checkpoint_costs_doubles_and_no_records() -> None:
    disk, _ = filled(6)
    log = opened(disk)
    log.acknowledge(0, log.missing(0, log.end)[0][0] + 3)
    log.close()
    disk.content(f"{LOG}/checkpoint")[-1] ^= 1
    log = opened(disk)
    assert ids(log) == list(range(6))
    log.close()


def test_damage_in_what_is_delivered_is_nobodys_business() -> None:
    disk, entries = filled(6)
    log = opened(disk)
    log.acknowledge(0, entries[0].count + entries[1].count)
    log.close()
    disk.content(FIRST)[offsets(disk)[1] + 10] ^= 1
    log = opened(disk)
    assert ids(log) == [2, 3, 4, 5]
    assert log.report().damaged == 0
    log.close()


def test_what_cannot_be_set_aside_is_not_given_up() -> None:
    disk, _ = filled(6)
    starts = offsets(disk)
    disk.content(FIRST)[starts[2] + FRAME_HEAD + 1] ^= 1
    disk.trouble = lambda _, path: OSError(28, "No space left on device") if ".damaged" in path else None
    log = opened(disk)
    assert ids(log) == [0, 1, 3, 4, 5], "the rest goes on"
    for one in read_all(log):
        log.acknowledge(one.first, one.end)
    assert log.backlog > 0
    log.close()
    assert FIRST.rpartition("/")[2] in disk.listdir(LOG)
    disk.trouble = lambda operation, path: None
    log = opened(disk)
    assert ids(log) == []
    assert (log.backlog, len(aside(disk))) == (0, 1)
    log.close()
    assert FIRST.rpartition("/")[2] not in disk.listdir(LOG)


def test_a_copy_that_cannot_be_made_takes_no_room_and_nothing_is_given_up_without_one() -> None:
    disk, _ = filled(6)
    disk.content(FIRST)[offsets(disk)[2] + FRAME_HEAD + 1] ^= 1
    disk.trouble = lambda _, path: OSError(30, "Read-only file system") if ".damaged" in path else None
    space = Space(10**9, 0)
    log = opened(disk, space=space)
    used = space.used
    for _ in range(5):
        ids(log)
    assert space.used == used
    disk.trouble = lambda operation, path: None
    space.limit = space.used
    ids(log)
    assert (log.report().damaged, aside(disk)) == (0, {}), "the spool has no room for a copy"
    space.limit = 10**9
    ids(log)
    assert (log.report().damaged, len(aside(disk))) == (1, 1)
    log.close()


def test_what_is_set_aside_is_counted_once_however_often_its_log_is_opened() -> None:
    disk, _ = filled(6)
    disk.content(FIRST)[offsets(disk)[2] + FRAME_HEAD + 1] ^= 1
    space = Space(10**9, 0)
    log = opened(disk, space=space)
    log.acknowledge(0, log.end)
    log.close()
    assert len(aside(disk)) == 1
    before = space.used
    for _ in range(3):
        opened(disk, space=space).close()
    assert space.used == before


def test_a_segment_of_a_newer_format_is_refused_by_name() -> None:
    disk, _ = filled(2)
    content = disk.content(FIRST)
    content[6:8] = (9).to_bytes(2, "little")
    content[SEGMENT_HEAD - 4 : SEGMENT_HEAD] = crc32(bytes(content[: SEGMENT_HEAD - 4])).to_bytes(4, "little")
    with pytest.raises(SpoolVersionError, match="format version 9"):
        opened(disk)
