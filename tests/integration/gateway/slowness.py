"""A disk that is really slow: a file system on a loop device that the kernel lets write only so much. Root, cgroup v1.

The root cgroup's limit holds for everybody, the file system's own journal included; nobody else has this device.
"""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

THROTTLE = Path("/sys/fs/cgroup/blkio/blkio.throttle.write_bps_device")
DEVICE_BYTES = 64 * 2**20


class SlowDisk:
    """As fast as the machine's, until somebody says otherwise."""

    def __init__(self, folder: Path, device: str) -> None:
        self.folder = folder
        self._number = Path("/sys/block", Path(device).name, "dev").read_text().strip()

    def limit(self, bytes_per_second: int) -> None:
        """From now on; 0: no limit."""
        THROTTLE.write_text(f"{self._number} {bytes_per_second}\n")


@contextmanager
def slow_disk(folder: Path) -> Iterator[SlowDisk]:
    """A small one of our own, mounted below `folder`, and gone afterwards."""
    image, mounted = folder / "disk.img", folder / "slow"
    mounted.mkdir()
    with image.open("wb") as file:
        file.truncate(DEVICE_BYTES)
    _call("mkfs.ext4", "-q", "-F", str(image))
    device = _call("losetup", "--find", "--show", str(image))
    try:
        disk = SlowDisk(mounted, device)
        _call("mount", device, str(mounted))
        try:
            yield disk
        finally:
            disk.limit(0)
            _call("umount", str(mounted))
    finally:
        _call("losetup", "--detach", device)


def _call(*words: str) -> str:
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout.strip()
