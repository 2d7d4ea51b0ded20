"""The Deployment and what stands beside it."""

from typing import Any

from tests.unit.render.builders import find, fleet, names_of, render, world

from headgate_gateway.__main__ import build_parser
from headgate_operator.api.fleet import GatewayFleet


def deployment(of: GatewayFleet) -> dict[str, Any]:
    spec: dict[str, Any] = find(render(world(fleet=of)), "Deployment", "default-gateway")["spec"]
    return spec


def pod(of: GatewayFleet) -> dict[str, Any]:
    spec: dict[str, Any] = deployment(of)["template"]["spec"]
    return spec


def test_pods_fit_the_restricted_pod_security_standard() -> None:
    spec = pod(fleet())
    assert spec["securityContext"] == {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    assert spec["containers"][0]["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert spec["automountServiceAccountToken"] is False


def test_all_config_is_one_volume_of_optional_sources() -> None:
    (volume,) = pod(fleet())["volumes"]
    sources = volume["projected"]["sources"]
    assert [source["configMap"]["name"] for source in sources[:-1]] == [f"default-shard-{i:02d}" for i in range(32)]
    assert sources[-1] == {"secret": {"name": "default-credentials", "optional": True}}
    assert all(next(iter(source.values()))["optional"] for source in sources)
    assert volume["projected"]["defaultMode"] == 0o444


def test_the_gateway_is_told_what_the_fleet_says() -> None:
    spec = pod(fleet(terminationGracePeriod="90500ms", drainDelay="1500ms", limits={"bufferBytes": "64Mi"}))
    assert spec["containers"][0]["args"] == [
        *("--config", "/etc/headgate", "--port", "8080", "--admin-port", "8081"),
        *("--buffer-bytes", "67108864", "--grace-period", "90500ms", "--drain-delay", "1500ms"),
    ]
    assert spec["terminationGracePeriodSeconds"] == 91


def test_connections_are_bounded_where_the_fleet_says_so() -> None:
    args = pod(fleet(limits={"connections": 5_000}))["containers"][0]["args"]
    assert args[-2:] == ["--max-connections", "5000"]
    arguments = build_parser().parse_args(args)
    assert arguments.max_connections == 5_000
    assert "--max-connections" not in pod(fleet())["containers"][0]["args"]


def test_two_replicas_where_nobody_says() -> None:
    assert deployment(fleet())["replicas"] == 2
    assert deployment(fleet(replicas=0))["replicas"] == 0


def test_an_autoscaler_and_the_operator_never_both_set_replicas() -> None:
    plan = render(world(fleet=fleet(autoscaling={"minReplicas": 3, "maxReplicas": 9})))
    assert "replicas" not in find(plan, "Deployment", "default-gateway")["spec"]
    scaler = find(plan, "HorizontalPodAutoscaler", "default-gateway")["spec"]
    assert (scaler["minReplicas"], scaler["maxReplicas"]) == (3, 9)
    assert scaler["scaleTargetRef"] == {"apiVersion": "apps/v1", "kind": "Deployment", "name": "default-gateway"}
    assert names_of(render(world()), "HorizontalPodAutoscaler") == []


def test_our_pod_labels_win_over_the_users() -> None:
    labels = {"headgate.dev/track": "mine", "team": "platform"}
    template = deployment(fleet(podMetadata={"labels": labels, "annotations": {"a": "b"}}))["template"]
    assert template["metadata"]["labels"]["headgate.dev/track"] == "stable"
    assert template["metadata"]["labels"]["team"] == "platform"
    assert template["metadata"]["annotations"] == {"a": "b"}


def test_the_selector_selects_the_pods_and_never_changes() -> None:
    plain, dressed = deployment(fleet()), deployment(fleet(image="other", podMetadata={"labels": {"a": "b"}}))
    assert plain["selector"] == dressed["selector"]
    assert plain["selector"]["matchLabels"].items() <= plain["template"]["metadata"]["labels"].items()
    plan = render(world())
    assert find(plan, "Service", "default-gateway")["spec"]["selector"] == plain["selector"]["matchLabels"]


def test_scheduling_is_passed_on_and_pods_spread_over_nodes_by_default() -> None:
    (default,) = pod(fleet())["topologySpreadConstraints"]
    assert (default["topologyKey"], default["whenUnsatisfiable"]) == ("kubernetes.io/hostname", "ScheduleAnyway")
    scheduling = {
        "nodeSelector": {"pool": "gateways"},
        "tolerations": [{"key": "a", "operator": "Exists", "tolerationSeconds": 30}],
        "affinity": {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": []}},
        "topologySpreadConstraints": [{"maxSkew": 2, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule"}],
        "priorityClassName": "high",
    }
    assert scheduling.items() <= pod(fleet(scheduling=scheduling)).items()


def test_a_rollout_never_has_fewer_gateways() -> None:
    assert deployment(fleet())["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}


def test_only_the_traffic_port_is_in_the_service() -> None:
    service = find(
        render(world(fleet=fleet(service={"type": "NodePort", "annotations": {"a": "b"}}))),
        "Service",
        "default-gateway",
    )
    assert service["spec"]["ports"] == [{"name": "http", "port": 80, "protocol": "TCP", "targetPort": "http"}]
    assert service["spec"]["type"] == "NodePort"
    assert service["metadata"]["annotations"] == {"a": "b"}


def test_image_pull_and_resources() -> None:
    spec = pod(fleet(imagePullSecrets=[{"name": "pull"}], imagePullPolicy="Never", resources={"limits": {"cpu": 1}}))
    assert spec["imagePullSecrets"] == [{"name": "pull"}]
    assert spec["containers"][0]["imagePullPolicy"] == "Never"
    assert spec["containers"][0]["resources"] == {"limits": {"cpu": 1}}
