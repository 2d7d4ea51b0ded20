"""What rollouts write, and how often they have all gateways asked: thousands of repos share one API server."""

from tests.unit.reconcile.fleetbed import KEY, fleet, profile, repo
from tests.unit.reconcile.rolloutbed import QUICK, REPO, ROUTED, RolloutBed

from headgate_operator.api.names import revision_name
from headgate_operator.ports import UnavailableError

AFTER = {"matchExpressions": [{"field": "status", "operator": "Ge", "values": [400]}]}
GATED = {**QUICK, "steps": [{"weight": 10, "hold": "Manual"}]}


async def test_a_state_is_not_stored_while_its_revision_cannot_be() -> None:
    bed = RolloutBed()
    await bed.settle()
    bed.put(repo("access", rollout=QUICK, constraint=AFTER))
    stored = ("ConfigMap", "events", "main.events.access.rollout")
    await bed.relister.relist()
    wanted = "?"
    probe = RolloutBed()
    probe.put(fleet(routing=ROUTED, replicas=1), profile(), repo("access", rollout=QUICK, constraint=AFTER))
    await probe.reconcile()
    wanted = probe.status()["stable"]
    revision = ("ControllerRevision", "events", revision_name("main", *REPO, wanted))
    bed.cluster.failing[revision] = UnavailableError("down")
    for _ in range(3):
        await bed.tick()
    assert stored not in bed.cluster.objects
    bed.cluster.failing.clear()
    await bed.until("Stable")
    assert bed.status()["stable"] == wanted


async def test_an_admission_does_not_rewrite_the_line() -> None:
    bed = RolloutBed()
    await bed.settle()
    names = [f"r{index}" for index in range(6)]
    bed.put(
        *(repo(name, rollout=QUICK) for name in names), fleet(routing=ROUTED, replicas=1, rollouts={"maxConcurrent": 1})
    )
    for _ in range(2):
        await bed.tick()
    bed.behaviour.starts = False
    bed.put(repo("access", rollout=QUICK, constraint=AFTER))
    await bed.tick()
    bed.put(*(repo(name, rollout=QUICK, constraint=AFTER) for name in names))
    for _ in range(3):
        await bed.tick()
    waiting = bed.cluster.objects["EventRepo", "events", "r5"]["status"]["rollout"]
    assert (waiting["phase"], "6 of 6 in line" in waiting["message"]) == ("Waiting", True)
    bed.put(repo("r0", rollout=QUICK))
    bed.cluster.writes.clear()
    for _ in range(5):
        await bed.tick()
    assert not [each for each in bed.cluster.writes if each[2].split(".")[-2:] == ["r5", "rollout"] or each[2] == "r5"]


async def test_gateways_are_hurried_only_while_a_canary_starts_and_looked_at_seldom_at_a_gate() -> None:
    bed = RolloutBed()
    await bed.settle()
    bed.put(repo("access", rollout=GATED, constraint=AFTER))
    hurried: dict[str, set[tuple[bool, float | None]]] = {}
    for second in range(40):
        bed.behaviour.starts = second > 3
        await bed.tick()
        stage = bed.status().get("stage", "")
        outcome = await bed.reconciler.reconcile(KEY)
        hurried.setdefault(stage, set()).add((outcome.awaiting, outcome.again))

    assert any(awaiting for awaiting, _ in hurried["Starting"])
    assert {awaiting for stage in ("Measuring", "Gated") for awaiting, _ in hurried.get(stage, ())} == {False}
    assert (False, 5.0) in hurried["Gated"]
