"""What status is to show of rollouts, so that measurements alone do not write it every second. Decides nothing."""

from collections.abc import Mapping

from headgate_operator.render.world import RepoKey
from headgate_operator.status.rollout import Shown

SHOWN_SECONDS = 5.0
"""How long status may show the same measurements: people read no faster, and each is a write."""


def keep_shown(
    before: Mapping[RepoKey, tuple[float, Shown]], newest: Mapping[RepoKey, Shown], now: float
) -> dict[RepoKey, tuple[float, Shown]]:
    """What status is to show: all that is new at once, measurements that move on only every few seconds."""
    found: dict[RepoKey, tuple[float, Shown]] = {}
    for key, shown in newest.items():
        known = before.get(key)
        fresh = known is not None and now - known[0] < SHOWN_SECONDS and _headline(known[1]) == _headline(shown)
        found[key] = known if known is not None and fresh else (now, shown)
    return found


def _headline(shown: Shown) -> tuple[object, ...]:
    state = shown.state
    return (
        *(state.phase, state.stage, state.step, state.weight, state.stable, state.candidate),
        *(state.clock, state.verified, state.reason, state.message, state.obeyed, shown.policy),
    )
