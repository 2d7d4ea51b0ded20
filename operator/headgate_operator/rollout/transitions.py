"""The transitions of a rollout: each takes a state and makes the next one, and none asks whether it should.

`machine`, `underway`, `leaving` and `commands` decide which one. `entered` changes with every transition and with
nothing else: `step` takes one transition an observation, and announces those alone.
"""

from headgate_operator.api.rollout import Rollout, RolloutStep
from headgate_operator.rollout import reasons
from headgate_operator.rollout.model import (
    HISTORY_KEPT,
    Marks,
    Observation,
    Outcome,
    Phase,
    RolloutState,
    Stage,
)
from headgate_operator.rollout.samples import mark, mark_split, merge_written

SHOWN = 8
"""Hex digits of a revision in messages; as few as a command may give."""
MESSAGE_LIMIT = 1_000


def short(revision: str | None) -> str:
    """A revision as people read it."""
    return (revision or "")[:SHOWN]


def step_of(state: RolloutState, policy: Rollout) -> RolloutStep:
    """The step under way; the last one, where an edit of the policy has taken steps away."""
    return policy.steps[min(state.step, len(policy.steps) - 1)]


def name_step(state: RolloutState, policy: Rollout) -> str:
    """`step 1/2`."""
    return f"step {state.step + 1}/{max(len(policy.steps), state.step + 1)}"


def move(state: RolloutState, now: float, phase: Phase, stage: Stage, reason: str, message: str) -> RolloutState:
    """The state in another phase or stage; everything else as it was."""
    return state.model_copy(
        update={
            "phase": phase, "stage": stage, "entered": now, "reason": reason, "message": message[:MESSAGE_LIMIT],
        }
    )  # fmt: skip


def note(state: RolloutState, message: str) -> RolloutState:
    """The state with another message; no transition."""
    return state if message == state.message else state.model_copy(update={"message": message[:MESSAGE_LIMIT]})


def remember(state: RolloutState, now: float, result: str, reason: str, message: str) -> RolloutState:
    """The state with one more outcome in its history."""
    outcome = Outcome(
        revision=state.candidate or state.stable, result=result, reason=reason, message=message,
        started=max(state.began, state.queued), ended=now,
    )  # fmt: skip
    return state.model_copy(update={"history": (*state.history, outcome)[-HISTORY_KEPT:]})


def clamp(state: RolloutState, now: float) -> RolloutState:
    """The state with no time in the future: a clock that was set back would hold everything up until it catches up."""
    times = (
        *("began", "queued", "entered", "clock", "accepted_since"),
        *("unresolved_since", "unreadable_since", "quiet_since", "gone_since"),
    )
    late: dict[str, object] = {name: now for name in times if (getattr(state, name) or now) > now}
    for name in ("marks", "split_marks"):
        marks: Marks | None = getattr(state, name)
        if marks is not None and marks.at > now:
            late[name] = marks.model_copy(update={"at": now})
    return state.model_copy(update=late) if late else state


# Beginning


def start(state: RolloutState, seen: Observation, desired: str) -> RolloutState:
    """A change begins: at once for all, or in line, and out of it in the same step when there is a slot."""
    if seen.immediate:
        return promote_at_once(state, seen, desired)
    queued = RolloutState(
        phase=Phase.WAITING, stable=state.stable, candidate=desired, cause=seen.cause,
        queued=seen.now, entered=seen.now, reason=reasons.IN_LINE, message=seen.line,
        obeyed=state.obeyed, history=state.history,
    )  # fmt: skip
    return begin(queued, seen) if seen.may_start else queued


def begin(state: RolloutState, seen: Observation) -> RolloutState:
    """Out of the line: a canary for the first step, with no weight."""
    weight = seen.policy.steps[0].weight
    message = f"a canary of {short(state.candidate)} starts; no request goes there yet"
    begun = move(state, seen.now, Phase.PROGRESSING, Stage.STARTING, reasons.CANARY_STARTING, message)
    return begun.model_copy(update={"began": seen.now, "size_for": weight})


