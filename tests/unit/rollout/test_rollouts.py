"""Whole rollouts in a small world: scenarios, and properties over random ones."""

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.unit.rollout.builders import NEW, NEWER, OLD, policy
from tests.unit.rollout.world import World, rolling_out

from headgate_operator.rollout import reasons
from headgate_operator.rollout.machine import step
from headgate_operator.rollout.model import (
    Announce,
    Observation,
    Phase,
    Preflight,
    RolloutState,
    RouteWeight,
    ServeStable,
    Stage,
    Step,
    Verdict,
)

pytestmark = pytest.mark.thorough


def run(
    world: World, seconds: float, *, requests: int = 100, every: float = 2.0
) -> Iterator[tuple[RolloutState, Step]]:
    """Reconcile every two seconds; yields each state with what its step asked for."""
    for _ in range(int(seconds / every)):
        world.pass_time(every, requests)
        _, _, done = world.step()
        yield done.state, done


def weights(world: World, seconds: float, **traffic: Any) -> list[int]:
    """The weights that the route carried, each once in a row."""
    found = [0]
    for state, _ in run(world, seconds, **traffic):
        if state.weight != found[-1]:
            found.append(state.weight)
    return found


def test_a_good_change_goes_from_a_tenth_to_half_to_all() -> None:
    world = rolling_out()
    assert weights(world, 300) == [0, 10, 50, 0]
    assert (world.state.phase, world.state.stable, world.running) == (Phase.STABLE, NEW, None)
    assert [outcome.result for outcome in world.state.history] == ["Promoted"]


def test_people_hear_of_each_transition_once() -> None:
    world = rolling_out()
    told = [action.reason for _, done in run(world, 300) for action in done.actions if isinstance(action, Announce)]
    assert told == [
        reasons.CANARY_STARTING, reasons.WEIGHT_REQUESTED, reasons.MEASURING,
        reasons.CANARY_GROWING, reasons.WEIGHT_REQUESTED, reasons.MEASURING,
        reasons.PROMOTING, reasons.PROMOTED,
    ]  # fmt: skip


BAD: dict[str, tuple[dict[str, Any], list[int], str]] = {
    "rejects a fifth": ({"rejected": 0.2}, [0, 10, 0], reasons.ANALYSIS_FAILED),
    "answers 500": ({"errors": 1.0}, [0, 10, 0], reasons.ANALYSIS_FAILED),
    "does not compile": ({"refused": "bad regex"}, [0], reasons.CONFIG_REFUSED),
    "topic does not exist": ({"preflight": Preflight.FAILED}, [0], reasons.PREFLIGHT_FAILED),
    "image cannot be pulled": ({"stuck": True}, [0], reasons.PROGRESS_DEADLINE_EXCEEDED),
}


@pytest.mark.parametrize(("fields", "carried", "reason"), BAD.values(), ids=BAD)
def test_a_bad_change_is_rolled_back_and_stays_so(fields: dict[str, Any], carried: list[int], reason: str) -> None:
    world = rolling_out(**fields)
    assert weights(world, 1_000) == carried
    assert (world.state.phase, world.state.reason, world.state.stable) == (Phase.ROLLED_BACK, reason, OLD)
    assert world.running is None


def test_a_bad_change_touches_few_requests() -> None:
    world = rolling_out(rejected=0.2)
    list(run(world, 100))
    assert world.canary.requests <= 0.1 * 1_000


def test_without_traffic_it_is_held_and_then_decided_by_somebody() -> None:
    world = rolling_out()
    assert weights(world, 3_000, requests=0) == [0, 10]
    assert (world.state.phase, world.state.reason, world.state.verified) == (Phase.PAUSED, reasons.INCONCLUSIVE, False)
    world.command = f"promote {NEW} 1 t"
    assert weights(world, 300, requests=0)[-1] == 0
    assert (world.state.phase, world.state.stable) == (Phase.STABLE, NEW)


@pytest.mark.parametrize(("choice", "phase"), [("Promote", Phase.STABLE), ("RollBack", Phase.ROLLED_BACK)])
def test_without_traffic_the_policy_may_decide(choice: str, phase: Phase) -> None:
    world = rolling_out(policy=policy(analysis={"onInconclusive": choice, "deadline": "2m"}))
    list(run(world, 1_000, requests=0))
    assert world.state.phase is phase


def test_traffic_that_stops_halfway_is_inconclusive() -> None:
    world = rolling_out()
    list(run(world, 40))
    assert world.state.stage is Stage.MEASURING
    before = world.state.weight
    list(run(world, 60, requests=0))
    list(run(world, 2_400, requests=0))
    assert world.state.weight in (before, 50)
    assert (world.state.phase, world.state.reason) == (Phase.PAUSED, reasons.INCONCLUSIVE)


def test_kafka_failing_on_both_sides_gives_no_verdict() -> None:
    world = rolling_out(both_errors=0.3)
    assert weights(world, 600) == [0, 10]
    assert world.state.stage is Stage.UNDECIDED
    world.calm()
    assert weights(world, 400)[1:] == [10, 50, 0]
    assert world.state.stable == NEW


