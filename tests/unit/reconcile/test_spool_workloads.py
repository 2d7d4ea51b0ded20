"""Fleets whose gateways keep events on disk: workloads take over from each other, and none goes while it holds any."""

from typing import Any

import pytest
from tests.unit.reconcile.fleetbed import fleet, profile, repo
from tests.unit.reconcile.spoolbed import CLAIMED, DEPLOYMENT, HELD, STATEFUL_SET, SpoolBed, claimed, deployed

from headgate_operator.reconcile.write import must_be_made_anew


async def test_a_stateful_set_is_watched_for_its_progress_like_a_deployment() -> None:
    bed = await claimed()
    assert bed.conditions("GatewayFleet", "main")["Ready"] == ("True", "Ready")
    assert bed.cluster.objects["GatewayFleet", "events", "main"]["status"]["gateways"] == "2/2"


async def test_a_new_template_that_gets_no_further_is_told_as_of_a_deployment() -> None:
    bed = await claimed()
    counts = {"replicas": 2, "readyReplicas": 1, "updatedReplicas": 1, "observedGeneration": 99}
    revisions = {"currentRevision": "a", "updateRevision": "b"}
    bed.put({"kind": "StatefulSet", "metadata": {"namespace": "events", "name": "main-gateway"},
             "status": counts | revisions})  # fmt: skip
    await bed.reconcile()
    assert bed.conditions("GatewayFleet", "main")["Ready"][1] == "RollingOut"
    bed.clock.now += 600
    await bed.reconcile()
    assert bed.conditions("GatewayFleet", "main")["Ready"] == ("False", "ProgressDeadlineExceeded")
    bed.complete(STATEFUL_SET)
    await bed.reconcile()
    assert bed.conditions("GatewayFleet", "main")["Ready"] == ("True", "Ready")


def of_revision(ready: int, *, current: str = "a", update: str = "a") -> dict[str, Any]:
    """The StatefulSet as its controller tells of it."""
    counts = {"replicas": 2, "readyReplicas": ready, "updatedReplicas": 2, "observedGeneration": 99}
    status = counts | {"currentRevision": current, "updateRevision": update}
    return {"kind": "StatefulSet", "metadata": {"namespace": "events", "name": "main-gateway"}, "status": status}


async def test_a_stateful_set_that_has_never_been_complete_is_told_after_a_while() -> None:
    bed = SpoolBed()
    bed.put(fleet(spool=CLAIMED), profile(), repo("access"))
    await bed.reconcile()
    bed.put(of_revision(ready=0))
    await bed.reconcile()
    assert bed.conditions("GatewayFleet", "main")["Ready"][1] == "RollingOut"
    bed.clock.now += 600
    await bed.reconcile()
    assert bed.conditions("GatewayFleet", "main")["Ready"] == ("False", "ProgressDeadlineExceeded")


async def test_a_gateway_that_is_lost_later_makes_no_template_a_failed_one() -> None:
    bed = await claimed()
    bed.put(of_revision(ready=2))
    await bed.reconcile()
    for each in (bed, SpoolBed(bed.cluster)):
        each.reports.update(bed.reports)
        each.put(of_revision(ready=1))
        for _ in range(2):
            await each.reconcile()
            each.clock.now += 600
        assert each.conditions("GatewayFleet", "main")["Ready"][1] != "ProgressDeadlineExceeded"


async def taking_over(**held: Any) -> SpoolBed:
    """A fleet whose gateways with claims are ready, while a former one holds this."""
    bed = await deployed()
    bed.say("main-gateway-x", **held)
    bed.put(fleet(spool=CLAIMED))
    await bed.reconcile()
    bed.complete(STATEFUL_SET)
    await bed.reconcile()
    return bed


async def test_the_former_gateways_stay_until_the_others_have_taken_over() -> None:
    bed = await deployed()
    bed.put(fleet(spool=CLAIMED))
    await bed.reconcile()
    await bed.reconcile()
    assert bed.has(DEPLOYMENT, STATEFUL_SET)
    bed.complete(STATEFUL_SET)
    await bed.reconcile()
    assert bed.has(STATEFUL_SET)
    assert not bed.has(DEPLOYMENT)


