"""Kafka as a workload in the cluster: one broker, for pods and (through a node port) for this machine.

Owns its manifests. Brokers on loopback, outside of the cluster, are in `kafka`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from .kafka_config import START, Broker, Listener, build_properties
from .kafka_listeners import scram_login
from .tools import Tools

NAMESPACE = "kafka"
BOOTSTRAP = "kafka.kafka.svc:9092"
BOOTSTRAP_SASL = "kafka.kafka.svc:9095"
"""SASL_PLAINTEXT with SCRAM, and nobody who could log in: a password that is always wrong."""
MANIFEST = Path(__file__).parent / "manifests" / "kafka.yaml"


def broker(host_port: int) -> Broker:
    """Pods come in by the Service's name, this machine by loopback; each is told to come back the same way."""
    return Broker(
        node_id=1,
        quorum={1: "127.0.0.1:9093"},
        controller_bind="127.0.0.1:9093",
        listeners=(
            Listener("INTERNAL", ":9092", BOOTSTRAP),
            Listener("EXTERNAL", ":9094", f"127.0.0.1:{host_port}"),
            Listener("SASL", ":9095", BOOTSTRAP_SASL, "SASL_PLAINTEXT", scram_login()),
        ),
    )


def build_objects(image: str, host_port: int) -> list[dict[str, Any]]:
    """The manifests with image, command and configuration filled in."""
    objects: list[dict[str, Any]] = list(yaml.safe_load_all(MANIFEST.read_text()))
    for each in objects:
        match each["kind"]:
            case "ConfigMap":
                each["data"]["server.properties"] = build_properties(broker(host_port))
            case "StatefulSet":
                container = each["spec"]["template"]["spec"]["containers"][0]
                container["image"] = image
                container["command"] = ["sh", "-c", START]
            case _:
                pass
    return objects


def install(tools: Tools, image: str, host_port: int) -> None:
    """Apply; does not wait."""
    tools.apply(*build_objects(image, host_port))


def is_ready(tools: Tools) -> bool:
    """Does the broker accept clients?"""
    found = tools.fetch("statefulset", "kafka", "-n", NAMESPACE)
    return bool(found.get("status", {}).get("readyReplicas"))
