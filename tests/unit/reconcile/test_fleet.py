"""Reconcile converges, and then writes nothing: over an API server in a dict."""

import pytest
from tests.unit.reconcile.fakes import FakeCluster
from tests.unit.reconcile.fleetbed import Bed, fleet, profile, repo, resource

from headgate_gateway.config import shard_of
from headgate_operator.api.names import ANNOTATION_CONFIG_HASH, shard_name
from headgate_operator.ports import RejectedError, UnavailableError
from headgate_operator.render.profiles import credential_file
from headgate_operator.status.observation import Refusal


async def settled() -> Bed:
    bed = Bed()
    bed.put(fleet(), profile(), repo("access"), repo("audit"))
    await bed.reconcile()
    bed.cluster.writes.clear()
    bed.events.clear()
    return bed


async def test_an_unchanged_world_is_not_written_to() -> None:
    bed = await settled()
    for _ in range(3):
        assert (await bed.reconcile()).succeeded
    assert bed.cluster.writes == []
    assert bed.events == []


async def test_a_restart_alone_writes_nothing() -> None:
    before = await settled()
    bed = Bed(before.cluster)
    await bed.reconcile()
    assert bed.cluster.writes == []


async def test_a_change_of_one_repo_writes_its_shard_and_its_status() -> None:
    bed = await settled()
    bed.put(repo("access", topic="other"))
    await bed.reconcile()
    shard = shard_name("main", shard_of("events", "access"))
    assert [(verb, kind) for verb, kind, _ in bed.cluster.writes] == [
        ("apply", "ControllerRevision"),  # what is asked for, and then that it is promoted, before anything follows
        ("apply", "ConfigMap"),
        ("apply", "ConfigMap"),
        ("patch status", "EventRepo"),
    ]
    assert [name for _, _, name in bed.cluster.writes][1:] == ["main.events.access.rollout", shard, "access"]


async def test_drift_is_repaired() -> None:
    bed = await settled()
    bed.cluster.put(
        {"kind": "Service", "metadata": {"name": "main-gateway", "namespace": "events"}, "spec": {"type": "NodePort"}}
    )
    await bed.reconcile()
    assert bed.cluster.objects["Service", "events", "main-gateway"]["spec"]["type"] == "ClusterIP"


async def test_what_others_add_beside_ours_is_left_alone() -> None:
    bed = await settled()
    metadata = {"name": "main-gateway", "namespace": "events", "annotations": {"somebody": "else"}}
    bed.cluster.put({"kind": "Deployment", "metadata": metadata})
    await bed.reconcile()
    assert bed.cluster.writes == []


async def test_a_repo_that_is_deleted_leaves_its_shard() -> None:
    bed = await settled()
    del bed.cluster.objects["EventRepo", "events", "audit"]
    await bed.reconcile()
    shard = shard_name("main", shard_of("events", "audit"))
    assert ("apply", "ConfigMap", shard) in bed.cluster.writes
    assert "audit" not in str(bed.cluster.objects["ConfigMap", "events", shard]["data"])


async def test_a_shard_that_changed_since_it_was_read_is_not_overwritten() -> None:
    bed = await settled()
    bed.put(repo("access", topic="other"))
    await bed.relister.relist()
    shard = shard_name("main", shard_of("events", "access"))
    bed.cluster.put({"kind": "ConfigMap", "metadata": {"name": shard, "namespace": "events"}, "data": {"x": "y"}})
    outcome = await bed.reconciler.reconcile(("events", "main"))
    assert not outcome.succeeded
    assert bed.conditions("GatewayFleet", "main")["Accepted"] == ("True", "Accepted")
    assert bed.conditions("GatewayFleet", "main").get("Stalled") is None
    assert "other" not in str(bed.cluster.objects["ConfigMap", "events", shard]["data"])
    assert (await bed.reconcile()).succeeded
    assert "other" in str(bed.cluster.objects["ConfigMap", "events", shard]["data"])