def promote_at_once(state: RolloutState, seen: Observation, desired: str) -> RolloutState:
    """Immediate: the revision is the stable one, with no canary."""
    message = f"{short(desired)} went to all requests at once"
    queued = state.model_copy(update={"candidate": desired, "queued": seen.now})
    noted = remember(queued, seen.now, reasons.PROMOTED, "Immediate", message)
    return rest(noted, seen.now, desired, reasons.PROMOTED, message)


def rest(state: RolloutState, now: float, stable: str, reason: str, message: str) -> RolloutState:
    """Stable: nothing is on its way. The last measurements stay to be looked at."""
    return RolloutState(
        stable=stable, entered=now, reason=reason, message=message, cause=state.cause,
        measurements=state.measurements, obeyed=state.obeyed, history=state.history, gone_since=state.gone_since,
    )  # fmt: skip


# Step by step


def shift(state: RolloutState, seen: Observation) -> RolloutState:
    """The canary is large enough and ready: the route is to carry the step's weight, and measuring starts here."""
    message = f"{name_step(state, seen.policy)}: {state.size_for}% of the requests are asked for"
    shifted = move(state, seen.now, Phase.PROGRESSING, Stage.SHIFTING, reasons.WEIGHT_REQUESTED, message)
    return shifted.model_copy(
        update={
            "weight": state.size_for, "marks": mark(seen), "split_marks": mark_split(seen), "looked_at": 0, "clock": None,
            "verified": False, "accepted_since": None, "unresolved_since": None, "restarts": seen.canary.restarts,
        }
    )  # fmt: skip


def start_clock(state: RolloutState, seen: Observation, *, verified: bool, found: str) -> RolloutState:
    """The traffic is split as asked: the step's hold begins."""
    message = f"{name_step(state, seen.policy)} is measured: {found}"
    measuring = move(state, seen.now, Phase.PROGRESSING, Stage.MEASURING, reasons.MEASURING, message)
    return measuring.model_copy(update={"clock": seen.now, "verified": verified})


def wait_for_approval(state: RolloutState, seen: Observation) -> RolloutState:
    """Measured well; a Manual hold waits for somebody."""
    wanted = command_for(state, "approve")
    message = f"{name_step(state, seen.policy)} is fine so far and waits for approval: {wanted}"
    return move(state, seen.now, Phase.PROGRESSING, Stage.GATED, reasons.WAITING_FOR_APPROVAL, message)


def leave_undecided(state: RolloutState, now: float, message: str) -> RolloutState:
    """The hold is over without a verdict: measuring goes on."""
    return move(state, now, Phase.PROGRESSING, Stage.UNDECIDED, reasons.UNDECIDED, message)


def go_on(state: RolloutState, seen: Observation) -> RolloutState:
    """The step is done: pods for the next one first, while the weight stays; after the last, promotion."""
    following = state.step + 1
    if following >= len(seen.policy.steps):
        return promote(state, seen, "all steps were measured well")
    weight = seen.policy.steps[following].weight
    message = (
        f"step {following + 1}/{len(seen.policy.steps)}: the canary grows for {weight}%, with {state.weight}% on it"
    )
    grown = move(state, seen.now, Phase.PROGRESSING, Stage.STARTING, reasons.CANARY_GROWING, message)
    return grown.model_copy(update={"step": following, "size_for": weight})


def pause(state: RolloutState, now: float, reason: str, message: str) -> RolloutState:
    """Everything stays as it is, the stage too; measuring goes on."""
    return move(state, now, Phase.PAUSED, state.stage, reason, message)


