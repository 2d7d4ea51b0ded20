"""Since when repos could not be decided, stored or carried out, and when that has lasted too long for requests at risk.

The keepers of rollouts and of upgrades ask it once a pass; it decides from what needs no counters, and writes nothing.
"""

from collections.abc import Collection, Iterable

from headgate_operator.api.rollout import Rollout
from headgate_operator.render.world import RepoKey
from headgate_operator.rollout.model import RolloutState
from headgate_operator.status.observation import PodView


class Undecided:
    """Of one fleet; begins anew with the process, since only what fails in this one is known."""

    def __init__(self) -> None:
        self._since: dict[RepoKey, float] = {}

    def note(self, failing: Collection[RepoKey], now: float) -> None:
        """What failed in this pass; whatever did not is forgotten."""
        # A clock that was set back would hold everything up until it catches up.
        self._since = {key: min(self._since.get(key, now), now) for key in failing}

    def why_back(self, key: RepoKey, state: RolloutState, policy: Rollout, pods: Iterable[PodView], now: float) -> str:
        """Why the weight of a repo that failed in this pass goes; empty while it may stay."""
        if state.weight == 0:
            return ""
        if not any(pod.ready for pod in pods if pod.revision == state.candidate):
            return "it cannot be decided, and the canary has no ready gateway"
        lasts = now - self._since.get(key, now) > policy.progress_deadline / 1_000
        return "it could not be decided for longer than progressDeadline" if lasts else ""
