"""What kind is asked for, and the pod network of nodes that come without one. Pure: text and dictionaries."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

POD_SUBNET = "10.244.0.0/16"
EDGE_NODE_PORT = 30080
KAFKA_NODE_PORT = 30092
AUDIT_FOLDER = "/var/log/headgate-audit"
POLICY_FOLDER = "/etc/kubernetes/headgate-audit"


@dataclass(frozen=True)
class HostPorts:
    """Ports of this machine's loopback that lead into the cluster."""

    edge: int
    kafka: int


def build_config(image: str, ports: HostPorts, policy_folder: str, workers: int, own_network: bool) -> dict[str, Any]:
    """kind's Cluster object: one control plane and `workers` more nodes."""
    control_plane = {
        "role": "control-plane",
        "image": image,
        "extraPortMappings": [
            {"containerPort": EDGE_NODE_PORT, "hostPort": ports.edge, "listenAddress": "127.0.0.1"},
            {"containerPort": KAFKA_NODE_PORT, "hostPort": ports.kafka, "listenAddress": "127.0.0.1"},
        ],
        "extraMounts": [{"hostPath": policy_folder, "containerPath": POLICY_FOLDER, "readOnly": True}],
        "kubeadmConfigPatches": [json.dumps(audit_patch())],
    }
    return {
        "kind": "Cluster",
        "apiVersion": "kind.x-k8s.io/v1alpha4",
        "networking": {"apiServerAddress": "127.0.0.1", "podSubnet": POD_SUBNET, "disableDefaultCNI": own_network},
        "nodes": [control_plane, *({"role": "worker", "image": image} for _ in range(workers))],
    }


def audit_patch() -> dict[str, Any]:
    """Let the API server write an audit log into the control plane's node."""
    return {
        "kind": "ClusterConfiguration",
        "apiServer": {
            "extraArgs": {
                "audit-policy-file": f"{POLICY_FOLDER}/audit-policy.yaml",
                "audit-log-path": f"{AUDIT_FOLDER}/audit.log",
                "audit-log-maxsize": "200",
                "audit-log-maxbackup": "2",
            },
            "extraVolumes": [
                {"name": "audit-policy", "hostPath": POLICY_FOLDER, "mountPath": POLICY_FOLDER, "readOnly": True},
                {
                    "name": "audit-log",
                    "hostPath": AUDIT_FOLDER,
                    "mountPath": AUDIT_FOLDER,
                    "readOnly": False,
                    "pathType": "DirectoryOrCreate",
                },
            ],
        },
    }


def build_conflist(pod_cidr: str) -> dict[str, Any]:
    """A CNI configuration for one node, as kindnet would write it.

    ptp and not bridge: every packet between pods passes the node's own iptables, so Services work between pods of
    one node without br_netfilter. Addresses live in /run, so that a restarted node starts with none taken.
    """
    return {
        "cniVersion": "0.4.0",
        "name": "headgate",
        "plugins": [
            {
                "type": "ptp",
                "ipMasq": False,
                "mtu": 1500,
                "ipam": {
                    "type": "host-local",
                    "dataDir": "/run/cni-ipam-state",
                    "routes": [{"dst": "0.0.0.0/0"}],
                    "ranges": [[{"subnet": pod_cidr}]],
                },
            },
            {"type": "portmap", "capabilities": {"portMappings": True}},
        ],
    }


@dataclass(frozen=True)
class Node:
    """A node as the API server describes it."""

    name: str
    address: str
    pod_cidr: str


def parse_nodes(listing: dict[str, Any]) -> list[Node]:
    """Nodes of a NodeList that have their pod range already."""
    return [
        Node(item["metadata"]["name"], _internal_address(item), item["spec"]["podCIDR"])
        for item in listing["items"]
        if item["spec"].get("podCIDR")
    ]


def network_script(node: Node, nodes: list[Node]) -> str:
    """Shell commands that give a node its pod network; they may be run again."""
    conflist = json.dumps(build_conflist(node.pod_cidr))
    routes = [f"ip route replace {other.pod_cidr} via {other.address}" for other in nodes if other != node]
    outside = f"POSTROUTING -s {POD_SUBNET} ! -d {POD_SUBNET} -j MASQUERADE"
    return "\n".join(
        [
            "set -eu",
            *routes,
            f"iptables -t nat -C {outside} 2> /dev/null || iptables -t nat -A {outside}",
            # Last, and by a rename: from here on the node takes pods.
            f"cat > /etc/cni/net.d/.headgate.tmp << 'EOF'\n{conflist}\nEOF",
            "mv /etc/cni/net.d/.headgate.tmp /etc/cni/net.d/10-headgate.conflist",
        ]
    )


def _internal_address(item: dict[str, Any]) -> str:
    addresses = item["status"]["addresses"]
    return next(str(each["address"]) for each in addresses if each["type"] == "InternalIP")