@pytest.mark.parametrize(
    ("error", "succeeded"),
    [(RejectedError("spec.x: invalid"), True), (UnavailableError("away"), False)],
    ids=["refused for good", "refused for now"],
)
async def test_one_bad_object_holds_back_no_other(error: Exception, succeeded: bool) -> None:
    bed = Bed()
    bed.put(fleet(), profile(), repo("access"))
    bed.cluster.failing["Service", "events", "main-gateway"] = error  # type: ignore[assignment]
    for _ in range(3):
        assert (await bed.reconcile()).succeeded is succeeded
    assert ("Deployment", "events", "main-gateway") in bed.cluster.objects
    assert bed.conditions("GatewayFleet", "main")["Ready"] == ("False", "ApplyFailed")


async def test_gateways_confirm_and_then_a_repo_is_programmed() -> None:
    bed = await settled()
    uid = bed.add_pod("pod-1")
    bed.load(uid)
    assert not (await bed.reconcile()).awaiting
    assert bed.conditions("EventRepo", "access")["Programmed"] == ("True", "Programmed")
    assert ("access", "Programmed") in bed.events
    bed.put(repo("access", topic="other"))
    assert (await bed.reconcile()).awaiting
    assert bed.conditions("EventRepo", "access")["Programmed"] == ("False", "Pending")
    assert bed.conditions("EventRepo", "access")["Serving"] == ("True", "Serving")
    assert bed.cluster.objects["Pod", "events", "pod-1"]["metadata"]["annotations"][ANNOTATION_CONFIG_HASH]
    bed.load(uid)
    await bed.reconcile()
    assert bed.conditions("EventRepo", "access")["Ready"] == ("True", "Ready")


async def test_a_neighbours_change_leaves_a_repo_programmed() -> None:
    bed = await settled()
    shard = shard_of("events", "access")
    neighbour = next(f"n{number}" for number in range(10_000) if shard_of("events", f"n{number}") == shard)
    bed.load(bed.add_pod("pod-1"))
    await bed.reconcile()
    bed.put(repo(neighbour))
    await bed.reconcile()
    assert bed.conditions("EventRepo", neighbour)["Programmed"] == ("False", "Pending")
    assert bed.conditions("EventRepo", "access")["Programmed"] == ("True", "Programmed")


async def test_after_a_restart_amid_a_change_a_repo_that_was_programmed_stays_so() -> None:
    before = await settled()
    uid = before.add_pod("pod-1")
    before.load(uid)
    await before.reconcile()
    shard = shard_of("events", "access")
    neighbour = next(f"n{number}" for number in range(10_000) if shard_of("events", f"n{number}") == shard)
    before.put(repo(neighbour))
    await before.reconcile()
    bed = Bed(before.cluster)
    bed.reports.update(before.reports)  # a hash that the new process never wrote
    await bed.reconcile()
    assert bed.conditions("EventRepo", "access")["Programmed"] == ("True", "Programmed")
    assert bed.conditions("EventRepo", neighbour)["Programmed"] == ("False", "Pending")


async def test_a_refusing_gateway_is_quoted() -> None:
    bed = await settled()
    uid = bed.add_pod("pod-1")
    bed.load(uid, {("events", "access"): Refusal("bad pattern", "", serving=True)})
    await bed.reconcile()
    assert bed.conditions("EventRepo", "access")["Programmed"] == ("False", "RefusedByGateway")
    assert bed.conditions("EventRepo", "access")["Serving"] == ("True", "Serving")
    assert bed.conditions("EventRepo", "audit")["Programmed"] == ("True", "Programmed")


async def test_repos_of_a_fleet_that_is_gone_say_so() -> None:
    bed = await settled()
    del bed.cluster.objects["GatewayFleet", "events", "main"]
    await bed.reconcile()
    assert bed.conditions("EventRepo", "access")["Accepted"] == ("False", "FleetNotFound")
    assert bed.conditions("KafkaProducerProfile", "local")["Accepted"] == ("False", "NoFleet")


