"""The chart's life on a real cluster: upgraded, uninstalled, installed again; what must survive does."""

import shutil
import subprocess
from pathlib import Path

import httpx
import pytest
import yaml
from tests.e2e.api import Manifest, wait_for
from tests.e2e.conftest import PROFILE
from tests.e2e.release import CHART, FLEET, NAMESPACE, Release
from tests.e2e.repos import repo, repo_path, wait_ready
from tests.testbed.cluster import Cluster

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(600)]
CRDS = ("gatewayfleets.headgate.dev", "kafkaproducerprofiles.headgate.dev", "eventrepos.headgate.dev")


def crd(release: Release, name: str) -> Manifest:
    found = release.api.get(f"apis/apiextensions.k8s.io/v1/customresourcedefinitions/{name}")
    assert found is not None, f"CRD {name} is not there"
    return found


def gateways(release: Release) -> dict[str, Manifest]:
    """Those that serve everybody, by UID. A fleet's limits are its repos', too: where there is a repo, a canary tries them."""
    found = {pod["metadata"]["uid"]: pod["metadata"]["labels"] for pod in release.gateway_pods()}
    return {uid: labels for uid, labels in found.items() if labels["headgate.dev/track"] == "stable"}


def test_helm_lint_is_clean(cluster: Cluster) -> None:
    done = subprocess.run([cluster.helm, "lint", "--strict", CHART], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def older_chart(folder: Path) -> Path:
    """The chart as a release before a field and a short name might have had it."""
    chart = folder / "headgate"
    shutil.copytree(CHART, chart)
    path = chart / "files" / "crds" / "headgate.dev_gatewayfleets.yaml"
    manifest = yaml.safe_load(path.read_text())
    manifest["spec"]["names"].pop("shortNames")
    schema = manifest["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    del schema["properties"]["spec"]["properties"]["podMetadata"]
    path.write_text(yaml.safe_dump(manifest))
    return chart


def test_an_upgrade_upgrades_crds_and_sets_the_fleet_without_restarting_gateways(
    release: Release, tmp_path: Path
) -> None:
    pods = gateways(release)
    values = release.values()["defaultFleet"]
    limited = {**values, "spec": {**values["spec"], "limits": {"bodyBytes": "4Mi"}}}

    release.install(chart=older_chart(tmp_path), defaultFleet=limited)
    assert fleet_fields(release).isdisjoint({"podMetadata"})
    assert release.wait_for_fleet()["spec"]["limits"]["bodyBytes"] == "4Mi"
    release.install()

    assert {"podMetadata", "limits"} <= fleet_fields(release)
    assert crd(release, CRDS[0])["spec"]["names"]["shortNames"] == ["gwf"]
    fleet = release.wait_for_fleet()
    assert fleet["spec"].get("limits", {}).get("bodyBytes") != "4Mi", "what the values no longer say is gone"
    assert gateways(release) == pods


def fleet_fields(release: Release) -> set[str]:
    """Fields of a fleet's spec that the cluster's CRD knows."""
    schema = crd(release, CRDS[0])["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    return set(schema["properties"]["spec"]["properties"])


def test_a_fleet_that_the_api_server_refuses_fails_the_upgrade_in_its_own_words(release: Release) -> None:
    values = release.values()["defaultFleet"]
    both = {**values["spec"], "replicas": 2, "autoscaling": {"maxReplicas": 3}}

    with pytest.raises(RuntimeError, match="replicas and autoscaling exclude each other"):
        release.install(defaultFleet={**values, "spec": both})

    release.install()
    release.wait_for_fleet()


def test_uninstalling_leaves_types_fleet_and_gateways_and_a_reinstall_goes_on_with_them(
    release: Release, cluster: Cluster, namespace: str, topic: str
) -> None:
    release.api.apply(repo("surviving", namespace, PROFILE, topic))
    wait_ready(release, namespace, "surviving")
    fleet, pods = release.wait_for_fleet(), gateways(release)
    kinds = {name: crd(release, name)["metadata"]["uid"] for name in CRDS}

    release.uninstall()
    wait_for(lambda: release.operator_pods() == [], "the operator is gone", 60)

    assert {name: crd(release, name)["metadata"]["uid"] for name in CRDS} == kinds
    left = release.fleet()
    assert left is not None
    assert left["metadata"]["uid"] == fleet["metadata"]["uid"]
    assert gateways(release) == pods
    answer = httpx.post(f"{cluster.edge_url}/log/repo/surviving", content=b'{"n":1}', timeout=20, trust_env=False)
    assert answer.status_code == httpx.codes.OK, "gateways serve without the operator"

    release.install()
    again = release.wait_for_fleet()
    assert again["metadata"]["uid"] == fleet["metadata"]["uid"]
    assert gateways(release) == pods
    assert {name: crd(release, name)["metadata"]["uid"] for name in CRDS} == kinds
    release.api.merge(repo_path(namespace, "surviving"), {"spec": {"partial": "Accept"}})
    wait_ready(release, namespace, "surviving")


def test_a_reinstall_sets_the_surviving_fleet_to_the_new_values(release: Release) -> None:
    values = release.values()["defaultFleet"]
    release.uninstall()

    release.install(defaultFleet={**values, "spec": {**values["spec"], "limits": {"lineBytes": "128Ki"}}})

    assert release.wait_for_fleet()["spec"]["limits"]["lineBytes"] == "128Ki"
    release.install()
    assert release.fleet() is not None
    assert FLEET in release.api.kubectl("get", "gatewayfleets", "-n", NAMESPACE)
