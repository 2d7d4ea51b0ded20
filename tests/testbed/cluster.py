"""The cluster: kind with Envoy Gateway and Kafka in it. `ensure` makes it, or finds it healthy and returns at once.

Owns creation, health and what tests do to the cluster as a whole. Never installs Headgate.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import building, edge, loading
from .builds.catalogue import references
from .cluster_kafka import BOOTSTRAP, BOOTSTRAP_SASL
from .creation import Creation
from .engine.docker import Docker
from .engine.find import running as running_engine
from .kind_config import AUDIT_FOLDER, HostPorts
from .progress import Progress, Silent
from .session import Session, opened
from .settings import Settings
from .state import State
from .tools import Tools


@dataclass(frozen=True)
class Cluster:
    """A running cluster. Paths are absolute; addresses are reachable from this machine unless they say otherwise."""

    name: str
    kubeconfig: Path
    context: str
    edge_url: str
    kafka_bootstrap: str
    kafka_bootstrap_in_cluster: str
    kafka_sasl_in_cluster: str
    gateway_class: str
    gateway_name: str
    gateway_namespace: str
    kind: Path
    kubectl: Path
    helm: Path
    docker: Docker
    base_image: str
    tools: Tools
    settings: Settings

    @property
    def docker_env(self) -> dict[str, str]:
        """Environment for Docker clients: DOCKER_HOST, where it is not the default."""
        return self.docker.env

    @property
    def environment(self) -> dict[str, str]:
        """What a shell needs to look around."""
        host = {"DOCKER_HOST": self.docker.host} if self.docker.host else {}
        programs = ":".join(dict.fromkeys(str(path.parent) for path in (self.kubectl, self.helm, self.kind)))
        return {
            "KUBECONFIG": str(self.kubeconfig),
            **host,
            "HEADGATE_EDGE_URL": self.edge_url,
            "HEADGATE_KAFKA": self.kafka_bootstrap,
            "PATH": f"{programs}:{os.environ.get('PATH', '')}",
        }

    @property
    def nodes(self) -> list[str]:
        """Names of the nodes, which are the names of their containers too; the control plane first."""
        return sorted(self.tools.run_kind("get", "nodes", "--name", self.name).split())

    def run_kubectl(self, *args: str | Path, stdin: str | None = None, timeout: float | None = None) -> str:
        """stdout of `kubectl ARGS...`; raises CommandError."""
        return self.tools.run_kubectl(*args, stdin=stdin, timeout=timeout)

    def run_helm(self, *args: str | Path) -> str:
        """stdout of `helm ARGS...`; raises CommandError."""
        return self.tools.run_helm(*args)

    def build_image(self, dockerfile: Path | str, tag: str, progress: Progress | None = None) -> str:
        """Build one of the repository's Dockerfiles over the testbed's Python; returns the image's id."""
        return building.build_image(self.docker, self.settings, self.base_image, Path(dockerfile), tag, progress)

    def load_image(self, *tags: str) -> None:
        """Bring images of the engine into every node; sends only layers that a node lacks."""
        scratch = self.settings.scratch / f"load-{os.getpid()}-{time.monotonic_ns()}"
        loading.load(self.docker, self.nodes, tags, scratch)

    def set_envoy_gateway_running(self, running: bool) -> None:
        """Stop or start Envoy Gateway's controller and wait. Envoy itself goes on serving what it knows."""
        where = ("--namespace", edge.NAMESPACE)
        self.run_kubectl("scale", f"deployment/{edge.CONTROLLER}", f"--replicas={int(running)}", *where)
        if running:
            self.run_kubectl("rollout", "status", f"deployment/{edge.CONTROLLER}", "--timeout=120s", *where)
        else:
            self.run_kubectl(
                "wait", "pod", "--for=delete", "--selector=control-plane=envoy-gateway", "--timeout=120s", *where
            )

    def audit_events(self) -> Iterator[dict[str, Any]]:
        """Finished write requests by service accounts of namespace headgate-system, oldest first.

        Objects of audit.k8s.io/v1 at level Metadata: `verb`, `user.username`, `objectRef`, `requestReceivedTimestamp`.
        """
        control_plane = f"{self.name}-control-plane"
        text = self.docker.call(
            "exec", control_plane, "sh", "-c", f"cat {AUDIT_FOLDER}/audit*.log 2> /dev/null || true"
        )
        for line in text.splitlines():
            yield json.loads(line)


def ensure(progress: Progress | None = None, settings: Settings | None = None, workers: int = 1) -> Cluster:
    """A healthy cluster, created where there is none. Seconds when it runs, about one minute from built images."""
    with opened(settings, progress) as session:
        return ensure_in(session, workers)


def ensure_in(session: Session, workers: int = 1) -> Cluster:
    """The same, in a session that holds the lock already."""
    creation = Creation(session, workers)
    ports = creation.ensure()
    return _describe(session, creation.tools, ports)


def find(settings: Settings | None = None) -> Cluster | None:
    """The cluster that runs, healthy or not; None where there is none. Creates, builds and starts nothing."""
    chosen = settings or Settings.read()
    state = State(chosen.state_file)
    record, docker = state.get("cluster") or {}, running_engine(chosen)
    if docker is None or not record.get("complete"):
        return None
    pulled = record.get("pulled", False)
    session = Session(chosen, state, Silent())
    session.docker, session.images = docker, references(chosen, pulled)
    return _describe(session, session.tools(), HostPorts(**record["ports"]))


def _describe(session: Session, tools: Tools, ports: HostPorts) -> Cluster:
    return Cluster(
        name=session.settings.cluster_name,
        kubeconfig=tools.kubeconfig,
        context=f"kind-{session.settings.cluster_name}",
        edge_url=f"http://127.0.0.1:{ports.edge}",
        kafka_bootstrap=f"127.0.0.1:{ports.kafka}",
        kafka_bootstrap_in_cluster=BOOTSTRAP,
        kafka_sasl_in_cluster=BOOTSTRAP_SASL,
        gateway_class=edge.GATEWAY_CLASS,
        gateway_name=edge.GATEWAY,
        gateway_namespace=edge.GATEWAY_NAMESPACE,
        kind=tools.kind,
        kubectl=tools.kubectl,
        helm=tools.helm,
        docker=session.docker,
        base_image=session.images.python,
        tools=tools,
        settings=session.settings,
    )
