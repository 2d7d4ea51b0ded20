"""Which share of a repo's requests a bad revision touched while it had weight, and how soon it had none.

The share is taken of the requests that were sent from the first weight to the return to none, and of no others: those
before and after would only make it look smaller.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from math import isnan

from tests.e2e.rollouts import Watched
from tests.e2e.traffic import Traffic

JUDGED_REQUESTS = 2_000
"""Shares are judged over at least so many requests."""
MARGIN_POINTS = 5
BOUND_SECONDS = 600
"""The default progressDeadline; what is measured is far below, and printed."""


@dataclass(frozen=True, slots=True)
class Touched:
    """What a bad revision did."""

    requests: int
    """Sent while it had weight."""
    touched: int
    """Answered by it, whenever they were sent."""
    from_answer: float
    """Seconds from the first bad answer until the live route gave it none; the longest, where it had weight more than once."""
    from_measurement: float
    """Seconds from the first Failed measurement in status until then; below zero where status came later, not a number where
    the repo's status never showed one (as in an image upgrade that goes back whole).
    """

    @property
    def share(self) -> float:
        """Per cent."""
        return 100 * self.touched / max(1, self.requests)

    def __str__(self) -> str:
        told = "" if isnan(self.from_measurement) else f", {self.from_measurement:+.1f} s after status showed a Fail"
        return (
            f"{self.share:.1f} % of {self.requests} requests touched; "
            f"weight 0 {self.from_answer:.1f} s after the first bad answer{told}"
        )


def measure(traffic: Traffic, watched: Watched, touched: Collection[int]) -> Touched:
    """The share of one repo's requests; `touched` are the numbers of the events that the bad revision answered."""
    return Touched(
        requests=sum(begin <= sent <= end for sent in list(traffic.sent.values()) for begin, end in _ended(watched)),
        touched=len(touched),
        from_answer=_longest(traffic.answered_at(touched), watched),
        from_measurement=_longest(watched.failed, watched),
    )


TAIL_SECONDS = 3.0
"""After a weight is gone: for so long requests may be answered that the edge had passed on, or passes on unaware."""


def measure_briefly(traffic: Traffic, watched: Watched, touched: Collection[int]) -> Touched:
    """The same where a revision has weight for about a second at a time, less than what looks at the route can tell.

    Each time lasts from the first to the last touched request of it. Others are not its doing, such as late ones while
    the machine starts gateways.
    """
    runs = [
        sorted(traffic.sent[number] for number in touched if begin - 1 <= traffic.sent[number] <= end + TAIL_SECONDS)
        for begin, end in _ended(watched)
    ]
    runs = [run for run in runs if run]
    sent = list(traffic.sent.values())
    return Touched(
        requests=sum(sum(run[0] <= each <= run[-1] for each in sent) for run in runs),
        touched=sum(map(len, runs)),
        from_answer=_longest(traffic.answered_at(touched), watched),
        from_measurement=_longest(watched.failed, watched),
    )


def _ended(watched: Watched) -> list[tuple[float, float]]:
    return [(window[0], window[1]) for window in watched.windows if len(window) == 2]


def _longest(moments: Iterable[float], watched: Watched) -> float:
    """From the first of the moments in each window, or up to the next one, to the window's end."""
    known, windows = sorted(moments), _ended(watched)
    begins = [begin for begin, _ in windows] + [float("inf")]
    found = [
        end - first
        for (begin, end), following in zip(windows, begins[1:], strict=True)
        if (first := next((each for each in known if begin - 1 <= each < following), None)) is not None
    ]
    return max(found, default=float("nan"))
