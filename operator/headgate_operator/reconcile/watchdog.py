"""Notices watches that have died without a word (nolar/kopf#1276). Pure bookkeeping; `/livez` asks it.

Whatever a listing has shown must also come through the watch of that kind and namespace. A watch that stays behind
for long while the API server answers is dead, and only a new process brings it back.
"""

from headgate_operator.ports import Clock

PATIENCE = 120.0
"""Seconds that a watch may stay behind: longer than kopf's own inactivity timeout and one reconnection."""

Watch = tuple[str, str]
"""(kind, namespace); the namespace is empty for a watch of the whole cluster."""


class Watchdog:
    """The newest version that each watch has shown, and the oldest one that it has yet to show."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._shown: dict[Watch, int] = {}
        self._expected: dict[Watch, tuple[int, float]] = {}

    def shown(self, watch: Watch, version: int) -> None:
        """A watch has delivered an object."""
        self._shown[watch] = max(version, self._shown.get(watch, 0))
        if watch in self._expected and self._shown[watch] >= self._expected[watch][0]:
            del self._expected[watch]

    def expect(self, watch: Watch, newest: int) -> None:
        """The newest version that a listing has shown (0: there is none): the watch has to show it, or something newer.

        What an earlier listing asked for and this one no longer has was deleted, perhaps before the watch began.
        """
        if newest <= self._shown.get(watch, 0):
            self._expected.pop(watch, None)
        elif watch not in self._expected or self._expected[watch][0] > newest:
            self._expected[watch] = (newest, self._clock())

    def stale(self, reached_since: float | None) -> list[str]:
        """Watches that are dead, in words; none while the API server is away, or has only just come back."""
        if reached_since is None:
            return []
        now = self._clock()
        dead = (watch for watch, (_, since) in self._expected.items() if now - max(since, reached_since) > PATIENCE)
        return [f"{kind} in {namespace}" if namespace else kind for kind, namespace in sorted(dead)]
