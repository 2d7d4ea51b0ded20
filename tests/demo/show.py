"""What the demo shows: a line for each step, what it waits for while it waits, and how long everything took.

On a terminal the last line is alive; elsewhere a line appears at least every ten seconds. Decides nothing.
"""

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

LIVE_SECONDS = 0.25
PLAIN_SECONDS = 10.0


class Show:
    """The demo's output."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = sys.stdout if stream is None else stream
        self._live = self._stream.isatty()
        self._lock = threading.Lock()
        self._began = time.monotonic()
        self._detail = ""

    @property
    def elapsed(self) -> float:
        """Seconds since the demo began."""
        return time.monotonic() - self._began

    def say(self, text: str = "") -> None:
        """A line of a step."""
        with self._lock:
            self._clear()
            for line in text.splitlines() or [""]:
                print(f"         {line}".rstrip(), file=self._stream, flush=True)

    def command(self, line: str) -> None:
        """What is run, so that a reader can run it too."""
        self.say(f"$ {line}")

    def detail(self, text: str) -> None:
        """What the running step waits for."""
        self._detail = text

    @contextmanager
    def step(self, title: str, quiet: bool = False) -> Iterator[None]:
        """A step, timed. `quiet`: something else shows its own progress meanwhile."""
        began, done = time.monotonic(), threading.Event()
        self._detail = ""
        self._line(f"{title} ...")
        ticker = threading.Thread(target=self._tick, args=(title, began, done), daemon=True)
        if not quiet:
            ticker.start()
        failed = True
        try:
            yield
            failed = False
        finally:
            done.set()
            if not quiet:
                ticker.join()
            mark = "FAILED" if failed else "done"
            self._line(f"{title}: {mark} in {time.monotonic() - began:.1f} s")

    def _line(self, text: str) -> None:
        with self._lock:
            self._clear()
            print(f"[{self.elapsed:5.0f}s] {text}", file=self._stream, flush=True)

    def _clear(self) -> None:
        if self._live:
            print("\r\033[K", end="", file=self._stream)

    def _tick(self, title: str, began: float, done: threading.Event) -> None:
        while not done.wait(LIVE_SECONDS if self._live else PLAIN_SECONDS):
            text = f"{title}: {time.monotonic() - began:.0f} s {self._detail}".rstrip()
            if not self._live:
                self._line(text)
                continue
            with self._lock:
                print(f"\r\033[K[{self.elapsed:5.0f}s] {text}"[:150], end="", file=self._stream, flush=True)
