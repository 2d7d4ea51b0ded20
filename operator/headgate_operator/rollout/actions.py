"""What a state asks of the world, and what a transition tells people. Pure; `machine.step` calls both.

All actions but Announce follow from the state alone, so doing them twice equals doing them once.
"""

from headgate_operator.rollout import reasons
from headgate_operator.rollout.commands import OBEYED
from headgate_operator.rollout.line import UNDER_WAY
from headgate_operator.rollout.model import (
    Action,
    Announce,
    Phase,
    RemoveCanary,
    RolloutState,
    RouteWeight,
    RunCanary,
    ServeStable,
    Stage,
)

NORMAL, WARNING = "Normal", "Warning"

_WARNED = frozenset(
    {
        *(reasons.INCONCLUSIVE, reasons.UNDECIDED, reasons.SPEC_NOT_ACCEPTED),
        *(reasons.NAMESPACE_UNREADABLE, reasons.FLEET_NOT_ACCEPTED),
    }
)
_NAMED_BY_PHASE = frozenset({Phase.ROLLING_BACK, Phase.ROLLED_BACK, Phase.SUPERSEDED})


def actions_of(state: RolloutState) -> tuple[Action, ...]:
    """Everything that should be true of the world while this is the state. A deleted repo is served by nobody."""
    if state.gone_since is not None:
        return RouteWeight(0), RemoveCanary()
    serve = ServeStable(state.stable)
    if state.candidate is None or state.phase not in UNDER_WAY or state.stage is Stage.REMOVING:
        return serve, RouteWeight(0), RemoveCanary()
    return serve, RunCanary(state.candidate, state.size_for), RouteWeight(state.weight)


def announcements(before: RolloutState, after: RolloutState) -> tuple[Announce, ...]:
    """Events for the transition between two states, and for a command that was not obeyed; none where nothing changed."""
    found = []
    newest = after.obeyed[-1] if after.obeyed and after.obeyed[-1:] != before.obeyed[-1:] else None
    if newest is not None and newest.result != OBEYED:
        found.append(Announce(WARNING, "CommandRefused", f"{newest.verb} {newest.token}: {newest.result}"))
    inside = before.phase is after.phase and after.stage in (Stage.DRAINING, Stage.REMOVING)
    if (after.entered, after.phase) != (before.entered, before.phase) and not inside:
        found.append(_announce(after))
    return tuple(found)


def _announce(state: RolloutState) -> Announce:
    if state.phase not in _NAMED_BY_PHASE:
        return Announce(WARNING if state.reason in _WARNED else NORMAL, state.reason, state.message)
    harmless = state.phase is Phase.SUPERSEDED or state.reason in reasons.TAKEN_BACK - _WARNED
    return Announce(NORMAL if harmless else WARNING, state.phase.value, f"{state.reason}: {state.message}")
