"""Verdicts: what fails, what passes, and what cannot be decided."""

import random
from typing import Any

import pytest
from tests.unit.rollout.builders import latency, totals

from headgate_operator.api.rollout import Analysis
from headgate_operator.rollout.analysis import Judgement, Looks, judge
from headgate_operator.rollout.model import Change, Measurement, QueryResult, Verdict
from headgate_operator.rollout.samples import Totals

POLICY = Analysis()


def judged(canary: Totals, stable: Totals, *, change: Change | None = None, **policy: Any) -> Judgement:
    return judge(Analysis(**policy), change or Change(), canary, stable, {}, Looks())


def find(judgement: Judgement, name: str) -> Measurement:
    return next(measurement for measurement in judgement.measurements if measurement.name == name)


GOOD = totals(2_000)


def test_a_good_revision_with_enough_requests_passes_in_every_measurement() -> None:
    judgement = judged(totals(200), GOOD)
    assert judgement.verdict is Verdict.PASS
    assert [measurement.name for measurement in judgement.measurements] == [
        "serverErrors", "rejected", "dropped", "deadLettered", "latencyP99", "writeRate:events",
    ]  # fmt: skip
    assert {measurement.requests for measurement in judgement.measurements} == {200}


BAD = {
    "serverErrors": totals(200, errors=30),
    "rejected": totals(200, rejected=40),
    "dropped": totals(200, dropped=60),
    "deadLettered": totals(200, dead_lettered=40),
    "latencyP99": totals(200, slow=20),
    "writeRate:events": totals(400, topic="other"),
}


@pytest.mark.parametrize(("name", "canary"), BAD.items(), ids=BAD)
def test_a_bad_revision_fails_by_what_is_bad_about_it(name: str, canary: Totals) -> None:
    judgement = judged(canary, GOOD)
    assert judgement.verdict is Verdict.FAIL
    assert find(judgement, name).verdict is Verdict.FAIL


@pytest.mark.parametrize(("name", "canary"), BAD.items(), ids=BAD)
def test_nothing_fails_between_looks(name: str, canary: Totals) -> None:
    again = judge(POLICY, Change(), canary, GOOD, {}, Looks(taken=1, at=canary.requests))
    assert find(again, name).verdict is Verdict.INCONCLUSIVE
    assert again.looks == Looks(taken=1, at=canary.requests)


@pytest.mark.parametrize(
    ("at", "requests", "taken"),
    [(0, 9, 0), (0, 10, 1), (100, 119, 0), (100, 120, 1), (100, 0, 0)],
    ids=["too few", "first", "grown by less", "grown by a fifth", "counted anew"],
)
def test_a_look_is_taken_when_the_canarys_requests_have_grown_by_a_fifth(at: int, requests: int, taken: int) -> None:
    looks = judge(POLICY, Change(), totals(requests), GOOD, {}, Looks(3, at)).looks
    assert looks == (Looks(3 + taken, requests) if taken else Looks(3, at))


def test_too_few_requests_wait() -> None:
    judgement = judged(totals(99), GOOD)
    assert judgement.verdict is Verdict.WAITING
    assert "too few" in judgement.measurements[0].explanation


def test_a_surely_bad_one_fails_before_min_requests() -> None:
    assert judged(totals(30, rejected=30), GOOD).verdict is Verdict.FAIL


def test_an_estimate_over_the_threshold_that_is_not_sure_is_inconclusive() -> None:
    judgement = judged(totals(150, errors=2), GOOD)
    assert judgement.verdict is Verdict.INCONCLUSIVE
    assert find(judgement, "serverErrors").explanation.endswith("150 requests are too few to be sure")


def test_bad_shares_that_the_stable_side_has_too_are_fine() -> None:
    assert (
        judged(totals(500, rejected=100, dropped=50), totals(5_000, rejected=1_000, dropped=500)).verdict
        is Verdict.PASS
    )


def test_server_errors_on_both_sides_are_kafkas_and_inconclusive() -> None:
    judgement = judged(totals(500, errors=100), totals(5_000, errors=1_000))
    errors = find(judgement, "serverErrors")
    assert (judgement.verdict, errors.verdict) == (Verdict.INCONCLUSIVE, Verdict.INCONCLUSIVE)
    assert "stable side fails too" in errors.explanation


def test_a_canary_without_errors_is_not_promoted_while_the_stable_side_fails() -> None:
    assert judged(totals(500), totals(5_000, errors=1_000)).verdict is Verdict.INCONCLUSIVE


