"""The bytes that all logs of one directory may take together, with headroom for what must not wait for room.

Pure counting. The event loop and the writer threads share one: every change is a single locked addition.
"""

import threading

_REOPENS_AT = 0.95
"""Once full, how much of the bound must be free again: else large entries are refused for ever while small ones pass."""


class Space:
    """A bound in bytes."""

    def __init__(self, limit: int, headroom: int) -> None:
        self.limit = limit
        """All that may be used."""
        self.headroom = headroom
        """Kept of it for side logs, dead letters, parked entries and checkpoints: by moving records they free room."""
        self.used = 0
        self.full = False
        """Whether something was refused, and not enough has been freed since."""
        self._reopens_at = (limit - headroom) * _REOPENS_AT
        self._lock = threading.Lock()

    def take(self, nbytes: int, *, privileged: bool = False) -> bool:
        """Count bytes that are going to be written; False, and nothing counted: there is no room."""
        with self._lock:
            if privileged:
                fits = self.used + nbytes <= self.limit
            else:
                fits = not self.full and self.used + nbytes <= self.limit - self.headroom
                # An entry may be too large for what is left without the others having no room.
                self.full = not fits and self.used > self._reopens_at
            if fits:
                self.used += nbytes
            return fits

    def adjust(self, nbytes: int) -> None:
        """Count what differs from what was taken, or is there already, or (negative) is gone."""
        with self._lock:
            self.used += nbytes
            self.full = self.full and self.used > self._reopens_at
