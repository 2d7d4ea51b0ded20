"""The state machine of one repo's changes: `step(state, observation)`. Pure, and the only way that a state changes.

`underway` knows the stages of Progressing and Paused, `leaving` how a canary goes, `transitions` what each transition
does to the state, `actions` what a state asks of the world. Reconcile calls `step`, stores the state, and only then
does the actions: killed anywhere, the next operator goes on from what is stored.

                         desired is another revision than stable
      +--------+ ----------------------------------------------> +---------+
      | Stable | <---------------------------------------------- | Waiting |   in line: slots, waves
      +--------+   desired is stable again, or not accepted      +---------+
        ^  ^  ^                                                       | may_start
        |  |  |        +----------------------------------------------+
        |  |  |        v
        |  |  |   +----------------------------- Progressing / Paused ------------------------------+
        |  |  |   |                                                                                 |
        |  |  |   |  Starting --> Shifting --> Measuring --------------------------> next step -+   |
        |  |  |   |  ready,       counted      hold over, |     \\                 \\ ^  ^         |   |
        |  |  |   |  loaded,      split fits   all Pass   |      \\ undecided  Manual\\|  |         |   |
        |  |  |   |  preflight                            |       v                  |  |         |   |
        |  |  |   |     ^                                 |  Undecided ---> Gated ---+  |         |   |
        |  |  |   |     |                                 |    |   Pass -----------------+         |   |
        |  |  |   |     |                                 |    | deadline: Paused, next step, back |   |
        |  |  |   |     +--- former weight stays until the pods for the next one are ready -------+   |
        |  |  |   +---------------------------------------------------------------------------------+
        |  |  |      | last step     | Fail, no ready gateway, crash,     | desired is a third
        |  |  |      | passed, or    | refused, preflight, deadline,      | revision
        |  |  |      | promote       | abort, not accepted, reverted      |
        |  |  |      v               v                                    v
        |  |  |  Promoting       RollingBack                          Superseded
        |  |  |  Confirming      weight 0                             weight 0
        |  |  |  weight 0        Draining                             Draining
        |  |  |  Draining        Removing                             Removing
        |  |  |  Removing            |                                    |
        |  |  +------+               |                                    +---> Waiting, Progressing or Stable
        |  +---------(reverted)------+
        |                            v
        |                       RolledBack ---- another revision, or retry ---> Waiting
        +--- desired is stable ------+

`stable` changes in two places: at the entry to Promoting, and at once for an Immediate change. The weight rises in one:
at the end of Starting. A repo that is deleted loses its canary at once; what it had promoted or refused is kept.
"""

from typing import assert_never

from headgate_operator.rollout import reasons, transitions
from headgate_operator.rollout.actions import actions_of, announcements
from headgate_operator.rollout.commands import obey
from headgate_operator.rollout.leaving import finish, finish_rollback, leave
from headgate_operator.rollout.model import Observation, Phase, RolloutState, Step
from headgate_operator.rollout.underway import progress


def step(state: RolloutState, seen: Observation) -> Step:
    """The state after this observation, and all that it asks for. Stepping again with the same observation changes nothing."""
    state = transitions.clamp(state, seen.now)
    after = _advance(state, seen)
    return Step(after, (*actions_of(after), *announcements(state, after)))


def _advance(state: RolloutState, seen: Observation) -> RolloutState:
    """One transition an observation: what was seen before it says nothing about the world after it."""
    if not seen.exists:
        return _forget(state, seen)
    if state.gone_since is not None:
        state = state.model_copy(update={"gone_since": None})
    state = obey(state, seen.command, seen)
    return state if state.entered == seen.now else _dispatch(state, seen)


def _dispatch(state: RolloutState, seen: Observation) -> RolloutState:
    if seen.unreadable and state.phase in (Phase.STABLE, Phase.WAITING, Phase.ROLLED_BACK):
        # What an old spec asks for begins nothing.
        return transitions.note(state, seen.unreadable) if state.phase is Phase.WAITING else state
    match state.phase:
        case Phase.STABLE:
            return _leave_stable(state, seen)
        case Phase.WAITING:
            return _wait(state, seen)
        case Phase.PROGRESSING | Phase.PAUSED:
            return progress(state, seen)
        case Phase.PROMOTING | Phase.ROLLING_BACK | Phase.SUPERSEDED:
            return leave(state, seen)
        case Phase.ROLLED_BACK:
            return _leave_rolled_back(state, seen)
        case _:
            assert_never(state.phase)


def _leave_stable(state: RolloutState, seen: Observation) -> RolloutState:
    """A spec that is not accepted changes nothing."""
    if seen.desired is None or seen.desired == state.stable:
        return state
    return transitions.start(state, seen, seen.desired)


def _wait(state: RolloutState, seen: Observation) -> RolloutState:
    """The place in line is kept when the wanted revision changes."""
    if seen.desired is None:
        message = f"the spec is not accepted: {seen.refusal}"
        return transitions.rest(state, seen.now, state.stable, reasons.SPEC_NOT_ACCEPTED, message)
    if seen.desired == state.stable:
        message = f"the spec is {transitions.short(state.stable)} again"
        return transitions.rest(state, seen.now, state.stable, reasons.REVERTED, message)
    if seen.immediate:
        return transitions.promote_at_once(state, seen, seen.desired)
    followed = state.model_copy(update={"candidate": seen.desired, "cause": seen.cause})
    return transitions.begin(followed, seen) if seen.may_start else transitions.note(followed, seen.line)


def _leave_rolled_back(state: RolloutState, seen: Observation) -> RolloutState:
    """A refused revision is not tried again by itself."""
    if seen.desired is None or seen.desired == state.candidate:
        return state
    if seen.desired == state.stable:
        message = f"the spec is {transitions.short(state.stable)} again"
        return transitions.rest(state, seen.now, state.stable, reasons.REVERTED, message)
    return transitions.start(state, seen, seen.desired)


def _forget(state: RolloutState, seen: Observation) -> RolloutState:
    """The repo is gone: so is its canary, with its route. What was promoted or refused is kept for its return."""
    if state.gone_since is not None:
        return state
    state = state.model_copy(update={"gone_since": seen.now})
    match state.phase:
        case Phase.STABLE | Phase.ROLLED_BACK:
            return state
        case Phase.PROMOTING:
            return finish(state, seen)
        case Phase.ROLLING_BACK:
            return finish_rollback(state, seen.now)
        case Phase.WAITING:
            return transitions.rest(state, seen.now, state.stable, reasons.REPO_DELETED, "the repo was deleted")
        case Phase.PROGRESSING | Phase.PAUSED | Phase.SUPERSEDED:
            noted = transitions.remember(
                state, seen.now, reasons.REVERTED, reasons.REPO_DELETED, "the repo was deleted"
            )
            return transitions.rest(noted, seen.now, state.stable, reasons.REPO_DELETED, "the repo was deleted")
        case _:
            assert_never(state.phase)
