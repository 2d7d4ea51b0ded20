"""The library that makes a disk slow does so, for files on that disk and no others, alone or with another library."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.faults.slowness import Slowness

pytestmark = pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler")

MILLISECONDS = 100
AN_HOUR = 3_600_000
SECONDS = 60
"""Within which calls that nobody slows have surely ended: far less than they take on the slow disk."""
TIMES = """
import os, sys, time
for folder in sys.argv[1:]:
    fd, begun = os.open(folder + "/file", os.O_CREAT | os.O_WRONLY), time.monotonic()
    os.write(fd, b"x"), os.fdatasync(fd), os.fsync(fd)
    print(round(1000 * (time.monotonic() - begun)))
"""


def measure(slowness: Slowness, *folders: Path, before: tuple[str, ...] = ()) -> list[int]:
    """Milliseconds that three calls took, in each folder."""
    command = [*before, *slowness.within, sys.executable, "-c", TIMES, *map(str, folders)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=SECONDS)
    return [int(line) for line in done.stdout.split()]


@pytest.mark.parametrize("before", [(), ("env", "LD_PRELOAD=libc.so.6")], ids=["alone", "beside another library"])
def test_each_call_on_the_slow_disk_takes_its_time(tmp_path: Path, before: tuple[str, ...]) -> None:
    slowness = Slowness(tmp_path / "of-the-fault", tmp_path)
    slowness.set(MILLISECONDS)
    (took,) = measure(slowness, tmp_path, before=before)
    assert took >= 3 * MILLISECONDS


def test_other_disks_and_a_disk_that_is_well_again_are_left_alone(tmp_path: Path) -> None:
    slowness = Slowness(tmp_path / "of-the-fault", Path("/proc"))
    slowness.set(AN_HOUR)
    measure(slowness, tmp_path)
    slowness = Slowness(tmp_path / "of-the-fault", tmp_path)
    measure(slowness, tmp_path)
