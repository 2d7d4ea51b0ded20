"""A rollout under way: Progressing and Paused, stage by stage. Pure; `machine` calls `progress`.

Order of each look at the world: what the spec asks for, whether the canary is alive, what the counters say, and only
then whether the stage is done. So nothing moves forward past a reason to go back.
"""

from headgate_operator.api.rollout import InconclusivePolicy
from headgate_operator.rollout import reasons, transitions
from headgate_operator.rollout.analysis import NO_VALUE, Judgement, Looks, judge
from headgate_operator.rollout.model import (
    Observation,
    Phase,
    Preflight,
    RolloutState,
    Stage,
    Verdict,
)
from headgate_operator.rollout.samples import Split, count_split, count_totals, mark, mark_split

SPLIT_REQUESTS = 200
"""Requests over which a split counts as measured."""
SPLIT_PATIENCE = 10.0
"""Seconds between two beginnings of counting a split that does not fit: requests from before the ingress took the weight
are forgotten, and chance gets no new try with every poll."""
UNRESOLVED_SECONDS = 5.0
"""How long an ingress may not find what a route names that it has just been given: it may hear of Services later."""
LOST_SECONDS = 2.0
"""How long it may not find what it had found: a controller that starts anew says so for a moment, and carries on."""
SICK_SECONDS = 30.0
"""The shortest time over which counters are kept while the stable side fails by itself."""
ACCEPTED_SECONDS = 15.0
"""How long the ingress has accepted the route before little traffic is believed to follow it."""


def progress(state: RolloutState, seen: Observation) -> RolloutState:
    """One step of a rollout under way."""
    state = _note_unreadable(_note_unresolved(state, seen), seen)
    turned = (None if seen.unreadable else _follow_spec(state, seen)) or _check_canary(state, seen)
    if turned is not None:
        return turned
    judged = _measure(state, seen)
    if judged is None:
        return _go_on(state, seen, None)
    state = state.model_copy(
        update={"measurements": judged.measurements, "looks": judged.looks.taken, "looked_at": judged.looks.at}
    )
    if judged.verdict is Verdict.FAIL:
        return transitions.roll_back(state, seen, reasons.ANALYSIS_FAILED, _tell(state, Verdict.FAIL))
    if not seen.fresh:
        return _go_on(state, seen, None)  # a part of the counters may convict, and acquits nobody
    after = _go_on(state, seen, judged.verdict)
    return after if state.phase is Phase.PAUSED else _forget_sick_counters(after, seen, judged)


def _go_on(state: RolloutState, seen: Observation, verdict: Verdict | None) -> RolloutState:
    """Nothing speaks against the canary: at once to all, where that is the policy now, or through its stage."""
    if seen.unreadable:
        return _hold_unreadable(state, seen)
    if state.phase is Phase.PAUSED and state.reason == reasons.NAMESPACE_UNREADABLE:
        return transitions.resume(state, seen)
    if seen.immediate:
        return transitions.promote(state, seen, "changes go to all requests at once now")
    return state if state.phase is Phase.PAUSED else _go_through(state, seen, verdict)


def _hold_unreadable(state: RolloutState, seen: Observation) -> RolloutState:
    """Nobody can take back or abort what cannot be read, so it goes no further, and back when that lasts too long.

    Whoever paused it: nobody could end that pause.
    """
    if state.phase is not Phase.PAUSED:
        message = f"{seen.unreadable}: the weight stays, and goes back after progressDeadline"
        return transitions.pause(state, seen.now, reasons.NAMESPACE_UNREADABLE, message)
    since = seen.now if state.unreadable_since is None else state.unreadable_since
    if seen.now - since <= seen.policy.progress_deadline / 1_000:
        return state
    message = f"{seen.unreadable}, for longer than progressDeadline"
    return transitions.roll_back(state, seen, reasons.NAMESPACE_UNREADABLE, message)


