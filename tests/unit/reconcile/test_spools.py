"""Fleets whose gateways keep events on disk: workloads take over from each other, and no event is left behind unseen."""

from typing import Any

import pytest
from tests.unit.reconcile.fleetbed import Bed, fleet, profile, repo

from headgate_operator.reconcile.write import must_be_made_anew
from headgate_operator.status.observation import GatewayReport, SpoolReport

CLAIMED = {"mode": "VolumeClaim", "size": "1Gi"}
ON_NODE = {"mode": "EmptyDir", "size": "1Gi"}
DEPLOYMENT, STATEFUL_SET = ("Deployment", "events", "main-gateway"), ("StatefulSet", "events", "main-gateway")
LABELS = {"headgate.dev/fleet": "main", "headgate.dev/component": "gateway", "headgate.dev/track": "stable"}
HELD = {"backlog_records": 7, "backlog_bytes": 700, "oldest_seconds": 60.0}


class SpoolBed(Bed):
    """A bed whose pods have spools."""

    def pod(self, name: str, maker: str = "StatefulSet", track: str = "stable", **spool: Any) -> None:
        """A ready gateway, and what it says of its spool."""
        owner = {"apiVersion": "apps/v1", "kind": maker, "name": "m", "uid": "m", "controller": True}
        labels = LABELS | {"headgate.dev/track": track}
        metadata = {"name": name, "namespace": "events", "labels": labels, "ownerReferences": [owner]}
        status = {
            "podIP": "10.0.0.1",
            "conditions": [{"type": "Ready", "status": "True"}],
            "containerStatuses": [{"name": "gateway", "state": {"running": {}}}],
        }
        spec = {"volumes": [{"name": "spool"}]}
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec, "status": status}
        found = self.cluster.put(pod)
        self.load(found["metadata"]["uid"])
        self.say(name, **spool)

    def say(self, name: str, **spool: Any) -> None:
        uid = self.cluster.objects["Pod", "events", name]["metadata"]["uid"]
        known = self.reports[uid]
        report = SpoolReport(**{"state": "Ready"} | spool)
        self.reports[uid] = GatewayReport(
            known.contract_versions, known.shards, known.credentials_hash, spool=report, spool_news=report.news
        )

    def fall_silent(self, name: str) -> None:
        """Its gateway is out of reach, or nobody has asked it yet."""
        self.reports.pop(self.cluster.objects["Pod", "events", name]["metadata"]["uid"], None)

    def claim(self, name: str) -> None:
        """As the StatefulSet's controller makes it."""
        labels = LABELS | {"app.kubernetes.io/managed-by": "headgate-operator"}
        metadata = {"name": name, "namespace": "events", "labels": labels}
        self.put({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata, "spec": {}})

    def remove(self, kind: str, name: str) -> None:
        del self.cluster.objects[kind, "events", name]

    async def scale_down(self) -> None:
        """From two gateways with claims to one."""
        self.put(fleet(spool=CLAIMED, replicas=1))
        await self.reconcile()
        self.remove("Pod", "main-gateway-1")
        await self.reconcile()

    def complete(self, key: tuple[str, str, str], replicas: int = 2) -> None:
        """All pods of this workload are ready."""
        counts = dict.fromkeys(("replicas", "readyReplicas", "updatedReplicas"), replicas)
        generation = {"observedGeneration": self.cluster.objects[key]["metadata"]["generation"]}
        self.cluster.put(
            {"kind": key[0], "metadata": {"namespace": key[1], "name": key[2]}, "status": counts | generation}
        )

    @property
    def spool(self) -> dict[str, Any]:
        found: dict[str, Any] = self.cluster.objects["GatewayFleet", "events", "main"]["status"]["spool"]
        return found

    @property
    def minimum(self) -> int:
        """Gateways below which the autoscaler does not go."""
        scaler = self.cluster.objects["HorizontalPodAutoscaler", "events", "main-gateway"]
        return int(scaler["spec"]["minReplicas"])

    def has(self, *keys: tuple[str, str, str]) -> bool:
        return set(keys) <= self.cluster.objects.keys()


async def claimed(**spec: Any) -> SpoolBed:
    """A fleet of two gateways with claims."""
    bed = SpoolBed()
    bed.put(fleet(spool=CLAIMED, **spec), profile(), repo("access"))
    await bed.reconcile()
    for name in ("main-gateway-0", "main-gateway-1"):
        bed.claim(f"spool-{name}")
        bed.pod(name)
    bed.complete(STATEFUL_SET)
    await bed.reconcile()
    return bed


async def deployed(**spec: Any) -> SpoolBed:
    """A fleet of two gateways with spools on their nodes."""
    bed = SpoolBed()
    bed.put(fleet(spool=ON_NODE, **spec), profile(), repo("access"))
    await bed.reconcile()
    for name in ("main-gateway-x", "main-gateway-y"):
        bed.pod(name, "ReplicaSet")
    bed.complete(DEPLOYMENT)
    await bed.reconcile()
    return bed


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
    bed = await deployed()
    bed.say("main-gateway-x", **HELD)
    bed.put(fleet(spool=CLAIMED))
    await bed.reconcile()
    bed.complete(STATEFUL_SET)
    await bed.reconcile()
    assert bed.has(DEPLOYMENT, STATEFUL_SET)
    bed.say("main-gateway-x")
    await bed.reconcile()
    assert not bed.has(DEPLOYMENT)


async def taking_over() -> SpoolBed:
    """A fleet whose gateways with claims are ready, while a former one holds events."""
    bed = await deployed()
    bed.say("main-gateway-x", **HELD)
    bed.put(fleet(spool=CLAIMED))
    await bed.reconcile()
    bed.complete(STATEFUL_SET)
    await bed.reconcile()
    return bed


async def test_a_new_leader_asks_the_former_gateways_before_any_of_them_goes() -> None:
    bed = await taking_over()
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
    again = SpoolBed((await taking_over()).cluster)
    await again.reconcile()
    again.clock.now += 300
    await again.reconcile()
    assert not again.has(DEPLOYMENT)


async def test_a_former_gateway_that_holds_events_and_falls_silent_stays() -> None:
    bed = await taking_over()
    bed.fall_silent("main-gateway-x")
    for _ in range(60):
        await bed.reconcile()
    assert bed.has(DEPLOYMENT, STATEFUL_SET)


async def test_events_that_are_just_on_their_way_hold_nobody() -> None:
    bed = await deployed()
    bed.say("main-gateway-x", backlog_records=100, oldest_seconds=0.05)
    bed.put(fleet(spool=CLAIMED))
    await bed.reconcile()
    bed.complete(STATEFUL_SET)
    await bed.reconcile()
    assert not bed.has(DEPLOYMENT)


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