async def test_a_spec_that_does_not_parse_is_named_and_what_is_served_stays() -> None:
    bed = await settled()
    broken = repo("access")
    broken["spec"]["fromTheFuture"] = True
    bed.put(broken)
    await bed.reconcile()
    assert bed.conditions("EventRepo", "access")["Accepted"] == ("False", "InvalidSpec")
    assert [write for write in bed.cluster.writes if write[1] == "ConfigMap"] == []


async def test_a_fleet_that_does_not_parse_keeps_its_children() -> None:
    bed = await settled()
    bed.put(fleet(fromTheFuture=True))
    await bed.reconcile()
    assert bed.conditions("GatewayFleet", "main")["Accepted"] == ("False", "InvalidSpec")
    assert ("Deployment", "events", "main-gateway") in bed.cluster.objects
    assert {verb for verb, _, _ in bed.cluster.writes} == {"patch status"}


async def test_secrets_are_read_by_name_and_a_missing_one_is_named() -> None:
    bed = await settled()
    sasl = {"mechanism": "SCRAM-SHA-256", "secretRef": {"name": "user"}}
    bed.put(profile(sasl=sasl))
    await bed.reconcile()
    assert bed.conditions("KafkaProducerProfile", "local")["Accepted"] == ("False", "SecretNotFound")
    metadata = {"name": "user", "namespace": "events"}
    data = {"username": "dQ==", "password": "cA=="}
    bed.put({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": data})
    await bed.reconcile()
    assert bed.conditions("KafkaProducerProfile", "local")["Accepted"] == ("True", "Accepted")
    credentials = bed.cluster.objects["Secret", "events", "main-credentials"]["data"]
    assert credentials[credential_file("local", "password", "user", "password")] == "cA=="


async def test_a_crd_that_drops_a_field_of_the_status_is_not_written_to_for_ever() -> None:
    class Forgetful(FakeCluster):
        async def patch(self, ref, patch, subresource=""):  # type: ignore[no-untyped-def]
            if subresource == "status":
                patch["status"].pop("gateways", None)
            return await super().patch(ref, patch, subresource)

    bed = Bed(Forgetful())
    bed.put(fleet(), profile(), repo("access"))
    await bed.reconcile()
    bed.cluster.writes.clear()
    await bed.reconcile()
    assert bed.cluster.writes == []


async def test_series_of_a_fleet_that_is_gone_leave() -> None:
    bed = await settled()
    labels = {"fleet_namespace": "events", "fleet": "main", "condition": "Accepted", "status": "True"}
    assert bed.metrics.registry.get_sample_value("headgate_repos", labels) == 2
    for name in ("access", "audit"):
        del bed.cluster.objects["EventRepo", "events", name]
    del bed.cluster.objects["GatewayFleet", "events", "main"]
    await bed.reconcile()
    assert bed.metrics.registry.get_sample_value("headgate_repos", labels) is None


async def test_objects_of_others_are_never_pruned() -> None:
    bed = await settled()
    metadata = {"name": "mine", "namespace": "events", "labels": {"headgate.dev/fleet": "main"}}
    bed.put({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata})
    await bed.reconcile()
    assert bed.cluster.writes == []


async def test_an_autoscaler_that_is_no_longer_wanted_is_pruned() -> None:
    bed = Bed()
    bed.put(resource("GatewayFleet", "main", {"image": "gateway:1", "autoscaling": {"maxReplicas": 4}}), profile())
    await bed.reconcile()
    bed.put(
        {"kind": "GatewayFleet", "metadata": {"name": "main", "namespace": "events"}, "spec": {"autoscaling": None}}
    )
    await bed.reconcile()
    assert ("delete", "HorizontalPodAutoscaler", "main-gateway") in bed.cluster.writes
    assert ("main", "Pruned") in bed.events