def _follow_spec(state: RolloutState, seen: Observation) -> RolloutState | None:
    if seen.desired is None:
        message = f"the spec is no longer accepted: {seen.refusal}"
        return transitions.roll_back(state, seen, reasons.SPEC_NOT_ACCEPTED, message)
    if seen.desired == state.stable:
        message = f"the spec is {transitions.short(state.stable)} again"
        return transitions.roll_back(state, seen, reasons.REVERTED, message)
    return transitions.supersede(state, seen) if seen.desired != state.candidate else None


def _check_canary(state: RolloutState, seen: Observation) -> RolloutState | None:
    """What is seen of pods alone: needs no counters, so it also holds when they cannot be read."""
    reason, message = _find_canary_problem(state, seen)
    return transitions.roll_back(state, seen, reason, message) if reason else None


def _note_unresolved(state: RolloutState, seen: Observation) -> RolloutState:
    lasts = bool(seen.unresolved) and state.weight > 0
    since = (state.unresolved_since or seen.now) if lasts else None
    return state if since == state.unresolved_since else state.model_copy(update={"unresolved_since": since})


def _note_unreadable(state: RolloutState, seen: Observation) -> RolloutState:
    since = (state.unreadable_since or seen.now) if seen.unreadable else None
    return state if since == state.unreadable_since else state.model_copy(update={"unreadable_since": since})


def _is_unresolved(state: RolloutState, seen: Observation) -> bool:
    """Whether the ingress has not found for a while what the route names: a single look is no reason to go back."""
    if state.unresolved_since is None:
        return False
    found = state.accepted_since is not None or state.clock is not None
    return seen.now - state.unresolved_since >= (LOST_SECONDS if found else UNRESOLVED_SECONDS)


def _find_canary_problem(state: RolloutState, seen: Observation) -> tuple[str, str]:
    canary = seen.canary
    if canary.unrendered:
        return reasons.CONFIG_REFUSED, f"the canary cannot be rendered: {canary.unrendered}"
    if canary.refused:
        return reasons.CONFIG_REFUSED, f"a canary gateway refuses the revision: {canary.refused}"
    # With weight on it the counters judge: brokers that fail it now may fail the stable side as well.
    if state.weight == 0 and canary.preflight is Preflight.FAILED:
        return reasons.PREFLIGHT_FAILED, f"the canary could not deliver: {canary.preflight_problem}"
    if _is_unresolved(state, seen):
        return reasons.ROUTE_NOT_RESOLVED, f"the ingress does not find what the route names: {seen.unresolved}"
    if state.weight > 0 and canary.ready == 0:
        return reasons.NO_READY_GATEWAYS, f"the canary has no ready gateway. {canary.trouble}".rstrip()
    if state.weight > 0 and canary.restarts > state.restarts:
        return reasons.GATEWAYS_CRASHED, f"a canary gateway restarted with requests on it. {canary.trouble}".rstrip()
    return "", ""


def _measure(state: RolloutState, seen: Observation) -> Judgement | None:
    """The newest measurements; none while there is no weight, the counters are stale, or counting has just begun."""
    if not seen.judgeable or state.marks is None or state.marks.at == seen.now or state.weight == 0:
        return None
    return judge(
        seen.policy.analysis,
        seen.change,
        count_totals(seen.gauges_canary, state.marks.canary),
        count_totals(seen.gauges_stable, state.marks.stable),
        seen.queries,
        Looks(state.looks, state.looked_at),
    )


def _forget_sick_counters(state: RolloutState, seen: Observation, judged: Judgement) -> RolloutState:
    """While the stable side fails by itself an undecided step counts anew every hold, so that an outage which is over
    does not stand in the way until somebody comes. The deadline goes on; a failing canary was found before this."""
    # Marks that lack a gateway which could not be read would count all of its history once it can be.
    if not judged.sick or not seen.fresh or state.stage is not Stage.UNDECIDED or state.marks is None:
        return state
    span = max(SICK_SECONDS, transitions.step_of(state, seen.policy).hold_seconds)
    if seen.now - state.marks.at < span:
        return state
    return state.model_copy(update={"marks": mark(seen), "looked_at": 0})


