"""Prints what the spool's log does on a disk, and SQLite (WAL, synchronous=FULL) in its place.

Run by hand or by `make bench`: python -m tests.bench.spool_store [DIR]. Entries of 100 lines, 28 KB; each store gets the
same bytes, and keeps of an entry what recovery and replay need: its topic, lanes and counts.
"""

import os
import shutil
import sqlite3
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import quantiles

import msgspec
from tests.bench.pipeline_lines import LINE

from headgate_gateway.pipeline.records import Records
from headgate_gateway.spool.disk import OsDisk
from headgate_gateway.spool.entry import Entry, Origin, entry_of
from headgate_gateway.spool.log import Log, LogSettings
from headgate_gateway.spool.space import Space

SECONDS = 2.0
BACKLOG_BYTES = 10**9
GROUPS = (1, 8, 32)
READ_BYTES = 4 * 2**20


def entry() -> Entry:
    """A request of 100 lines of 275 bytes, with keys."""
    line = LINE.rstrip(b"\n")[:275].ljust(275)
    keys: list[bytes | None] = [b"10.1.2.%d" % number for number in range(100)]
    records = Records("main", "access", [line] * 100, list(range(1, 101)), keys=keys)
    return entry_of(records, Origin("web/access", "rev", "stable", "0a" * 8), 1_795_000_000_000, os.urandom(16))


@dataclass
class Figures:
    """Of one run."""

    megabytes: float
    """A second."""
    p50: float
    """Milliseconds, from append to durable."""
    p99: float
    cpu: float
    """Cores."""

    def __str__(self) -> str:
        return f"{self.megabytes:5.0f} MB/s, p50 {self.p50:5.2f} ms, p99 {self.p99:6.2f} ms, {self.cpu:.2f} cores"


def measure(commit: Callable[[], None], nbytes: int) -> Figures:
    """Commit for a while, one after the other."""
    times: list[float] = []
    began, cpu = time.perf_counter(), time.process_time()
    while time.perf_counter() - began < SECONDS:
        started = time.perf_counter()
        commit()
        times.append(time.perf_counter() - started)
    took, cpu = time.perf_counter() - began, time.process_time() - cpu
    cuts = quantiles(times, n=100)
    return Figures(nbytes * len(times) / took / 1e6, cuts[49] * 1e3, cuts[98] * 1e3, cpu / took)


@contextmanager
def opened(path: Path) -> Iterator[Log]:
    """The spool's log."""
    log = Log.open(OsDisk(), str(path), Space(2**62, 0), lambda call: call(), LogSettings())
    try:
        yield log
    finally:
        log.close()


def append(log: Log, entries: list[Entry]) -> None:
    """Append, and wait until all are durable."""
    durable = threading.Semaphore(0)
    for one in entries:
        log.append(one, lambda first, error: durable.release())
    for _ in entries:
        durable.acquire()


def connect(path: Path) -> sqlite3.Connection:
    """SQLite as a queue: durable commits, readers beside the writer."""
    database = sqlite3.connect(path, isolation_level=None)
    for pragma in ("journal_mode=WAL", "synchronous=FULL"):
        database.execute(f"PRAGMA {pragma}")
    database.execute(
        "CREATE TABLE IF NOT EXISTS entries (number INTEGER PRIMARY KEY, topic TEXT, count INTEGER, lanes BLOB, content BLOB)"
    )
    return database


def insert(database: sqlite3.Connection, entries: list[Entry]) -> None:
    """One transaction, encoding included, as the log does it."""
    rows = [(one.topic, one.count, one.lanes, msgspec.msgpack.encode(one)) for one in entries]
    database.execute("BEGIN IMMEDIATE")
    database.executemany("INSERT INTO entries (topic, count, lanes, content) VALUES (?, ?, ?, ?)", rows)
    database.execute("COMMIT")


def compare_commits(place: Path) -> None:
    """Both stores, with groups of several sizes."""
    sample = entry()
    nbytes = len(msgspec.msgpack.encode(sample))
    print(f"entries of {nbytes} bytes; one commit after the other, of so many entries")
    for group in GROUPS:
        entries = [sample] * group
        with opened(place / f"log{group}") as log:
            print(f"{group:3} log     {measure(lambda: append(log, entries), nbytes * group)}")  # noqa: B023 - used at once
        database = connect(place / f"sqlite{group}.db")
        print(f"{group:3} SQLite  {measure(lambda: insert(database, entries), nbytes * group)}")  # noqa: B023 - used at once
        database.close()
        for path in place.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def compare_backlogs(place: Path) -> None:
    """Both stores with a gigabyte: found again at a start, read and deleted."""
    sample = entry()
    count = BACKLOG_BYTES // len(msgspec.msgpack.encode(sample))
    with opened(place / "log") as log:
        for _ in range(count // 32):
            append(log, [sample] * 32)
    database = connect(place / "sqlite.db")
    for _ in range(count // 32):
        insert(database, [sample] * 32)
    database.close()
    print(f"a backlog of {count // 32 * 32} entries, {count // 32 * 32 * 100} records, in the page cache")
    timed("log: recovery, checksums included", lambda: recover_log(place / "log"))
    timed("SQLite: counts and lanes, no checksums", lambda: recover_sqlite(place / "sqlite.db"))
    timed("log: read, acknowledge, checkpoint each 4 MiB", lambda: drain_log(place / "log"))
    timed("SQLite: read, delete, commit each 4 MiB", lambda: drain_sqlite(place / "sqlite.db"))


def timed(what: str, run: Callable[[], None]) -> None:
    """How long it takes."""
    began = time.perf_counter()
    run()
    print(f"{what:48} {time.perf_counter() - began:6.2f} s")


def recover_log(path: Path) -> None:
    """What a gateway does when it starts."""
    found: list[int] = []
    log = Log.open(
        OsDisk(), str(path), Space(2**62, 0), lambda call: call(), visit=lambda _, head: found.append(head.count)
    )
    assert sum(found) == log.backlog
    log.close()


def recover_sqlite(path: Path) -> None:
    """The same of a table."""
    database = connect(path)
    assert sum(count for count, _ in database.execute("SELECT count, lanes FROM entries ORDER BY number")) > 0
    database.close()


def drain_log(path: Path) -> None:
    """What delivery does to it."""
    with opened(path) as log:
        number = log.start
        while True:
            some, number = log.read(number, READ_BYTES)
            if not some:
                return
            for one in some:
                log.acknowledge(one.first, one.end)
            log.checkpoint()


def drain_sqlite(path: Path) -> None:
    """The same of a table."""
    database = connect(path)
    size = database.execute("SELECT length(content) FROM entries LIMIT 1").fetchone()[0]
    while rows := database.execute(
        "SELECT number, content FROM entries ORDER BY number LIMIT ?", (READ_BYTES // size,)
    ).fetchall():
        for _, content in rows:
            msgspec.msgpack.decode(content, type=Entry)
        database.execute("DELETE FROM entries WHERE number <= ?", (rows[-1][0],))
    database.close()


def main() -> None:
    """Measures in a directory of its own below the one that is named."""
    parent = Path(sys.argv[1]) if len(sys.argv) > 1 else None
    with tempfile.TemporaryDirectory(prefix="headgate-spool-", dir=parent) as place:
        compare_commits(Path(place))
        compare_backlogs(Path(place))


if __name__ == "__main__":
    main()
