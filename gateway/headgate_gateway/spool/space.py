"""The bytes that all logs of one directory may take together, with headroom for what must not wait for room.

Pure counting. The event loop and the writer threads share one: every change is a single locked addition.
"""

import threading


class Space:
    """A bound in bytes."""

    def __init__(self, limit: int, headroom: int) -> None:
        self.limit = limit
        """All that may be used."""
        self.headroom = headroom
        """Kept of it for side logs, dead letters, parked entries and checkpoints: by moving records they free room."""
        self.used = 0
        self._lock = threading.Lock()

    def take(self, nbytes: int, *, privileged: bool = False) -> bool:
        """Count bytes that are going to be written; False, and nothing counted: there is no room."""
        limit = self.limit if privileged else self.limit - self.headroom
        with self._lock:
            if self.used + nbytes > limit:
                return False
            self.used += nbytes
            return True

    def adjust(self, nbytes: int) -> None:
        """Count what differs from what was taken, or is there already, or (negative) is gone."""
        with self._lock:
            self.used += nbytes