def test_server_errors_that_are_surely_more_than_the_failing_stable_sides_fail() -> None:
    assert judged(totals(500, errors=400), totals(5_000, errors=1_000)).verdict is Verdict.FAIL


def test_what_was_answered_from_memory_and_lost_then_counts_as_an_error() -> None:
    judgement = judged(totals(200, errors=5, lost=25), GOOD)
    errors = find(judgement, "serverErrors")
    assert (judgement.verdict, errors.verdict, errors.value) == (Verdict.FAIL, Verdict.FAIL, "15%")
    assert errors.explanation.startswith("15% of the requests failed")


def test_losses_that_the_stable_side_has_too_are_kafkas() -> None:
    assert (
        find(judged(totals(500, lost=100), totals(5_000, lost=1_000)), "serverErrors").verdict is Verdict.INCONCLUSIVE
    )


def test_more_losses_than_requests_since_the_marks_are_all_of_them() -> None:
    assert find(judged(totals(20, lost=25), GOOD), "serverErrors").value == "100%"


def test_a_slow_stable_side_raises_the_latency_threshold() -> None:
    slow = latency(5_000, seconds=0.3)
    both = judged(
        Totals(**{**_fields(totals(500)), "latency": latency(500, seconds=0.5)}),
        Totals(**{**_fields(totals(5_000)), "latency": slow}),
    )
    assert find(both, "latencyP99").verdict is Verdict.PASS
    assert find(both, "latencyP99").threshold == "598ms"


def _fields(of: Totals) -> dict[str, Any]:
    return {name: getattr(of, name) for name in Totals.__dataclass_fields__}


def test_without_stable_traffic_fixed_bounds_alone_count() -> None:
    judgement = judged(totals(200, rejected=40), Totals())
    assert find(judgement, "rejected").verdict is Verdict.FAIL
    assert find(judgement, "rejected").stable is None
    assert "writeRate:events" not in {measurement.name for measurement in judgement.measurements}


def test_without_stable_traffic_latency_cannot_fail() -> None:
    assert find(judged(totals(200, slow=100), Totals()), "latencyP99").verdict is Verdict.INCONCLUSIVE


CONSTRAINT = Change(constraint=True)


@pytest.mark.parametrize(
    ("dropped", "stable_dropped", "verdict"),
    [(300, 0, Verdict.PASS), (600, 0, Verdict.FAIL), (588, 5_880, Verdict.PASS)],
    ids=["half", "everything", "as much as ever"],
)
def test_a_changed_constraint_may_drop_up_to_dropped_max(dropped: int, stable_dropped: int, verdict: Verdict) -> None:
    judgement = judged(totals(600, dropped=dropped), totals(6_000, dropped=stable_dropped), change=CONSTRAINT)
    assert find(judgement, "dropped").verdict is verdict


@pytest.mark.parametrize("change", [CONSTRAINT, Change(topics=True)], ids=["constraint", "topics"])
def test_write_rates_are_not_judged_where_the_change_alters_them(change: Change) -> None:
    names = {measurement.name for measurement in judged(totals(400, topic="new"), GOOD, change=change).measurements}
    assert not any(name.startswith("writeRate") for name in names)


DEAD_LETTER = Change(topics=True, dead_letter=True)


@pytest.mark.parametrize(
    ("canary", "stable", "change", "verdict"),
    [
        (totals(600, dead_lettered=30), totals(6_000, rejected=300), DEAD_LETTER, Verdict.PASS),
        (totals(600, rejected=30), totals(6_000, dead_lettered=300), DEAD_LETTER, Verdict.PASS),
        (totals(600, dead_lettered=120), totals(6_000, rejected=300), DEAD_LETTER, Verdict.FAIL),
        (totals(600, dead_lettered=30), totals(6_000), DEAD_LETTER, Verdict.FAIL),
        (totals(600, dead_lettered=30), totals(6_000, rejected=300), Change(), Verdict.FAIL),
        (totals(600, dead_lettered=30), totals(6_000, dead_lettered=300), Change(), Verdict.PASS),
    ],
    ids=[
        "a new dead letter takes what was refused",
        "without one it is refused again",
        "more than was refused",
        "what nobody refused",
        "refused and sent there as ever",
        "as much as ever",
    ],
)
def test_lines_that_cannot_be_processed_are_compared_where_they_go(
    canary: Totals, stable: Totals, change: Change, verdict: Verdict
) -> None:
    judgement = judged(canary, stable, change=change)
    unfit = {find(judgement, name).verdict for name in ("rejected", "deadLettered")}
    assert (Verdict.FAIL in unfit) is (verdict is Verdict.FAIL), judgement.measurements


