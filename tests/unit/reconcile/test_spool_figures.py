"""What gateways hold on disk, in the status and the metrics: told at once where it matters, and else now and then."""

from tests.unit.reconcile.fleetbed import fleet, profile
from tests.unit.reconcile.spoolbed import CLAIMED, HELD, SpoolBed, claimed


async def test_a_new_leader_changes_no_figures_until_it_has_heard_the_gateways() -> None:
    bed = await claimed(replicas=None, autoscaling={"minReplicas": 1, "maxReplicas": 5})
    bed.say("main-gateway-1", **HELD)
    await bed.reconcile()
    again = SpoolBed(bed.cluster)
    await again.reconcile()
    assert (again.spool["backlogRecords"], again.minimum) == (7, 2)
    again.reports.update(bed.reports)
    again.say("main-gateway-1")
    await again.reconcile()
    assert (again.spool["backlogRecords"], again.minimum) == (0, 1)


async def test_a_gateway_that_never_answers_holds_up_a_new_leaders_figures_for_a_moment_only() -> None:
    bed = await claimed()
    bed.say("main-gateway-1", **HELD)
    await bed.reconcile()
    again = SpoolBed(bed.cluster)
    for _ in range(2):
        await again.reconcile()
        assert again.spool["backlogRecords"] == 7
    await again.reconcile()
    assert (again.spool["state"], again.spool["backlogRecords"]) == ("Unknown", 0)


async def test_figures_alone_are_not_written_with_every_look() -> None:
    bed = await claimed()
    bed.say("main-gateway-0", **HELD)
    await bed.reconcile()
    assert (bed.spool["backlogRecords"], bed.spool["oldestSeconds"]) == (7, 60)
    bed.clock.now -= 9  # a reconcile of the bed takes ten seconds
    bed.say("main-gateway-0", **HELD | {"backlog_records": 8})
    outcome = await bed.reconcile()
    assert bed.spool["backlogRecords"] == 7
    assert outcome.again is not None
    assert outcome.again <= 10
    await bed.reconcile()
    assert bed.spool["backlogRecords"] == 8


async def test_events_that_come_and_go_are_not_written_with_every_look() -> None:
    bed = await claimed()
    bed.cluster.writes.clear()
    for records in (3, 0, 3, 0):
        bed.say("main-gateway-0", backlog_records=records, backlog_bytes=10, oldest_seconds=0.02)
        await bed.reconcile()
        bed.clock.now -= 10
    assert len(bed.cluster.writes) <= 1  # figures of the last ten seconds


async def test_the_end_of_a_backlog_and_a_full_disk_are_told_at_once() -> None:
    bed = await claimed()
    bed.say("main-gateway-0", **HELD)
    await bed.reconcile()
    bed.clock.now -= 10
    bed.say("main-gateway-0", **HELD | {"state": "Full", "problem": "no room"})
    await bed.reconcile()
    assert (bed.spool["state"], bed.spool["message"]) == ("Full", "main-gateway-0: no room")
    bed.clock.now -= 10
    bed.say("main-gateway-0")
    await bed.reconcile()
    assert (bed.spool["state"], bed.spool["backlogRecords"]) == ("Ready", 0)


async def test_the_operators_metrics_say_what_a_fleet_holds() -> None:
    bed = await claimed()
    bed.say("main-gateway-0", **HELD)
    await bed.reconcile()
    labels = {"fleet_namespace": "events", "fleet": "main"}
    found = {
        name: bed.metrics.registry.get_sample_value(f"headgate_fleet_spool_{name}", labels)
        for name in ("backlog_records", "backlog_bytes", "oldest_seconds", "left_claims", "left_records")
    }
    assert list(found.values()) == [7, 700, 60, 0, 0]
    bed.put(fleet(spool=CLAIMED, replicas=0))
    await bed.reconcile()
    bed.remove("Pod", "main-gateway-0")
    await bed.reconcile()
    names = ("backlog_records", "left_claims", "left_records")
    left = [bed.metrics.registry.get_sample_value(f"headgate_fleet_spool_{name}", labels) for name in names]
    assert left == [7, 1, 7]


async def test_nothing_is_said_of_spools_where_there_are_none() -> None:
    bed = SpoolBed()
    bed.put(fleet(), profile())
    await bed.reconcile()
    assert "spool" not in bed.cluster.objects["GatewayFleet", "events", "main"]["status"]
    labels = {"fleet_namespace": "events", "fleet": "main"}
    assert bed.metrics.registry.get_sample_value("headgate_fleet_spool_backlog_records", labels) is None
