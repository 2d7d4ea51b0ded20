"""Scenarios are what their seed says, and say how to be run again."""

import pytest
from tests.faults.scenario import MOST_FAULTS, QUICK, REAL, Scale, alone, draw

FAULTS = ["a", "b", "c"]


@pytest.mark.parametrize("seed", range(20))
def test_a_seed_gives_the_same_scenario_again(seed: int) -> None:
    assert draw(seed, FAULTS, QUICK, "sync") == draw(seed, FAULTS, QUICK, "sync")


def test_seeds_give_different_scenarios() -> None:
    assert len({draw(seed, FAULTS, QUICK, "sync").steps for seed in range(50)}) == 50


def test_stages_have_scenarios_of_their_own() -> None:
    assert draw(1, FAULTS, QUICK, "sync").steps != draw(1, FAULTS, QUICK, "spool").steps


@pytest.mark.parametrize("chosen", [QUICK, REAL], ids=["quick", "real"])
def test_faults_come_in_order_within_the_span_and_last_as_the_scale_says(chosen: Scale) -> None:
    lengths = {seconds for _, seconds in chosen.outages}
    for seed in range(100):
        steps = draw(seed, FAULTS, chosen, "sync").steps
        assert 2 <= len(steps) <= MOST_FAULTS
        assert [step.at for step in steps] == sorted(step.at for step in steps)
        assert all(chosen.lead <= step.at <= chosen.lead + chosen.span for step in steps)
        assert {step.seconds for step in steps} <= lengths


def test_real_outages_are_shorter_and_longer_than_every_timeout() -> None:
    assert {seconds for _, seconds in REAL.outages} == {1.0, 30.0, 360.0}


def test_a_scenario_says_how_it_is_run_again() -> None:
    assert draw(17, FAULTS, REAL, "sync").command == "make faults ARGS='--stage sync --seed 17 --scale real'"
    assert (
        alone("a", QUICK, 2.5, "spool").command
        == "make faults ARGS='--stage spool --alone a --seconds 2.5 --scale quick'"
    )
