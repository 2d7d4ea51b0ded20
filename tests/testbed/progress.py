"""Visible progress: what runs, for how long, and how long it usually takes.

Owns the lines on stderr. A line when a step starts and ends, and one at least every ten seconds while
anything runs, so that nobody takes a long build for a hang. Never decides anything.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

TICK_SECONDS = 10.0


class Progress:
    """Steps of one run. Usable from several threads."""

    def __init__(self, stream: TextIO | None = None, tick: float = TICK_SECONDS) -> None:
        self._stream = sys.stderr if stream is None else stream
        self._tick = tick
        self._began = time.monotonic()
        self._running: dict[str, tuple[float, float]] = {}
        self._lock = threading.Lock()
        self._ticker: threading.Thread | None = None

    def say(self, text: str) -> None:
        """One line, with the seconds since the run began."""
        with self._lock:
            self._write(text)

    @contextmanager
    def step(self, name: str, expected: float = 0) -> Iterator[None]:
        """Show that `name` runs; `expected` is in seconds on a machine with two cores (0: not known)."""
        began = time.monotonic()
        with self._lock:
            self._running[name] = (began, expected)
            self._write(f"{name} ...{_usual(expected)}")
            self._start_ticker()
        failed = True
        try:
            yield
            failed = False
        finally:
            with self._lock:
                self._running.pop(name, None)
                self._write(f"{name}: {'failed' if failed else 'done'} after {time.monotonic() - began:.1f} s")

    def _write(self, text: str) -> None:
        print(f"[testbed {time.monotonic() - self._began:5.0f}s] {text}", file=self._stream, flush=True)

    def _start_ticker(self) -> None:
        if self._ticker is None or not self._ticker.is_alive():
            self._ticker = threading.Thread(target=self._tick_while_running, daemon=True, name="testbed-progress")
            self._ticker.start()

    def _tick_while_running(self) -> None:
        while True:
            time.sleep(self._tick)
            with self._lock:
                if not self._running:
                    self._ticker = None
                    return
                now = time.monotonic()
                shown = (f"{name} ({now - began:.0f} s{_of(usual)})" for name, (began, usual) in self._running.items())
                self._write("still running: " + "; ".join(shown))


class Silent(Progress):
    """Shows nothing; for callers that only ask for something which is there already."""

    def _write(self, text: str) -> None:
        return


def _usual(expected: float) -> str:
    return f" (usually {expected:.0f} s)" if expected >= 5 else ""


def _of(expected: float) -> str:
    return f" of usually {expected:.0f}" if expected else ""
