"""What status is to show of rollouts, so that measurements alone do not write it every second. Decides nothing."""

from collections.abc import Mapping
from dataclasses import replace

from headgate_operator.render.world import RepoKey
from headgate_operator.rollout.model import Phase
from headgate_operator.rollout.transitions import MESSAGE_LIMIT
from headgate_operator.status.rollout import Shown

SHOWN_SECONDS = 5.0
"""How long status may show the same measurements: people read no faster, and each is a write."""
WAITING_SECONDS = 60.0
"""How long status may show the same place in line: each admission moves thousands."""


def keep_shown(
    before: Mapping[RepoKey, tuple[float, Shown]], newest: Mapping[RepoKey, Shown], now: float
) -> dict[RepoKey, tuple[float, Shown]]:
    """What status is to show: all that is new at once, measurements that move on only every few seconds."""
    found: dict[RepoKey, tuple[float, Shown]] = {}
    for key, shown in newest.items():
        known = before.get(key)
        fresh = known is not None and now - known[0] < _patience(shown) and _headline(known[1]) == _headline(shown)
        found[key] = known if known is not None and fresh else (now, shown)
    return found


def with_trouble(shown: Shown, trouble: str) -> Shown:
    """With what could not be done for the repo, while a rollout has the say of its conditions."""
    state = shown.state
    if not trouble or state.phase is Phase.STABLE or trouble in state.message:
        return shown
    message = f"{trouble}; {state.message}"[:MESSAGE_LIMIT]
    return replace(shown, state=state.model_copy(update={"message": message}))


def new_troubles(
    before: Mapping[RepoKey, str], now: Mapping[RepoKey, str], shown: Mapping[RepoKey, Shown]
) -> set[RepoKey]:
    """Repos of whose trouble an Event is to tell: of those at rest a condition's transition does."""
    new = {key for key, trouble in now.items() if before.get(key) != trouble}
    return {key for key in new & shown.keys() if shown[key].state.phase is not Phase.STABLE}


def _patience(shown: Shown) -> float:
    return WAITING_SECONDS if _in_line(shown) else SHOWN_SECONDS


def _in_line(shown: Shown) -> bool:
    """Whether it tells a place in line; that its wave has stopped is told at once."""
    return shown.state.phase is Phase.WAITING and " in line; " in shown.state.message


def _headline(shown: Shown) -> tuple[object, ...]:
    state = shown.state
    message = "" if _in_line(shown) else state.message
    return (
        *(state.phase, state.stage, state.step, state.weight, state.stable, state.candidate),
        *(state.clock, state.verified, state.reason, message, state.obeyed, shown.policy),
    )
