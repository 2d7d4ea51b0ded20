"""A namespace that the operator may not read any more: its repos' rollouts are held, whatever the operator remembers."""

from typing import Any

import pytest
from tests.unit.reconcile.fakes import FakeCluster
from tests.unit.reconcile.fleetbed import KEY, fleet, profile, repo
from tests.unit.reconcile.rolloutbed import QUICK, ROUTED, RolloutBed

from headgate_gateway.config import shard_of
from headgate_gateway.config.analysis import RepoSample
from headgate_operator.reconcile.relist import Relister

pytestmark = pytest.mark.thorough

AFTER = {"matchExpressions": [{"field": "status", "operator": "Ge", "values": [400]}]}
HASTY = {**QUICK, "progressDeadline": "60s"}
NAMESPACES = ("events", "team")


class NamespacedBed(RolloutBed):
    """An operator of two namespaces: a fleet's, and its one repo's."""

    key = ("team", "access")

    def __init__(
        self, cluster: FakeCluster | None = None, counted: dict[str, dict[str, RepoSample]] | None = None
    ) -> None:
        super().__init__(cluster, counted)
        self.relister = Relister(self.cluster, self.store, self.watchdog, self.metrics, NAMESPACES)

    def edit(self, **spec: Any) -> None:
        self.put(repo("access", namespace="team", rollout=HASTY, **spec))

    def phase(self) -> tuple[str, str]:
        stored = self.status()
        return stored["phase"], stored.get("reason", "")


async def under_way() -> NamespacedBed:
    """A tenth of the repo's requests go to its canary."""
    bed = NamespacedBed()
    bed.put(fleet(routing=ROUTED, replicas=1, allowedRepos={"namespaces": {"from": "All"}}), profile())
    bed.edit()
    await bed.reconcile()
    for _ in range(3):
        await bed.tick()
    bed.edit(constraint=AFTER)
    while bed.weight() != 10:
        await bed.tick()
    return bed


@pytest.mark.parametrize("restarted", [False, True])
async def test_a_rollout_in_a_namespace_that_cannot_be_read_is_held_until_it_can(restarted: bool) -> None:
    bed = await under_way()
    bed.cluster.forbidden.add("team")
    if restarted:
        bed = bed.restarted()
    for _ in range(50):
        await bed.tick()
        assert bed.weight() == 10
    if not restarted:  # a new operator does not know the repo, and tells nobody
        assert bed.phase() == ("Paused", "NamespaceUnreadable")
    bed.cluster.forbidden.clear()
    await bed.until("Stable")
    assert bed.status()["reason"] == "Promoted"


@pytest.mark.parametrize("restarted", [False, True])
async def test_one_that_stays_unreadable_goes_back_and_starts_anew_when_it_is_read(restarted: bool) -> None:
    bed = await under_way()
    bed.cluster.forbidden.add("team")
    if restarted:
        bed = bed.restarted()
    for _ in range(700 if restarted else 100):  # its own progressDeadline is not known then
        await bed.tick()
    assert (bed.weight(), bed.canary()) == (0, None)
    bed.cluster.forbidden.clear()
    await bed.until("Progressing")
    await bed.until("Stable")
    assert bed.status()["reason"] == "Promoted"


async def test_what_is_not_seen_there_is_not_gone() -> None:
    bed = await under_way()
    await bed.until("Stable")
    state = ("ConfigMap", "events", "main.team.access.rollout")
    bed.cluster.forbidden.add("team")
    # Nor is it where the shard that serves it has gone as well.
    del bed.cluster.objects["ConfigMap", "events", f"main-shard-{shard_of(*bed.key):02d}"]
    again = bed.restarted()
    for _ in range(3):
        await again.relister.relist()
        await again.reconciler.reconcile(KEY)
        again.clock.now += 50_000
    assert state in bed.cluster.objects
    assert "gone_since" not in str(bed.cluster.objects[state])
