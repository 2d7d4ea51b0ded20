"""The state machine, step by step: the split is counted, the step is measured, and what follows from that."""

from dataclasses import replace
from typing import Any

import pytest
from tests.unit.rollout.builders import (
    HEALTHY,
    NEW,
    OLD,
    START,
    counted,
    gauge,
    observe,
    policy,
    state,
)
from tests.unit.rollout.places import (
    BAD,
    CONFIRMING,
    DOWN,
    DRAINING,
    FEW,
    GATED,
    GOOD,
    KAFKA,
    MANUAL,
    MEASURING,
    ONE_STEP,
    PAUSED,
    PROGRESSING,
    PROMOTING,
    ROLLING_BACK,
    SHIFTING,
    STARTING,
    UNDECIDED,
    Where,
    after,
    weighted,
    where,
)

from headgate_operator.rollout import reasons
from headgate_operator.rollout.machine import step
from headgate_operator.rollout.model import (
    Announce,
    CanarySight,
    Phase,
    QueryResult,
    RolloutState,
    RouteWeight,
    RunCanary,
    ServeStable,
    Stage,
)

# Shifting


def shifted(seconds: float, accepted: float | None = None) -> RolloutState:
    """In Shifting since so many seconds before START."""
    before = state(PROGRESSING, SHIFTING, entered=START - seconds, accepted_since=accepted)
    assert before.marks is not None
    marks = before.marks.model_copy(update={"at": START - seconds})
    return before.model_copy(update={"marks": marks, "split_marks": marks})


def test_the_clock_starts_verified_when_the_counted_split_fits() -> None:
    found = after(shifted(5), observe(**counted(22, 180)))
    assert (where(found), found.clock, found.verified) == ((PROGRESSING, MEASURING, reasons.MEASURING), START, True)
    assert "10.9% of 202 requests" in found.message


def test_a_split_that_does_not_fit_starts_no_clock() -> None:
    found = after(shifted(5), observe(**counted(0, 400)))
    assert (found.stage, found.clock) == (SHIFTING, None)
    assert found.split_marks == shifted(5).split_marks


def test_a_split_that_does_not_fit_is_counted_anew_after_ten_seconds() -> None:
    found = after(shifted(10), observe(**counted(5, 400)))
    assert found.stage is SHIFTING
    assert found.split_marks is not None
    assert (found.split_marks.at, found.split_marks.canary[0].sample.requests) == (START, 5)
    assert found.marks == shifted(10).marks
    fits = after(found, observe(START + 5, **counted(5 + 30, 400 + 270)))
    assert (fits.stage, fits.verified) == (MEASURING, True)


@pytest.mark.parametrize(
    ("accepted", "fields", "stage"),
    [
        (START - 15, FEW, MEASURING),
        (START - 14, FEW, SHIFTING),
        (None, FEW, SHIFTING),
        (START - 15, {"fresh": False, **FEW}, SHIFTING),
        (START - 15, {"route_accepted": False, **FEW}, SHIFTING),
        (START - 15, counted(0, 400), SHIFTING),
    ],
    ids=["fifteen seconds", "fourteen", "just now", "stale", "no longer accepted", "enough traffic that does not fit"],
)
def test_with_little_traffic_the_ingress_is_believed_after_fifteen_seconds(
    accepted: float | None, fields: dict[str, Any], stage: Stage
) -> None:
    found = after(shifted(30, accepted), observe(**fields))
    assert (found.stage, found.verified) == (stage, False)


def test_a_weight_that_never_arrives_goes_back_at_the_deadline() -> None:
    found = after(shifted(601, START - 600), observe(**counted(0, 4_000)))
    assert where(found) == (ROLLING_BACK, DRAINING, reasons.PROGRESS_DEADLINE_EXCEEDED)
    assert "0.0% of 4000" in found.message


def test_an_unverified_clock_is_verified_later() -> None:
    found = after(state(PROGRESSING, MEASURING, clock=START - 1), observe(**GOOD))
    assert (found.stage, found.verified) == (MEASURING, True)


# Measuring


