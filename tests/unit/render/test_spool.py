"""Spools of a fleet: what its pods mount, what makes them, and who may ask for it."""

from typing import Any

import pytest
from tests.unit.render.builders import find, fleet, intent, names_of, render, repo, world

from headgate_operator.api.fleet import GatewayFleet
from headgate_operator.api.names import canary_name, upgrade_name
from headgate_operator.api.resource import InvalidResourceError
from headgate_operator.render.children import format_quantity
from headgate_operator.render.world import FleetUpgrade, GatewayImage, RepoRollout

CLAIMED = {"mode": "VolumeClaim", "size": "4Gi"}
ON_NODE = {"mode": "EmptyDir", "size": "4Gi", "maxBytes": "3Gi"}
SHARED = {"mode": "SharedClaim", "claimName": "spools", "size": "4Gi"}
KEY = ("team", "access")


def workload(of: GatewayFleet, kind: str) -> dict[str, Any]:
    spec: dict[str, Any] = find(render(world(fleet=of)), kind, "default-gateway")["spec"]
    return spec


def volumes(spec: dict[str, Any]) -> dict[str, Any]:
    return {each["name"]: each for each in spec["template"]["spec"]["volumes"]}


def mounts(spec: dict[str, Any]) -> dict[str, str]:
    (container,) = spec["template"]["spec"]["containers"]
    return {each["name"]: each["mountPath"] for each in container["volumeMounts"]}


def flags(spec: dict[str, Any]) -> dict[str, str]:
    args = spec["template"]["spec"]["containers"][0]["args"]
    return dict(zip(args[::2], args[1::2], strict=True))


def test_without_a_spool_gateways_have_neither_volume_nor_flag() -> None:
    spec = workload(fleet(), "Deployment")
    assert set(volumes(spec)) == set(mounts(spec)) == {"config"}
    assert not {"--spool", "--spool-max-bytes"} & flags(spec).keys()
    assert names_of(render(world()), "StatefulSet") == []


def test_an_empty_dir_is_as_large_as_the_fleet_says_and_the_spool_smaller() -> None:
    spec = workload(fleet(spool=ON_NODE), "Deployment")
    assert volumes(spec)["spool"] == {"name": "spool", "emptyDir": {"sizeLimit": "4Gi"}}
    assert flags(spec)["--spool"] == mounts(spec)["spool"] == "/var/lib/headgate/spool"
    assert flags(spec)["--spool-max-bytes"] == str(3 * 2**30)