@pytest.mark.parametrize("factor", ["0", "0.0", "0.5"])
def test_a_stored_factor_that_no_policy_may_have_stops_no_judgement(factor: str) -> None:
    metrics = POLICY.metrics.model_copy(update={"write_rate_factor": factor})
    stored = POLICY.model_copy(update={"metrics": metrics})
    assert judge(stored, Change(), totals(200), GOOD, {}, Looks()).verdict is Verdict.PASS


QUERY = {"name": "lag", "query": "up", "min": "1", "max": "5"}


@pytest.mark.parametrize(
    ("requests", "result", "verdict"),
    [
        (200, QueryResult(3.0), Verdict.PASS),
        (200, QueryResult(7.0), Verdict.FAIL),
        (200, QueryResult(0.5), Verdict.FAIL),
        (200, QueryResult(None, "no server answers"), Verdict.INCONCLUSIVE),
        (200, None, Verdict.INCONCLUSIVE),
        (20, QueryResult(7.0), Verdict.WAITING),
    ],
    ids=["inside", "above", "below", "no value", "not asked", "too few requests"],
)
def test_queries(requests: int, result: QueryResult | None, verdict: Verdict) -> None:
    policy = Analysis.model_validate({"queries": [QUERY]})
    judgement = judge(policy, Change(), totals(requests), GOOD, {"lag": result} if result else {}, Looks())
    assert find(judgement, "lag").verdict is verdict
    assert judgement.verdict is verdict


# Simulations: whole rollouts with looks at every poll, seeded.


def simulate(
    rng: random.Random, bad: tuple[float, float], requests: int, policy: Analysis, *, poll: int, others: int = 1
) -> int | None:
    """The canary requests after which a rollout fails; None when it never does. The stable side has `others` times as many.

    Bodies of 1 to 20 lines, each rejected as a whole with the track's probability.
    """
    sides, looks = [Totals(), Totals()], Looks()
    for answered in range(poll, requests + 1, poll):
        for side, (share, count) in enumerate(zip(bad, (poll, poll * others), strict=True)):
            sides[side] = _more(sides[side], [(rng.randint(1, 20), rng.random() < share) for _ in range(count)])
        if answered < 1.2 * looks.at:
            continue
        judgement = judge(policy, Change(), sides[0], sides[1], {}, looks)
        looks = judgement.looks
        if judgement.verdict is Verdict.FAIL:
            return answered
    return None


def _more(side: Totals, bodies: list[tuple[int, bool]]) -> Totals:
    lines = sum(size for size, _ in bodies)
    squares = sum(size * size for size, _ in bodies)
    bad = sum(size for size, refused in bodies if refused)
    bad_squares = sum(size * size for size, refused in bodies if refused)
    rejected = side.rejected.model_copy(
        update={
            "total": side.rejected.total + bad,
            "squares": side.rejected.squares + bad_squares,
            "products": side.rejected.products + bad_squares,
        }
    )
    return Totals(
        requests=side.requests + len(bodies),
        received=side.received + lines,
        received_squares=side.received_squares + squares,
        rejected=rejected,
    )


@pytest.mark.parametrize(
    ("share", "others"), [(0.01, 0), (0.01, 1), (0.2, 1)],
    ids=["at the fixed bound, nothing beside it", "at the fixed bound", "far over it on both sides"],
)  # fmt: skip
def test_a_revision_within_its_bounds_is_rolled_back_no_more_often_than_promised(share: float, others: int) -> None:
    """At 90 % confidence, so that the simulation could see more than the promised 10 %."""
    rng = random.Random(17)
    policy = Analysis(confidence="90%")
    false = sum(simulate(rng, (share, share), 400, policy, poll=10, others=others) is not None for _ in range(150))
    assert false / 150 <= 0.1


@pytest.mark.parametrize(
    ("others", "median", "most"), [(9, 60, 120), (1, 150, 300)], ids=["at 10 % weight", "at 50 % weight"]
)
def test_a_fifth_of_rejected_bodies_is_found_soon(others: int, median: int, most: int) -> None:
    rng = random.Random(23)
    found = [simulate(rng, (0.2, 0.001), most, POLICY, poll=5, others=others) for _ in range(40)]
    assert None not in found
    assert sorted(answered or 0 for answered in found)[20] <= median