def _go_through(state: RolloutState, seen: Observation, verdict: Verdict | None) -> RolloutState:
    match state.stage:
        case Stage.STARTING:
            return _start(state, seen)
        case Stage.SHIFTING:
            return _shift(state, seen)
        case Stage.GATED:
            return _wait_at_gate(state, seen, verdict)
        case _:
            return _hold(_verify(state, seen), seen, verdict)


# Starting


def _start(state: RolloutState, seen: Observation) -> RolloutState:
    missing = _find_missing(state, seen)
    if not missing:
        return transitions.shift(state, seen)
    if seen.now - state.entered > seen.policy.progress_deadline / 1_000:
        message = f"not ready within progressDeadline: {missing}"
        return transitions.roll_back(state, seen, reasons.PROGRESS_DEADLINE_EXCEEDED, message)
    return transitions.note(state, f"the canary of {transitions.short(state.candidate)} starts: {missing}")


def _find_missing(state: RolloutState, seen: Observation) -> str:
    """What keeps the canary from taking the weight; empty when nothing does."""
    canary = seen.canary
    if canary.desired < 1 or canary.ready < canary.desired:
        return canary.trouble or f"{canary.ready} of {canary.desired} gateways are ready"
    if not canary.loaded:
        return "its gateways have not loaded the revision"
    if canary.preflight is not Preflight.PASSED:
        return canary.preflight_problem or "its gateways try their brokers"
    # Weight on a Service that the ingress does not find is answered with errors.
    if state.weight == 0 and not seen.route_accepted:
        return _with_trouble("the ingress has not accepted the route with the canary in it", seen)
    if state.weight > 0 and seen.unresolved:
        return f"the ingress does not find what the route names: {seen.unresolved}"
    return "" if seen.fresh else "the counters of some gateway cannot be read"


# Shifting


def _shift(state: RolloutState, seen: Observation) -> RolloutState:
    """The step's clock starts when the counted split fits, or with little traffic, when the ingress has taken the route."""
    state = _note_acceptance(state, seen)
    if not seen.fresh or state.accepted_since is None or state.split_marks is None:
        return _wait_for_split(state, seen, "the ingress has not accepted it yet")
    split = count_split(seen, state.split_marks)
    found = _show(split)
    if split.total < SPLIT_REQUESTS:
        quiet = seen.now - max(state.accepted_since, state.split_marks.at) >= ACCEPTED_SECONDS
        told = f"the ingress has accepted the weight, but {split.total} requests are too few to verify it"
        return transitions.start_clock(state, seen, verified=False, found=told) if quiet else state
    if split.interval().holds(state.weight / 100):
        return transitions.start_clock(state, seen, verified=True, found=f"counted {found}")
    if seen.now - state.split_marks.at >= SPLIT_PATIENCE:
        state = state.model_copy(update={"split_marks": mark_split(seen)})
    return _wait_for_split(state, seen, f"counted {found}")


def _note_acceptance(state: RolloutState, seen: Observation) -> RolloutState:
    since = (state.accepted_since or seen.now) if seen.route_accepted else None
    return state if since == state.accepted_since else state.model_copy(update={"accepted_since": since})


def _wait_for_split(state: RolloutState, seen: Observation, found: str) -> RolloutState:
    if seen.now - state.entered > seen.policy.progress_deadline / 1_000:
        told = _with_trouble(found, seen)
        message = f"{state.weight}% of the requests did not reach the canary within progressDeadline: {told}"
        return transitions.roll_back(state, seen, reasons.PROGRESS_DEADLINE_EXCEEDED, message)
    return state


def _with_trouble(told: str, seen: Observation) -> str:
    return f"{told}. {seen.canary.trouble}".removesuffix(". ")


