"""What the chart renders, and what it refuses to render."""

import json
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.unit.chart.conftest import CHART, Render
from tests.unit.chart.values_schema import SCHEMA, rendered

from headgate_operator.adapters.kinds import PLURALS
from headgate_operator.api.fleet import GatewayFleet
from headgate_operator.reconcile.apply import PRUNABLE

pytestmark = pytest.mark.thorough

CRD_NAMES = {
    "eventrepos.headgate.dev",
    "gatewayfleets.headgate.dev",
    "kafkaproducerprofiles.headgate.dev",
}


def of_kind(objects: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    """The objects of a kind."""
    return [manifest for manifest in objects if manifest["kind"] == kind]


def operator(objects: list[dict[str, Any]]) -> dict[str, Any]:
    """The operator's pod."""
    (deployment,) = of_kind(objects, "Deployment")
    spec: dict[str, Any] = deployment["spec"]["template"]["spec"]
    return spec


def default_fleet(objects: list[dict[str, Any]]) -> dict[str, Any]:
    """The fleet that the hook applies."""
    (config,) = (found for found in of_kind(objects, "ConfigMap") if "fleet.json" in found["data"])
    fleet: dict[str, Any] = json.loads(config["data"]["fleet.json"])
    return fleet


def test_helm_lint_has_nothing_to_say(helm: Path) -> None:
    done = subprocess.run([helm, "lint", "--strict", CHART], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout


def test_the_values_schema_is_up_to_date() -> None:
    assert SCHEMA.read_text() == rendered(), "run: python -m tests.unit.chart.values_schema"


@pytest.mark.parametrize(
    "values",
    [
        pytest.param({"replica": 2}, id="top level"),
        pytest.param({"image": {"repo": "x"}}, id="nested"),
        pytest.param({"defaultFleet": {"spec": {"replcas": 2}}}, id="fleet spec"),
        pytest.param({"defaultFleet": {"spec": {"routing": {"gatewayAPI": {"parents": []}}}}}, id="deep in the fleet"),
        pytest.param({"replicas": "two"}, id="type"),
        pytest.param({"defaultFleet": {"name": "f" * 51}}, id="a fleet's name that no Service could have"),
        pytest.param({"defaultFleet": {"name": "1x"}}, id="a fleet's name that starts with a digit"),
        pytest.param({"podLabels": {"app.kubernetes.io/name": "x"}}, id="a label that the selector needs"),
        pytest.param({"extraArgs": ["--lease-name=x"]}, id="a flag that RBAC depends on"),
        pytest.param({"prometheus": {"url": "http://me:secret@prom"}}, id="credentials in a URL"),
        pytest.param({"prometheus": {"url": "prom:9090"}}, id="a URL without a scheme"),
        pytest.param({"extraArgs": ["--prometheus-url=http://x"]}, id="a flag that has a value"),
        pytest.param({"extraArgs": ["--namespace", "x"]}, id="a flag that the chart sets, in two words"),
    ],
)
def test_values_that_nobody_reads_are_refused(render: Render, values: dict[str, Any]) -> None:
    with pytest.raises(subprocess.CalledProcessError) as failure:
        render(values)
    assert "values don't meet the specifications of the schema" in failure.value.stderr


def test_every_default_value_is_in_the_schema(render: Render) -> None:
    assert render()


def test_crds_are_upgraded_with_the_release_and_kept_after_it(render: Render) -> None:
    crds = of_kind(render(), "CustomResourceDefinition")
    assert {crd["metadata"]["name"] for crd in crds} == CRD_NAMES
    assert all(crd["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep" for crd in crds)
    assert of_kind(render({"crds": {"install": False}}), "CustomResourceDefinition") == []


def test_the_chart_carries_the_generated_crds() -> None:
    generated = CHART.parents[1] / "crds"
    assert {path.name: path.read_bytes() for path in generated.glob("*.yaml")} == {
        path.name: path.read_bytes() for path in (CHART / "files" / "crds").glob("*.yaml")
    }


def test_no_object_of_the_release_is_of_a_kind_that_the_release_brings(render: Render) -> None:
    assert not [found for found in render() if found["apiVersion"].startswith("headgate.dev/")]


def test_the_default_fleet_is_a_valid_fleet_and_the_operator_knows_it(render: Render) -> None:
    routing = {"provider": "GatewayAPI", "gatewayAPI": {"parentRefs": [{"name": "edge", "namespace": "gateways"}]}}
    objects = render({"defaultFleet": {"namespace": "gateways", "spec": {"replicas": 3, "routing": routing}}})
    fleet = GatewayFleet.from_object(default_fleet(objects))
    assert fleet.key == ("gateways", "default")
    assert fleet.spec.image == "headgate/gateway:0.1.0"
    assert fleet.spec.replicas == 3
    assert "--default-fleet=gateways/default" in operator(objects)["containers"][0]["args"]


def test_the_default_fleet_can_be_given_an_autoscaler_alone(render: Render) -> None:
    values = {"defaultFleet": {"spec": {"autoscaling": {"minReplicas": 2, "maxReplicas": 5}}}}
    fleet = GatewayFleet.from_object(default_fleet(render(values)))
    assert (fleet.spec.replicas, fleet.spec.autoscaling is not None) == (None, True)


def test_the_hook_runs_where_the_operator_may_run(render: Render) -> None:
    affinity: dict[str, Any] = {"podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": []}}
    values = {"affinity": affinity, "priorityClassName": "high", "nodeSelector": {"a": "b"}, "tolerations": [{}]}
    (job,) = of_kind(render(values), "Job")
    assert {name: job["spec"]["template"]["spec"][name] for name in values} == values


def test_without_a_default_fleet_nothing_speaks_of_one(render: Render) -> None:
    objects = render({"defaultFleet": {"enabled": False}})
    assert of_kind(objects, "Job") == []
    assert not [arg for arg in operator(objects)["containers"][0]["args"] if arg.startswith("--default-fleet")]


def test_cluster_wide_by_default(render: Render) -> None:
    objects = render()
    roles = {role["metadata"]["name"]: role for role in of_kind(objects, "ClusterRole")}
    resources = {name for rule in roles["headgate-headgate-system"]["rules"] for name in rule["resources"]}
    assert {"secrets", "deployments", "httproutes", "namespaces"} <= resources
    assert {role["metadata"]["name"] for role in of_kind(objects, "Role")} == {
        "headgate-lease",
        "headgate-default-fleet",
    }


def test_with_named_namespaces_only_discovery_is_cluster_wide(render: Render) -> None:
    objects = render({"watchNamespaces": ["headgate-system", "team-a"], "rbac": {"aggregate": False}})
    (discovery,) = of_kind(objects, "ClusterRole")
    assert {name for rule in discovery["rules"] for name in rule["resources"]} == {
        "namespaces",
        "customresourcedefinitions",
    }
    assert all(set(rule["verbs"]) == {"get", "list", "watch"} for rule in discovery["rules"])
    watched = {
        role["metadata"]["namespace"] for role in of_kind(objects, "Role") if role["metadata"]["name"] == "headgate"
    }
    assert watched == {"headgate-system", "team-a"}
    without = render({"watchNamespaces": ["headgate-system"], "rbac": {"aggregate": False, "clusterDiscovery": False}})
    assert of_kind(without, "ClusterRole") == of_kind(without, "ClusterRoleBinding") == []


def test_a_default_fleet_outside_of_the_watched_namespaces_is_refused(render: Render) -> None:
    with pytest.raises(subprocess.CalledProcessError) as failure:
        render({"watchNamespaces": ["team-a"]})
    assert "watchNamespaces must hold the default fleet's namespace, headgate-system" in failure.value.stderr


def test_nothing_of_what_users_own_is_written_but_status(render: Render) -> None:
    roles = of_kind(render(), "ClusterRole")
    (role,) = (found for found in roles if found["metadata"]["name"] == "headgate-headgate-system")
    owned = [rule for rule in role["rules"] if rule["apiGroups"] == ["headgate.dev"]]
    written = {
        name for rule in owned if not set(rule["verbs"]) <= {"get", "list", "watch"} for name in rule["resources"]
    }
    assert all("/" in name for name in written)


def test_secrets_are_never_listed(render: Render) -> None:
    rules = [rule for kind in ("ClusterRole", "Role") for role in of_kind(render(), kind) for rule in role["rules"]]
    verbs = {verb for rule in rules if "secrets" in rule["resources"] for verb in rule["verbs"]}
    assert verbs == {"get", "create", "patch", "delete"}


def test_rights_are_those_that_are_used(render: Render) -> None:
    roles = of_kind(render(), "ClusterRole")
    (role,) = (found for found in roles if found["metadata"]["name"] == "headgate-headgate-system")
    verbs = {name: set(rule["verbs"]) for rule in role["rules"] for name in rule["resources"]}
    assert verbs["pods"] == {"list", "watch", "patch"}
    # A canary's Secret and what is kept of a repo's revisions are deleted by name, not because a plan lacks them.
    prunable = {PLURALS[key] for key in PLURALS if key[1] in PRUNABLE} | {"secrets", "controllerrevisions"}
    assert {name for name, found in verbs.items() if "delete" in found} == prunable
    # Read and created by name, so that what somebody else has under a rendered name is seen before it is touched.
    assert all({"get", "create", "patch"} <= verbs[name] for name in prunable)


def test_every_pod_meets_the_restricted_standard(render: Render) -> None:
    pods = [found["spec"]["template"]["spec"] for kind in ("Deployment", "Job") for found in of_kind(render(), kind)]
    assert len(pods) == 2
    for pod in pods:
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in pod["containers"]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }


SECRET_NAMES = {"tokenSecret": {"name": "prom", "key": "jwt"}, "caSecret": {"name": "prom-ca"}}


def test_prometheus_is_asked_with_a_token_and_certificates_that_may_be_rotated(render: Render) -> None:
    pod = operator(render({"prometheus": {"url": "https://prom.example:9090/x", **SECRET_NAMES}}))
    (container,) = pod["containers"]
    flags = dict(flag.split("=", 1) for flag in container["args"] if flag.startswith("--prometheus"))
    assert flags.pop("--prometheus-url") == "https://prom.example:9090/x"
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    mounts = {mount["mountPath"]: mount for mount in container["volumeMounts"]}
    # A file of a mounted directory is replaced when its Secret changes; a subPath never is.
    files = {flag: Path(file) for flag, file in flags.items()}
    sources = {flag: volumes[mounts[str(file.parent)]["name"]]["secret"] for flag, file in files.items()}
    assert not [mount for mount in mounts.values() if "subPath" in mount]
    assert sources == {
        "--prometheus-token-file": {"secretName": "prom", "items": [{"key": "jwt", "path": "token"}]},
        "--prometheus-ca-file": {"secretName": "prom-ca", "items": [{"key": "ca.crt", "path": "ca.crt"}]},
    }
    assert {flag: file.name for flag, file in files.items()} == {
        flag: source["items"][0]["path"] for flag, source in sources.items()
    }


@pytest.mark.parametrize("values", [{}, {"prometheus": SECRET_NAMES}], ids=["nothing", "Secrets without a server"])
def test_without_a_server_nothing_of_prometheus_is_rendered(render: Render, values: dict[str, Any]) -> None:
    assert "prometheus-" not in json.dumps(operator(render(values)))


def test_a_disruption_budget_exists_only_where_there_is_a_second_replica(render: Render) -> None:
    assert of_kind(render(), "PodDisruptionBudget")
    assert of_kind(render({"replicas": 1}), "PodDisruptionBudget") == []


def test_pod_monitors_exist_only_where_the_cluster_knows_them(render: Render) -> None:
    assert of_kind(render(), "PodMonitor") == []
    assert len(of_kind(render({}, "--api-versions", "monitoring.coreos.com/v1/PodMonitor"), "PodMonitor")) == 2


def test_the_admin_port_of_gateways_answers_operator_and_monitoring_alone(render: Render) -> None:
    policies = of_kind(render({"networkPolicy": {"enabled": True}}), "NetworkPolicy")
    (gateways,) = (found for found in policies if "headgate.dev/fleet" in str(found["spec"]["podSelector"]))
    admin = [rule for rule in gateways["spec"]["ingress"] if {"port": "admin"} in rule["ports"]]
    assert len(admin) == 1
    assert len(admin[0]["from"]) == 2


def test_template_overrides_are_mounted_and_roll_the_operator(render: Render) -> None:
    objects = render({"templates": {"service.yaml.j2": "kind: Service"}})
    assert "--templates=/etc/headgate/templates" in operator(objects)["containers"][0]["args"]
    (config,) = (found for found in of_kind(objects, "ConfigMap") if found["metadata"]["name"] == "headgate-templates")
    assert config["data"] == {"service.yaml.j2": "kind: Service"}
    hashes = [
        of_kind(found, "Deployment")[0]["spec"]["template"]["metadata"]["annotations"]["headgate.dev/templates-hash"]
        for found in (objects, render())
    ]
    assert len(set(hashes)) == 2


def test_the_chart_and_the_package_have_one_version() -> None:
    project = tomllib.loads((CHART.parents[1] / "pyproject.toml").read_text())["project"]
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert chart["appVersion"] == project["version"]
