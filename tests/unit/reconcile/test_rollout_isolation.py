"""What one repo's rollout cannot do keeps no other from going on."""

import dataclasses
from collections.abc import Mapping

from tests.unit.reconcile.fleetbed import repo
from tests.unit.reconcile.rolloutbed import QUICK, REPO, RolloutBed

from headgate_operator.api.rollout import Rollout
from headgate_operator.render.world import RepoKey
from headgate_operator.rollout.model import QueryResult, RolloutState

AFTER = {"matchExpressions": [{"field": "status", "operator": "Ge", "values": [400]}]}


async def test_a_repo_that_cannot_be_judged_keeps_its_weight_and_stops_no_other() -> None:
    bed = RolloutBed()
    await bed.settle()
    bed.put(repo("second", rollout=QUICK))
    await bed.tick()
    raising: set[RepoKey] = set()

    def ask(key: RepoKey, policy: Rollout, state: RolloutState, now: float) -> Mapping[str, QueryResult]:
        if key in raising:
            raise ZeroDivisionError("a factor of nothing")
        return {}

    parts = bed.reconciler._parts
    bed.reconciler._parts = dataclasses.replace(parts, rollouts=dataclasses.replace(parts.rollouts, queries=ask))
    bed.reconciler._states.clear()
    bed.put(repo("access", rollout=QUICK, constraint=AFTER))
    while bed.weight() != 10:
        await bed.tick()
    raising.add(REPO)
    bed.put(repo("second", rollout={"strategy": "Immediate"}, constraint=AFTER))
    before = bed.cluster.objects["EventRepo", "events", "second"]["status"]["revision"]
    for _ in range(5):
        await bed.tick()
    second = bed.cluster.objects["EventRepo", "events", "second"]["status"]
    assert (second["rollout"]["phase"], second["rollout"]["stable"] != before) == ("Stable", True)
    assert (bed.weight(), bed.canary() is None) == (10, False)
    assert "a factor of nothing" in str(bed.cluster.objects["GatewayFleet", "events", "main"]["status"])
    raising.clear()
    await bed.until("Stable")
