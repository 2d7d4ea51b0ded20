"""Nothing that was told to be durable is lost, and nothing that is done with comes back, whenever the power goes."""

import re
from collections import Counter
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.spool.story import STEPS, BrokenPromiseError, tell

import headgate_gateway.spool
from headgate_gateway.spool.disk import Sync

TELLINGS = 150
"""Stories in which a sync that is left out has to show."""


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32), steps=st.lists(st.sampled_from(sorted(STEPS)), max_size=30))
def test_promises_hold_whatever_happens(seed: int, steps: list[str]) -> None:
    tell(Random(seed), steps)


def steps_of(random: Random) -> list[str]:
    return random.choices(sorted(STEPS), k=random.randint(5, 40))


def test_promises_hold_in_the_stories_that_are_told_again_without_a_sync() -> None:
    for seed in range(TELLINGS):
        random = Random(seed)
        tell(random, steps_of(random))


@pytest.mark.parametrize("site", Sync)
def test_each_sync_is_needed(site: Sync) -> None:
    for seed in range(TELLINGS):
        random = Random(seed)
        try:
            tell(random, steps_of(random), skipped=[site])
        except BrokenPromiseError:
            return
    pytest.fail(f"nobody notices when {site.name} is left out")


def test_each_sync_has_one_place_in_the_code() -> None:
    """So that leaving out a member of the enumeration is leaving out a line of code."""
    sources = Path(headgate_gateway.spool.__path__[0]).glob("*.py")
    uses = Counter(name for source in sources for name in re.findall(r"\bSync\.([A-Z_]+)", source.read_text()))
    assert uses == Counter({site.name: 1 for site in Sync})
