"""How much room a log takes: its bound and the headroom, bytes as they lie on the disk, segments that go."""

import pytest
from tests.unit.spool.logs import KIB, LOG, Told, entry, opened, until
from tests.unit.spool.power import PowerLossDisk

from headgate_gateway.spool.errors import LogState, SpoolFullError
from headgate_gateway.spool.log import Log, LogSettings
from headgate_gateway.spool.space import Space


def fill(log: Log, told: Told, *, privileged: bool = False) -> int:
    """How many entries of a KiB it takes until it is full."""
    for serial in range(1_000):
        try:
            log.append(entry(serial, KIB), told, privileged=privileged)
        except SpoolFullError:
            return serial
        told.wait()
    raise AssertionError("it never was full")


def test_the_bound_leaves_headroom_for_those_who_free_room() -> None:
    disk, told = PowerLossDisk(), Told()
    space = Space(64 * KIB, 16 * KIB)
    log = opened(disk, space)
    appended = fill(log, told)
    assert 40 <= appended <= 48
    assert log.state is LogState.FULL
    log.append(entry(100, KIB), told, privileged=True)
    told.wait()
    assert told.errors[-1] is None
    assert 12 <= fill(log, told, privileged=True) <= 18
    assert space.used <= 64 * KIB
    log.acknowledge(0, log.end)
    until(lambda: (log.checkpoint(), log.state is LogState.READY)[1])
    log.append(entry(101, KIB), told)
    told.wait()
    assert told.errors[-1] is None
    log.close()


def test_bytes_are_counted_as_they_lie_on_the_disk() -> None:
    disk, told, space = PowerLossDisk(), Told(), Space(10**9, 0)
    log = opened(disk, space, LogSettings(segment_bytes=8 * KIB))
    for serial in range(40):
        log.append(entry(serial, KIB), told)
    told.wait(40)
    assert log.report().nbytes == space.used == disk.used()
    log.acknowledge(0, 25)
    log.checkpoint()
    checkpoint = len(disk.content(f"{LOG}/checkpoint"))
    assert log.report().nbytes == space.used == disk.used() - checkpoint
    log.close()
    again = Space(10**9, 0)
    opened(disk, again).close()
    assert again.used == disk.used() - len(disk.content(f"{LOG}/checkpoint"))


def test_segments_go_once_all_of_theirs_is_acknowledged_wherever_they_stand() -> None:
    disk, told = PowerLossDisk(), Told()
    log = opened(disk, settings=LogSettings(segment_bytes=4 * KIB))
    for serial in range(20):
        log.append(entry(serial, KIB), told)
        told.wait()
    before = [name for name in disk.listdir(LOG) if name.endswith(".seg")]
    log.acknowledge(1, 20)
    log.checkpoint()
    left = [name for name in disk.listdir(LOG) if name.endswith(".seg")]
    assert len(before) > 4
    assert left == [before[0], before[-1]], "the first has one that is not acknowledged, the last is being written"
    assert (log.backlog, log.start, log.oldest_ms()) == (1, 0, 1_000)
    log.acknowledge(0, 1)
    log.close()
    assert disk.listdir(LOG) == ["checkpoint"]


def test_an_entry_that_is_too_large_for_the_bound_does_not_make_the_log_full() -> None:
    log, told = opened(PowerLossDisk(), Space(64 * KIB, 16 * KIB)), Told()
    with pytest.raises(SpoolFullError):
        log.append(entry(1, 100 * KIB), told)
    assert log.state is LogState.READY
    log.append(entry(2, KIB), told)
    told.wait()
    assert told.errors == [None]
    log.close()