@weighted
def test_a_failing_measurement_goes_back_from_every_stage_with_weight(phase: Phase, stage: Stage) -> None:
    done = step(state(phase, stage), observe(**BAD))
    assert where(done.state) == (ROLLING_BACK, DRAINING, reasons.ANALYSIS_FAILED)
    assert "rejected: 50% of the lines were rejected" in done.state.message
    assert RouteWeight(0) in done.actions
    assert [a.type for a in done.actions if isinstance(a, Announce)] == ["Warning"]


@weighted
def test_stale_counters_judge_nothing(phase: Phase, stage: Stage) -> None:
    found = after(state(phase, stage), observe(fresh=False, **BAD))
    assert (found.phase, found.weight, found.measurements) == (phase, 10, ())


@weighted
@pytest.mark.parametrize("fresh", [True, False])
@pytest.mark.parametrize(
    ("canary", "reason"),
    [(DOWN, reasons.NO_READY_GATEWAYS), (replace(HEALTHY, restarts=1), reasons.GATEWAYS_CRASHED)],
)
def test_a_canary_that_dies_goes_back_even_on_stale_counters(
    phase: Phase, stage: Stage, fresh: bool, canary: CanarySight, reason: str
) -> None:
    assert where(after(state(phase, stage), observe(canary=canary, fresh=fresh))) == (ROLLING_BACK, DRAINING, reason)


def test_the_hold_is_waited_for() -> None:
    assert after(state(PROGRESSING, MEASURING, clock=START - 59), observe(**GOOD)).stage is MEASURING


def test_after_the_hold_the_canary_grows_before_it_gets_more_weight() -> None:
    done = step(state(PROGRESSING, MEASURING), observe(**GOOD))
    assert where(done.state) == (PROGRESSING, STARTING, reasons.CANARY_GROWING)
    assert done.actions[:3] == (ServeStable(OLD), RunCanary(NEW, 50), RouteWeight(10))
    two = replace(HEALTHY, desired=2)
    small = after(done.state, observe(START + 1, canary=two, **GOOD))
    assert (small.stage, small.weight) == (STARTING, 10)
    grown = after(small, observe(START + 2, canary=replace(two, ready=2), **GOOD))
    assert (grown.stage, grown.weight, grown.step, grown.looked_at) == (SHIFTING, 50, 1, 0)


def test_a_growing_canary_is_still_judged() -> None:
    growing = state(PROGRESSING, MEASURING).model_copy(update={"stage": STARTING, "step": 1, "size_for": 50})
    assert after(growing, observe(**BAD)).phase is ROLLING_BACK


def test_after_the_last_step_it_is_promoted() -> None:
    done = step(state(PROGRESSING, MEASURING), observe(policy=ONE_STEP, **GOOD))
    assert where(done.state) == (PROMOTING, CONFIRMING, reasons.PROMOTING)
    assert done.actions[:3] == (ServeStable(NEW), RunCanary(NEW, 10), RouteWeight(10))


@pytest.mark.parametrize("fields", [FEW, counted(0, 0), counted(150, 1_350, errors=3)], ids=["few", "none", "unsure"])
def test_what_cannot_be_decided_is_measured_on(fields: dict[str, Any]) -> None:
    found = after(state(PROGRESSING, MEASURING), observe(**fields))
    assert where(found) == (PROGRESSING, UNDECIDED, reasons.UNDECIDED)
    assert "cannot be decided yet" in found.message
    assert after(found, observe(START + 1, **GOOD)).step == 1


@pytest.mark.parametrize(
    ("more", "less"), [(counted(50, 450), FEW), (counted(160, 1_440, errors=3), counted(150, 1_350, errors=3))]
)
def test_an_undecided_step_says_the_same_until_its_verdicts_change(more: dict[str, Any], less: dict[str, Any]) -> None:
    found = after(state(PROGRESSING, MEASURING), observe(**less))
    later = after(found, observe(START + 1, **more))
    assert (later.message, later.stage) == (found.message, UNDECIDED)
    assert later.measurements != found.measurements


QUERIES = policy(analysis={"queries": [{"name": "lag", "query": "up", "max": "5"}]})


