"""How many bytes of one target may be with its producer at once when they come from disk. Pure; the clock is an argument.

Live requests wait behind what is replayed, so the window is small while there are any, and grows while there are none.
"""

LIVE_BYTES = 512 * 1024
"""While live requests wait for the same producer: their own batches are never far behind."""
MOST_BYTES = 4 * 2**20
TRIAL_BYTES = 64 * 1024
"""After a failure, until something has been delivered: what is lost again is little."""
LIVE_FOR = 1.0
"""Seconds after the last live request that was seen waiting."""
GROWTH = 1.5
"""With each delivery that filled the window while nobody waited live."""


class Window:
    """Bytes under way of one target."""

    __slots__ = ("_limit", "_live_seen", "in_flight")

    def __init__(self) -> None:
        self.in_flight = 0
        self._limit = float(LIVE_BYTES)
        self._live_seen = float("-inf")

    def see(self, *, live: bool, now: float) -> None:
        """Whether live requests wait for the producer at this moment."""
        if live:
            self._live_seen = now
            self._limit = float(LIVE_BYTES)

    def has_room(self, nbytes: int, *, trial: bool) -> bool:
        """Whether that much more may go: always something."""
        limit = TRIAL_BYTES if trial else self._limit
        return not self.in_flight or self.in_flight + nbytes <= limit

    def take(self, nbytes: int) -> None:
        """Bytes are under way."""
        self.in_flight += nbytes

    def give(self, nbytes: int, *, delivered: bool, now: float) -> None:
        """They are not any more."""
        was_full = self.in_flight > self._limit / 2
        self.in_flight -= nbytes
        if delivered and was_full and now - self._live_seen > LIVE_FOR:
            self._limit = min(self._limit * GROWTH, MOST_BYTES)
