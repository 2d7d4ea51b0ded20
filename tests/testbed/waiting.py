"""Waiting for something outside to become true, with a deadline and a reason in the error."""

from __future__ import annotations

import time
from collections.abc import Callable

from .errors import TestbedError


def until(condition: Callable[[], bool], seconds: float, what: str, pause: float = 0.3) -> None:
    """Poll until the condition holds; `what` names it in the error. The pause is in seconds."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TestbedError(f"{what}: not so after {seconds:.0f} s")
        time.sleep(pause)
