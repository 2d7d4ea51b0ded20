"""The formulas against published and exactly computed values, and against seeded simulations."""

import math
import random
from math import comb

import pytest

from headgate_operator.rollout.statistics import (
    Proportion,
    excess_lower,
    normal_quantile,
    rate_per_request,
    rates_differ,
    share_of_lines,
    share_of_requests,
    spend_alpha,
    student_quantile,
    wilson,
)


@pytest.mark.parametrize(
    ("bad", "trials", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
    ids=["81 of 263", "15 of 148", "0 of 20", "1 of 29"],
)
def test_wilson_gives_the_limits_that_newcombe_1998_prints(bad: int, trials: int, low: float, high: float) -> None:
    interval = wilson(bad, trials, 0.95)
    assert (round(interval.low, 4), round(interval.high, 4)) == (low, high)


@pytest.mark.parametrize("trials", [1, 7, 200, 1_000, 12_345])
@pytest.mark.parametrize("confidence", [0.9, 0.95, 0.99])
def test_a_share_of_all_or_none_is_held_by_its_interval(trials: int, confidence: float) -> None:
    assert wilson(trials, trials, confidence).holds(1.0)
    assert wilson(0, trials, confidence).holds(0.0)


def test_wilson_knows_nothing_of_no_trials() -> None:
    assert wilson(0, 0, 0.99).holds(0.0)
    assert wilson(0, 0, 0.99).holds(1.0)


@pytest.mark.parametrize(
    ("alpha", "freedom", "t"),
    [(0.025, 1, 12.706), (0.025, 10, 2.228), (0.005, 5, 4.032), (0.0005, 2, 31.599), (0.025, 1000, 1.962)],
)
def test_student_quantile_gives_the_values_of_the_printed_table(alpha: float, freedom: float, t: float) -> None:
    assert student_quantile(alpha, freedom) == pytest.approx(t, abs=6e-4)


def test_student_tends_to_normal() -> None:
    assert student_quantile(0.001, 1e6) == pytest.approx(normal_quantile(0.001), rel=1e-4)


@pytest.mark.parametrize(("successes", "share"), [(-5, 0.0), (25, 1.0)])
def test_wilson_takes_more_than_all_for_all_and_less_than_none_for_none(successes: int, share: float) -> None:
    assert wilson(successes, 20, 0.99) == wilson(share * 20, 20, 0.99)


def binomial_tail(bad: int, trials: int, share: float) -> float:
    """P(X >= bad), summed."""
    return sum(comb(trials, i) * share**i * (1 - share) ** (trials - i) for i in range(bad, trials + 1))


@pytest.mark.parametrize(("bad", "trials"), [(1, 1), (1, 40), (5, 100), (37, 80), (99, 100), (100, 100)])
@pytest.mark.parametrize("alpha", [0.05, 1e-3, 1e-6])
def test_the_lower_bound_is_where_so_many_bad_ones_have_the_chance_alpha(bad: int, trials: int, alpha: float) -> None:
    bound = share_of_requests(bad, trials).lower(alpha)
    assert binomial_tail(bad, trials, bound) == pytest.approx(alpha, rel=1e-6)


@pytest.mark.parametrize("alpha", [0.05, 1e-3, 1e-6])
@pytest.mark.parametrize("bound", [0.0, 0.01, 0.3])
def test_exceeds_agrees_with_the_lower_bound(alpha: float, bound: float) -> None:
    for bad, trials in [(0, 10), (1, 40), (5, 100), (37, 80), (80, 80), (500, 1_000)]:
        share = share_of_requests(bad, trials)
        assert share.exceeds(bound, alpha) is (share.lower(alpha) > bound)


@pytest.mark.parametrize("alpha", [0.05, 1e-4])
def test_the_upper_bound_mirrors_the_lower_one(alpha: float) -> None:
    assert share_of_requests(3, 50).upper(alpha) == pytest.approx(1 - share_of_requests(47, 50).lower(alpha))
    assert share_of_requests(0, 50).upper(alpha) == pytest.approx(1 - alpha ** (1 / 50))


def test_the_spent_alphas_sum_to_alpha() -> None:
    assert sum(spend_alpha(0.01, look) for look in range(1, 200_000)) == pytest.approx(0.01, rel=1e-4)


def lines(bodies: list[tuple[int, int]]) -> Proportion:
    """The share over requests given as (lines, bad lines)."""
    return share_of_lines(
        len(bodies),
        sum(x for x, _ in bodies), sum(x * x for x, _ in bodies),
        sum(y for _, y in bodies), sum(y * y for _, y in bodies), sum(x * y for x, y in bodies),
    )  # fmt: skip


def test_bodies_that_are_bad_as_a_whole_are_worth_one_trial_each() -> None:
    share = lines([(100, 100)] * 20 + [(100, 0)] * 180)
    assert share.share == pytest.approx(0.1)
    assert share.trials == pytest.approx(199)


def test_lines_that_fail_independently_are_worth_one_trial_each() -> None:
    rng = random.Random(7)
    share = lines([(50, sum(rng.random() < 0.1 for _ in range(50))) for _ in range(400)])
    assert share.trials == pytest.approx(20_000, rel=0.15)


def test_the_ratio_estimates_spread_is_what_repetition_shows() -> None:
    """Cochran's variance against the variance over 400 repetitions, with bodies of very unequal sizes."""
    rng = random.Random(11)
    draws = [lines([(x := rng.randint(1, 30), x if rng.random() < 0.2 else 0) for _ in range(100)]) for _ in range(400)]
    mean = sum(draw.share for draw in draws) / 400
    seen = sum((draw.share - mean) ** 2 for draw in draws) / 399
    claimed = sum(draw.share * (1 - draw.share) / draw.trials for draw in draws) / 400
    assert claimed == pytest.approx(seen, rel=0.2)


@pytest.mark.parametrize(
    "bodies",
    [[(1, 0)] * 100 + [(10_000, 9_000)], [(100, 100), (100, 99)], [(100, 60)]],
    ids=["one huge body", "two bodies", "one body"],
)
def test_a_few_bodies_prove_nothing(bodies: list[tuple[int, int]]) -> None:
    assert lines(bodies).lower(0.001) < 0.01


def test_where_all_lines_are_bad_requests_are_counted() -> None:
    assert lines([(10, 10)] * 30).lower(0.001) == pytest.approx(0.001 ** (1 / 30))


def test_no_lines_are_no_share() -> None:
    assert lines([(0, 0)] * 5).lower(0.01) == 0.0
    assert lines([(0, 0)] * 5).upper(0.01) == 1.0


def test_mover_covers_as_promised_where_both_sides_are_alike() -> None:
    """The excess of 1,500 pairs with p = q: over zero in at most 5 %, and not hardly ever."""
    rng = random.Random(3)
    false = 0
    for _ in range(1_500):
        p, q = (share_of_requests(sum(rng.random() < 0.1 for _ in range(120)), 120) for _ in range(2))
        false += p.share > q.share and excess_lower(p, q, 1.0, 0.05) > 0
    assert 0.01 < false / 1_500 < 0.05


def test_mover_recovers_newcombes_interval_from_wilsons_limits() -> None:
    """Newcombe 1998, method 10, example (a): 56/70 - 48/80 has the 95 % limits 0.0524 and 0.3339."""
    a, b = wilson(56, 70, 0.95), wilson(48, 80, 0.95)
    low = 56 / 70 - 48 / 80 - math.hypot(56 / 70 - a.low, b.high - 48 / 80)
    assert low == pytest.approx(0.0524, abs=1e-4)
    exact = excess_lower(share_of_requests(56, 70), share_of_requests(48, 80), 1.0, 0.025)
    assert 0.02 < exact < low, "exact single limits are a little wider than Wilson's"


@pytest.mark.parametrize(
    ("canary", "stable", "differs"),
    [
        ((0, 0, 400), (900, 900, 900), True),
        ((0, 0, 20), (900, 900, 900), False),
        ((400, 400, 400), (900, 900, 900), False),
        ((1_200, 3_600, 400), (900, 900, 900), True),
        ((30, 300, 400), (20, 20, 900), False),
    ],
    ids=["stopped", "stopped, few requests", "alike", "threefold", "few and bursty"],
)
def test_rates_differ(canary: tuple[int, int, int], stable: tuple[int, int, int], differs: bool) -> None:
    assert rates_differ(rate_per_request(*canary), rate_per_request(*stable), 2.0, 0.001) is differs


def test_counters_that_claim_more_bad_requests_than_requests_are_a_share_of_one() -> None:
    assert share_of_requests(100, 50) == share_of_requests(50, 50)
    assert share_of_requests(100, 50).exceeds(0.01, 0.001)
    assert share_of_lines(40, 400, 4_000, 800, 16_000, 8_000).share == 1.0
