"""The seeds of `make test` leave no fault out; a night begins with outages of all of Kafka."""

from tests.faults.__main__ import RUNS, parser, scenarios
from tests.faults.faults import FAULTS, drawn_from
from tests.faults.plan import OUTAGES, SEEDS, together
from tests.faults.scenario import QUICK, Scenario


def asked(*words: str) -> list[Scenario]:
    """The runs of a command line."""
    return list(scenarios(parser().parse_args(words)))


def test_every_fault_that_is_drawn_is_among_the_seeds_of_make_test() -> None:
    # A fault more or less, or another weight, draws others from every seed: choose seeds anew.
    chosen = {fault for stage, seed in SEEDS for fault in together(stage, seed, QUICK).faults}
    assert chosen == set(drawn_from(spools=True))
    assert len(SEEDS) == 20


def test_outages_of_kafka_are_faults_of_the_suite() -> None:
    assert set(OUTAGES) <= set(FAULTS)


def test_a_night_begins_with_each_outage_at_each_length_with_a_spool_and_without() -> None:
    night = asked()
    first = night[: len(night) - RUNS]
    lengths = {(step.fault, step.seconds, run.stage) for run in first for step in run.steps}
    assert lengths == {
        (fault, seconds, stage) for fault in OUTAGES for seconds in (1, 30, 360) for stage in ("sync", "spool")
    }
    assert all(len(run.steps) == 1 for run in first)
    assert (len(first), [run.name for run in night[len(first) :]]) == (24, [f"seed {seed}" for seed in range(1, 201)])


def test_each_of_its_runs_says_how_it_is_run_again() -> None:
    for run in asked("--runs", "3"):
        words = run.command.partition("ARGS=")[2].strip("'").split()
        assert asked(*words) == [run]


def test_outages_are_left_out_on_request_and_where_a_night_is_shared_or_scaled_down() -> None:
    for words in (("--no-outages",), ("--first", "41"), ("--scale", "quick")):
        assert len(asked(*words, "--runs", "3")) == 3, words
    assert [run.name for run in asked("--seed", "7")] == ["seed 7"]
