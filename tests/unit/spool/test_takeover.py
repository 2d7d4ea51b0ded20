"""What a gateway has acknowledged is read by the one that takes over, whenever it does; and nothing is acknowledged after."""

import re
from collections import Counter
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.spool.power import PowerLossDisk
from tests.unit.spool.story import BrokenPromiseError
from tests.unit.spool.takeover import STEPS, Takeover, tell

import headgate_gateway.spool
from headgate_gateway.spool.directory import SpoolDirectory
from headgate_gateway.spool.disk import Check
from headgate_gateway.spool.errors import LogState
from headgate_gateway.spool.shared import SpoolName, look, take_over

TELLINGS = 150


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    steps=st.lists(st.sampled_from(sorted(STEPS)), max_size=20),
    at=st.integers(0, 80),
    remembers=st.booleans(),
)
def test_promises_hold_at_whatever_moment_a_spool_is_taken_over(
    seed: int, steps: list[str], at: int, remembers: bool
) -> None:
    tell(Random(seed), steps, at, remembers=remembers)


def drawn(random: Random) -> tuple[list[str], int]:
    """Checkpoints mostly come when there is something to note."""
    blocks = random.choices((["append"], ["append", "deliver some", "checkpoint"]), k=random.randint(3, 8))
    return ["append", "append", *(step for block in blocks for step in block)], random.randrange(60)


@pytest.mark.parametrize("remembers", [False, True], ids=["a node that sees renames", "a node that remembers names"])
def test_an_owner_that_is_taken_over_while_it_commits_acknowledges_nothing_more(remembers: bool) -> None:
    for at in range(12):
        story = tell(Random(at), ["append"] * 6, at, remembers=remembers)
        assert len(story.acknowledged) < len(story.sent)
        assert story.owner.report().problem.startswith("fenced: adopted by ")


@pytest.mark.parametrize("site", Check)
def test_each_check_is_needed(site: Check) -> None:
    for seed in range(TELLINGS):
        random = Random(seed)
        steps, at = drawn(random)
        tell(Random(seed), steps, at, remembers=True)
        try:
            tell(Random(seed), steps, at, remembers=True, skipped=[site])
        except BrokenPromiseError:
            return
    pytest.fail(f"nobody notices when {site.name} is left out")


def test_each_check_has_one_place_in_the_code() -> None:
    sources = Path(headgate_gateway.spool.__path__[0]).glob("*.py")
    uses = Counter(name for source in sources for name in re.findall(r"\bCheck\.([A-Z_]+)", source.read_text()))
    assert uses == Counter({site.name: 1 for site in Check})


def test_a_fence_says_who_has_the_directory() -> None:
    story = Takeover(Random(1), remembers=False)
    story.adopt()
    story.checkpoint()
    assert story.owner.state is LogState.FAILED
    assert story.owner.report().problem == "fenced: adopted by ad0pter"


@pytest.mark.parametrize(
    ("name", "parsed"),
    [
        ("8a1f-22", SpoolName("8a1f-22", "8a1f-22")),
        ("b2.adopted.8a1f-22", SpoolName("b2", "8a1f-22")),
        ("b2.adopted.8a1f-22~2", SpoolName("b2", "8a1f-22~2")),
        ("lost+found", None),
        (".snapshot", None),
        ("b2.adopted.", None),
    ],
)
def test_names_say_whose_a_spool_is(name: str, parsed: SpoolName | None) -> None:
    assert SpoolName.parse(name) == parsed


def a_root(*names: str) -> PowerLossDisk:
    disk = PowerLossDisk()
    disk.mkdir("/root")
    for name in names:
        SpoolDirectory.open(disk, f"/root/{name}", name.partition(".")[0]).close()
    return disk


def test_all_that_a_pod_had_is_taken_over_with_what_it_had_taken_over() -> None:
    disk = a_root("a", "a.adopted.x", "b", "c")
    assert take_over(disk, "/root", "b", "a") == ["b.adopted.a", "b.adopted.x"]
    assert take_over(disk, "/root", "b", "a") == []
    assert disk.listdir("/root") == ["b", "b.adopted.a", "b.adopted.x", "c"]
    sight = look(disk, "/root", "b")
    assert sight.mine.keys() == {"b.adopted.a", "b.adopted.x"}
    assert sight.foreign.keys() == {"c"}


def test_a_pod_that_comes_back_and_is_gone_again_is_taken_over_beside_what_it_had() -> None:
    disk = a_root("a", "b")
    take_over(disk, "/root", "b", "a")
    SpoolDirectory.open(disk, "/root/a", "a").close()
    assert take_over(disk, "/root", "b", "a") == ["b.adopted.a~2"]


def test_nobody_takes_over_its_own() -> None:
    disk = a_root("b")
    assert take_over(disk, "/root", "b", "b") == []
    assert disk.listdir("/root") == ["b"]


def test_an_empty_spool_is_removed_and_one_with_something_in_it_is_not() -> None:
    disk = a_root("a", "b")
    opened = SpoolDirectory.open(disk, "/root/a", "a")
    opened.keep_profile("0badcafe", b"{}")
    assert opened.remove()
    assert disk.listdir("/root") == ["b"]
    left = SpoolDirectory.open(disk, "/root/b", "b")
    disk.mkdir("/root/b/parked")
    disk.create("/root/b/parked/0000000000000000.seg").close()
    assert not left.remove()
    assert "b" in disk.listdir("/root")
