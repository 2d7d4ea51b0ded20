"""News that the gateways' next word makes old is not written; all other news is told at once, and none is lost."""

from tests.unit.reconcile.fleetbed import KEY, Bed, fleet, profile, repo

from headgate_operator.reconcile.holds import Holds, HoldTiming
from headgate_operator.reconcile.passes import Outcome
from headgate_operator.status.observation import Refusal


async def look(bed: Bed, seconds: float) -> Outcome:
    """Reconcile so many seconds later."""
    bed.clock.now += seconds
    await bed.relister.relist()
    return await bed.reconciler.reconcile(KEY)


async def settled() -> tuple[Bed, str]:
    """Two repos, served by the gateway with this pod uid."""
    bed = Bed(holding=HoldTiming())
    bed.put(fleet(), profile(), repo("access"), repo("audit"))
    uid = bed.add_pod("pod-1")
    await look(bed, 0)
    bed.load(uid)
    await look(bed, 1)
    return bed, uid


def statuses(bed: Bed) -> list[str]:
    return [name for verb, kind, name in bed.cluster.writes if (verb, kind) == ("patch status", "EventRepo")]


async def test_a_new_repo_is_told_once_when_the_gateways_confirm_in_time() -> None:
    bed, _ = await settled()
    assert sorted(statuses(bed)) == ["access", "audit"]
    assert bed.conditions("EventRepo", "access")["Programmed"] == ("True", "Programmed")
    assert sorted(bed.events)[:2] == [("access", "Programmed"), ("audit", "Programmed")]


async def test_what_gateways_do_not_confirm_in_time_is_told_all_the_same() -> None:
    bed, _ = await settled()
    bed.cluster.writes.clear()
    bed.put(repo("access", topic="other"))
    assert (await look(bed, 0)).again == 2.0
    assert (await look(bed, 1.5)).again == 0.5
    assert statuses(bed) == []
    await look(bed, 0.5)
    assert statuses(bed) == ["access"]
    assert bed.conditions("EventRepo", "access")["Programmed"] == ("False", "Pending")


async def test_a_repo_that_changes_all_the_time_is_told_of() -> None:
    bed, _ = await settled()
    bed.cluster.writes.clear()
    for number in range(4):
        bed.put(repo("access", topic=f"t{number}"))
        await look(bed, 0.9)
    assert statuses(bed) == ["access"]


async def test_a_refused_spec_is_told_at_once() -> None:
    bed, _ = await settled()
    bed.cluster.writes.clear()
    bed.put(repo("access", kafka={"producerProfile": "none", "topic": "t"}))
    await look(bed, 0)
    assert statuses(bed) == ["access"]
    assert bed.conditions("EventRepo", "access")["Accepted"] == ("False", "ProfileNotFound")


async def test_where_there_is_no_gateway_nobody_is_waited_for() -> None:
    bed = Bed(holding=HoldTiming())
    bed.put(fleet(), profile(), repo("access"))
    await look(bed, 0)
    assert bed.conditions("EventRepo", "access")["Programmed"] == ("False", "NoGatewaysReady")


async def test_a_refusing_gateway_is_told_at_once() -> None:
    bed, uid = await settled()
    bed.load(uid, {("events", "access"): Refusal("bad pattern", "", serving=True)})
    await look(bed, 0)
    assert bed.conditions("EventRepo", "access")["Programmed"] == ("False", "RefusedByGateway")


async def test_a_gateway_that_stays_out_of_reach_is_told() -> None:
    bed, uid = await settled()
    bed.put(repo("audit", topic="other"))
    del bed.reports[uid]
    await look(bed, 0)
    assert bed.conditions("EventRepo", "audit")["Programmed"] == ("True", "Programmed")
    await look(bed, 2)
    assert bed.conditions("EventRepo", "audit")["Programmed"] == ("False", "GatewayUnreachable")


async def test_a_repo_that_nobody_serves_any_more_is_told_at_once() -> None:
    bed, _ = await settled()
    del bed.cluster.objects["Pod", "events", "pod-1"]
    await look(bed, 0)
    assert bed.conditions("EventRepo", "access")["Serving"] == ("False", "NoGatewaysReady")


async def test_a_restart_while_news_waits_loses_none() -> None:
    before, uid = await settled()
    before.put(repo("access", topic="other"))
    await look(before, 0)
    bed = Bed(before.cluster, holding=HoldTiming())
    bed.reports.update(before.reports)
    bed.load(uid)
    await look(bed, 0)
    assert bed.conditions("EventRepo", "access")["Programmed"] == ("True", "Programmed")


def test_many_wait_as_long_as_it_would_take_to_write_them_but_not_for_ever() -> None:
    few, many, more = ([("events", f"r{number}") for number in range(count)] for count in (10, 1_000, 100_000))
    for keys, seconds in ((few, 2.0), (many, 10.0), (more, 20.0)):
        holds = Holds(HoldTiming())
        assert holds.hold(keys, 0.0) == set(keys)
        assert holds.delay(0.5) == seconds - 0.5
        assert holds.hold(keys, seconds) == set()
        assert holds.delay(seconds) is None
