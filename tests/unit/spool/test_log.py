"""What a log does while its disk is full, fails, or is well: group commit, room, segments, numbers."""

import asyncio
import errno
import threading
import time
from collections.abc import Callable
from random import Random

import pytest
from tests.unit.spool.power import PowerLossDisk
from tests.unit.spool.story import ORIGIN, read_all, some_entry

from headgate_gateway.pipeline.records import Records
from headgate_gateway.spool.entry import Entry, entry_of
from headgate_gateway.spool.epoch import Fence, raise_fence
from headgate_gateway.spool.errors import (
    LogState,
    SpoolClosedError,
    SpoolError,
    SpoolFailedError,
    SpoolFencedError,
    SpoolFullError,
)
from headgate_gateway.spool.log import Log, LogSettings
from headgate_gateway.spool.space import Space

LOG = "/log"
KIB = 1024


def opened(
    disk: PowerLossDisk, space: Space | None = None, settings: LogSettings | None = None, fence: Fence | None = None
) -> Log:
    quick = LogSettings(probe_seconds=0.01)
    return Log.open(disk, LOG, space or Space(10**9, 0), lambda call: call(), settings or quick, fence=fence)


def entry(serial: int, nbytes: int = 100) -> Entry:
    records = Records("main", "access", [Random(serial).randbytes(nbytes)], [1])
    return entry_of(records, ORIGIN, 1_000 + serial, serial.to_bytes(16, "big"))


class Told:
    """What became of entries."""

    def __init__(self) -> None:
        self.news: list[tuple[int, SpoolError | None]] = []
        self._one = threading.Semaphore(0)

    def __call__(self, first: int, error: SpoolError | None) -> None:
        self.news.append((first, error))
        self._one.release()

    def wait(self, count: int = 1) -> None:
        for _ in range(count):
            assert self._one.acquire(timeout=30)

    @property
    def errors(self) -> list[type[SpoolError] | None]:
        return [None if error is None else type(error) for _, error in self.news]


def failing(operation: str, code: int) -> Callable[[str, str], OSError | None]:
    return lambda called, _: OSError(code, "as the test wants it") if called == operation else None


def well(operation: str, path: str) -> None:
    return None


def until(holds: Callable[[], bool]) -> None:
    pause = threading.Event()
    for _ in range(3_000):
        if holds():
            return
        pause.wait(0.01)
    pytest.fail("it never came to be")


def test_all_that_waits_is_one_commit_and_is_told_in_order() -> None:
    disk, told, gate = PowerLossDisk(), Told(), threading.Event()
    log = opened(disk)
    log._writer._queue.put(lambda: (gate.wait(), None)[1])
    for serial in range(50):
        log.append(entry(serial), told)
    gate.set()
    told.wait(50)
    assert told.news == [(number, None) for number in range(50)]
    report = log.report()
    assert (report.commits, report.appended, sum(report.commit_seconds)) == (1, 50, 1)
    log.close()


def test_a_commit_takes_no_more_than_a_frame_is_meant_to_hold() -> None:
    disk, told, gate = PowerLossDisk(), Told(), threading.Event()
    log = opened(disk, settings=LogSettings(frame_bytes=10 * KIB))
    log._writer._queue.put(lambda: (gate.wait(), None)[1])
    for serial in range(30):
        log.append(entry(serial, KIB), told)
    gate.set()
    told.wait(30)
    assert log.report().commits == 4
    log.close()


async def test_news_come_in_the_event_loop_and_never_from_within_append() -> None:
    loop = asyncio.get_running_loop()
    log = await asyncio.to_thread(
        Log.open, PowerLossDisk(), LOG, Space(10**9, 0), loop.call_soon_threadsafe, LogSettings()
    )
    heard: asyncio.Future[tuple[int, int]] = loop.create_future()
    log.append(entry(1), lambda first, error: heard.set_result((first, threading.get_ident())))
    assert not heard.done()
    assert await heard == (0, threading.get_ident())
    await asyncio.to_thread(log.close)


def test_a_callback_that_fails_costs_nobody_else_the_news() -> None:
    log, told = opened(PowerLossDisk()), Told()

    def fails(first: int, error: SpoolError | None) -> None:
        raise RuntimeError("a defect of the test's")

    log.append(entry(1), fails)
    log.append(entry(2), told)
    told.wait()
    assert told.errors == [None]
    log.close()


