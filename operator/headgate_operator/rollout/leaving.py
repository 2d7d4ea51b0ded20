"""Phases in which a canary leaves: Promoting, RollingBack, Superseded. Pure; `machine` calls `leave`.

All of them drain: the weight is zero first, and the pods go when no request has reached them for a while.
"""

from headgate_operator.rollout import reasons, transitions
from headgate_operator.rollout.model import CanarySight, Observation, Phase, RolloutState, Stage
from headgate_operator.rollout.samples import count_all

QUIET_SECONDS = 10.0
"""How long no request reaches a canary before it goes."""
DRAIN_LIMIT = 120.0
"""Seconds after which it goes all the same, once the route says 0: an ingress that is away must not keep a bad revision."""
REMOVE_LIMIT = 300.0
"""Seconds after which a rollout ends although pods still hang, as they do on a lost node. Not where they hold events."""


def leave(state: RolloutState, seen: Observation) -> RolloutState:
    """One step of a canary on its way out."""
    match state.stage:
        case Stage.CONFIRMING:
            return _confirm(state, seen)
        case Stage.REMOVING:
            return finish(state, seen) if is_gone(seen.canary, seen.now - state.entered) else state
        case _:
            return _drain(state, seen)


def is_gone(pods: CanarySight, seconds: float) -> bool:
    """Whether what follows may begin, after so many seconds of removing: it takes the names of these, and their disks."""
    return not pods.exists or (seconds >= REMOVE_LIMIT and not pods.holding)


def finish(state: RolloutState, seen: Observation) -> RolloutState:
    """What follows once the canary is gone."""
    match state.phase:
        case Phase.PROMOTING:
            return _finish_promotion(state, seen.now)
        case Phase.SUPERSEDED:
            return _finish_superseded(state, seen)
        case _:
            return finish_rollback(state, seen.now)


def _confirm(state: RolloutState, seen: Observation) -> RolloutState:
    """Stable gateways that do not serve the revision yet serve the former one, so a canary without pods gives way.

    A newer or reverted spec does not wait for the last of them: a gateway may never confirm.
    """
    if seen.stable_confirmed or seen.desired not in (None, state.stable):
        return transitions.drain(state, seen.now)
    if seen.now - state.entered > seen.policy.progress_deadline / 1_000:
        name = transitions.short(state.stable)
        told = f"{name} is promoted, but some ready stable gateway has not confirmed within progressDeadline"
        state = transitions.note(state, f"{told} that it serves it: look for one with an older config")
    if state.weight > 0 and seen.canary.ready == 0:
        return state.model_copy(update={"weight": 0})
    return state


def _drain(state: RolloutState, seen: Observation) -> RolloutState:
    late = seen.now - state.entered >= DRAIN_LIMIT and not seen.live_weight
    if not seen.canary.exists or late:
        return transitions.remove(state, seen.now)
    if state.phase is Phase.ROLLING_BACK:
        state = transitions.note_written(state, seen)
    if not seen.route_accepted:
        return state.model_copy(update={"drained": None, "quiet_since": seen.now})
    if not seen.judgeable:
        return state
    reached = count_all(seen.gauges_canary)
    if state.drained != reached:
        return state.model_copy(update={"drained": reached, "quiet_since": seen.now})
    return transitions.remove(state, seen.now) if seen.now - state.quiet_since >= QUIET_SECONDS else state


def _finish_promotion(state: RolloutState, now: float) -> RolloutState:
    message = f"{transitions.short(state.stable)} serves all requests"
    noted = transitions.remember(state, now, reasons.PROMOTED, reasons.PROMOTED, state.message)
    return transitions.rest(noted, now, state.stable, reasons.PROMOTED, message)


def _finish_superseded(state: RolloutState, seen: Observation) -> RolloutState:
    noted = transitions.remember(state, seen.now, reasons.SUPERSEDED, reasons.SUPERSEDED, state.message)
    if seen.desired is None:
        message = f"the spec is not accepted: {seen.refusal}"
        return transitions.rest(noted, seen.now, state.stable, reasons.SPEC_NOT_ACCEPTED, message)
    if seen.desired == state.stable:
        return transitions.rest(noted, seen.now, state.stable, reasons.REVERTED, "the spec is the stable content again")
    return transitions.start(noted, seen, seen.desired)


def finish_rollback(state: RolloutState, now: float) -> RolloutState:
    """RolledBack; or Stable, where the spec itself took it back and nothing speaks against the revision."""
    if state.reason not in reasons.TAKEN_BACK:
        return transitions.refuse(state, now)
    noted = transitions.remember(state, now, reasons.REVERTED, state.reason, state.message)
    return transitions.rest(noted, now, state.stable, state.reason, state.message)
