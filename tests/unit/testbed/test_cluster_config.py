"""What kind, the nodes' network, Envoy Gateway's chart and containerd are told."""

import json
from typing import Any

import yaml
from tests.testbed import cluster_kafka, edge
from tests.testbed.builds.catalogue import Images
from tests.testbed.builds.downloads import without_template_lines
from tests.testbed.builds.node import containerd_config, name_components
from tests.testbed.creation import is_healthy
from tests.testbed.kind_config import HostPorts, Node, build_config, build_conflist, network_script, parse_nodes

IMAGES = Images("node:1", "envoy:1", "gateway:1", "kafka:1", "python:1", pulled=False)
ONE = Node("one", "172.18.0.2", "10.244.0.0/24")
TWO = Node("two", "172.18.0.3", "10.244.1.0/24")


def test_a_node_gives_its_pods_addresses_of_its_own_range() -> None:
    ipam = build_conflist(ONE.pod_cidr)["plugins"][0]["ipam"]
    assert ipam["ranges"] == [[{"subnet": "10.244.0.0/24"}]]


def test_a_node_has_routes_to_the_others_and_none_to_itself() -> None:
    script = network_script(ONE, [ONE, TWO])
    assert "ip route replace 10.244.1.0/24 via 172.18.0.3" in script
    assert "10.244.0.0/24 via" not in script


def test_the_conflist_is_put_in_place_last_and_whole() -> None:
    lines = network_script(ONE, [ONE, TWO]).splitlines()
    assert lines[-1].startswith("mv ")
    assert json.loads(lines[lines.index("EOF") - 1])["name"] == "headgate"


def test_nodes_without_a_pod_range_are_not_counted() -> None:
    item: dict[str, Any] = {
        "metadata": {"name": "one"},
        "spec": {"podCIDR": ONE.pod_cidr},
        "status": {"addresses": [{"type": "InternalIP", "address": ONE.address}]},
    }
    assert parse_nodes({"items": [item, {"metadata": {"name": "new"}, "spec": {}}]}) == [ONE]


def test_the_cluster_listens_on_loopback_alone() -> None:
    config = build_config("node:1", HostPorts(edge=30080, kafka=30092), "/policy", workers=1, own_network=True)
    mappings = config["nodes"][0]["extraPortMappings"]
    assert {each["listenAddress"] for each in mappings} == {config["networking"]["apiServerAddress"]} == {"127.0.0.1"}
    assert [node["role"] for node in config["nodes"]] == ["control-plane", "worker"]


def test_pulled_nodes_keep_their_own_network() -> None:
    config = build_config("node:1", HostPorts(1, 2), "/policy", workers=0, own_network=False)
    assert config["networking"]["disableDefaultCNI"] is False
    assert len(config["nodes"]) == 1


def test_envoy_gateway_is_told_our_images_and_no_crds() -> None:
    template = """
global: {images: {envoyGateway: {image: "${GatewayImage}", pullPolicy: "${GatewayImagePullPolicy}"}}}
crds: {enabled: true}
topologyInjector: {enabled: true}
"""
    values = yaml.safe_load(edge.render_values(template, IMAGES))
    assert values["global"]["images"]["envoyGateway"]["image"] == "gateway:1"
    assert values["global"]["images"]["envoyProxy"]["image"] == "envoy:1"
    assert values["crds"]["enabled"] is False


def test_template_lines_leave_a_crd() -> None:
    assert without_template_lines("{{- if .Values.x }}\n---\nkind: A\n{{- end }}\n") == "---\nkind: A\n"


def test_containerd_is_told_the_pause_image_and_what_it_may_not_do() -> None:
    text = 'sandbox_image = "old:1"\n  base_runtime_spec = "/x"\nrestrict_oom_score_adj = false\n'
    assert containerd_config(text, "pause:2") == 'sandbox_image = "pause:2"\nrestrict_oom_score_adj = true\n'


def test_components_are_found_by_the_last_part_of_their_name() -> None:
    assert name_components("r/kube-proxy:v1\nr/coredns/coredns:v2\n") == {
        "kube-proxy": "r/kube-proxy:v1",
        "coredns": "r/coredns/coredns:v2",
    }


def test_clients_outside_are_told_to_come_back_through_loopback() -> None:
    objects = cluster_kafka.build_objects("kafka:1", 30092)
    (config,) = (each for each in objects if each["kind"] == "ConfigMap")
    lines = config["data"]["server.properties"].splitlines()
    assert (
        "advertised.listeners=INTERNAL://kafka.kafka.svc:9092,EXTERNAL://127.0.0.1:30092,SASL://kafka.kafka.svc:9095"
        in lines
    )
    assert "auto.create.topics.enable=false" in lines


def resource(kind: str, namespace: str, name: str, ready: int = 1) -> dict[str, Any]:
    status = {"readyReplicas": ready} if ready else {}
    return {"kind": kind, "metadata": {"namespace": namespace, "name": name}, "status": status}


def node(ready: str) -> dict[str, Any]:
    return {"kind": "Node", "metadata": {"name": "n"}, "status": {"conditions": [{"type": "Ready", "status": ready}]}}


SERVING = [
    resource("Deployment", "kube-system", "coredns"),
    resource("Deployment", "envoy-gateway-system", "envoy-gateway"),
    resource("Deployment", "envoy-gateway-system", "envoy-edge-edge-1"),
]


def test_a_cluster_is_healthy_when_nodes_dns_envoy_and_kafka_are() -> None:
    assert is_healthy([node("True"), *SERVING, resource("StatefulSet", "kafka", "kafka")], nodes=1)


def test_a_cluster_without_its_kafka_or_a_node_is_not_healthy() -> None:
    assert not is_healthy([node("True"), *SERVING, resource("StatefulSet", "kafka", "kafka", ready=0)], nodes=1)
    assert not is_healthy([node("Unknown"), *SERVING, resource("StatefulSet", "kafka", "kafka")], nodes=1)