def test_an_entry_that_cannot_be_written_down_fails_alone() -> None:
    log, told, gate = opened(PowerLossDisk()), Told(), threading.Event()
    log._writer._queue.put(lambda: (gate.wait(), None)[1])
    log.append(entry(1), told)
    wrong = Records("main", "access", [b"x"], [1], timestamps=[2**70])
    log.append(entry_of(wrong, ORIGIN, 1, bytes(16)), told)
    log.append(entry(2), told)
    gate.set()
    told.wait(3)
    assert told.errors == [None, SpoolFailedError, None]
    assert log.state is LogState.READY
    assert [one.entry for one in read_all(log)] == [entry(1), entry(2)]
    log.close()


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


def test_a_checkpoint_with_nothing_new_writes_nothing() -> None:
    disk, told = PowerLossDisk(), Told()
    log = opened(disk)
    log.append(entry(1), told)
    told.wait()
    log.acknowledge(0, 1)
    assert log.checkpoint()
    disk.trouble = failing("create", errno.EIO)
    assert not log.checkpoint()
    disk.trouble = well
    log.close()


def test_reading_takes_about_as_much_as_is_asked_for_and_goes_on_from_there() -> None:
    log, told = opened(PowerLossDisk(), settings=LogSettings(frame_bytes=1, segment_bytes=16 * KIB)), Told()
    for serial in range(60):
        log.append(entry(serial, KIB), told)
    told.wait(60)
    found, number = [], 0
    while True:
        some, number = log.read(number, 5 * KIB)
        if not some:
            break
        assert 1 <= len(some) <= 6
        found += some
    assert [one.entry for one in found] == [entry(serial, KIB) for serial in range(60)]
    assert log.read(30, 1)[0][0].first == 30
    assert number == log.end == 60
    log.acknowledge(10, 50)
    assert [one.first for one in read_all(log)] == [*range(10), *range(50, 60)]
    log.close()


def test_an_entry_that_is_partly_acknowledged_is_read_whole() -> None:
    log, told = opened(PowerLossDisk()), Told()
    whole = next(made for made in (some_entry(Random(seed), seed) for seed in range(100)) if made.count == 7)
    log.append(whole, told)
    told.wait()
    log.acknowledge(0, 2)
    log.acknowledge(4, 5)
    assert log.read(0, 1) == ([(0, whole)], 7)
    assert log.missing(0, 7) == [(2, 4), (5, 7)]
    assert log.backlog == 4
    log.close()


def test_a_closed_log_takes_nothing_and_has_kept_what_waited() -> None:
    disk, told = PowerLossDisk(), Told()
    log = opened(disk)
    for serial in range(30):
        log.append(entry(serial), told)
    log.close()
    assert told.errors == [None] * 30
    assert log.state is LogState.CLOSED
    with pytest.raises(SpoolClosedError):
        log.append(entry(1), told)
    assert len(read_all(opened(disk))) == 30


def test_a_disk_that_hangs_is_a_failure_that_ends_with_the_commit_it_hangs_in() -> None:
    disk, told, gate = PowerLossDisk(), Told(), threading.Event()

    def hangs(operation: str, path: str) -> None:
        if operation == "sync" and threading.current_thread() is log._writer._thread:
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


def test_what_comes_while_a_log_is_closed_is_told_so() -> None:
    log, told, gate = opened(PowerLossDisk(), space := Space(10**9, 0)), Told(), threading.Event()
    writer = log._writer
    writer._queue.put(lambda: (gate.wait(), None)[1])
    writer._queue.put(writer._end)
    log.append(entry(1), told)
    log.append(entry(2), told)
    gate.set()
    told.wait(2)
    assert told.errors == [SpoolClosedError, SpoolClosedError]
    writer._thread.join()
    with pytest.raises(SpoolClosedError):
        log.append(entry(3), told)
    assert space.used == 0


def test_an_entry_that_is_too_large_for_the_bound_does_not_make_the_log_full() -> None:
    log, told = opened(PowerLossDisk(), Space(64 * KIB, 16 * KIB)), Told()
    with pytest.raises(SpoolFullError):
        log.append(entry(1, 100 * KIB), told)
    assert log.state is LogState.READY
    log.append(entry(2, KIB), told)
    told.wait()
    assert told.errors == [None]
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
    assert [one.entry for one in read_all(log)] == [entry(1)]
    log.close()
