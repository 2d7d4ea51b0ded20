"""Thousands of repos: what the rendering after the first one makes anew. Seconds are `tests.bench.scale`'s."""

from dataclasses import replace

import pytest
from tests.unit.render.builders import GATEWAY_API, CountingMemo, fleet, profile, repo, served, world

from headgate_operator.render.world import RepoRollout

pytestmark = pytest.mark.thorough

CONSTRAINT = {"matchExpressions": [{"field": "status", "operator": "Ge", "values": [400]}]}


@pytest.mark.scale
def test_five_thousand_repos_are_rendered_once_and_then_recalled() -> None:
    repos = [repo(f"repo-{i}", f"team-{i % 50}", topic=f"t{i}", constraint=CONSTRAINT) for i in range(5_000)]
    memo = CountingMemo()
    of = world(*repos, fleet=fleet(routing=GATEWAY_API))
    plan, first = memo.rendering(of)
    again, made_again = memo.rendering(of)
    one_changed = world(repo("repo-0", "team-0", topic="new"), *repos[1:], fleet=fleet(routing=GATEWAY_API))
    changed, made_for_one = memo.rendering(one_changed)
    print(f"5,000 repos: {first} values made, {made_again} when nothing changed, {made_for_one} when one did")
    assert len(plan.objects) == 5_000 + 1 + 32 + 4
    assert again == plan
    assert changed != plan
    assert first > 5_000
    assert made_again == 0
    assert 0 < made_for_one < 10


@pytest.mark.scale
def test_serving_repos_from_what_is_promoted_makes_nothing_anew() -> None:
    repos = [repo(f"repo-{i}", f"team-{i % 50}", topic=f"t{i}", constraint=CONSTRAINT) for i in range(2_000)]
    memo = CountingMemo()
    of = world(*repos, fleet=fleet(routing=GATEWAY_API))
    plan, _ = memo.rendering(of)
    promoted = {key: RepoRollout(stable=one.desired, stable_revision=one.revision) for key, one in plan.repos.items()}
    rolled = replace(of, rollouts=promoted, served=served(plan))
    memo.rendering(rolled)
    same, made_again = memo.rendering(rolled)
    wave = replace(rolled, profiles={"main": profile(acks="leader")})
    waiting, made_for_wave = memo.rendering(wave)
    _, made_after = memo.rendering(wave)
    print(f"2,000 rollouts: {made_again} values made, {made_for_wave} for an edited profile, {made_after} after it")
    assert same.objects == plan.objects == waiting.objects
    assert (made_again, made_after) == (0, 0)
    assert made_for_wave >= 2_000
