"""How an image upgrade ends: the stable gateways take the image or everything moves back; then drain, then remove. Pure."""

from headgate_operator.rollout import reasons, transitions
from headgate_operator.rollout.leaving import DRAIN_LIMIT, QUIET_SECONDS, is_gone
from headgate_operator.rollout.model import HISTORY_KEPT, Outcome
from headgate_operator.rollout.upgrade_model import (
    Image,
    UpgradePhase,
    UpgradeSeen,
    UpgradeStage,
    UpgradeState,
    has_weight,
)

TAKEN_BACK = frozenset({reasons.REVERTED, reasons.SUPERSEDED, reasons.FLEET_NOT_ACCEPTED})
"""Reasons for moving back that say nothing against the image."""


def turn(
    state: UpgradeState, now: float, phase: UpgradePhase, stage: UpgradeStage, reason: str, message: str
) -> UpgradeState:
    """The state in another phase or stage; everything else as it was."""
    return state.model_copy(
        update={
            "phase": phase, "stage": stage, "entered": now, "reason": reason,
            "message": message[: transitions.MESSAGE_LIMIT],
        }
    )  # fmt: skip


def move_back(state: UpgradeState, seen: UpgradeSeen, reason: str, message: str) -> UpgradeState:
    """All weights to zero at once, then drain, then remove. Gateways that never had a request need no draining."""
    back = turn(state, seen.now, UpgradePhase.ROLLING_BACK, UpgradeStage.DRAINING, reason, message)
    # What was asked for says nothing of what the live routes still carry, once any weight was asked for.
    return _remove(back, seen.now) if state.stage is UpgradeStage.STARTING else _drain(back, seen.now)


def leave(state: UpgradeState, seen: UpgradeSeen) -> UpgradeState:
    """One step of an upgrade on its way out."""
    match state.stage:
        case UpgradeStage.CONFIRMING:
            return _confirm(state, seen)
        case UpgradeStage.REMOVING:
            return _conclude(state, seen) if is_gone(seen.pods, seen.now - state.entered) else state
        case _:
            return _quieten(state, seen)


def settle(state: UpgradeState, now: float, image: Image, reason: str, message: str) -> UpgradeState:
    """Stable: nothing is on its way."""
    return UpgradeState(
        stable=image, entered=now, reason=reason, message=message,
        obeyed=state.obeyed, answered=state.answered, history=state.history,
    )  # fmt: skip


def _confirm(state: UpgradeState, seen: UpgradeSeen) -> UpgradeState:
    """The stable gateways are replaced one by one, and those that are there serve: weights may go at any time."""
    if seen.image.name == state.stable.name:
        return move_back(state, seen, reasons.REVERTED, f"the spec is {state.stable.name} again")
    if seen.settled:
        return _drain(state, seen.now)
    if has_weight(state) and seen.pods.ready == 0:
        return state.model_copy(update={"dropped": True})
    told = f"the stable gateways take the image: {seen.stuck}" if seen.stuck else state.message
    return state if told == state.message else state.model_copy(update={"message": told})


def _quieten(state: UpgradeState, seen: UpgradeSeen) -> UpgradeState:
    """The live routes decide: what was asked of them may not have been written."""
    late = seen.now - state.entered >= DRAIN_LIMIT and not seen.carried
    if not seen.pods.exists or late:
        return _remove(state, seen.now)
    if not seen.routed or seen.carried:
        return state.model_copy(update={"drained": None, "quiet_since": seen.now})
    if not seen.fresh:
        return state
    if state.drained != seen.counted:
        return state.model_copy(update={"drained": seen.counted, "quiet_since": seen.now})
    return _remove(state, seen.now) if seen.now - state.quiet_since >= QUIET_SECONDS else state


def _drain(state: UpgradeState, now: float) -> UpgradeState:
    draining = turn(state, now, state.phase, UpgradeStage.DRAINING, state.reason, state.message)
    return draining.model_copy(update={"drained": None, "quiet_since": now})


def _remove(state: UpgradeState, now: float) -> UpgradeState:
    removing = turn(state, now, state.phase, UpgradeStage.REMOVING, state.reason, state.message)
    return removing.model_copy(update={"drained": None})


def _conclude(state: UpgradeState, seen: UpgradeSeen) -> UpgradeState:
    """What follows once the upgrade's gateways are gone. A newer image is looked at next time."""
    if state.phase is UpgradePhase.PROMOTING and state.candidate is not None:
        noted = _remember(state, seen.now, reasons.PROMOTED, reasons.PROMOTED)
        return settle(noted, seen.now, state.candidate, reasons.PROMOTED, f"{state.candidate.name} serves all repos")
    if state.reason in TAKEN_BACK:
        noted = _remember(state, seen.now, state.reason, state.reason)
        return settle(noted, seen.now, state.stable, state.reason, state.message)
    noted = _remember(state, seen.now, "RolledBack", state.reason)
    back = turn(noted, seen.now, UpgradePhase.ROLLED_BACK, UpgradeStage.STARTING, state.reason, state.message)
    return back.model_copy(update={"moved": (), "under_way": {}, "shares": {}, "replicas": 0, "dropped": False})


def _remember(state: UpgradeState, now: float, result: str, reason: str) -> UpgradeState:
    outcome = Outcome(
        revision=state.candidate.revision if state.candidate is not None else "", result=result, reason=reason,
        message=state.message, started=state.began, ended=now,
    )  # fmt: skip
    return state.model_copy(update={"history": (*state.history, outcome)[-HISTORY_KEPT:]})
