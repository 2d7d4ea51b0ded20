"""The wall clock of one process, moved while it runs: libfaketime, as Debian has it. Other clocks go on as they are."""

from pathlib import Path

from tests.testbed import debian
from tests.testbed.errors import TestbedError

LIBRARIES = Path("/usr/lib")


class Clock:
    """Right at first."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._library = _library()
        self.move(0)

    @property
    def within(self) -> tuple[str, ...]:
        """The command that makes a process follow this clock."""
        # Asked for every time that the process asks: a time that is remembered would move late.
        settings = {"TIMESTAMP_FILE": self._file, "NO_CACHE": 1, "DONT_FAKE_MONOTONIC": 1}
        return ("env", f"LD_PRELOAD={self._library}", *(f"FAKETIME_{name}={value}" for name, value in settings.items()))

    def move(self, seconds: int) -> None:
        """So far from the right time."""
        fresh = self._file.with_suffix(".fresh")
        fresh.write_text(f"{seconds:+d}s\n")
        fresh.rename(self._file)


def _library() -> Path:
    found = sorted(LIBRARIES.glob("*/faketime/libfaketimeMT.so.1"))
    if not found:
        debian.install("faketime")
        found = sorted(LIBRARIES.glob("*/faketime/libfaketimeMT.so.1"))
    if not found:
        raise TestbedError("libfaketime is not where Debian's package has it")
    return found[0]