@pytest.mark.parametrize(
    ("answers", "why"),
    [
        ({"lag": QueryResult(None, "Prometheus did not answer within 5s")}, "Prometheus did not answer within 5s"),
        ({}, "it has not been asked yet"),
    ],
)
def test_an_undecided_step_says_why_a_query_has_no_value(answers: dict[str, QueryResult], why: str) -> None:
    found = after(state(PROGRESSING, MEASURING), observe(policy=QUERIES, queries=answers, **GOOD))
    assert where(found) == (PROGRESSING, UNDECIDED, reasons.UNDECIDED)
    assert found.message.endswith(f"lag is Inconclusive (the query gave no value: {why})")
    assert after(found, observe(START + 1, policy=QUERIES, queries={"lag": QueryResult(3.0)}, **GOOD)).step == 1


def test_while_the_stable_side_fails_too_an_undecided_step_counts_anew_every_hold() -> None:
    undecided = state(PROGRESSING, UNDECIDED, looked_at=50)
    assert after(undecided, observe(START - 1, **KAFKA)).marks == undecided.marks
    found = after(undecided, observe(**KAFKA))
    assert found.marks is not None
    assert (found.stage, found.marks.at, found.looked_at, found.clock) == (UNDECIDED, START, 0, undecided.clock)
    assert "serverErrors is Inconclusive" in found.message
    over: dict[str, Any] = {
        "gauges_canary": (gauge("c", 400, errors=80),),
        "gauges_stable": (gauge("s", 3_600, revision=OLD, errors=720),),
    }
    assert after(found, observe(START + 60, **over)).step == 1


DEADLINE = START + 1_800.0


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ("Hold", (PAUSED, UNDECIDED, reasons.INCONCLUSIVE)),
        ("Promote", (PROGRESSING, STARTING, reasons.CANARY_GROWING)),
        ("RollBack", (ROLLING_BACK, DRAINING, reasons.INCONCLUSIVE)),
    ],
)
@pytest.mark.parametrize("fields", [FEW, counted(0, 0)], ids=["little traffic", "no traffic"])
def test_at_the_deadline_the_policy_decides(choice: str, expected: Where, fields: dict[str, Any]) -> None:
    chosen = policy(analysis={"onInconclusive": choice})
    undecided = state(PROGRESSING, UNDECIDED)
    assert after(undecided, observe(DEADLINE - 1, policy=chosen, **fields)).stage is UNDECIDED
    found = after(undecided, observe(DEADLINE, policy=chosen, **fields))
    assert where(found) == expected
    assert found.weight == (0 if choice == "RollBack" else 10)


def test_no_weight_rises_on_stale_counters_at_the_deadline() -> None:
    chosen = policy(analysis={"onInconclusive": "Promote"})
    assert after(state(PROGRESSING, UNDECIDED), observe(DEADLINE, policy=chosen, fresh=False)).step == 0


def test_one_that_is_held_tells_how_to_go_on() -> None:
    message = after(state(PROGRESSING, UNDECIDED), observe(DEADLINE, **FEW)).message
    assert all(f"headgate.dev/command: {verb} bbbbbbbb 1 <token>" in message for verb in ("resume", "promote", "abort"))


def test_a_manual_hold_waits_at_its_gate() -> None:
    gated = after(state(PROGRESSING, MEASURING), observe(policy=MANUAL, **GOOD))
    assert where(gated) == (PROGRESSING, GATED, reasons.WAITING_FOR_APPROVAL)
    assert "approve bbbbbbbb 1" in gated.message
    assert after(gated, observe(START + 90_000, policy=MANUAL, **GOOD)).stage is GATED


def test_a_gate_that_is_edited_away_opens() -> None:
    assert after(state(PROGRESSING, GATED), observe(**GOOD)).step == 1


def test_a_paused_rollout_stays_where_it_is() -> None:
    paused = state(PAUSED, MEASURING)
    found = after(paused, observe(START + 90_000, **GOOD))
    assert (found.phase, found.stage, found.weight) == (PAUSED, MEASURING, 10)
    assert found.measurements