def _verify(state: RolloutState, seen: Observation) -> RolloutState:
    """A clock that started unverified is verified once there are enough requests, if they fit."""
    if state.verified or not seen.fresh or state.split_marks is None:
        return state
    split = count_split(seen, state.split_marks)
    fits = split.total >= SPLIT_REQUESTS and split.interval().holds(state.weight / 100)
    return state.model_copy(update={"verified": True}) if fits else state


def _show(split: Split) -> str:
    return f"{split.share * 100:.1f}% of {split.total} requests"


# Measuring, Gated, Undecided


def _hold(state: RolloutState, seen: Observation, verdict: Verdict | None) -> RolloutState:
    step = transitions.step_of(state, seen.policy)
    held = seen.now - (state.entered if state.clock is None else state.clock) - step.hold_seconds
    if held < 0:
        return state
    if verdict is Verdict.PASS or (verdict is Verdict.WAITING and _is_quiet(state, seen, held + step.hold_seconds)):
        return transitions.wait_for_approval(state, seen) if step.is_manual else transitions.go_on(state, seen)
    if held >= seen.policy.analysis.deadline / 1_000:
        return _give_up(state, seen)
    if verdict is None:
        return state
    told = f"{transitions.name_step(state, seen.policy)} cannot be decided yet: {_name(state, verdict)}"
    if state.stage is Stage.UNDECIDED:
        return transitions.note(state, told)
    return transitions.leave_undecided(state, seen.now, told)


def _is_quiet(state: RolloutState, seen: Observation, elapsed: float) -> bool:
    """Whether, at the rate so far, too few requests would have come by the deadline; and none of them failed."""
    if not seen.few_suffice or state.marks is None:
        return False
    canary, analysis = count_totals(seen.gauges_canary, state.marks.canary), seen.policy.analysis
    limit = transitions.step_of(state, seen.policy).hold_seconds + analysis.deadline / 1_000
    return canary.failed == 0 and canary.requests * limit < analysis.min_requests * elapsed


def _give_up(state: RolloutState, seen: Observation) -> RolloutState:
    """The deadline is over. A weight does not rise on stale counters, whatever the policy says."""
    name = transitions.name_step(state, seen.policy)
    told = _tell(state, Verdict.INCONCLUSIVE) or _tell(state, Verdict.WAITING) or "the counters could not be read"
    message = f"{name} could not be decided by the deadline: {told}"
    match seen.policy.analysis.on_inconclusive:
        case InconclusivePolicy.PROMOTE:
            return (
                transitions.go_on(state, seen)
                if seen.fresh
                else transitions.note(state, f"{name} could not be decided by the deadline")
            )
        case InconclusivePolicy.ROLL_BACK:
            return transitions.roll_back(state, seen, reasons.INCONCLUSIVE, message)
        case InconclusivePolicy.HOLD:
            wanted = "; ".join(transitions.command_for(state, verb) for verb in ("resume", "promote", "abort"))
            return transitions.pause(state, seen.now, reasons.INCONCLUSIVE, f"{message}. Decide: {wanted}")


def _wait_at_gate(state: RolloutState, seen: Observation, verdict: Verdict | None) -> RolloutState:
    """Only an approval opens the gate, or an edit of the policy that takes it away."""
    gone = not transitions.step_of(state, seen.policy).is_manual
    return transitions.go_on(state, seen) if gone and verdict is Verdict.PASS else state


def _name(state: RolloutState, verdict: Verdict) -> str:
    """Without numbers: this is told at every poll, and each new text is written down.

    Why a query has no value is told, for no number is shown that would lead to it.
    """
    if verdict is Verdict.WAITING:
        return "too few requests so far"
    return ", ".join(
        f"{one.name} is {one.verdict}" + (f" ({one.explanation})" if one.value == NO_VALUE else "")
        for one in state.measurements
        if one.verdict is verdict
    )


def _tell(state: RolloutState, verdict: Verdict) -> str:
    return "; ".join(f"{one.name}: {one.explanation}" for one in state.measurements if one.verdict is verdict)
