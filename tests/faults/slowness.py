"""A disk that takes its time, for one process: its calls wait in a library of ours that it loads. Needs a C compiler.

The kernel's own way (`tests/integration/gateway/slowness.py`) is not to be had on every machine, and wants a real device.
"""

import shutil
import subprocess
from pathlib import Path

from tests.testbed import debian

SOURCE = Path(__file__).with_name("slow_disk.c")
# Beside whatever else is loaded into the process, such as another clock.
_LOAD = 'export LD_PRELOAD="$0${LD_PRELOAD:+:$LD_PRELOAD}"; exec "$@"'


class Slowness:
    """Of the file system of `disk`, for who runs within. None at first. `folder` is not on it."""

    def __init__(self, folder: Path, disk: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._file, self._disk, self._library = folder / "milliseconds", disk, folder / "slow_disk.so"
        _compile(self._library)
        self.set(0)

    @property
    def within(self) -> tuple[str, ...]:
        """The command that makes a process suffer from it."""
        settings = (f"SLOW_DISK={self._disk}", f"SLOW_DISK_MS={self._file}")
        return ("env", *settings, "sh", "-c", _LOAD, str(self._library))

    def set(self, milliseconds: int) -> None:
        """What each call takes from now on; those that wait do not wait for longer than that, either."""
        fresh = self._file.with_suffix(".fresh")
        fresh.write_text(f"{milliseconds}\n")
        fresh.rename(self._file)


def _compile(library: Path) -> None:
    if shutil.which("cc") is None:
        debian.install("gcc", "libc6-dev")
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o", library, SOURCE], check=True)
