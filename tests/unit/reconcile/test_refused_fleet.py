"""A fleet that cannot be read: everyone who waits for it is told, and what is served stays."""

from tests.unit.reconcile.fleetbed import Bed, fleet, profile, repo, resource

BROKEN = {"fromTheFuture": True}


async def serving() -> Bed:
    """A fleet with one gateway that serves the repo `access`."""
    bed = Bed()
    bed.put(fleet(), profile(), repo("access"))
    await bed.reconcile()
    bed.load(bed.add_pod("pod-1"))
    await bed.reconcile()
    return bed


async def test_repos_of_a_refused_fleet_are_told_and_stay_served() -> None:
    bed = await serving()
    before = bed.cluster.objects["EventRepo", "events", "access"]["status"]
    bed.put(fleet(**BROKEN), repo("later"))
    await bed.reconcile()
    access = bed.conditions("EventRepo", "access")
    assert access["Accepted"] == ("False", "FleetNotAccepted")
    assert access["Ready"] == ("False", "FleetNotAccepted")
    assert access["Serving"] == ("True", "Serving")
    assert bed.conditions("EventRepo", "later")["Accepted"] == ("False", "FleetNotAccepted")
    assert bed.conditions("EventRepo", "later")["Serving"] == ("False", "NotServed")
    after = bed.cluster.objects["EventRepo", "events", "access"]["status"]
    assert (after["revision"], after["endpoints"]) == (before["revision"], before["endpoints"])
    bed.cluster.writes.clear()
    await bed.reconcile()
    assert bed.cluster.writes == []


async def test_after_a_restart_a_refused_fleets_repos_are_judged_by_its_live_shards() -> None:
    before = await serving()
    before.put(fleet(**BROKEN))
    bed = Bed(before.cluster)
    bed.reports.update(before.reports)
    await bed.reconcile()
    assert bed.conditions("EventRepo", "access")["Serving"] == ("True", "Serving")


async def test_a_mended_fleet_takes_its_repos_up_again() -> None:
    bed = await serving()
    bed.put(fleet(**BROKEN))
    await bed.reconcile()
    bed.put(fleet(fromTheFuture=None))
    await bed.reconcile()
    assert bed.conditions("EventRepo", "access")["Ready"] == ("True", "Ready")
    assert bed.conditions("KafkaProducerProfile", "local")["Accepted"] == ("True", "Accepted")


async def test_a_refused_fleet_silences_no_profile_of_its_namespace() -> None:
    bed = await serving()
    bed.put(resource("GatewayFleet", "other", {"image": "gateway:1", "replicas": 1, **BROKEN}))
    bed.put(profile(acks="leader"), profile("second"))
    await bed.reconcile()
    await bed.reconciler.reconcile(("events", "other"))
    await bed.profiles.reconcile("events", "2026-01-01T00:00:00Z")
    assert bed.conditions("KafkaProducerProfile", "second")["Accepted"] == ("True", "Accepted")


async def test_a_profile_beside_refused_fleets_alone_says_so() -> None:
    bed = Bed()
    bed.put(fleet(**BROKEN), profile())
    await bed.reconcile()
    assert bed.conditions("KafkaProducerProfile", "local")["Accepted"] == ("False", "FleetNotAccepted")
