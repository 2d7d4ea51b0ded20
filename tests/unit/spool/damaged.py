"""A log of a segment whose frames are one entry each, and what is found in it once it has been damaged."""

from random import Random

from tests.unit.spool.power import PowerLossDisk
from tests.unit.spool.story import read_all, some_entry

from headgate_gateway.spool.damage import Patience
from headgate_gateway.spool.disk import Disk
from headgate_gateway.spool.entry import Entry
from headgate_gateway.spool.log import Log, LogSettings
from headgate_gateway.spool.space import Space

LOG = "/log"
FIRST = f"{LOG}/0000000000000000.seg"
AT_ONCE = Patience(seconds=0.0, tries=0, pauses=0)
ONE_SEGMENT = LogSettings(frame_bytes=1, unreadable=AT_ONCE)
"""Each entry is a frame of its own."""


def opened(disk: Disk, settings: LogSettings = ONE_SEGMENT, space: Space | None = None) -> Log:
    return Log.open(disk, LOG, space or Space(10**9, 0), lambda call: call(), settings)


def filled(count: int, settings: LogSettings = ONE_SEGMENT) -> tuple[PowerLossDisk, list[Entry]]:
    disk = PowerLossDisk()
    log = opened(disk, settings)
    entries = [some_entry(Random(serial), serial) for serial in range(count)]
    for entry in entries:
        log.append(entry, lambda first, error: None)
    log.close()
    return disk, entries


def ids(log: Log) -> list[int]:
    return [int.from_bytes(one.entry.id, "big") for one in read_all(log)]


def aside(disk: PowerLossDisk) -> dict[str, bytes]:
    return {name: bytes(disk.content(f"{LOG}/{name}")) for name in disk.listdir(LOG) if name.endswith(".damaged")}


def offsets(disk: PowerLossDisk) -> list[int]:
    log = opened(disk)
    found = []
    content = bytes(disk.content(FIRST))
    marker = log._segments.all()[0].marker
    at = content.find(b"\xf7HGf" + marker)
    while at >= 0:
        found.append(at)
        at = content.find(b"\xf7HGf" + marker, at + 1)
    log.close()
    return found
