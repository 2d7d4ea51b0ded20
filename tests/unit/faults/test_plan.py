"""The seeds of `make test` leave no fault out."""

from tests.faults.faults import drawn_from
from tests.faults.plan import SEEDS, together
from tests.faults.scenario import QUICK


def test_every_fault_that_is_drawn_is_among_the_seeds_of_make_test() -> None:
    # A fault more or less, or another weight, draws others from every seed: choose seeds anew.
    chosen = {fault for stage, seed in SEEDS for fault in together(stage, seed, QUICK).faults}
    assert chosen == set(drawn_from(spools=True))
    assert len(SEEDS) == 20
