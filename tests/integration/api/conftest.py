"""The testbed's API server with our CRDs in it, and a namespace to write in."""

import json
import secrets
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.testbed.cluster import ensure

ROOT = Path(__file__).parents[3]


@dataclass(frozen=True)
class ApiServer:
    """kubectl against one cluster."""

    kubectl: Path
    kubeconfig: Path
    namespace: str = "default"

    def run(self, *words: str, manifest: dict[str, Any] | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self.kubectl, "--kubeconfig", self.kubeconfig, *words],
            input=None if manifest is None else yaml.safe_dump(manifest),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def ask(self, *words: str, manifest: dict[str, Any] | None = None) -> str:
        """Run and expect success; the output."""
        done = self.run(*words, manifest=manifest)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def judge(self, manifest: dict[str, Any]) -> subprocess.CompletedProcess[str]:
        """What the API server says of an object, without storing it."""
        words = ("create", "--namespace", self.namespace, "--dry-run=server", "--validate=strict", "-f", "-")
        return self.run(*words, manifest=manifest)

    def create(self, manifest: dict[str, Any]) -> dict[str, Any]:
        """Store an object; as it is stored."""
        text = self.ask(
            "create", "--namespace", self.namespace, "--validate=strict", "-o", "json", "-f", "-", manifest=manifest
        )
        stored: dict[str, Any] = json.loads(text)
        return stored

    def read(self, kind: str, name: str) -> dict[str, Any]:
        stored: dict[str, Any] = json.loads(self.ask("get", "--namespace", self.namespace, kind, name, "-o", "json"))
        return stored


@pytest.fixture(scope="session")
def api_server() -> ApiServer:
    """The API server, with the CRDs of this checkout."""
    cluster = ensure()
    server = ApiServer(kubectl=cluster.kubectl, kubeconfig=cluster.kubeconfig)
    server.ask("apply", "--server-side", "--force-conflicts", "-f", str(ROOT / "crds"))
    server.ask("wait", "--for=condition=Established", "--timeout=60s", "-f", str(ROOT / "crds"))
    return server


@pytest.fixture(scope="module")
def server(api_server: ApiServer) -> Iterator[ApiServer]:
    """A new namespace for the tests of one module; nobody waits until it is gone."""
    namespace = f"headgate-api-{secrets.token_hex(4)}"
    api_server.ask("create", "namespace", namespace)
    yield replace(api_server, namespace=namespace)
    api_server.ask("delete", "namespace", namespace, "--wait=false")
