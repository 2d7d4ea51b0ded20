"""What becomes of memory that is freed: what the C library does with it, how often Python looks for what is in cycles.
Called once, by whoever starts a process that works on bodies.

Bodies and batches are freed as fast as they come. By default glibc gives the end of its heap back to the system each time
and asks for it again a moment later, and the kernel clears every page anew: with bodies of a quarter of a megabyte that
was a twentieth of the time of a line, or more.
"""

import ctypes
import gc
from typing import Final

_TRIM_THRESHOLD: Final = -1
_MMAP_THRESHOLD: Final = -3
"""Numbers of mallopt's parameters, from glibc's malloc.h."""
KEPT_BYTES: Final = 32 * 2**20
"""Free memory at the heap's end beyond which it is given back: several times what one turn of the event loop frees."""
LARGE_BYTES: Final = 8 * 2**20
"""Blocks from this size on come from the system one by one where the heap has no room, and go back when they are free."""
_COLLECT_AFTER: Final = (50_000, 20, 20)
"""Requests make and drop many small objects that refer to nothing: the default of 700 looks through them for naught."""


def tune_memory() -> None:
    """All that a process sets for bodies to come and go fast."""
    gc.set_threshold(*_COLLECT_AFTER)
    keep_freed_memory()


def keep_freed_memory() -> bool:
    """Let freed memory stay with the process; whether the C library is one that can be told."""
    try:
        set_option = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):
        return False  # not glibc: musl, macOS
    return bool(set_option(_TRIM_THRESHOLD, KEPT_BYTES) and set_option(_MMAP_THRESHOLD, LARGE_BYTES))
