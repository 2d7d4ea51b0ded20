"""The cluster's API over HTTP, with the kubeconfig's own certificate: reading is too frequent for a kubectl each time.

Owns requests, waiting and the answers' shapes. Writes go through kubectl where a user would use kubectl.
"""

import base64
import json
import ssl
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self, TypeVar

import aiohttp
import httpx
import yaml

T = TypeVar("T")
Manifest = dict[str, Any]

HEADGATE = "apis/headgate.dev/v1alpha1"


class Api:
    """One API server."""

    def __init__(self, kubeconfig: Path, kubectl: Path) -> None:
        self.kubeconfig = kubeconfig
        self._kubectl = kubectl
        config = yaml.safe_load(kubeconfig.read_text())
        cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
        self._server, self._trusted = cluster["server"], _trust(cluster, user)
        self._http = httpx.Client(
            base_url=self._server, verify=self._trusted, timeout=60, trust_env=False,
            limits=httpx.Limits(keepalive_expiry=30),
        )  # fmt: skip

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def kubectl(self, *words: str, stdin: str | None = None, timeout: float = 120) -> str:
        """Run kubectl and return what it prints. Raises with its own words where it fails."""
        done = subprocess.run(
            [self._kubectl, "--kubeconfig", self.kubeconfig, *words],
            input=stdin, capture_output=True, text=True, timeout=timeout, check=False,
        )  # fmt: skip
        if done.returncode != 0:
            raise RuntimeError(f"kubectl {' '.join(words)}: {done.stderr.strip()}")
        return done.stdout

    def apply(self, *manifests: Manifest) -> None:
        """`kubectl apply` of manifests."""
        self.kubectl("apply", "-f", "-", stdin=yaml.safe_dump_all(manifests))

    def create_namespace(self, name: str, **labels: str) -> None:
        """A namespace that may be there already."""
        self.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})

    def get(self, path: str, **query: str) -> Manifest | None:
        """The object at an API path; None where there is none."""
        answer = self._http.get(f"/{path}", params=query)
        if answer.status_code == httpx.codes.NOT_FOUND:
            return None
        answer.raise_for_status()
        found: Manifest = answer.json()
        return found

    def items(self, path: str, selector: str = "") -> list[Manifest]:
        """The objects of a collection."""
        found = self.get(path, **({"labelSelector": selector} if selector else {}))
        return [] if found is None else list(found["items"])

    def create(self, path: str, manifest: Manifest) -> Manifest:
        """Create an object in a collection; answers it as the API server has it."""
        answer = self._http.post(f"/{path}", json=manifest)
        answer.raise_for_status()
        made: Manifest = answer.json()
        return made

    def merge(self, path: str, patch: Manifest) -> Manifest:
        """Change an object by a merge patch."""
        answer = self._http.patch(
            f"/{path}", content=json.dumps(patch), headers={"Content-Type": "application/merge-patch+json"}
        )
        answer.raise_for_status()
        changed: Manifest = answer.json()
        return changed

    def delete(self, path: str, **options: Any) -> None:
        """Delete an object, if it is there."""
        answer = self._http.request("DELETE", f"/{path}", json={"kind": "DeleteOptions", "apiVersion": "v1", **options})
        if answer.status_code != httpx.codes.NOT_FOUND:
            answer.raise_for_status()

    def bulk_client(self, connections: int) -> aiohttp.ClientSession:
        """A client for many requests at a time, any refusal of which raises; to be opened within an event loop.

        aiohttp: httpx spends 3 ms of CPU on each of 20 requests in flight, more than the API server does.
        """
        return aiohttp.ClientSession(
            self._server,
            connector=aiohttp.TCPConnector(ssl=self._trusted, limit=connections),
            timeout=aiohttp.ClientTimeout(total=60),
            raise_for_status=True,
        )

    def pod_status(self, pod: Manifest) -> Manifest | None:
        """What a gateway pod says at /status on its admin port; None while it does not answer."""
        meta = pod["metadata"]
        path = f"/api/v1/namespaces/{meta['namespace']}/pods/{meta['name']}:8081/proxy/status"
        try:
            answer = self._http.get(path, timeout=3)
        except httpx.TransportError:
            return None
        if not answer.is_success:
            return None
        status: Manifest = answer.json()
        return status


def _trust(cluster: Manifest, user: Manifest) -> ssl.SSLContext:
    """The context that the kubeconfig describes."""
    context = ssl.create_default_context(cadata=base64.b64decode(cluster["certificate-authority-data"]).decode())
    with tempfile.NamedTemporaryFile() as pair:
        pair.write(base64.b64decode(user["client-certificate-data"]) + base64.b64decode(user["client-key-data"]))
        pair.flush()
        context.load_cert_chain(pair.name)
    return context


def wait_for(probe: Callable[[], T | None], what: str, timeout: float = 60, every: float = 0.2) -> T:
    """The first answer of `probe` that is truthy. Raises TimeoutError naming `what`."""
    deadline = time.monotonic() + timeout
    while True:
        found = probe()
        if found:
            return found
        if time.monotonic() > deadline:
            raise TimeoutError(f"after {timeout:.0f} s still not: {what}")
        time.sleep(every)


def condition(resource: Manifest | None, kind: str) -> Manifest:
    """The condition of a type, if it speaks of the resource's newest generation; {} otherwise."""
    if resource is None:
        return {}
    status = resource.get("status", {})
    if status.get("observedGeneration") != resource["metadata"]["generation"]:
        return {}
    return next((entry for entry in status.get("conditions", []) if entry["type"] == kind), {})


def conditions_line(resource: Manifest) -> str:
    """All conditions, for people: `Ready=True (Programmed)`."""
    found = resource.get("status", {}).get("conditions", [])
    return ", ".join(f"{entry['type']}={entry['status']} ({entry['reason']})" for entry in found) or "no conditions yet"


def is_pod_ready(pod: Manifest) -> bool:
    """Ready, and not on its way out."""
    ready = any(
        entry["type"] == "Ready" and entry["status"] == "True" for entry in pod.get("status", {}).get("conditions", [])
    )
    return ready and "deletionTimestamp" not in pod["metadata"]


def restarts(pod: Manifest) -> int:
    """How often the pod's containers were restarted."""
    return sum(entry["restartCount"] for entry in pod.get("status", {}).get("containerStatuses", []))