async def test_the_former_gateways_stay_while_they_hold_events() -> None:
    bed = await taking_over(**HELD)
    assert bed.has(DEPLOYMENT, STATEFUL_SET)
    bed.say("main-gateway-x")
    await bed.reconcile()
    assert not bed.has(DEPLOYMENT)


async def test_a_new_leader_asks_the_former_gateways_before_any_of_them_goes() -> None:
    bed = await taking_over(**HELD)
    again = SpoolBed(bed.cluster)
    outcome = await again.reconcile()
    assert again.has(DEPLOYMENT, STATEFUL_SET)
    assert outcome.again is not None
    again.reports.update(bed.reports)
    await again.reconcile()
    assert again.has(DEPLOYMENT, STATEFUL_SET)
    for name in ("main-gateway-x", "main-gateway-y"):
        again.load(again.cluster.objects["Pod", "events", name]["metadata"]["uid"])
        again.say(name)
    await again.reconcile()
    assert not again.has(DEPLOYMENT)


async def test_former_gateways_that_never_answer_a_new_leader_go_after_a_while() -> None:
    again = SpoolBed((await taking_over(**HELD)).cluster)
    await again.reconcile()
    again.clock.now += 300
    await again.reconcile()
    assert not again.has(DEPLOYMENT)


async def test_a_former_gateway_that_holds_events_and_falls_silent_stays() -> None:
    bed = await taking_over(**HELD)
    bed.fall_silent("main-gateway-x")
    for _ in range(60):
        await bed.reconcile()
    assert bed.has(DEPLOYMENT, STATEFUL_SET)


async def test_events_that_are_just_on_their_way_hold_nobody() -> None:
    bed = await taking_over(backlog_records=100, oldest_seconds=0.05)
    assert not bed.has(DEPLOYMENT)


async def test_a_workload_whose_number_an_autoscaler_decides_begins_with_as_many_gateways_as_serve() -> None:
    scaling = {"replicas": None, "autoscaling": {"minReplicas": 1, "maxReplicas": 5}}
    bed = await deployed(**scaling)
    bed.put(fleet(spool=CLAIMED, **scaling))
    await bed.reconcile()
    assert bed.cluster.objects[STATEFUL_SET]["spec"]["replicas"] == 2


async def test_a_volume_of_another_size_has_the_stateful_set_made_anew_around_its_pods() -> None:
    bed = await claimed()
    bed.cluster.writes.clear()
    bed.put(fleet(spool=CLAIMED | {"size": "2Gi"}))
    outcome = await bed.reconcile()
    assert ("orphan", "StatefulSet", "main-gateway") in bed.cluster.writes
    assert ("delete", "StatefulSet", "main-gateway") not in bed.cluster.writes
    assert not outcome.succeeded  # it is tried again at once
    await bed.reconcile()
    (claim,) = bed.cluster.objects[STATEFUL_SET]["spec"]["volumeClaimTemplates"]
    assert claim["spec"]["resources"] == {"requests": {"storage": "2Gi"}}


FIXED = {"serviceName": "s", "podManagementPolicy": "Parallel", "selector": {"matchLabels": {"a": "b"}}}


@pytest.mark.parametrize(
    ("kind", "change", "anew"),
    [
        ("StatefulSet", {"replicas": 5}, False),
        ("StatefulSet", {"serviceName": "t"}, True),
        ("StatefulSet", {"selector": {"matchLabels": {"a": "c"}}}, True),
        ("Deployment", {"selector": {"matchLabels": {"a": "c"}}}, False),
    ],
    ids=["replicas", "service", "selector", "a Deployment"],
)
def test_only_what_no_write_changes_has_a_stateful_set_made_anew(kind: str, change: dict[str, Any], anew: bool) -> None:
    assert must_be_made_anew(kind, {"spec": FIXED | change}, {"spec": FIXED}) is anew


def test_what_the_api_server_adds_to_claims_has_nothing_made_anew() -> None:
    wanted = {"metadata": {"name": "spool"}, "spec": {"resources": {"requests": {"storage": "1024Mi"}}}}
    live = {"metadata": {"name": "spool"}, "status": {"phase": "Pending"},
            "spec": {"resources": {"requests": {"storage": "1Gi"}}, "storageClassName": "default"}}  # fmt: skip
    desired, found = ({"spec": FIXED | {"volumeClaimTemplates": [each]}} for each in (wanted, live))
    assert not must_be_made_anew("StatefulSet", desired, found)
