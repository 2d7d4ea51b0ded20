"""Creating the cluster and judging whether the one that runs is fit for use.

Owns the order of things (network, DNS, then what needs DNS) and the record of what exists. Called by `cluster`.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import Any

from . import cluster_kafka, edge, ports, waiting
from .artifacts import key_of, sources
from .builds import downloads
from .errors import CommandError, TestbedError
from .kind_config import EDGE_NODE_PORT, KAFKA_NODE_PORT, HostPorts, Node, build_config, network_script, parse_nodes
from .session import Session
from .tools import Tools

MANIFESTS = Path(__file__).parent / "manifests"
# Bump when a cluster that was created before this version of the package must be made anew.
GENERATION = "1"
MENDING_SECONDS = 120


class Creation:
    """One cluster of one session. `workers` is the number of nodes beside the control plane."""

    def __init__(self, session: Session, workers: int) -> None:
        self._session, self._workers = session, workers
        self._settings, self._progress = session.settings, session.progress

    @cached_property
    def tools(self) -> Tools:
        """kind, kubectl, helm."""
        return self._session.tools()

    def ensure(self) -> HostPorts:
        """Use what runs if it is made from the same inputs and healthy, or becomes so; else create it."""
        record = self._session.state.get("cluster") or {}
        if record.get("complete") == self._fingerprint() and (self._is_healthy() or self._becomes_healthy()):
            return HostPorts(**record["ports"])
        if record or self._containers():
            self.remove()
        return self._create()

    def remove(self) -> None:
        """Delete the cluster and what was noted of it; fine if there is none."""
        with self._progress.step("deleting the cluster", 5):
            self._session.docker.remove_containers(*self._containers())
            for path in self._settings.cluster.iterdir():
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        self._session.state.put("cluster", None)

    def _containers(self) -> list[str]:
        return self._session.docker.ids("container", f"label=io.x-k8s.kind.cluster={self._settings.cluster_name}")

    def _fingerprint(self) -> str:
        images = json.dumps(asdict(self._session.images), sort_keys=True)
        manifests = (path.read_bytes() for path in sorted(MANIFESTS.glob("*.yaml")))
        return key_of(GENERATION, str(self._workers), images, *manifests, *sources("node/import-images.sh"))

    def _is_healthy(self) -> bool:
        """The API server answers, every node is ready, Envoy and Kafka serve."""
        try:
            listing = json.loads(
                self.tools.run_kubectl("get", "nodes,deployments,statefulsets", "-A", "-o", "json", timeout=20)
            )
        except CommandError:
            return False
        return is_healthy(listing["items"], nodes=1 + self._workers)

    def _becomes_healthy(self) -> bool:
        """Others may be using it, so it is given time, and what a test has left undone is done."""
        docker = self._session.docker
        if not all(docker.is_running(node) for node in self._containers()) or not self._containers():
            return False
        with self._progress.step("the cluster is not healthy: mending it", 10):
            try:
                waiting.until(self._mend, MENDING_SECONDS, "the cluster is healthy", pause=2)
            except TestbedError:
                return False
        return True

    def _mend(self) -> bool:
        """Once: nodes' routes, Envoy Gateway's controller, which tests stop; then judge again."""
        try:
            if not self._session.images.pulled:
                self._connect_nodes()
            controller = self.tools.fetch("deployment", edge.CONTROLLER, "-n", edge.NAMESPACE)
            if not controller["spec"]["replicas"]:
                self.tools.run_kubectl("-n", edge.NAMESPACE, "scale", f"deployment/{edge.CONTROLLER}", "--replicas=1")
        except CommandError:  # the API server does not answer yet
            return False
        return self._is_healthy()

    def _create(self) -> HostPorts:
        session, tools = self._session, self.tools
        chosen = HostPorts(edge=ports.preferred(EDGE_NODE_PORT), kafka=ports.preferred(KAFKA_NODE_PORT))
        session.state.put("cluster", {"name": self._settings.cluster_name, "ports": asdict(chosen)})
        with self._progress.step(f"creating a cluster of {1 + self._workers} nodes", 30):
            self._create_nodes(chosen)
        with self._progress.step("network and DNS of the cluster", 15):
            self._connect()
        manifests = downloads.manifests_artifact(self._settings).path
        with self._progress.step("installing Envoy Gateway and Kafka", 10):
            cluster_kafka.install(tools, session.images.kafka, chosen.kafka)
            edge.install_crds(tools, manifests)
            edge.install_controller(tools, manifests, session.images, self._settings.cluster)
            edge.install_gateway(tools, session.images)
        with self._progress.step("waiting for Envoy and Kafka", 20):
            waiting.until(lambda: cluster_kafka.is_ready(tools), 180, "Kafka in the cluster is ready")
            waiting.until(lambda: edge.is_programmed(tools), 180, "the Gateway is programmed")
            waiting.until(lambda: ports.answers(chosen.edge), 60, "Envoy accepts connections")
        record = {"name": self._settings.cluster_name, "ports": asdict(chosen), "pulled": session.images.pulled}
        session.state.put("cluster", {**record, "complete": self._fingerprint()})
        return chosen

    def _create_nodes(self, chosen: HostPorts) -> None:
        settings, images = self._settings, self._session.images
        policy = settings.cluster / "audit"
        policy.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(MANIFESTS / "audit-policy.yaml", policy / "audit-policy.yaml")
        config = settings.cluster / "kind.yaml"
        config.write_text(json.dumps(build_config(images.node, chosen, str(policy), self._workers, not images.pulled)))
        log = settings.logs / "kind.log"
        log.unlink(missing_ok=True)
        self.tools.run_kind(
            "create", "cluster", "--name", settings.cluster_name, "--config", config,
            "--kubeconfig", self.tools.kubeconfig, "--wait", "0s", "--retain", log=log,
        )  # fmt: skip

    def _connect(self) -> None:
        tools, count = self.tools, 1 + self._workers
        # Two cores are too few to leave the control plane's node idle.
        if self._workers:
            name = f"{self._settings.cluster_name}-control-plane"
            tools.run_kubectl("taint", "node", name, "node-role.kubernetes.io/control-plane-")
        if not self._session.images.pulled:
            waiting.until(lambda: len(self._nodes()) == count, 60, "every node has its pod range")
            self._connect_nodes()
        else:
            self._load_pulled()
        tools.run_kubectl("-n", "kube-system", "scale", "deployment/coredns", "--replicas=1")
        tools.run_kubectl("wait", "node", "--all", "--for=condition=Ready", "--timeout=120s")
        tools.run_kubectl("-n", "kube-system", "rollout", "status", "deployment/coredns", "--timeout=120s")

    def _connect_nodes(self) -> None:
        nodes = self._nodes()
        for node in nodes:
            self._session.docker.call(
                "exec", "--interactive", node.name, "sh", stdin=network_script(node, nodes).encode()
            )

    def _nodes(self) -> list[Node]:
        return parse_nodes(self.tools.fetch("nodes"))

    def _load_pulled(self) -> None:
        images = self._session.images
        wanted = dict.fromkeys((images.envoy, images.envoy_gateway, images.kafka))
        self.tools.run_kind("load", "docker-image", *wanted, "--name", self._settings.cluster_name)


def is_healthy(items: list[dict[str, Any]], nodes: int) -> bool:
    """Judge Nodes, Deployments and StatefulSets of the whole cluster by those that the testbed brings."""
    ready_nodes = sum(1 for each in items if each["kind"] == "Node" and _is_ready(each))
    serving = {
        (each["metadata"]["namespace"], each["metadata"]["name"])
        for each in items
        if each["kind"] != "Node" and each["status"].get("readyReplicas", 0) >= 1
    }
    needed = {("kube-system", "coredns"), (cluster_kafka.NAMESPACE, "kafka"), (edge.NAMESPACE, edge.CONTROLLER)}
    proxies = [name for namespace, name in serving if namespace == edge.NAMESPACE and name != edge.CONTROLLER]
    return ready_nodes >= nodes and needed <= serving and bool(proxies)


def _is_ready(node: dict[str, Any]) -> bool:
    return any(each["type"] == "Ready" and each["status"] == "True" for each in node["status"]["conditions"])
