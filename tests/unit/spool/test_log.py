"""What a log does while its disk is well: group commit, news, reading, its end."""

import asyncio
import errno
import threading
from random import Random

import pytest
from tests.unit.spool.logs import KIB, LOG, Told, entry, failing, opened, well
from tests.unit.spool.power import PowerLossDisk
from tests.unit.spool.story import ORIGIN, read_all, some_entry

from headgate_gateway.pipeline.records import Records
from headgate_gateway.spool.entry import entry_of
from headgate_gateway.spool.errors import LogState, SpoolClosedError, SpoolError, SpoolFailedError
from headgate_gateway.spool.log import Log, LogSettings
from headgate_gateway.spool.space import Space
from headgate_gateway.spool.writer import GROUPS_ALONE


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


class Moment:
    """What a writer's moment of gathering is in tests: as long as the test wants it, and counted."""

    def __init__(self, log: Log) -> None:
        self.seconds: list[float] = []
        self._begun, self._over = threading.Semaphore(0), threading.Semaphore(0)
        log._writer.sleep = self._sleep

    def _sleep(self, seconds: float) -> None:
        self.seconds.append(seconds)
        self._begun.release()
        assert self._over.acquire(timeout=30)

    def wait(self) -> None:
        """Until one has begun."""
        assert self._begun.acquire(timeout=30)

    def end(self) -> None:
        """Let it be over; also one that is yet to begin."""
        self._over.release()


def append_together(log: Log, told: Told, count: int, nbytes: int = 100) -> None:
    """As one group."""
    gate = threading.Event()
    log._writer._queue.put(lambda: (gate.wait(), None)[1])
    for serial in range(count):
        log.append(entry(serial, nbytes), told)
    gate.set()


def test_the_commit_after_a_crowd_waits_a_moment_for_those_that_follow() -> None:
    log, told = opened(PowerLossDisk(), settings=LogSettings(crowd=3)), Told()
    moment = Moment(log)
    append_together(log, told, 3)
    told.wait(3)
    log.append(entry(3), told)
    moment.wait()
    log.append(entry(4), told)
    moment.end()
    told.wait(2)
    log.append(entry(5), told)
    told.wait(1)
    assert (log.report().commits, moment.seconds) == (3, [LogSettings().gather_seconds])
    log.close()


def test_after_a_moment_in_which_nobody_came_crowds_go_at_once_for_a_while() -> None:
    log, told = opened(PowerLossDisk(), settings=LogSettings(crowd=1)), Told()
    moment = Moment(log)
    for _ in range(2 + GROUPS_ALONE):
        log.append(entry(0), told)
        moment.end()
        told.wait()
    assert len(moment.seconds) == 1
    log.append(entry(1), told)
    moment.end()
    told.wait()
    assert len(moment.seconds) == 2
    log.close()


def test_what_a_full_frame_has_left_over_waits_for_nobody() -> None:
    log, told = opened(PowerLossDisk(), settings=LogSettings(crowd=2, frame_bytes=3 * KIB)), Told()
    moment = Moment(log)
    append_together(log, told, 5, KIB)
    told.wait(5)
    assert (log.report().commits, moment.seconds) == (2, [])
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
    writer._worker.join()
    with pytest.raises(SpoolClosedError):
        log.append(entry(3), told)
    assert space.used == 0