def test_kafka_failing_on_both_sides_for_good_is_held_at_the_deadline() -> None:
    world = rolling_out(both_errors=0.3)
    assert weights(world, 2_000) == [0, 10]
    assert (world.state.phase, world.state.reason) == (Phase.PAUSED, reasons.INCONCLUSIVE)


def test_a_newer_change_starts_over_against_the_same_stable() -> None:
    world = rolling_out()
    list(run(world, 90))
    assert world.state.step == 1
    world.desired = NEWER
    carried = weights(world, 400)
    assert carried[-4:] == [0, 10, 50, 0]
    assert (world.state.stable, [outcome.result for outcome in world.state.history]) == (
        NEWER,
        ["Superseded", "Promoted"],
    )


def test_a_revert_ends_it() -> None:
    world = rolling_out()
    list(run(world, 90))
    world.desired = OLD
    list(run(world, 60))
    assert (world.state.phase, world.state.stable, world.state.history[-1].result) == (Phase.STABLE, OLD, "Reverted")


# Properties


def old(world: World, seconds: float) -> World:
    """The world after so many undisturbed seconds: properties begin in every stage."""
    list(run(world, seconds))
    return world


REVISIONS = st.sampled_from([OLD, NEW, NEWER, None])
POLICIES = [
    policy(),
    policy(steps=[{"weight": 10, "hold": "Manual"}, {"weight": 50, "hold": "0s"}, {"weight": 100}]),
    policy(steps=[{"weight": 30, "hold": "5s"}], analysis={"onInconclusive": "Promote", "deadline": "10s"}),
    policy(analysis={"onInconclusive": "RollBack", "deadline": "30s"}, progressDeadline="20s"),
]
VERBS = st.sampled_from(["approve", "pause", "resume", "promote", "abort", "retry", "dance"])
COMMANDS = st.builds(
    "{} {} {} {}".format, VERBS, st.sampled_from([NEW, NEW, NEWER]), st.sampled_from([1, 2, "-"]), st.integers(0, 99)
)
FLAG = st.booleans()
MOSTLY = st.sampled_from([True, True, True, False])
RARELY = st.sampled_from([False, False, False, True])
TURNS = st.one_of(
    st.fixed_dictionaries({"desired": REVISIONS}),
    st.fixed_dictionaries({"desired": st.sampled_from([NEW, NEWER])}),
    st.fixed_dictionaries({"command": COMMANDS}),
    st.fixed_dictionaries({"policy": st.sampled_from(POLICIES)}),
    st.fixed_dictionaries({"fresh": MOSTLY, "route_accepted": MOSTLY, "confirms": MOSTLY, "may_start": MOSTLY}),
    st.fixed_dictionaries({"stuck": RARELY, "dead": RARELY, "hangs": FLAG}),
    st.fixed_dictionaries({"refused": st.sampled_from(["", "", "x"]), "preflight": st.sampled_from(Preflight)}),
    st.fixed_dictionaries({"errors": st.sampled_from([0.0, 0.5]), "rejected": st.sampled_from([0.0, 0.3])}),
    st.fixed_dictionaries({"both_errors": st.sampled_from([0.0, 0.4])}),
    st.fixed_dictionaries({"restarts": st.integers(0, 2)}),
    st.fixed_dictionaries({"exists": MOSTLY, "immediate": RARELY}),
)
QUIET: st.SearchStrategy[dict[str, Any]] = st.just({})
TIMES = st.sampled_from([0.0, 1.0, 5.0, 12.0, 20.0, 70.0, 70.0, 2_000.0])
EVENTS = st.lists(
    st.tuples(
        st.sampled_from([QUIET, QUIET, QUIET, TURNS]).flatmap(lambda kind: kind),
        TIMES,
        st.sampled_from([0, 10, 300, 3_000, 3_000]),
    ),
    min_size=8,
    max_size=40,
)
BEGINNINGS: list[dict[str, Any]] = [
    {}, {}, {}, {"preflight": Preflight.PENDING}, {"fresh": False}, {"stuck": True}, {"rejected": 0.02},
]  # fmt: skip
WORLDS = st.builds(
    lambda policy, fields, seconds: old(rolling_out(policy=policy, **fields), seconds),
    st.sampled_from(POLICIES), st.sampled_from(BEGINNINGS), st.sampled_from([0, 4, 20, 40, 90, 130]),
)  # fmt: skip
PROPERTY = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def play(
    world: World, events: list[tuple[dict[str, Any], float, int]]
) -> Iterator[tuple[RolloutState, Observation, Step]]:
    for turns, seconds, requests in events:
        for name, value in turns.items():
            setattr(world, name, value)
        world.pass_time(seconds, requests)
        yield world.step()