def resume(state: RolloutState, seen: Observation) -> RolloutState:
    """Back to the stage, its clock moved by the pause; one that could not be decided is measured anew."""
    message = f"{name_step(state, seen.policy)} goes on"
    if state.reason == reasons.INCONCLUSIVE:
        anew = move(state, seen.now, Phase.PROGRESSING, Stage.MEASURING, reasons.MEASURING, message)
        marks: dict[str, Marks | int] = {"marks": mark(seen), "looked_at": 0} if seen.fresh else {}
        return anew.model_copy(update={"clock": seen.now, **marks})
    resumed = move(state, seen.now, Phase.PROGRESSING, state.stage, _REASONS[state.stage], message)
    clock = None if state.clock is None else state.clock + (seen.now - state.entered)
    return resumed.model_copy(update={"clock": clock, "accepted_since": None})


_REASONS = {
    Stage.STARTING: reasons.CANARY_STARTING,
    Stage.SHIFTING: reasons.WEIGHT_REQUESTED,
    Stage.MEASURING: reasons.MEASURING,
    Stage.GATED: reasons.WAITING_FOR_APPROVAL,
    Stage.UNDECIDED: reasons.UNDECIDED,
}


# Leaving


def promote(state: RolloutState, seen: Observation, why: str) -> RolloutState:
    """The candidate is the stable revision from here on; its canary keeps its weight until stable gateways serve it."""
    message = f"{short(state.candidate)} is promoted: {why}; the stable gateways take it now"
    promoted = move(state, seen.now, Phase.PROMOTING, Stage.CONFIRMING, reasons.PROMOTING, message)
    return promoted.model_copy(update={"stable": state.candidate})


def roll_back(state: RolloutState, seen: Observation, reason: str, message: str) -> RolloutState:
    """Weight to zero, then drain, then remove. A canary that never had weight needs no draining."""
    return _withdraw(state, seen, Phase.ROLLING_BACK, reason, message)


def supersede(state: RolloutState, seen: Observation) -> RolloutState:
    """The spec asks for another revision: this one's canary leaves, then that one begins from the first step."""
    message = f"{short(state.candidate)} gives way to {short(seen.desired)}, which begins once its canary is gone"
    return _withdraw(state, seen, Phase.SUPERSEDED, reasons.SUPERSEDED, message)


def drain(state: RolloutState, now: float) -> RolloutState:
    """Weight to zero; the canary goes when nothing reaches it any more."""
    draining = move(state, now, state.phase, Stage.DRAINING, state.reason, state.message)
    return draining.model_copy(update={"weight": 0, "drained": None, "quiet_since": now})


def remove(state: RolloutState, now: float) -> RolloutState:
    """Nothing reaches the canary any more: it goes."""
    removing = move(state, now, state.phase, Stage.REMOVING, state.reason, state.message)
    return removing.model_copy(update={"weight": 0, "drained": None})


def refuse(state: RolloutState, now: float) -> RolloutState:
    """RolledBack: the candidate is remembered as refused, with all that led to it."""
    noted = remember(state, now, "RolledBack", state.reason, state.message)
    back = move(noted, now, Phase.ROLLED_BACK, Stage.STARTING, state.reason, state.message)
    return back.model_copy(
        update={
            "weight": 0, "size_for": 0, "marks": None, "split_marks": None, "drained": None, "clock": None,
            "accepted_since": None, "unresolved_since": None, "unreadable_since": None,
        }
    )  # fmt: skip


def note_written(state: RolloutState, seen: Observation) -> RolloutState:
    """The state with what the candidate's gateways say they wrote."""
    written = merge_written(state.written, seen.gauges_canary)
    return state if written == state.written else state.model_copy(update={"written": written})


def command_for(state: RolloutState, verb: str) -> str:
    """The annotation that gives a command, for people to copy."""
    return f"headgate.dev/command: {verb} {short(state.candidate)} {state.step + 1} <token>"


def _withdraw(state: RolloutState, seen: Observation, phase: Phase, reason: str, message: str) -> RolloutState:
    withdrawn = note_written(move(state, seen.now, phase, state.stage, reason, message), seen)
    return drain(withdrawn, seen.now) if state.weight > 0 or seen.live_weight else remove(withdrawn, seen.now)
