"""Envoy Gateway and the one Gateway that routes attach to.

Owns installing both and telling whether they serve. Knows nothing of Headgate's routes.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from .builds.catalogue import Images
from .state import write_atomically
from .tools import Tools

NAMESPACE = "envoy-gateway-system"
CONTROLLER = "envoy-gateway"
GATEWAY_CLASS = "envoy"
GATEWAY_NAMESPACE, GATEWAY = "edge", "edge"
MANIFESTS = Path(__file__).parent / "manifests"


def install_crds(tools: Tools, manifests: Path) -> None:
    """Gateway API's standard channel and Envoy Gateway's own."""
    standard = sorted((manifests / "gateway-api").glob("gateway.networking.*.yaml"))
    tools.apply_files([*standard, *sorted((manifests / "envoy-gateway-crds").glob("*.yaml"))])


def install_controller(tools: Tools, manifests: Path, images: Images, scratch: Path) -> None:
    """Envoy Gateway by its own chart; does not wait for it."""
    chart = manifests / "chart"
    values = scratch / "envoy-gateway-values.yaml"
    write_atomically(values, render_values((chart / "values.tmpl.yaml").read_text(), images))
    tools.run_helm(
        "upgrade", "--install", "eg", chart, "--namespace", NAMESPACE, "--create-namespace", "--values", values
    )


def render_values(template: str, images: Images) -> str:
    """The chart's values out of its template, which Envoy Gateway's release process would fill in."""
    filled = re.sub(r"\$\{GatewayImage\}", images.envoy_gateway, template)
    values = yaml.safe_load(re.sub(r"\$\{GatewayImagePullPolicy\}", "IfNotPresent", filled))
    values["crds"]["enabled"] = False
    values["global"]["images"]["envoyProxy"] = {"image": images.envoy, "pullPolicy": "IfNotPresent", "pullSecrets": []}
    # Topology-aware routing between zones; a webhook that a single machine can do without.
    values["topologyInjector"]["enabled"] = False
    return yaml.safe_dump(values, sort_keys=True)


def install_gateway(tools: Tools, images: Images) -> None:
    """GatewayClass, Gateway and how its Envoy is run."""
    objects = list(yaml.safe_load_all((MANIFESTS / "edge.yaml").read_text()))
    tools.apply(*(with_proxy_image(each, images.envoy) for each in objects))


def with_proxy_image(manifest: dict[str, Any], image: str) -> dict[str, Any]:
    """Fill the EnvoyProxy's image in; other objects pass unchanged."""
    if manifest["kind"] == "EnvoyProxy":
        manifest["spec"]["provider"]["kubernetes"]["envoyDeployment"]["container"]["image"] = image
    return manifest


def is_programmed(tools: Tools) -> bool:
    """Does the Gateway serve, as its controller says?"""
    gateway = tools.fetch("gateway", GATEWAY, "-n", GATEWAY_NAMESPACE)
    conditions = gateway.get("status", {}).get("conditions", [])
    return any(each["type"] == "Programmed" and each["status"] == "True" for each in conditions)