def is_answered(seen: Observation, done: Step, before: RolloutState, *verbs: str) -> bool:
    """Whether one of these verbs was obeyed in this step."""
    newest = done.state.obeyed[-1:]
    return newest != before.obeyed[-1:] and newest[0].verb in verbs and newest[0].result == "Obeyed"


def passes(state: RolloutState, seen: Observation) -> bool:
    """Whether every measurement passes, on enough requests, on counters that are fresh."""
    enough = seen.policy.analysis.min_requests
    fine = all(one.verdict is Verdict.PASS and one.requests >= enough for one in state.measurements)
    return seen.fresh and bool(state.measurements) and fine


def check_weight(before: RolloutState, seen: Observation, done: Step) -> None:
    """Weight rises only on a canary that is ready, loaded and tried, for the same revision, and never past a failure."""
    after = done.state
    if after.weight > before.weight:
        assert before.phase is Phase.PROGRESSING
        assert before.stage is Stage.STARTING
        assert after.weight == before.size_for
        assert after.candidate == before.candidate == seen.desired
        assert seen.fresh
        assert seen.canary.loaded
        assert seen.canary.ready >= seen.canary.desired > 0
        assert seen.canary.preflight is Preflight.PASSED
        assert not seen.canary.refused
        assert all(one.verdict is not Verdict.FAIL for one in after.measurements)
    if after.step > before.step:
        approved = is_answered(seen, done, before, "approve")
        promoted = seen.policy.analysis.on_inconclusive == "Promote" and before.stage in (
            Stage.MEASURING,
            Stage.UNDECIDED,
        )
        assert approved or passes(after, seen) or (promoted and seen.fresh)
    if before.phase in (Phase.ROLLING_BACK, Phase.ROLLED_BACK, Phase.SUPERSEDED, Phase.STABLE, Phase.WAITING):
        assert after.weight == 0


def check_stable(before: RolloutState, seen: Observation, done: Step) -> None:
    """Stable content changes by promotion alone: after a pass, by command, by policy, or Immediate."""
    after = done.state
    assert ServeStable(after.stable) in done.actions or after.gone_since is not None
    if after.stable == before.stable:
        return
    if after.phase is Phase.STABLE:
        assert seen.immediate
        assert after.stable in (seen.desired, before.candidate)
        return
    assert after.phase is Phase.PROMOTING
    assert before.phase in (Phase.PROGRESSING, Phase.PAUSED)
    assert after.stable == before.candidate == seen.desired
    chosen = seen.policy.analysis.on_inconclusive == "Promote" and seen.fresh
    decided = is_answered(seen, done, before, "promote", "approve") or seen.immediate or chosen
    assert decided or passes(after, seen)


def check_idempotence(done: Step, seen: Observation) -> None:
    again = step(done.state, seen)
    assert again.state == done.state
    assert again.actions == tuple(action for action in done.actions if not isinstance(action, Announce))


@PROPERTY
@given(WORLDS, EVENTS)
def test_weight_never_rises_unearned_and_stable_content_never_changes_unpromoted(
    world: World,
    events: list[tuple[dict[str, Any], float, int]],
) -> None:
    for before, seen, done in play(world, events):
        check_weight(before, seen, done)
        check_stable(before, seen, done)
        check_idempotence(done, seen)
        assert (RouteWeight(done.state.weight) in done.actions) or done.state.gone_since is not None


def settle(world: World) -> None:
    """A quiet world; somebody decides what only people may decide. Bounded in steps."""
    world.calm()
    for number in range(400):
        state = world.state
        if state.phase in (Phase.STABLE, Phase.ROLLED_BACK) and world.desired in (None, state.stable, state.candidate):
            world.step()
            return
        verb = "abort" if state.phase is Phase.PAUSED else "approve" if state.stage is Stage.GATED else ""
        world.command = f"{verb} {state.candidate} {state.step + 1} quiet-{number}" if verb else ""
        world.pass_time(20.0, 400)
        world.step()
    raise AssertionError(f"still {world.state.phase}, {world.state.stage}: {world.state.message}")


@PROPERTY
@given(WORLDS, EVENTS)
def test_every_path_ends_in_stable_or_rolled_back(
    world: World, events: list[tuple[dict[str, Any], float, int]]
) -> None:
    list(play(world, events))
    settle(world)
    assert world.running is None
    assert world.weight == 0


@PROPERTY
@given(WORLDS, EVENTS, st.sets(st.integers(0, 40)))
def test_an_operator_killed_between_storing_and_acting_ends_where_it_would_have(
    world: World, events: list[tuple[dict[str, Any], float, int]], killed: set[int]
) -> None:
    """Actions lost at some steps are done at the next ones: they follow from the state."""
    for number, (turns, seconds, requests) in enumerate(events):
        for name, value in turns.items():
            setattr(world, name, value)
        world.pass_time(seconds, requests)
        if number in killed:
            world.state = step(world.state, world.observe()).state
        else:
            world.step()
    settle(world)
    assert (world.running, world.weight) == (None, 0)