def test_a_tenth_of_a_volume_is_left_to_its_file_system() -> None:
    assert flags(workload(fleet(spool=CLAIMED), "StatefulSet"))["--spool-max-bytes"] == str(4 * 2**30 * 9 // 10)


def test_each_gateway_of_a_fleet_with_claims_has_one_that_nothing_deletes() -> None:
    plan = render(world(fleet=fleet(spool=CLAIMED | {"storageClassName": "fast"})))
    assert names_of(plan, "Deployment") == []
    spec = find(plan, "StatefulSet", "default-gateway")["spec"]
    (claim,) = spec["volumeClaimTemplates"]
    assert claim["spec"] == {
        "accessModes": ["ReadWriteOnce"],
        "storageClassName": "fast",
        "volumeMode": "Filesystem",
        "resources": {"requests": {"storage": "4Gi"}},
    }
    assert "ownerReferences" not in claim["metadata"]
    assert claim["metadata"]["name"] in mounts(spec)
    assert spec["persistentVolumeClaimRetentionPolicy"] == {"whenDeleted": "Retain", "whenScaled": "Retain"}


def test_gateways_with_claims_start_and_are_mended_without_waiting_for_each_other() -> None:
    spec = workload(fleet(spool=CLAIMED), "StatefulSet")
    assert (spec["podManagementPolicy"], spec["updateStrategy"]) == ("Parallel", {"type": "RollingUpdate"})


def test_claims_name_no_storage_class_where_the_fleet_does_not() -> None:
    (claim,) = workload(fleet(spool=CLAIMED), "StatefulSet")["volumeClaimTemplates"]
    assert "storageClassName" not in claim["spec"]


def test_volumes_of_claims_are_writable_for_the_gateways_group() -> None:
    security = workload(fleet(spool=CLAIMED), "StatefulSet")["template"]["spec"]["securityContext"]
    assert (security["fsGroup"], security["fsGroupChangePolicy"]) == (65_532, "OnRootMismatch")
    assert "fsGroup" not in workload(fleet(spool=ON_NODE), "Deployment")["template"]["spec"]["securityContext"]


def test_the_pods_of_both_kinds_are_those_of_the_services() -> None:
    plan = render(world(fleet=fleet(spool=CLAIMED)))
    stateful = find(plan, "StatefulSet", "default-gateway")["spec"]
    assert stateful["selector"] == workload(fleet(), "Deployment")["selector"]
    headless = find(plan, "Service", stateful["serviceName"])["spec"]
    assert (headless["clusterIP"], headless["selector"]) == ("None", stateful["selector"]["matchLabels"])
    assert find(plan, "Service", "default-gateway")["spec"]["selector"] == stateful["selector"]["matchLabels"]


def test_pods_of_one_template_spread_by_the_label_that_their_kind_of_workload_gives() -> None:
    (spread,) = workload(fleet(spool=CLAIMED), "StatefulSet")["template"]["spec"]["topologySpreadConstraints"]
    assert spread["matchLabelKeys"] == ["controller-revision-hash"]


def test_the_autoscaler_aims_at_what_makes_the_pods() -> None:
    plan = render(world(fleet=fleet(spool=CLAIMED, autoscaling={"maxReplicas": 9})))
    target = find(plan, "HorizontalPodAutoscaler", "default-gateway")["spec"]["scaleTargetRef"]
    assert target == {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "default-gateway"}
    assert "replicas" not in find(plan, "StatefulSet", "default-gateway")["spec"]


@pytest.mark.parametrize(("floor", "least"), [(0, 2), (5, 5), (12, 9)], ids=["nothing held", "held", "held by many"])
def test_the_autoscaler_does_not_take_gateways_away_that_hold_events(floor: int, least: int) -> None:
    plan = render(world(fleet=fleet(spool=CLAIMED, autoscaling={"maxReplicas": 9}), spool_floor=floor))
    assert find(plan, "HorizontalPodAutoscaler", "default-gateway")["spec"]["minReplicas"] == least


@pytest.mark.parametrize("spool", [ON_NODE, CLAIMED], ids=["EmptyDir", "VolumeClaim"])
def test_a_canary_has_a_spool_of_its_own_on_its_node(spool: dict[str, Any]) -> None:
    of = fleet(spool=spool | ({"storageClassName": "fast"} if spool is CLAIMED else {}))
    stable, candidate = intent(repo()), intent(repo(topic="other"))
    rollout = RepoRollout(stable=stable, candidate=candidate, canary_replicas=1, weight=10)
    canary = find(render(world(repo(), fleet=of, rollouts={KEY: rollout})), "Deployment", canary_name("default", *KEY))[
        "spec"
    ]
    assert volumes(canary)["spool"]["emptyDir"] == {"sizeLimit": "4Gi"}
    assert "fsGroup" not in canary["template"]["spec"]["securityContext"]
    assert flags(canary)["--spool"] == mounts(canary)["spool"]


def test_a_new_image_is_tried_with_spools_of_its_own() -> None:
    upgrade = FleetUpgrade(GatewayImage("gateway:1", "IfNotPresent"), GatewayImage("gateway:2", "Never"), "a", 2)
    plan = render(world(repo(), fleet=fleet(spool=CLAIMED, image="gateway:2"), upgrade=upgrade))
    new = find(plan, "Deployment", upgrade_name("default"))["spec"]
    assert volumes(new)["spool"]["emptyDir"] == {"sizeLimit": "4Gi"}
    stable = find(plan, "StatefulSet", "default-gateway")["spec"]
    assert stable["template"]["spec"]["containers"][0]["image"] == "gateway:1"


def test_gateways_that_share_a_claim_have_a_directory_of_the_fleets_and_know_whose_they_are() -> None:
    plan = render(world(fleet=fleet(spool=SHARED)))
    assert names_of(plan, "StatefulSet") == []
    spec = find(plan, "Deployment", "default-gateway")["spec"]
    assert volumes(spec)["spool"] == {"name": "spool", "persistentVolumeClaim": {"claimName": "spools"}}
    assert flags(spec)["--spool"] == mounts(spec)["spool"] + "/headgate.default"
    assert flags(spec)["--spool-owner"] == "$(HEADGATE_POD_UID)"
    (container,) = spec["template"]["spec"]["containers"]
    field = {"apiVersion": "v1", "fieldPath": "metadata.uid"}
    assert container["env"] == [{"name": "HEADGATE_POD_UID", "valueFrom": {"fieldRef": field}}]
    assert spec["template"]["spec"]["securityContext"]["fsGroup"] == 65_532


def test_who_takes_over_whose_spool_is_mounted_beside_the_config() -> None:
    plan = render(world(fleet=fleet(spool=SHARED), spool_grants={"gone": "here"}))
    granted = find(plan, "ConfigMap", "default-spool-grants")
    assert granted["data"] == {"spool-grants.json": '{"gone":"here"}'}
    sources = volumes(find(plan, "Deployment", "default-gateway")["spec"])["config"]["projected"]["sources"]
    assert {"configMap": {"name": "default-spool-grants", "optional": True}} in sources
    assert "default-spool-grants" not in names_of(render(world(fleet=fleet(spool=CLAIMED))), "ConfigMap")


def test_gateways_of_a_mode_that_was_left_are_told_still_who_takes_over_whose_spool() -> None:
    plan = render(world(fleet=fleet(spool=CLAIMED), spool_grants={}))
    assert find(plan, "ConfigMap", "default-spool-grants")["data"] == {"spool-grants.json": "{}"}


def test_a_canary_of_a_fleet_that_shares_a_claim_is_on_it_too() -> None:
    rollout = RepoRollout(stable=intent(repo()), candidate=intent(repo(topic="other")), canary_replicas=1, weight=10)
    plan = render(world(repo(), fleet=fleet(spool=SHARED), rollouts={KEY: rollout}))
    canary = find(plan, "Deployment", canary_name("default", *KEY))["spec"]
    assert volumes(canary)["spool"]["persistentVolumeClaim"] == {"claimName": "spools"}
    assert flags(canary)["--spool-owner"] == "$(HEADGATE_POD_UID)"


def test_a_repo_that_spools_is_refused_by_a_fleet_that_cannot() -> None:
    spooling = repo(kafka={"producerProfile": "main", "topic": "t", "onFailure": "Spool"})
    verdict = render(world(spooling)).repos[KEY].verdict
    assert (verdict.accepted, verdict.reason, verdict.field) == (False, "SpoolNotEnabled", "spec.kafka.onFailure")
    assert "GatewayFleet headgate/default" in verdict.message
    for spool in (ON_NODE, CLAIMED, SHARED):
        assert render(world(spooling, fleet=fleet(spool=spool))).repos[KEY].verdict.accepted


def test_delivery_from_memory_takes_no_spool() -> None:
    plain = repo(kafka={"producerProfile": "main", "topic": "t", "delivery": "Async"})
    assert render(world(plain)).repos[KEY].verdict.accepted


def test_a_spool_changes_no_revision() -> None:
    """Gateways are told by flags, so nothing that repos serve goes through a rollout for it."""
    plain, spooled = (render(world(repo(), fleet=of)).repos[KEY].revision for of in (fleet(), fleet(spool=CLAIMED)))
    assert plain == spooled


@pytest.mark.parametrize(
    ("spool", "message"),
    [
        ({"mode": "EmptyDir", "size": "1Gi", "maxBytes": "1Gi"}, "spool.maxBytes must be at most 95 % of spool.size"),
        ({"mode": "EmptyDir", "size": "1000Mi", "maxBytes": "951Mi"}, "at most 95 % of spool.size"),
        ({"mode": "EmptyDir", "size": "1Mi"}, "spool.size"),
        ({"mode": "SharedClaim"}, "spool.mode SharedClaim takes a claimName, and no other mode does"),
        ({"mode": "EmptyDir", "claimName": "all"}, "spool.mode SharedClaim takes a claimName"),
        ({"claimName": "all"}, "spool.mode SharedClaim takes a claimName"),
    ],
    ids=[
        "no room for the file system",
        "too little of it",
        "too small",
        "no claim",
        "a claim for a node",
        "a claim for nothing",
    ],
)
def test_what_could_not_work_is_refused(spool: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidResourceError, match=message):
        fleet(spool=spool)


def test_a_fleet_that_leaves_claims_or_comes_to_them_may_keep_their_class() -> None:
    modes: list[dict[str, Any]] = [
        {"mode": "Disabled"},
        {"mode": "EmptyDir"},
        {"mode": "SharedClaim", "claimName": "all"},
    ]
    mode_alone = [
        render(world(fleet=fleet(spool={**mode, "size": "4Gi", "storageClassName": "fast"}))) for mode in modes
    ]
    without = [render(world(fleet=fleet(spool={**mode, "size": "4Gi"}))) for mode in modes]
    assert [each.objects for each in mode_alone] == [each.objects for each in without]


def test_the_name_of_a_fleet_with_claims_leaves_room_for_a_hash() -> None:
    def named(length: int) -> GatewayFleet:
        spec = {"image": "g", "spool": {"mode": "VolumeClaim"}}
        metadata = {"name": "f" * length, "namespace": "n"}
        return GatewayFleet.from_object(
            {"apiVersion": "headgate.dev/v1alpha1", "kind": "GatewayFleet", "metadata": metadata, "spec": spec}
        )

    assert len(names_of(render(world(fleet=named(44))), "StatefulSet")[0]) == 52
    with pytest.raises(InvalidResourceError, match="44 characters at most"):
        named(45)


@pytest.mark.parametrize(
    ("size", "text"), [(2**30, "1Gi"), (1536 * 2**20, "1536Mi"), (2**20 + 2**10, "1025Ki"), (10**9 + 1, "1000000001")]
)
def test_sizes_are_written_as_the_api_server_would(size: int, text: str) -> None:
    assert format_quantity(size) == text
