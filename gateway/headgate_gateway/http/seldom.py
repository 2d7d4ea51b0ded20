"""Says how often something may be said. Plain counting; the clock is an argument."""

from collections.abc import Hashable

SECONDS_BETWEEN = 60.0
_MANY = 1_000


class Seldom:
    """Once a minute for each key."""

    __slots__ = ("_last",)

    def __init__(self) -> None:
        self._last: dict[Hashable, float] = {}

    def allows(self, key: Hashable, now: float) -> bool:
        """Whether it may be said now; then not again for a while."""
        last = self._last.get(key)
        if last is not None and now - last < SECONDS_BETWEEN:
            return False
        if len(self._last) >= _MANY:
            self._last = {k: at for k, at in self._last.items() if now - at < SECONDS_BETWEEN}
        self._last[key] = now
        return True
