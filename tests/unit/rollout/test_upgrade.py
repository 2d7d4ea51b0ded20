"""The state machine of a fleet's image: tables, scenarios in a small world, and properties over random ones."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.unit.rollout.upgrade_world import NEW, NEWER, OLD, RATES, UpgradeWorld, upgrading

from headgate_operator.api.rollout import Rollout
from headgate_operator.rollout import reasons
from headgate_operator.rollout.commands import parse_command
from headgate_operator.rollout.model import Announce, CanarySight, Phase
from headgate_operator.rollout.upgrade import CRASHES, advance_upgrade
from headgate_operator.rollout.upgrade_model import (
    Image,
    UpgradePhase,
    UpgradeSeen,
    UpgradeStage,
    UpgradeState,
    Waiting,
    names_image,
    weights_of,
)

QUIET, BUSY, MIDDLE = ("team", "quiet"), ("team", "busy"), ("team", "middle")
QUICK = Rollout.model_validate(
    {"steps": [{"weight": 10, "hold": "4s"}, {"weight": 50, "hold": "4s"}], "analysis": {"minRequests": 10}}
)
READY = CanarySight(exists=True, desired=2, ready=2, loaded=True)
RESTING = (UpgradePhase.STABLE, UpgradePhase.ROLLED_BACK)


def run(world: UpgradeWorld, seconds: float = 600) -> list[tuple[int, int, int]]:
    """Reconcile every two seconds until it rests; answers the weights of quiet, middle and busy, each once in a row."""
    found = [(0, 0, 0)]
    for _ in range(int(seconds / 2)):
        world.pass_time()
        world.step()
        now = tuple(world.weights.get(key, 0) for key in (QUIET, MIDDLE, BUSY))
        if now != found[-1]:
            found.append(now)  # type: ignore[arg-type]
        if world.state.phase in RESTING:
            break
    return found


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


# Turning round.


def moving(**fields: Any) -> UpgradeWorld:
    """One repo has moved, one is moving."""
    world = upgrading(policy=QUICK, **fields)
    for _ in range(5):
        world.pass_time()
    while world.weights.get(QUIET) != 100 or world.weights.get(MIDDLE) != 10:
        world.pass_time()
        world.step()
    return world


@pytest.mark.parametrize(
    ("turn", "reason", "phase"),
    [
        ({"image": OLD}, reasons.REVERTED, UpgradePhase.STABLE),
        ({"image": NEWER}, reasons.SUPERSEDED, UpgradePhase.STABLE),
        ({"dead": True}, reasons.NO_READY_GATEWAYS, UpgradePhase.ROLLED_BACK),
        ({"command": f"abort {NEW.revision[:8]} - t"}, reasons.ABORTED, UpgradePhase.ROLLED_BACK),
    ],
    ids=["the old image again", "a newer image", "no gateway left", "abort"],
)
def test_a_turn_takes_all_weights_at_once_then_drains_then_removes(
    turn: dict[str, Any], reason: str, phase: UpgradePhase
) -> None:
    world = moving()
    for name, value in turn.items():
        setattr(world, name, value)
    world.pass_time()
    world.step()
    assert (world.state.phase, world.state.stage) == (UpgradePhase.ROLLING_BACK, UpgradeStage.DRAINING)
    assert (set(world.weights.values()), len(world.weights)) == ({0}, 2)
    assert world.pods > 0
    run(world, 200)
    assert (world.state.phase, world.state.reason, world.state.stable, world.pods) == (phase, reason, OLD, 0)


def test_the_old_image_again_while_the_stable_gateways_take_the_new_one() -> None:
    world = upgrading(policy=QUICK, settles=False)
    run(world)
    assert (world.state.phase, world.stable) == (UpgradePhase.PROMOTING, NEW)
    world.image = OLD
    run(world)
    assert (world.state.phase, world.stable, world.state.reason) == (UpgradePhase.STABLE, OLD, reasons.REVERTED)


def test_while_the_stable_gateways_take_the_image_losing_the_others_only_takes_their_weight() -> None:
    world = upgrading(policy=QUICK, settles=False)
    run(world)
    world.dead = True
    world.pass_time()
    world.step()
    assert (world.state.phase, set(world.weights.values())) == (UpgradePhase.PROMOTING, {0})
    world.dead, world.settles = False, True
    run(world)
    assert (world.state.phase, world.state.stable) == (UpgradePhase.STABLE, NEW)


def test_upgrades_that_hang_end_all_the_same() -> None:
    world = moving(hangs=True)
    world.image, world.routed = OLD, False
    run(world, 1_000)
    assert world.state.phase is UpgradePhase.STABLE


@pytest.mark.parametrize("routed", [True, False])
def test_the_new_gateways_stay_as_long_as_a_live_route_gives_them_requests(routed: bool) -> None:
    world = moving(carried=True)
    world.image, world.routed = OLD, routed
    run(world, 1_000)
    assert (world.state.stage, world.pods > 0, set(world.weights.values())) == (UpgradeStage.DRAINING, True, {0})
    world.carried, world.routed = False, True
    run(world)
    assert world.state.phase is UpgradePhase.STABLE


def test_ten_quiet_seconds_count_from_when_the_live_routes_say_zero() -> None:
    world = moving(carried=True)
    world.image = OLD
    run(world, 60)
    world.carried = False
    quiet = world.now
    while world.pods:
        world.pass_time()
        world.step()
    assert 10 <= world.now - quiet <= 14


def test_weights_that_were_dropped_are_drained_too() -> None:
    world = upgrading(policy=QUICK, settles=False)
    run(world)
    world.dead = True
    world.pass_time()
    world.step()
    assert set(world.weights.values()) == {0}
    world.image, world.carried = OLD, True
    run(world, 400)
    assert (world.state.phase, world.state.stage) == (UpgradePhase.ROLLING_BACK, UpgradeStage.DRAINING)


def test_a_clock_that_is_set_back_holds_nothing_up() -> None:
    world = moving()
    back = 100_000.0
    world.now -= back
    world.pass_time()
    world.step()
    assert max(world.state.entered, world.state.began) <= world.now
    assert all(move.entered <= world.now for move in world.state.under_way.values())
    world.image = OLD
    world.pass_time()
    world.step()
    world.now -= back
    run(world, 100)
    assert world.state.phase is UpgradePhase.STABLE


def test_a_repo_that_waits_for_the_last_gateways_has_a_deadline_on_a_clock_that_is_set_back_too() -> None:
    world = upgrading(policy=QUICK)
    while not any(move.phase is Phase.PROMOTING for move in world.state.under_way.values()):
        world.pass_time()
        world.step()
    world.now -= 100_000.0
    world.stuck = True
    for _ in range(5):
        world.pass_time()
        world.step()
    assert all(move.entered <= world.now for move in world.state.under_way.values())


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
