"""What the disk does not read: waited for, given up in the end, and never confused with what was not written."""

from random import Random

import pytest
from tests.unit.spool.damaged import FIRST, LOG, aside, filled, ids, offsets, opened
from tests.unit.spool.power import PowerLossDisk
from tests.unit.spool.story import some_entry

from headgate_gateway.spool.damage import Patience, damaged_name
from headgate_gateway.spool.log import LogSettings


class NoCheckpoint(PowerLossDisk):
    """Its checkpoint cannot be read."""

    def read_at(self, path: str, offset: int, nbytes: int) -> bytes:
        if path.endswith("/checkpoint"):
            raise OSError(5, "Input/output error")
        return super().read_at(path, offset, nbytes)


def test_a_checkpoint_that_cannot_be_read_costs_doubles_and_never_what_comes_later() -> None:
    whole, _ = filled(6)
    log = opened(whole)
    log.acknowledge(0, log.end)
    log.close()
    assert whole.listdir(LOG) == ["checkpoint"]
    disk = NoCheckpoint()
    disk.root = whole.root
    log = opened(disk)
    log.append(some_entry(Random(9), 9), lambda first, error: None)
    log._writer.stop()
    whole.root = disk.root
    after = opened(whole)
    assert ids(after) == [9]
    after.close()


class BadSector(PowerLossDisk):
    """One page of the first segment cannot be read."""

    page = 1
    good_after = 10**9
    """How many attempts to read it fail."""

    def read_at(self, path: str, offset: int, nbytes: int) -> bytes:
        hits = offset < (self.page + 1) * 4_096 and offset + nbytes > self.page * 4_096
        if path == FIRST and hits and self.good_after > 0:
            self.good_after -= 1
            raise OSError(5, "Input/output error")
        return super().read_at(path, offset, nbytes)


def test_sectors_that_cannot_be_read_are_damage() -> None:
    whole, _ = filled(60)
    starts = offsets(whole)
    spared = [
        number
        for number, (start, end) in enumerate(zip(starts, [*starts[1:], 2**40], strict=True))
        if end <= 4_096 or start >= 8_192
    ]
    disk = BadSector()
    disk.root = whole.root
    log = opened(disk)
    assert ids(log) == spared
    assert log.report().damaged == 1
    log.close()


def bad_sector(page: int, good_after: int = 10**9) -> tuple[BadSector, int]:
    """60 frames, of which one page cannot be read from now on; how many records there are in them."""
    whole, entries = filled(60)
    disk = BadSector()
    disk.root, disk.page, disk.good_after = whole.root, page, good_after
    return disk, sum(entry.count for entry in entries)


def patient(**changes: float) -> LogSettings:
    return LogSettings(frame_bytes=1, unreadable=Patience(**{"seconds": 1e9, "pauses": 0, **changes}))  # type: ignore[arg-type]


@pytest.mark.parametrize("page", [0, 1, 2])
@pytest.mark.parametrize("failures", [1, 2, 3, 4, 5, 9])
def test_a_read_error_that_passes_costs_nothing_and_keeps_the_order(page: int, failures: int) -> None:
    disk, _ = bad_sector(page, 0)
    log = opened(disk, patient())
    disk.good_after = failures
    found: list[int] = []
    number = 0
    for _ in range(1_000):
        try:
            some, number = log.read(number, 10**6)
        except OSError:
            continue
        found += [int.from_bytes(one.entry.id, "big") for one in some]
        if not some:
            break
    assert found == list(range(60))
    assert (log.report().damaged, aside(disk)) == (0, {})
    log.close()


def test_what_stays_unreadable_is_given_up_in_the_end_and_its_segment_kept() -> None:
    disk, _ = bad_sector(1, 0)
    before = bytes(disk.content(FIRST))
    log = opened(disk, patient(seconds=0.0, tries=200))
    disk.good_after = 10**9
    errors, found, number = 0, list[int](), 0
    for _ in range(1_000):
        try:
            some, number = log.read(number, 10**6)
        except OSError:
            errors += 1
            continue
        found += [int.from_bytes(one.entry.id, "big") for one in some]
        if not some:
            break
    assert errors >= 3
    assert found == sorted(found)
    assert 40 < len(found) < 60
    assert log.report().damaged == 1
    log.acknowledge(0, log.end)
    log.close()
    assert bytes(disk.content(FIRST + ".damaged")) == before


def test_a_read_error_while_a_log_is_opened_is_waited_for() -> None:
    disk, _ = bad_sector(1, 5)
    log = opened(disk, patient(pauses=5, pause_seconds=0.0))
    assert ids(log) == list(range(60))
    assert log.report().damaged == 0
    log.close()


def test_an_end_that_cannot_be_read_is_no_torn_tail_and_its_numbers_are_not_used_again() -> None:
    disk, records = bad_sector(2)
    size = len(disk.content(FIRST))
    disk.page = size // 4_096
    log = opened(disk)
    assert log.report().damaged == 1
    log.append(some_entry(Random(7), 99), lambda first, error: None)
    log.close()
    disk.good_after = 0
    disk.unlink(f"{LOG}/checkpoint")
    disk.unlink(damaged_name(FIRST, max(offsets_in(disk))))
    after = opened(disk)
    assert ids(after) == [*range(60), 99], "whoever can read it later finds all of it"
    assert after.missing(0, records) == [(0, records)]
    after.close()


def offsets_in(disk: PowerLossDisk) -> list[int]:
    names = [name for name in disk.listdir(LOG) if name.endswith(".damaged") and "-" in name]
    return [int(name.partition("-")[2].removesuffix(".damaged"), 16) for name in names]
