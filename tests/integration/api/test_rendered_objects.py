"""A real API server takes every rendered object, strictly, and applying the same again changes nothing."""

import json
from pathlib import Path
from typing import Any

import pytest
from tests.golden.fleets_of_files import NAMES, plan_of
from tests.integration.api.conftest import ApiServer

from headgate_operator.cli.yaml_text import write_yaml

pytestmark = pytest.mark.cluster
GATEWAY_API_CRD = "httproutes.gateway.networking.k8s.io"


def manifests(name: str, namespace: str) -> list[dict[str, Any]]:
    """The rendered objects, moved to the namespace of the tests and without their owner, who is not there."""
    found = [rendered.manifest for rendered in plan_of(name).objects]
    for one in found:
        one["metadata"]["namespace"] = namespace
        del one["metadata"]["ownerReferences"]
    return found


def apply(server: ApiServer, file: Path) -> list[dict[str, Any]]:
    words = (
        "apply",
        "--server-side",
        "--field-manager=headgate-operator",
        "--validate=strict",
        "-o",
        "json",
        "-f",
        str(file),
    )
    stored: list[dict[str, Any]] = json.loads(server.ask(*words))["items"]
    return stored


@pytest.mark.parametrize("name", NAMES)
def test_objects_are_taken_and_applying_them_again_changes_nothing(
    server: ApiServer, tmp_path: Path, name: str
) -> None:
    wanted = manifests(name, server.namespace)
    for one in wanted:
        # Nothing may start here: no gateway image exists, and this test is about the API.
        if one["kind"] in ("Deployment", "StatefulSet"):
            one["spec"] = one["spec"] | {"replicas": 0}
        if one["kind"] == "Service":
            one["spec"]["type"] = "ClusterIP"
    if server.run("get", "crd", GATEWAY_API_CRD).returncode != 0:
        pytest.fail(f"the cluster has no {GATEWAY_API_CRD}: the testbed installs Gateway API")
    file = tmp_path / "objects.yaml"
    file.write_text(write_yaml(wanted))
    first = apply(server, file)
    second = apply(server, file)
    versions = [[(one["kind"], one["metadata"]["name"], _generation(one)) for one in some] for some in (first, second)]
    assert versions[0] == versions[1]
    for one, stored in zip(wanted, second, strict=True):
        # Every defaulted field of a route is spelled out, so that what is stored is what was applied.
        if one["kind"] == "HTTPRoute":
            assert stored["spec"] == one["spec"]
    server.ask("delete", "-f", str(file), "--wait=false")


def _generation(stored: dict[str, Any]) -> Any:
    """Secrets and ConfigMaps have no generation; nobody else writes them, so their version tells."""
    plain = stored["kind"] in {"Secret", "ConfigMap", "ServiceAccount"}
    return (
        stored["metadata"]["resourceVersion" if plain else "generation"]
        if "generation" in stored["metadata"] or plain
        else None
    )
