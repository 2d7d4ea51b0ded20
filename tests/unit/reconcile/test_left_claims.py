"""Claims that no gateway has are named with what they held, told of, and given their gateway back."""

from tests.unit.reconcile.fleetbed import fleet
from tests.unit.reconcile.spoolbed import CLAIMED, DEPLOYMENT, HELD, STATEFUL_SET, SpoolBed, claimed


async def test_leaving_claims_keeps_them_and_names_them() -> None:
    bed = await claimed()
    bed.put(fleet(spool=CLAIMED | {"mode": "Disabled"}))
    await bed.reconcile()
    bed.complete(DEPLOYMENT)
    await bed.reconcile()
    assert bed.has(DEPLOYMENT)
    assert not bed.has(STATEFUL_SET)
    for name in ("main-gateway-0", "main-gateway-1"):
        bed.remove("Pod", name)
    await bed.reconcile()
    assert [each["name"] for each in bed.spool["leftClaims"]] == ["spool-main-gateway-0", "spool-main-gateway-1"]
    assert not [write for write in bed.cluster.writes if write[1] == "PersistentVolumeClaim"]


async def test_a_claim_that_a_scaled_down_fleet_leaves_is_named_with_what_it_held_and_told() -> None:
    bed = await claimed()
    bed.say("main-gateway-1", **HELD)
    await bed.reconcile()
    await bed.scale_down()
    left = {"name": "spool-main-gateway-1", "backlogRecords": 7, "backlogBytes": 700}
    assert (bed.spool["leftClaims"], bed.spool["backlogRecords"]) == ([left], 7)
    assert bed.events.count(("main", "EventsLeft")) == 1
    await bed.reconcile()
    assert bed.events.count(("main", "EventsLeft")) == 1


async def test_parked_events_on_a_left_claim_are_told_and_bring_no_gateway_back() -> None:
    bed = await claimed(replicas=None, autoscaling={"minReplicas": 1, "maxReplicas": 5})
    bed.say("main-gateway-1", parked=3)
    await bed.reconcile()
    bed.put({"kind": "StatefulSet", "metadata": {"namespace": "events", "name": "main-gateway"},
             "spec": {"replicas": 1}})  # fmt: skip
    bed.remove("Pod", "main-gateway-1")
    await bed.reconcile()
    left = {"name": "spool-main-gateway-1", "backlogRecords": 0, "backlogBytes": 0, "parked": 3}
    assert (bed.spool["leftClaims"], bed.spool["parked"], bed.minimum) == ([left], 3, 1)
    assert bed.events.count(("main", "EventsLeft")) == 1


async def test_each_of_very_many_left_claims_is_told_of_once() -> None:
    bed = await claimed()
    names = [f"main-gateway-{ordinal}" for ordinal in range(2, 105)]
    for name in names:
        bed.claim(f"spool-{name}")
        bed.pod(name, "StatefulSet", "stable", **HELD)
    await bed.reconcile()
    for name in names:
        bed.remove("Pod", name)
    for _ in range(2):
        await bed.reconcile()
        assert bed.events.count(("main", "EventsLeft")) == len(names)
    assert len(bed.spool["leftClaims"]) == 100


async def test_another_operator_knows_what_a_left_claim_held() -> None:
    bed = await claimed()
    bed.say("main-gateway-1", **HELD)
    await bed.reconcile()
    await bed.scale_down()
    again = SpoolBed(bed.cluster)
    again.reports.update(bed.reports)
    await again.reconcile()
    assert again.spool["leftClaims"][0]["backlogRecords"] == 7
    assert ("main", "EventsLeft") not in again.events


async def test_a_claim_that_has_its_gateway_again_is_left_no_longer() -> None:
    bed = await claimed()
    await bed.scale_down()
    assert len(bed.spool["leftClaims"]) == 1
    bed.put(fleet(spool=CLAIMED))
    await bed.reconcile()
    bed.pod("main-gateway-1")
    await bed.reconcile()
    assert bed.spool["leftClaims"] == []


async def test_a_gateway_that_is_being_replaced_has_left_nothing_and_its_events_still_count() -> None:
    bed = await claimed()
    bed.say("main-gateway-1", **HELD)
    await bed.reconcile()
    bed.remove("Pod", "main-gateway-1")
    await bed.reconcile()
    assert (bed.spool["leftClaims"], bed.spool["backlogRecords"], bed.spool["backlogBytes"]) == ([], 7, 700)
    assert ("main", "EventsLeft") not in bed.events


async def test_a_claim_of_a_fleet_that_has_no_stateful_set_any_more_is_left() -> None:
    bed = await claimed()
    bed.put(fleet(spool=CLAIMED | {"mode": "Disabled"}))
    bed.remove("Pod", "main-gateway-1")
    bed.remove("StatefulSet", "main-gateway")
    await bed.reconcile()
    assert [each["name"] for each in bed.spool["leftClaims"]] == ["spool-main-gateway-1"]


async def test_claims_of_others_are_none_of_the_fleets_business() -> None:
    bed = await claimed()
    bed.claim("spool-mine")
    bed.claim("spool-main-gateway-x")
    await bed.reconcile()
    assert bed.spool["leftClaims"] == []


async def test_the_autoscaler_brings_back_the_gateway_of_a_claim_that_holds_events() -> None:
    bed = await claimed(replicas=None, autoscaling={"minReplicas": 1, "maxReplicas": 5})
    scaler = bed.cluster.objects["HorizontalPodAutoscaler", "events", "main-gateway"]
    assert scaler["spec"]["minReplicas"] == 1
    bed.say("main-gateway-1", **HELD)
    await bed.reconcile()
    bed.remove("Pod", "main-gateway-1")
    await bed.reconcile()
    assert bed.cluster.objects["HorizontalPodAutoscaler", "events", "main-gateway"]["spec"]["minReplicas"] == 2
    bed.pod("main-gateway-1")
    await bed.reconcile()
    assert bed.cluster.objects["HorizontalPodAutoscaler", "events", "main-gateway"]["spec"]["minReplicas"] == 1
