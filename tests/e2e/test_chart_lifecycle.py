"""The chart's life on a real cluster: upgraded, uninstalled, installed again; what must survive does."""

import subprocess

import httpx
import pytest

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


def gateways(release: Release) -> set[str]:
    return {pod["metadata"]["uid"] for pod in release.gateway_pods()}


def test_helm_lint_is_clean(cluster: Cluster) -> None:
    done = subprocess.run([cluster.helm, "lint", "--strict", CHART], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_an_upgrade_mends_crds_and_sets_the_fleet_without_restarting_gateways(release: Release) -> None:
    pods = gateways(release)
    path = f"apis/apiextensions.k8s.io/v1/customresourcedefinitions/{CRDS[0]}"
    release.api.merge(path, {"spec": {"names": {"shortNames": ["old"]}}})
    values = release.values()["defaultFleet"]
    spec = {**values["spec"], "drainDelay": "9s", "limits": {"bodyBytes": "4Mi"}}

    # Helm compares with what it installed last, so a CRD changes with the chart's own version of it.
    release.install("--force", defaultFleet={**values, "spec": {**spec, "drainDelay": "8s"}})

    fleet = release.wait_for_fleet()
    assert fleet["spec"]["limits"]["bodyBytes"] == "4Mi"
    release.install()
    fleet = release.wait_for_fleet()
    assert fleet["spec"].get("limits", {}).get("bodyBytes") != "4Mi", "what the values no longer say is gone"
    assert gateways(release) == pods


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
