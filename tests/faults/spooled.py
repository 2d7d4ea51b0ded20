"""What stands in a spool directory, read with the gateway's own store from a copy: the directory itself stays as it is."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from headgate_gateway.spool.disk import OsDisk
from headgate_gateway.spool.log import Log
from headgate_gateway.spool.reading import Stored
from headgate_gateway.spool.space import Space

from .lines import number_of

_READ_BYTES = 4 * 2**20
_ROOM = 2**34


def lines_in(directory: Path) -> list[int]:
    """The numbers of the lines that are not checkpointed as delivered, as often as they are there."""
    return _read(directory, "log", "side/*")


def parked_in(directory: Path) -> list[int]:
    """The numbers of the lines that were parked."""
    return _read(directory, "parked")


def _read(directory: Path, *patterns: str) -> list[int]:
    with tempfile.TemporaryDirectory(prefix="headgate-faults-spool-") as folder:
        copy = Path(folder) / "spool"
        shutil.copytree(directory, copy)
        logs = [log for pattern in patterns for log in sorted(copy.glob(pattern)) if log.is_dir()]
        return [line for log in logs for line in _lines_of(log)]


def _lines_of(directory: Path) -> list[int]:
    log = Log.open(OsDisk(), str(directory), Space(_ROOM, 0), lambda call: call())
    try:
        return [line for stored in _entries(log) for line in _missing(log, stored)]
    finally:
        log.close()


def _entries(log: Log) -> Iterator[Stored]:
    number = log.start
    while number < log.end:
        found, number = log.read(number, _READ_BYTES)
        yield from found


def _missing(log: Log, stored: Stored) -> Iterator[int]:
    for first, end in log.missing(stored.first, stored.end):
        for value in stored.entry.values[first - stored.first : end - stored.first]:
            number = number_of(value or b"")
            if number is not None:
                yield number
