"""Who gets a name, a path or room when several repos ask for it."""

import random

import pytest
from tests.unit.render.builders import render, repo, served, world

from headgate_gateway.config import shard_of
from headgate_operator.api import reasons
from headgate_operator.api.repo import EventRepo
from headgate_operator.render.world import FleetPlan, RepoKey, RepoRollout

OLD, NEW = "2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z"


def accepted(plan: FleetPlan) -> set[str]:
    return {f"{namespace}/{name}" for (namespace, name), repo in plan.repos.items() if repo.verdict.accepted}


def test_the_older_repo_gets_the_path_and_is_named() -> None:
    plan = render(world(repo("young", "a", NEW, ["/x"]), repo("old", "b", OLD, ["/x"])))
    assert accepted(plan) == {"b/old"}
    verdict = plan.repos["a", "young"].verdict
    assert verdict.reason == reasons.CONFLICT
    assert verdict.message == "EventRepo b/old already holds the path '/x' in this fleet: choose another path"


def test_the_same_name_in_two_namespaces_is_a_conflict() -> None:
    plan = render(world(repo("r", "a", NEW, ["/x"]), repo("r", "b", OLD, ["/y"])))
    assert accepted(plan) == {"b/r"}
    assert "EventRepo b/r already holds the name 'r'" in plan.repos["a", "r"].verdict.message


def test_of_two_of_one_age_the_first_by_name_wins() -> None:
    assert accepted(render(world(repo("b", "b", OLD, ["/x"]), repo("a", "a", OLD, ["/x"])))) == {"a/a"}


def test_who_is_served_keeps_its_path_though_it_is_younger() -> None:
    young = repo("young", "a", NEW, ["/x"])
    before = render(world(young))
    after = render(world(young, repo("old", "b", OLD, ["/x"]), served=served(before)))
    assert accepted(after) == {"a/young"}


def test_who_is_served_but_broken_keeps_its_path() -> None:
    before = render(world(repo("one", "a", NEW, ["/x"])))
    broken = repo("one", "a", NEW, ["/x"], producer_profile="none")
    after = render(world(broken, repo("two", "b", OLD, ["/x"]), served=served(before)))
    assert after.repos["b", "two"].verdict.reason == reasons.CONFLICT
    assert set(served(after)) == {("a", "one")}


def test_a_repo_that_was_never_accepted_holds_nothing() -> None:
    plan = render(world(repo("broken", "a", OLD, ["/x"], producer_profile="none"), repo("fine", "b", NEW, ["/x"])))
    assert accepted(plan) == {"b/fine"}


def test_the_path_of_a_deleted_repo_is_free() -> None:
    before = render(world(repo("gone", "a", OLD, ["/x"])))
    assert accepted(render(world(repo("new", "b", NEW, ["/x"]), served=served(before)))) == {"b/new"}


def test_a_path_moves_on_within_one_rendering() -> None:
    """a leaves /y for /x, which b leaves for /z; a is asked first and must be asked again."""
    before = render(world(repo("a", "n", OLD, ["/y"]), repo("b", "n", NEW, ["/x"])))
    moved = (repo("a", "n", OLD, ["/x"]), repo("b", "n", NEW, ["/z"]), repo("c", "n", NEW, ["/y"]))
    assert accepted(render(world(*moved, served=served(before)))) == {"n/a", "n/b", "n/c"}


def test_two_that_swap_paths_both_keep_what_they_have() -> None:
    before = render(world(repo("a", "n", OLD, ["/x"]), repo("b", "n", OLD, ["/y"])))
    after = render(world(repo("a", "n", OLD, ["/y"]), repo("b", "n", OLD, ["/x"]), served=served(before)))
    assert accepted(after) == set()
    assert served(after) == served(before)


@pytest.mark.parametrize("seed", range(5))
def test_the_order_of_input_decides_nothing(seed: int) -> None:
    repos = [repo(f"r{i % 7}", f"n{i % 5}", OLD if i % 3 else NEW, [f"/p{i % 6}"]) for i in range(60)]
    unique: dict[tuple[str, str], EventRepo] = {one.key: one for one in repos}
    ordered = list(unique.values())
    shuffled = ordered[:]
    random.Random(seed).shuffle(shuffled)
    assert render(world(*ordered)).repos == render(world(*shuffled)).repos


def test_no_two_accepted_repos_share_a_name_or_a_path() -> None:
    repos = [repo(f"r{i % 9}", f"n{i % 4}", OLD, [f"/p{i % 10}", f"/q{i % 8}"]) for i in range(36)]
    plan = render(world(*{one.key: one for one in repos}.values()))
    paths = [path for one in plan.repos.values() if one.entry for path in one.paths]
    assert len(paths) == len(set(paths))
    names = [name for (_, name), one in plan.repos.items() if one.entry]
    assert len(names) == len(set(names))


