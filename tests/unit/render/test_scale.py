"""Thousands of repos: the first rendering and the one after it, in seconds of this process's own CPU."""

import time
from collections.abc import Callable

import pytest
from tests.unit.render.builders import GATEWAY_API, fleet, render, repo, world

from headgate_operator.render.memo import RenderMemo
from headgate_operator.render.world import FleetPlan

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


def _seconds(run: Callable[[], FleetPlan]) -> tuple[float, FleetPlan]:
    began = time.process_time()
    answer = run()
    return time.process_time() - began, answer
