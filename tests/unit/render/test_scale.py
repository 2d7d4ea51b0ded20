"""Thousands of repos: the first rendering and the one after it, in seconds of this process's own CPU."""

import time
from collections.abc import Callable
from dataclasses import replace

import pytest
from tests.unit.render.builders import GATEWAY_API, fleet, profile, render, repo, served, world

from headgate_operator.render.memo import RenderMemo
from headgate_operator.render.world import FleetPlan, RepoRollout

CONSTRAINT = {"matchExpressions": [{"field": "status", "operator": "Ge", "values": [400]}]}


@pytest.mark.scale
def test_five_thousand_repos_are_rendered_once_and_then_recalled() -> None:
    repos = [repo(f"repo-{i}", f"team-{i % 50}", topic=f"t{i}", constraint=CONSTRAINT) for i in range(5_000)]
    memo = RenderMemo()
    of = world(*repos, fleet=fleet(routing=GATEWAY_API))
    first, plan = _seconds(lambda: render(of, memo))
    again, same = _seconds(lambda: render(of, memo))
    one_changed = world(repo("repo-0", "team-0", topic="new"), *repos[1:], fleet=fleet(routing=GATEWAY_API))
    changed, _ = _seconds(lambda: render(one_changed, memo))
    print(f"5,000 repos: first {first:.2f} s, unchanged {again:.2f} s, one changed {changed:.2f} s of CPU")
    assert len(plan.objects) == 5_000 + 1 + 32 + 4
    assert same == plan
    assert first < 8
    assert again < 0.5
    assert changed < 0.5


@pytest.mark.scale
def test_serving_repos_from_what_is_promoted_costs_no_more_than_from_their_specs() -> None:
    repos = [repo(f"repo-{i}", f"team-{i % 50}", topic=f"t{i}", constraint=CONSTRAINT) for i in range(2_000)]
    memo = RenderMemo()
    of = world(*repos, fleet=fleet(routing=GATEWAY_API))
    plan = render(of, memo)
    promoted = {key: RepoRollout(stable=one.desired, stable_revision=one.revision) for key, one in plan.repos.items()}
    rolled = replace(of, rollouts=promoted, served=served(plan))
    render(rolled, memo)
    again, same = _seconds(lambda: render(rolled, memo))
    wave = replace(rolled, profiles={"main": profile(acks="leader")})
    edited, waiting = _seconds(lambda: render(wave, memo))
    after, _ = _seconds(lambda: render(wave, memo))
    print(f"2,000 rollouts: unchanged {again:.2f} s, profile edited {edited:.2f} s, then {after:.2f} s of CPU")
    assert same.objects == plan.objects == waiting.objects
    assert again < 0.25
    assert after < 0.25


def _seconds(run: Callable[[], FleetPlan]) -> tuple[float, FleetPlan]:
    began = time.process_time()
    answer = run()
    return time.process_time() - began, answer
