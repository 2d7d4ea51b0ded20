"""Which statuses wait a moment for the gateways' word, so that what the next second makes old is never written.

Bookkeeping over a clock; whether news may wait at all is `status.repo`'s to say. Belongs to one fleet. What is lost
with the process begins to wait anew: a held status differs from the live one, and so comes up in every reconcile.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from headgate_operator.status.observation import RepoKey


@dataclass(frozen=True, slots=True)
class HoldTiming:
    """Seconds."""

    least: float = 2.0
    """A gateway that is told by its pod's annotation confirms within one second."""
    each: float = 0.01
    """About what it takes to write one status, beside all else that thousands of repos have under way: to wait as long as
    it would take to write all that waits costs twice the best at most, and gateways are late for the same reason."""
    longest: float = 20.0


class Holds:
    """Since when each repo's news waits."""

    def __init__(self, timing: HoldTiming) -> None:
        self._timing = timing
        self._since: dict[RepoKey, float] = {}

    def hold(self, passing: Iterable[RepoKey], now: float) -> frozenset[RepoKey]:
        """Of the repos whose news may wait those that still wait; any other is forgotten, and one that has waited is not.

        Waiting begins with the first news that was not told: a repo that changes all the time is told of as well.
        """
        self._since = {key: self._since.get(key, now) for key in passing}
        return frozenset(key for key, since in self._since.items() if now - since < self._patience)

    def delay(self, now: float) -> float | None:
        """Seconds until the next of them has waited long enough; None where none waits."""
        waits = (since + self._patience - now for since in self._since.values())
        return min((each for each in waits if each > 0), default=None)

    @property
    def _patience(self) -> float:
        return min(self._timing.longest, max(self._timing.least, self._timing.each * len(self._since)))
