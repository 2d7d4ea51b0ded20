"""A log over a disk in memory, entries for it, and who waits for what becomes of them."""

import threading
from collections.abc import Callable
from random import Random

import pytest
from tests.unit.spool.power import PowerLossDisk
from tests.unit.spool.story import ORIGIN

from headgate_gateway.pipeline.records import Records
from headgate_gateway.spool.entry import Entry, entry_of
from headgate_gateway.spool.epoch import Fence
from headgate_gateway.spool.errors import SpoolError
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
