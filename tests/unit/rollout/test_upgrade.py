"""The state machine of a fleet's image: tables, scenarios in a small world, and properties over random ones."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.unit.rollout.upgrade_world import (
    BUSY,
    MIDDLE,
    NEW,
    NEWER,
    OLD,
    QUICK,
    QUIET,
    RATES,
    RESTING,
    UpgradeWorld,
    moving,
    run,
    upgrading,
)

from headgate_operator.api.rollout import Rollout
from headgate_operator.rollout import reasons
from headgate_operator.rollout.commands import parse_command
from headgate_operator.rollout.model import Announce, CanarySight
from headgate_operator.rollout.upgrade import CRASHES, advance_upgrade
from headgate_operator.rollout.upgrade_model import (
    Image,
    UpgradePhase,
    UpgradeSeen,
    UpgradeState,
    Waiting,
    names_image,
    weights_of,
)

pytestmark = pytest.mark.thorough


def test_repos_move_by_their_traffic_and_then_the_image_is_the_stable_one() -> None:
    world = upgrading(policy=QUICK)
    for _ in range(5):
        world.pass_time()  # there is traffic before the upgrade
    assert run(world) == [
        (0, 0, 0), (10, 0, 0), (50, 0, 0), (100, 0, 0), (100, 10, 0), (100, 50, 0), (100, 100, 0),
        (100, 100, 10), (100, 100, 50), (100, 100, 100), (0, 0, 0),
    ]  # fmt: skip
    assert (world.state.phase, world.state.stable, world.stable, world.pods) == (UpgradePhase.STABLE, NEW, NEW, 0)
    assert [outcome.result for outcome in world.state.history] == [reasons.PROMOTED]


def test_as_many_as_the_fleet_allows_move_at_a_time() -> None:
    world, most = upgrading(policy=QUICK, max_concurrent=2), 0
    for _ in range(100):
        world.pass_time()
        world.step()
        most = max(most, len(world.state.under_way))
    assert most == 2
    assert world.state.stable == NEW


BACK: dict[str, tuple[dict[str, Any], str]] = {
    "crashes at start": ({"crashes": True}, reasons.GATEWAYS_CRASHED),
    "never becomes ready": ({"stuck": True}, reasons.PROGRESS_DEADLINE_EXCEEDED),
    "refuses a shard": ({"refused": "contract 9"}, reasons.CONFIG_REFUSED),
    "refuses a repo": ({"objections": {BUSY: "too new a field"}}, reasons.CONFIG_REFUSED),
    "cannot be counted": ({"fresh": False}, reasons.PROGRESS_DEADLINE_EXCEEDED),
}


@pytest.mark.parametrize(("fields", "reason"), BACK.values(), ids=BACK)
def test_an_image_that_does_not_start_well_gets_no_request(fields: dict[str, Any], reason: str) -> None:
    world = upgrading(policy=QUICK, **fields)
    assert run(world) == [(0, 0, 0)]
    assert (world.state.phase, world.state.reason, world.stable) == (UpgradePhase.ROLLED_BACK, reason, OLD)


def test_one_bad_verdict_moves_back_all_that_moved_in_one_step() -> None:
    world = upgrading(policy=QUICK, bad={MIDDLE})
    for _ in range(5):
        world.pass_time()
    assert run(world)[-2:] == [(100, 10, 0), (0, 0, 0)]
    assert (world.state.phase, world.state.reason, world.stable) == (
        UpgradePhase.ROLLED_BACK, reasons.ANALYSIS_FAILED, OLD,
    )  # fmt: skip
    assert list(world.state.failed) == ["team/middle"]
    assert "serverErrors" in world.state.failed["team/middle"].message


def test_failures_within_the_budget_hold_the_upgrade_before_its_end() -> None:
    world = upgrading(policy=QUICK, bad={MIDDLE}, budget=2)
    assert run(world)[-1] == (100, 0, 100)
    assert (world.state.phase, world.state.reason) == (UpgradePhase.UPGRADING, reasons.INCONCLUSIVE)
    world.command = f"promote {NEW.revision} - token"
    assert run(world)[-1] == (0, 0, 0)
    assert (world.state.phase, world.state.stable) == (UpgradePhase.STABLE, NEW)


def test_failures_that_use_up_the_budget_move_back_all() -> None:
    world = upgrading(policy=QUICK, bad={MIDDLE, BUSY}, budget=2)
    run(world)
    assert (world.state.phase, sorted(world.state.failed)) == (UpgradePhase.ROLLED_BACK, ["team/busy", "team/middle"])


def test_a_repo_with_a_change_of_its_own_is_waited_for() -> None:
    world = upgrading(policy=QUICK, busy={QUIET})
    assert run(world, 200)[-1] == (0, 100, 100)
    assert "have changes of their own" in world.state.message
    world.busy = set()
    run(world)
    assert world.state.stable == NEW


IDLE = {"no requests": 0, "a request now and then": 1}


@pytest.mark.parametrize("rate", IDLE.values(), ids=IDLE)
def test_a_fleet_of_little_traffic_moves_all_the_same(rate: int) -> None:
    policy = Rollout.model_validate({"steps": [{"weight": 10, "hold": "10s"}], "analysis": {"deadline": "60s"}})
    world = upgrading(policy=policy, rates=dict.fromkeys(RATES, rate))
    run(world, 1_000)
    assert (world.state.phase, world.state.stable) == (UpgradePhase.STABLE, NEW)


def test_few_requests_that_fail_are_not_passed_over() -> None:
    policy = Rollout.model_validate({"steps": [{"weight": 10, "hold": "10s"}], "analysis": {"deadline": "60s"}})
    world = upgrading(policy=policy, rates=dict.fromkeys(RATES, 5), bad={QUIET, MIDDLE, BUSY})
    run(world, 1_000)
    assert world.counted["old", QUIET] > 0
    assert world.state.phase is UpgradePhase.ROLLED_BACK
    assert max(world.weights.values(), default=0) <= 10


# Resting: what an image in the spec does.

REFUSED = UpgradeState(phase=UpgradePhase.ROLLED_BACK, stable=OLD, candidate=NEW, reason=reasons.GATEWAYS_CRASHED)


@pytest.mark.parametrize(
    ("state", "image", "possible", "phase", "stable"),
    [
        (UpgradeState(stable=OLD), OLD, True, UpgradePhase.STABLE, OLD),
        (UpgradeState(stable=OLD), NEW, True, UpgradePhase.UPGRADING, OLD),
        (UpgradeState(stable=OLD), NEW, False, UpgradePhase.STABLE, NEW),
        (UpgradeState(stable=OLD), Image(name=OLD.name, pull_policy="Always"), True, UpgradePhase.STABLE, None),
        (REFUSED, NEW, True, UpgradePhase.ROLLED_BACK, OLD),
        (REFUSED, OLD, True, UpgradePhase.STABLE, OLD),
        (REFUSED, NEWER, True, UpgradePhase.UPGRADING, OLD),
        (REFUSED, NEW, False, UpgradePhase.STABLE, NEW),
    ],
    ids=["the same", "another", "another at once", "another pull policy", "refused: the same", "refused: the old one",
         "refused: a newer one", "refused: at once"],
)  # fmt: skip
def test_what_a_fleet_at_rest_does_with_the_image_that_is_asked_for(
    state: UpgradeState, image: Image, possible: bool, phase: UpgradePhase, stable: Image | None
) -> None:
    repos = {QUIET: Waiting(QUICK)}
    after = advance_upgrade(state, UpgradeSeen(now=5.0, image=image, possible=possible, repos=repos)).state
    assert (after.phase, after.stable) == (phase, stable or image)


# Commands.


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (f"approve {NEW.revision} 1 t", "is for repos"),
        (f"promote {NEWER.revision} - t", "it names"),
        (f"retry {NEW.revision} - t", "does not fit the phase Upgrading"),
        ("nonsense", "words"),
    ],
)
def test_a_command_that_does_not_fit_is_answered_and_changes_nothing(text: str, told: str) -> None:
    world = moving()
    before = world.state.phase, world.state.entered
    world.command = text
    done = world.step()
    assert (world.state.phase, world.state.entered) == before
    assert told in world.state.obeyed[-1].result
    assert "CommandRefused" in {each.reason for each in done.announcements}
    assert "CommandRefused" not in {each.reason for each in world.step().announcements}


def test_promote_needs_gateways_that_are_ready() -> None:
    world = upgrading(policy=QUICK, stuck=True, command=f"promote {NEW.revision} - t")
    world.pass_time()
    world.step()
    world.pass_time()
    world.step()
    assert world.state.phase is UpgradePhase.UPGRADING
    assert world.state.obeyed[-1].result != "Obeyed"


@pytest.mark.parametrize(
    ("text", "image"),
    [
        (f"pause {NEW.revision} 1 t", True),
        (f"pause {OLD.revision[:8]} 1 t", True),
        ("pause 0123456789abcdef 1 t", False),
        ("what", False),
    ],
)
def test_a_command_is_for_the_image_that_it_names(text: str, image: bool) -> None:
    assert names_image(parse_command(text), UpgradeState(stable=OLD, candidate=NEW)) is image


# Small things.


def test_restarts_before_the_first_request_are_forgiven_while_they_are_few() -> None:
    state = UpgradeState(phase=UpgradePhase.UPGRADING, stable=OLD, candidate=NEW, replicas=2, entered=1.0)
    for restarts, phase in ((CRASHES - 1, UpgradePhase.UPGRADING), (CRASHES, UpgradePhase.ROLLING_BACK)):
        pods = CanarySight(exists=True, desired=2, ready=1, loaded=True, restarts=restarts)
        seen = UpgradeSeen(now=2.0, image=NEW, pods=pods, repos={QUIET: Waiting(QUICK)}, fresh=True)
        assert advance_upgrade(state, seen).state.phase is phase


def test_each_transition_is_told_once() -> None:
    world = upgrading(policy=QUICK)
    told: list[Announce] = []
    for _ in range(200):
        world.pass_time()
        told += world.step().announcements
    assert [each.reason for each in told] == [
        reasons.CANARY_STARTING, reasons.MOVING, reasons.PROMOTING, reasons.PROMOTED,
    ]  # fmt: skip


@pytest.mark.parametrize("phase", RESTING)
def test_at_rest_no_route_knows_the_upgrade(phase: UpgradePhase) -> None:
    state = UpgradeState(phase=phase, stable=OLD, candidate=NEW, failed={"team/quiet": _refused()})
    assert weights_of(state) == {}


def _refused() -> Any:
    world = upgrading(policy=QUICK, bad={QUIET})
    run(world)
    return world.state.failed["team/quiet"]


TURNS = st.lists(
    st.tuples(
        st.integers(1, 12),
        st.sampled_from(
            [
                ("image", OLD), ("image", NEW), ("image", NEWER), ("stuck", True), ("stuck", False), ("dead", True),
                ("dead", False), ("fresh", False), ("fresh", True), ("routed", False), ("routed", True),
                ("settles", False), ("settles", True), ("possible", False), ("possible", True), ("crashes", True),
                ("crashes", False), ("bad", {MIDDLE}), ("bad", set()), ("busy", {QUIET}), ("busy", set()),
                ("hangs", True), ("rates", {QUIET: 10}), ("rates", dict(RATES)), ("rates", {}), ("replicas", 1),
                ("replicas", 7), ("command", f"abort {NEW.revision} - a"), ("command", f"retry {NEW.revision} - b"),
                ("command", f"promote {NEW.revision} - c"), ("max_concurrent", 3), ("budget", 2),
            ]
        ),
    ),
    max_size=25,
)  # fmt: skip


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(TURNS)
def test_whatever_happens_weights_rise_on_ready_gateways_alone_and_it_comes_to_rest(turns: list[Any]) -> None:
    world = upgrading(policy=QUICK)
    for ticks, (name, value) in turns:
        setattr(
            world, name, set(value) if isinstance(value, set) else dict(value) if isinstance(value, dict) else value
        )
        for _ in range(ticks):
            _checked_step(world)
    world.calm()
    world.bad, world.possible = set(), True
    for _ in range(900):
        _checked_step(world)
        if world.state.phase in RESTING and world.pods == 0 and world.state.entered < world.now:
            break
    assert (world.state.phase in RESTING, world.pods, world.weights) == (True, 0, {}) or _held(world)


def _held(world: UpgradeWorld) -> bool:
    """Somebody has to decide."""
    return world.state.reason == reasons.INCONCLUSIVE and bool(world.state.failed)


def _checked_step(world: UpgradeWorld) -> None:
    world.pass_time()
    before, stable, seen = dict(world.weights), world.stable, world.observe()
    world.step()
    for key, weight in world.weights.items():
        assert weight <= before.get(key, 0) or (seen.pods.ready > 0 and seen.pods.loaded)
    if world.stable != stable:
        assert world.state.phase in (UpgradePhase.PROMOTING, UpgradePhase.STABLE, UpgradePhase.ROLLING_BACK)
    assert world.state.replicas <= max(7, 2)
