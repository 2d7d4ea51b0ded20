"""A fleet beside the default one, in a namespace of its own and under a host name of its own, for what must not happen to
the fleet of all other tests. Its repos and its profile lie beside it.
"""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from tests.e2e.api import HEADGATE, Manifest, condition, conditions_line, wait_for
from tests.e2e.release import Release
from tests.e2e.repos import API_VERSION, profile, repo
from tests.e2e.rollouts import FleetKey

NAME = "side"
PROFILE = "side"


@dataclass(frozen=True)
class SideFleet:
    """What it is called and how it is written down; `own_fleet` makes one."""

    release: Release
    namespace: str
    spec: Manifest

    @property
    def key(self) -> FleetKey:
        """Namespace and name."""
        return self.namespace, NAME

    @property
    def host(self) -> str:
        """The host name of its routes."""
        return f"{self.namespace}.test"

    @property
    def fleet(self) -> Manifest:
        """The GatewayFleet."""
        cluster = self.release.cluster
        parent = {"name": cluster.gateway_name, "namespace": cluster.gateway_namespace}
        routing = {"provider": "GatewayAPI", "hostnames": [self.host], "gatewayAPI": {"parentRefs": [parent]}}
        common = {
            "image": self.release.images.gateway,
            "resources": {"requests": {"cpu": "50m", "memory": "96Mi"}},
            "routing": routing | self.spec.get("routing", {}),
        }
        return {
            "apiVersion": API_VERSION,
            "kind": "GatewayFleet",
            "metadata": {"name": NAME, "namespace": self.namespace},
            "spec": {**self.spec, **common},
        }

    def profile(self, name: str = PROFILE, **spec: Any) -> Manifest:
        """A KafkaProducerProfile of the fleet, for the cluster's Kafka."""
        made = profile(name, self.release.cluster.kafka_bootstrap_in_cluster, **spec)
        return {**made, "metadata": {"name": name, "namespace": self.namespace}}

    def repo(self, name: str, topic: str, **spec: Any) -> Manifest:
        """An EventRepo of the fleet."""
        return repo(name, self.namespace, PROFILE, topic, fleetRef={"name": NAME}, **spec)

    def path(self, plural: str, name: str) -> str:
        """Where the API server keeps one of the three resources."""
        return f"{HEADGATE}/namespaces/{self.namespace}/{plural}/{name}"

    def stable_pods(self) -> list[Manifest]:
        """The gateways that serve everybody."""
        selector = f"headgate.dev/fleet={NAME},headgate.dev/component=gateway,headgate.dev/track=stable"
        return self.release.api.items(f"api/v1/namespaces/{self.namespace}/pods", selector)

    def wait_ready(self, timeout: float = 120) -> None:
        """Until the fleet is Ready at its newest generation."""
        path = self.path("gatewayfleets", NAME)
        try:
            wait_for(
                lambda: condition(self.release.api.get(path), "Ready").get("status") == "True",
                f"{path} is Ready",
                timeout,
            )
        except TimeoutError as error:
            raise TimeoutError(f"{error}: {conditions_line(self.release.api.get(path) or {})}") from None


@contextmanager
def own_fleet(release: Release, **spec: Any) -> Iterator[SideFleet]:
    """A namespace for a fleet that is yet to be applied; all of it goes at the end of the block."""
    namespace = f"e2e-fleet-{secrets.token_hex(2)}"
    release.api.create_namespace(namespace)
    try:
        yield SideFleet(release, namespace, spec)
    finally:
        release.api.delete(f"{HEADGATE}/namespaces/{namespace}/eventrepos")
        release.api.delete(f"api/v1/namespaces/{namespace}")