def test_a_full_shard_refuses_and_says_so() -> None:
    big = {"matchExpressions": [{"field": "f", "operator": "In", "values": ["x" * 500] * 256}]}
    # Names that share a shard, so that 8 of them (130 kB each) do not fit in 1 MB.
    same = [f"r{i}" for i in range(1_000) if _shard(f"r{i}") == 0][:8]
    plan = render(
        world(*(repo(name, created=f"2026-01-0{i + 1}T00:00:00Z", constraint=big) for i, name in enumerate(same)))
    )
    refused = [name for (_, name), one in plan.repos.items() if not one.verdict.accepted]
    assert refused == [same[-1]]
    verdict = plan.repos["team", same[-1]].verdict
    assert verdict.reason == reasons.SHARD_FULL
    assert "config shard 00 holds" in verdict.message
    largest = max(len(one.body) for one in plan.objects if one.kind == "ConfigMap")
    assert largest < 2**20


def test_a_served_repo_that_grows_beyond_its_shard_keeps_what_it_has() -> None:
    big = {"matchExpressions": [{"field": "f", "operator": "In", "values": ["x" * 500] * 256}]}
    same = [f"r{i}" for i in range(1_000) if _shard(f"r{i}") == 0][:8]
    small = [repo(name, created=NEW) for name in same]
    before = render(world(*small))
    after = render(world(*(repo(name, created=NEW, constraint=big) for name in same), served=served(before)))
    refused = [key for key, one in after.repos.items() if one.verdict.reason == reasons.SHARD_FULL]
    assert len(refused) == 1
    assert served(after)[refused[0]] == served(before)[refused[0]]


def promoted(plan: FleetPlan) -> dict[RepoKey, RepoRollout]:
    """Every repo of a plan, promoted as it is served."""
    return {key: RepoRollout(stable=one.desired) for key, one in plan.repos.items() if one.desired}


def test_a_repo_on_its_way_from_one_path_to_another_holds_both() -> None:
    before = render(world(repo("a", "n", NEW, ["/x"])))
    moving = repo("a", "n", NEW, ["/y"])
    others = (repo("b", "n", OLD, ["/x"]), repo("c", "n", OLD, ["/y"]))
    plan = render(world(moving, *others, served=served(before), rollouts=promoted(before)))
    assert accepted(plan) == {"n/a"}
    assert [plan.repos["n", name].verdict.reason for name in "bc"] == [reasons.CONFLICT] * 2
    assert plan.repos["n", "a"].paths == ("/x",)


def test_a_path_is_free_once_another_is_promoted() -> None:
    before = render(world(repo("a", "n", NEW, ["/y"])))
    plan = render(world(repo("a", "n", NEW, ["/y"]), repo("b", "n", OLD, ["/x"]), rollouts=promoted(before)))
    assert accepted(plan) == {"n/a", "n/b"}


def test_what_is_promoted_holds_its_paths_though_its_shard_was_lost() -> None:
    before = render(world(repo("a", "n", NEW, ["/x"])))
    plan = render(world(repo("a", "n", NEW, ["/x"]), repo("b", "n", OLD, ["/x"]), rollouts=promoted(before)))
    assert accepted(plan) == {"n/a"}


def test_a_repo_that_asks_for_less_room_keeps_what_it_is_served_from() -> None:
    """Seven large ones fill a shard; one asks to become small, but until that is promoted nobody else gets its room."""
    big = {"matchExpressions": [{"field": "f", "operator": "In", "values": ["x" * 500] * 256}]}
    same = [f"r{i}" for i in range(1_000) if _shard(f"r{i}") == 0][:8]
    before = render(world(*(repo(name, created=OLD, constraint=big) for name in same[:7])))
    shrinking = (repo(same[0], created=OLD), *(repo(name, created=OLD, constraint=big) for name in same[1:7]))
    newcomer = repo(same[7], created=NEW, constraint=big)
    plan = render(world(*shrinking, newcomer, served=served(before), rollouts=promoted(before)))
    assert plan.repos["team", same[7]].verdict.reason == reasons.SHARD_FULL
    assert plan.repos["team", same[0]].verdict.accepted
    promoted_small = render(world(*shrinking, newcomer, rollouts=promoted(plan)))
    assert promoted_small.repos["team", same[7]].verdict.accepted


def _shard(name: str) -> int:
    return shard_of("team", name)
