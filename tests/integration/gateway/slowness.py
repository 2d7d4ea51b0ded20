"""A disk that is really slow, in two ways that a test of a gateway need not tell apart.

- Calls of one process wait in a library that it loads: wherever there is a C compiler.
- The kernel lets a loop device write only so much, its file system's own journal included: root, and cgroup v1, whose root
  cgroup's limit holds for everybody; nobody else has this device.
"""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from tests.faults.slowness import Slowness

THROTTLE = Path("/sys/fs/cgroup/blkio/blkio.throttle.write_bps_device")
DEVICE_BYTES = 64 * 2**20
SLOW_BYTES, HANGING_BYTES = 400_000, 1_000
"""That the device writes in a second; of the latter, a commit of any size takes longer than one may."""
SLOW_MS, HANGING_MS = 500, 3_600_000
"""What a write or a sync takes."""


class SlowDisk(Protocol):
    """As fast as the machine's, until somebody says otherwise."""

    @property
    def folder(self) -> Path:
        """Where it is."""

    @property
    def within(self) -> tuple[str, ...]:
        """The command that makes a process suffer from it."""

    def slow(self) -> None:
        """From now on every commit takes a while."""

    def hang(self) -> None:
        """From now on no commit ends."""

    def recover(self) -> None:
        """As at first, also for who waits."""


class ThrottledDevice:
    """Slow for everybody."""

    within = ()

    def __init__(self, folder: Path, device: str) -> None:
        self.folder = folder
        self._number = Path("/sys/block", Path(device).name, "dev").read_text().strip()

    def slow(self) -> None:
        """For what is beyond that."""
        self._limit(SLOW_BYTES)

    def hang(self) -> None:
        """Nearly."""
        self._limit(HANGING_BYTES)

    def recover(self) -> None:
        """No limit."""
        self._limit(0)

    def _limit(self, bytes_per_second: int) -> None:
        THROTTLE.write_text(f"{self._number} {bytes_per_second}\n")


class WaitingCalls:
    """Slow for who runs within; everything on the file system of `folder` is."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "slow"
        self.folder.mkdir()
        self._slowness = Slowness(folder / "slowness", self.folder)
        self.within = self._slowness.within

    def slow(self) -> None:
        """However much is written."""
        self._slowness.set(SLOW_MS)

    def hang(self) -> None:
        """Longer than any test."""
        self._slowness.set(HANGING_MS)

    def recover(self) -> None:
        """Calls go on at once."""
        self._slowness.set(0)


def kernel_can() -> bool:
    """Whether it lets us slow a device."""
    return os.geteuid() == 0 and THROTTLE.exists()


@contextmanager
def waiting_calls(folder: Path) -> Iterator[SlowDisk]:
    """A directory below `folder`."""
    yield WaitingCalls(folder)


@contextmanager
def throttled_device(folder: Path) -> Iterator[SlowDisk]:
    """A small one of our own, mounted below `folder`, and gone afterwards."""
    image, mounted = folder / "disk.img", folder / "slow"
    mounted.mkdir()
    with image.open("wb") as file:
        file.truncate(DEVICE_BYTES)
    _call("mkfs.ext4", "-q", "-F", str(image))
    device = _call("losetup", "--find", "--show", str(image))
    try:
        disk = ThrottledDevice(mounted, device)
        _call("mount", device, str(mounted))
        try:
            yield disk
        finally:
            disk.recover()
            _call("umount", str(mounted))
    finally:
        _call("losetup", "--detach", device)


def _call(*words: str) -> str:
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout.strip()
