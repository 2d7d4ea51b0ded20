"""kind, kubectl and helm at the testbed's versions, and how they are called.

Owns paths and the environment; builds nothing but what is missing when asked for a single tool.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .builds import golang
from .commands import run
from .progress import Progress
from .settings import Settings
from .state import locked


@dataclass(frozen=True)
class Tools:
    """Programs on this machine, bound to one kubeconfig file."""

    kind: Path
    kubectl: Path
    helm: Path
    kubeconfig: Path
    docker_env: dict[str, str]

    def run_kubectl(self, *args: str | Path, stdin: str | None = None, timeout: float | None = None) -> str:
        """stdout of `kubectl ARGS...`."""
        raw = stdin.encode() if stdin is not None else None
        return run([self.kubectl, "--kubeconfig", self.kubeconfig, *args], stdin=raw, timeout=timeout)

    def fetch(self, *args: str) -> dict[str, Any]:
        """The JSON of `kubectl get ARGS...`."""
        found = json.loads(self.run_kubectl("get", *args, "-o", "json"))
        return found if isinstance(found, dict) else {}

    def apply(self, *objects: dict[str, Any]) -> None:
        """Server-side apply of finished objects."""
        listing = {"apiVersion": "v1", "kind": "List", "items": list(objects)}
        self.run_kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=json.dumps(listing))

    def apply_files(self, files: Sequence[Path]) -> None:
        """Server-side apply of files; the kind of CRDs, too large for client-side apply."""
        chosen = [word for path in files for word in ("-f", str(path))]
        self.run_kubectl("apply", "--server-side", "--force-conflicts", *chosen)

    def run_helm(self, *args: str | Path) -> str:
        """stdout of `helm ARGS...`."""
        return run([self.helm, "--kubeconfig", self.kubeconfig, *args])

    def run_kind(self, *args: str | Path, log: Path | None = None) -> str:
        """stdout of `kind ARGS...`, on the testbed's engine."""
        return run([self.kind, *args], env=self.docker_env, log=log)


def collect(settings: Settings, docker_env: dict[str, str], pulled: bool) -> Tools:
    """The tools as the catalogue has made them."""
    kubernetes = golang.KUBECTL if pulled else golang.KUBERNETES
    return Tools(
        kind=golang.artifact(golang.KIND, settings).path / "kind",
        kubectl=golang.artifact(kubernetes, settings).path / "kubectl",
        helm=golang.artifact(golang.HELM, settings).path / "helm",
        kubeconfig=settings.cluster / "kubeconfig",
        docker_env=docker_env,
    )


def helm(settings: Settings | None = None, progress: Progress | None = None) -> Path:
    """Helm alone, for tests that need no cluster."""
    chosen = settings or Settings.read()
    artifact = golang.artifact(golang.HELM, chosen)
    if not artifact.exists():
        progress = progress or Progress()
        chosen.prepare()
        with locked(chosen, progress), progress.step("go build helm", golang.HELM.expected):
            golang.build(golang.HELM, chosen)
    return artifact.path / "helm"
