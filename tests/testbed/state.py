"""What the testbed has made and not yet removed, in one JSON file, so that interrupted runs are cleaned too.

Owns the file and the lock that keeps two runs from building the same thing. Knows nothing of Docker.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .progress import Progress
from .settings import Settings


class State:
    """A flat JSON object; every change is written at once, atomically."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> dict[str, Any]:
        """All of it; {} where nothing was made yet."""
        try:
            content = json.loads(self._path.read_text())
        except (FileNotFoundError, json.JSONDecodeError):
            return {}
        return content if isinstance(content, dict) else {}

    def get(self, key: str, default: Any = None) -> Any:
        """One entry."""
        return self.read().get(key, default)

    def put(self, key: str, value: Any) -> None:
        """Set one entry; None removes it."""
        content = self.read()
        content[key] = value
        if value is None:
            del content[key]
        write_atomically(self._path, json.dumps(content, indent=1, sort_keys=True) + "\n")


def write_atomically(path: Path, text: str) -> None:
    """Write a file so that no reader ever sees half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    fresh.write_text(text)
    fresh.replace(path)


@contextmanager
def locked(settings: Settings, progress: Progress) -> Iterator[None]:
    """Only one run at a time changes the testbed; the others wait and say so."""
    settings.cache.mkdir(parents=True, exist_ok=True)
    with (settings.cache / "lock").open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            with progress.step("waiting for another run of the testbed"):
                fcntl.flock(handle, fcntl.LOCK_EX)
        yield
