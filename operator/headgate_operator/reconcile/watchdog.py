"""Notices watches that have died without a word (nolar/kopf#1276). Pure bookkeeping; `/livez` asks it.

Whatever a listing has shown of a kind must also come through that kind's watch. A watch that stays behind
for long while the API server answers is dead, and only a new process brings it back.
"""

from headgate_operator.ports import Clock

PATIENCE = 120.0
"""Seconds that a watch may stay behind: longer than kopf's own inactivity timeout and one reconnection."""


class Watchdog:
    """The newest version of each kind that its watch has shown, and the oldest one that it has yet to show."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._shown: dict[str, int] = {}
        self._expected: dict[str, tuple[int, float]] = {}

    def shown(self, kind: str, version: int) -> None:
        """A watch has delivered an object."""
        self._shown[kind] = max(version, self._shown.get(kind, 0))
        if kind in self._expected and self._shown[kind] >= self._expected[kind][0]:
            del self._expected[kind]

    def expect(self, kind: str, newest: int) -> None:
        """A listing's newest version of a kind (0: there is none): the watch has to show it, or something newer.

        What an earlier listing asked for and this one no longer has was deleted, perhaps before the watch began.
        """
        if newest <= self._shown.get(kind, 0):
            self._expected.pop(kind, None)
        elif kind not in self._expected or self._expected[kind][0] > newest:
            self._expected[kind] = (newest, self._clock())

    def stale(self, reached_since: float | None) -> list[str]:
        """Kinds whose watch is dead; none while the API server is away, or has only just come back."""
        if reached_since is None:
            return []
        now = self._clock()
        return sorted(kind for kind, (_, since) in self._expected.items() if now - max(since, reached_since) > PATIENCE)
