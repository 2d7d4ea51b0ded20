"""The chart's release, as a platform team would install it, and the default fleet that it brings."""

import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from tests.e2e.api import HEADGATE, Api, Manifest, condition, conditions_line, is_pod_ready, wait_for
from tests.e2e.images import Images
from tests.testbed.cluster import Cluster

CHART = Path(__file__).resolve().parents[2] / "charts" / "headgate"
NAMESPACE = "headgate-system"
NAME = "headgate"
FLEET = "default"
FLEET_PATH = f"{HEADGATE}/namespaces/{NAMESPACE}/gatewayfleets/{FLEET}"
PODS_PATH = f"api/v1/namespaces/{NAMESPACE}/pods"
OPERATOR_PODS = f"app.kubernetes.io/name=headgate-operator,app.kubernetes.io/instance={NAME}"
GATEWAY_PODS = f"headgate.dev/fleet={FLEET},headgate.dev/component=gateway"
PROMETHEUS_NAMESPACE, PROMETHEUS_SERVICE = "headgate-e2e-prometheus", "prometheus"
"""Where tests that need a Prometheus make one; elsewhere nobody asks for it."""
ACCOUNT = f"system:serviceaccount:{NAMESPACE}:{NAME}"
"""Who the operator is to the API server."""


@dataclass(frozen=True)
class Release:
    """Helm's view of the chart in one cluster."""

    cluster: Cluster
    api: Api
    images: Images
    extra_args: tuple[str, ...] = ()
    """Further flags of the operator."""
    prometheus_url: str = ""
    """The server that policies' queries are asked of."""

    def helm(self, *words: str, stdin: str | None = None) -> str:
        """Run helm. Raises with its own words where it fails."""
        done = subprocess.run(
            [self.cluster.helm, "--kubeconfig", self.cluster.kubeconfig, *words],
            input=stdin, capture_output=True, text=True, timeout=300, check=False,
        )  # fmt: skip
        if done.returncode != 0:
            raise RuntimeError(f"helm {' '.join(words)}: {done.stderr.strip()}{self._hook_log()}")
        return done.stdout

    def values(self) -> dict[str, Any]:
        """What the testbed's cluster needs: our images, and the Gateway that Envoy serves."""
        operator, gateway = self.images.operator.split(":"), self.images.gateway.split(":")
        parent = {"name": self.cluster.gateway_name, "namespace": self.cluster.gateway_namespace}
        return {
            "image": {"repository": operator[0], "tag": operator[1]},
            # Small requests, so that all of it fits on a small machine.
            "resources": {"requests": {"cpu": "50m", "memory": "96Mi"}},
            "extraArgs": list(self.extra_args),
            "prometheus": {"url": self.prometheus_url},
            "defaultFleet": {
                "image": {"repository": gateway[0], "tag": gateway[1]},
                "spec": {
                    "resources": {"requests": {"cpu": "50m", "memory": "96Mi"}},
                    "routing": {"provider": "GatewayAPI", "gatewayAPI": {"parentRefs": [parent]}},
                    # A fleet that an earlier run left takes the images of this one at once.
                    "upgrade": {"strategy": "Immediate"},
                },
            },
        }

    def install(self, chart: Path = CHART, adopt: bool = False, **overrides: Any) -> None:
        """`helm upgrade --install`, waiting until all of it is ready; `overrides` replace top-level values.

        `adopt`: CRDs that somebody applied without Helm become the release's.
        """
        flags = ("--take-ownership",) if adopt else ()
        values = yaml.safe_dump({**self.values(), **overrides})
        self.helm(
            "upgrade", "--install", NAME, str(chart), "--namespace", NAMESPACE, "--create-namespace",
            "--wait", "--timeout", "4m", "--values", "-", *flags, stdin=values,
        )  # fmt: skip

    def uninstall(self) -> None:
        """`helm uninstall`, waiting until all of it is gone."""
        self.helm("uninstall", NAME, "--namespace", NAMESPACE, "--wait", "--timeout", "2m")

    def remove(self) -> None:
        """The release and what it leaves behind on purpose: the fleet, and with it the gateways."""
        self.uninstall()
        self.api.delete(FLEET_PATH)

    def fleet(self) -> Manifest | None:
        """The default fleet."""
        return self.api.get(FLEET_PATH)

    def wait_for_fleet(self, timeout: float = 120) -> Manifest:
        """The default fleet, once it is Ready at its newest generation."""

        def ready() -> Manifest | None:
            fleet = self.fleet()
            return fleet if condition(fleet, "Ready").get("status") == "True" else None

        try:
            return wait_for(ready, "the default fleet is Ready", timeout)
        except TimeoutError as error:
            raise TimeoutError(f"{error}: {conditions_line(self.fleet() or {})}") from None

    def operator_pods(self) -> list[Manifest]:
        """The operator's pods."""
        return self.api.items(PODS_PATH, OPERATOR_PODS)

    def gateway_pods(self) -> list[Manifest]:
        """The default fleet's gateways that are ready."""
        return [pod for pod in self.api.items(PODS_PATH, GATEWAY_PODS) if is_pod_ready(pod)]

    def _hook_log(self) -> str:
        try:
            log = self.api.kubectl("logs", "-n", NAMESPACE, f"job/{NAME}-default-fleet", "--tail=5")
        except RuntimeError:
            return ""
        return f"\nthe default fleet's Job says: {log}"
