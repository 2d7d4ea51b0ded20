"""A process that is killed while it appends, reads, acknowledges and writes checkpoints, all at once, on a real disk."""

import subprocess
import sys
import time
from pathlib import Path
from random import Random

from tests.unit.spool.story import read_all

from headgate_gateway.spool.disk import OsDisk
from headgate_gateway.spool.log import Log, LogSettings
from headgate_gateway.spool.space import Space

ROUNDS = 4
DOER = """\
import sys, threading, time
from random import Random
from headgate_gateway.spool.disk import OsDisk
from headgate_gateway.spool.log import Log, LogSettings
from headgate_gateway.spool.space import Space
from tests.unit.spool.story import some_entry

path, begin = sys.argv[1], int(sys.argv[2])
said = threading.Lock()

def say(what, serial):
    with said:
        print(what, serial, flush=True)

def serial_of(entry):
    return int.from_bytes(entry.id, "big")

def deliver():
    number = log.start
    while True:
        some, number = log.read(number, 3_000)
        for one in some:
            if serial_of(one.entry) % 7:
                say("acknowledging", serial_of(one.entry))
                log.acknowledge(one.first, one.end)
        if not some:
            time.sleep(0.001)

def checkpoint():
    while True:
        time.sleep(0.003)
        log.checkpoint()

log = Log.open(OsDisk(), path, Space(10**9, 0), lambda call: call(), LogSettings(segment_bytes=50_000))
for work in (deliver, checkpoint):
    threading.Thread(target=work, daemon=True).start()
room = threading.Semaphore(20)
for serial in range(begin, begin + 10**6):
    room.acquire()
    entry = some_entry(Random(serial), serial)
    log.append(entry, lambda first, error, serial=serial: (say("failed" if error else "durable", serial), room.release()))
"""


def test_what_it_said_to_be_durable_is_there_unless_it_was_acknowledged(tmp_path: Path) -> None:
    path, random = str(tmp_path / "log"), Random(7)
    durable, acknowledged = set[int](), set[int]()
    for round_ in range(ROUNDS):
        told = run_until_killed(path, round_ * 10**6, 0.3 + random.random() / 2)
        durable |= told["durable"]
        acknowledged |= told["acknowledging"]
        assert told["durable"], "it came to do something"
        assert not told["failed"]
        log = Log.open(OsDisk(), path, Space(10**9, 0), lambda call: call(), LogSettings())
        found = {int.from_bytes(one.entry.id, "big") for one in read_all(log)}
        assert log.report().damaged == 0
        log.close()
        assert durable - acknowledged <= found
        assert {serial for serial in durable if serial % 7 == 0} <= found


def run_until_killed(path: str, begin: int, seconds: float) -> dict[str, set[int]]:
    """What it said until then."""
    process = subprocess.Popen([sys.executable, "-c", DOER, path, str(begin)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    told: dict[str, set[int]] = {"durable": set(), "acknowledging": set(), "failed": set()}
    lines = [process.stdout.readline()]
    time.sleep(seconds)
    process.kill()
    lines += process.stdout.readlines()
    process.wait()
    process.stdout.close()
    for line in lines:
        if line.endswith("\n"):
            what, serial = line.split()
            told[what].add(int(serial))
    return told
