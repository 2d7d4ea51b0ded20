"""What a log does while its disk is full, fails, hangs or is another's, and afterwards."""

import errno
import threading
import time

import pytest
from tests.unit.spool.logs import KIB, LOG, Told, entry, failing, opened, until, well
from tests.unit.spool.power import PowerLossDisk
from tests.unit.spool.story import read_all

from headgate_gateway.spool.epoch import raise_fence
from headgate_gateway.spool.errors import LogState, SpoolError, SpoolFailedError, SpoolFencedError, SpoolFullError
from headgate_gateway.spool.log import LogSettings


@pytest.mark.parametrize("operation", ["append", "sync", "sync_dir", "create"])
def test_a_disk_that_fails_fails_those_who_wait_and_is_found_well_again(operation: str) -> None:
    disk, told = PowerLossDisk(), Told()
    log = opened(disk)
    disk.trouble = failing(operation, errno.EIO)
    log.append(entry(1), told)
    told.wait()
    assert told.errors == [SpoolFailedError]
    assert log.state is LogState.FAILED
    assert "as the test wants it" in log.report().problem
    with pytest.raises(SpoolFailedError, match="as the test wants it"):
        log.append(entry(2), told)
    disk.trouble = well
    until(lambda: log.state is LogState.READY)
    log.append(entry(3), told)
    told.wait()
    assert [one.entry for one in read_all(log)] == [entry(3)]
    log.close()


def test_a_failed_sync_is_never_tried_again_on_its_segment() -> None:
    disk, told = PowerLossDisk(), Told()
    log = opened(disk)
    log.append(entry(1), told)
    told.wait()
    disk.trouble = failing("sync", errno.EIO)
    log.append(entry(2), told)
    told.wait()
    disk.trouble = well
    until(lambda: log.state is LogState.READY)
    log.append(entry(3), told)
    told.wait()
    names = [name for name in disk.listdir(LOG) if name.endswith(".seg")]
    assert len(names) == 2
    assert [one.entry for one in read_all(log)] == [entry(1), entry(3)], "what failed is not delivered by this process"
    assert told.news[2][0] > told.news[0][0] + 1, "its number is not used again"
    log.close()


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
@pytest.mark.parametrize(
    ("operation", "expected"),
    [
        ("create", SpoolFullError),
        ("append", SpoolFullError),
        ("sync", SpoolFailedError),
        ("sync_dir", SpoolFailedError),
    ],
)
def test_what_is_written_whole_may_be_found_later_even_if_there_was_no_room_to_sync_it(
    operation: str, expected: type[SpoolError], code: int
) -> None:
    disk, told = PowerLossDisk(), Told()
    log = opened(disk)

    def no_room(called: str, path: str) -> OSError | None:
        # Nor can what was written be taken back.
        return OSError(code, "as the test wants it") if called in (operation, "unlink") else None

    disk.trouble = no_room
    log.append(entry(1), told)
    told.wait()
    assert told.errors == [expected]
    assert "as the test wants it" in str(told.news[0][1])
    assert log.state is LogState.FULL
    found = [one.entry for one in read_all(opened(disk.after_kill()))]
    assert found == ([] if expected is SpoolFullError else [entry(1)])
    disk.trouble = well
    log.close()


def test_a_full_disk_is_a_state_that_ends_by_itself() -> None:
    disk, told = PowerLossDisk(), Told()
    log = opened(disk, settings=LogSettings(probe_seconds=0.01, frame_bytes=4 * KIB))
    disk.capacity = 10 * KIB
    for serial in range(20):
        if log.state is LogState.READY:
            log.append(entry(serial, KIB), told)
            told.wait()
    assert log.state is LogState.FULL
    assert told.errors[-1] is SpoolFullError
    durable = [first for first, error in told.news if error is None]
    assert len(durable) > 5
    with pytest.raises(SpoolFullError):
        log.append(entry(99), told)
    assert [one.first for one in read_all(log)] == durable, "what was durable before is"
    log.acknowledge(0, log.end)
    log.checkpoint()
    until(lambda: log.state is LogState.READY)
    log.append(entry(100), told)
    told.wait()
    assert told.errors[-1] is None
    log.close()


def test_where_there_is_no_room_for_a_checkpoint_segments_that_are_done_with_go_first() -> None:
    disk, told = PowerLossDisk(), Told()
    log = opened(disk, settings=LogSettings(segment_bytes=2 * KIB, probe_seconds=60))
    for serial in range(12):
        log.append(entry(serial, KIB), told)
        told.wait()
    disk.capacity = disk.used()
    log.acknowledge(0, 6)
    assert log.checkpoint()
    log.close()
    disk.capacity = None
    assert [one.first for one in read_all(opened(disk))] == list(range(6, 12))


def test_a_disk_that_hangs_is_a_failure_that_ends_with_the_commit_it_hangs_in() -> None:
    disk, told, gate = PowerLossDisk(), Told(), threading.Event()

    def hangs(operation: str, path: str) -> None:
        if operation == "sync" and threading.current_thread() is log._writer._worker:
            gate.wait()

    log = opened(disk, settings=LogSettings(stuck_seconds=0.01))
    disk.trouble = hangs
    log.append(entry(1), told)
    until(lambda: log.state is LogState.FAILED)
    assert "hangs" in log.report().problem
    for privileged in (False, True):
        with pytest.raises(SpoolFailedError, match="hangs"):
            log.append(entry(2), told, privileged=privileged)
    gate.set()
    told.wait()
    assert told.errors == [None]
    until(lambda: log.state is LogState.READY)
    disk.trouble = well
    log.close()


def test_a_first_segment_that_its_maker_did_not_finish_is_in_nobodys_way() -> None:
    disk, told = PowerLossDisk(), Told()
    opened(disk).close()
    disk.create(f"{LOG}/0000000000000000.seg").close()
    disk.trouble = failing("unlink", errno.EACCES)
    log = opened(disk)
    log.append(entry(1), told)
    told.wait()
    assert told.errors == [None]
    disk.trouble = well
    log.close()


def test_who_has_lost_the_directory_tells_nobody_that_anything_is_durable() -> None:
    told, disk = Told(), PowerLossDisk()
    disk.mkdir("/shared")
    fence = raise_fence(disk, "/shared", "me")
    log = opened(disk, settings=LogSettings(probe_seconds=0.01), fence=fence)
    log.append(entry(1), told)
    told.wait()
    raise_fence(disk, "/shared", "another")
    log.append(entry(2), told)
    told.wait()
    assert told.errors == [None, SpoolFencedError]
    raise_fence(disk, "/shared", "me")
    time.sleep(0.05)
    assert log.state is LogState.FAILED, "it does not come back"
    with pytest.raises(SpoolFencedError, match="fenced: adopted by another"):
        log.append(entry(3), told)
    with pytest.raises(SpoolFencedError, match="fenced: adopted by another"):
        read_all(log)
    log.close()
