"""A real Prometheus: Debian's, as a process of this machine, that scrapes all gateways through the API server.

The cluster knows it by a Service whose only endpoint is this machine, on the address that the nodes know it by.
"""

import base64
import json
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
import yaml
from tests.e2e.api import Manifest, wait_for
from tests.e2e.release import NAMESPACE, PROMETHEUS_NAMESPACE, PROMETHEUS_SERVICE, Release
from tests.testbed import debian

PORT = 9090
TARGETS = "targets.json"


def program() -> str:
    """Where the program is. Skips the test where it is not, and packages may not be installed."""
    if shutil.which("prometheus") is None:
        if not debian.is_debian_root():
            pytest.skip("no prometheus here, and only root on Debian may install it")
        debian.install("prometheus")
    return shutil.which("prometheus") or "/usr/bin/prometheus"


@contextmanager
def running_prometheus(release: Release, folder: Path) -> Iterator[str]:
    """A server that the operator reaches at its --prometheus-url, for as long as the block runs; its own address."""
    address = f"{_host_address(release)}:{_free_port(_host_address(release))}"
    (folder / "prometheus.yaml").write_text(yaml.safe_dump(_config(release, folder)))
    release.api.create_namespace(PROMETHEUS_NAMESPACE)
    release.api.apply(*_service(address))
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [program(), f"--config.file={folder / 'prometheus.yaml'}", f"--storage.tsdb.path={folder / 'data'}",
             f"--web.listen-address={address}"],
            stdout=log, stderr=subprocess.STDOUT,
        )  # fmt: skip
    try:
        with _listing(release, folder / TARGETS):
            wait_for(lambda: _is_scraping(address), f"{address} scrapes gateways: {folder / 'log'}", 60)
            yield f"http://{address}"
    finally:
        process.terminate()
        process.wait(30)
        release.api.delete(f"api/v1/namespaces/{PROMETHEUS_NAMESPACE}")


def _is_scraping(address: str) -> bool:
    try:
        answer = httpx.get(f"http://{address}/api/v1/query", params={"query": "sum(up)"}, timeout=5, trust_env=False)
        return bool(answer.json()["data"]["result"])
    except (httpx.HTTPError, ValueError, KeyError):
        return False


def _host_address(release: Release) -> str:
    """This machine, as the cluster's nodes see it: the gateway of their network."""
    cluster = release.cluster
    route = cluster.docker.call("exec", cluster.nodes[0], "ip", "-4", "route", "show", "default")
    return route.split()[2]


def _free_port(address: str) -> int:
    for port in range(PORT, PORT + 100):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((address, port))
            except OSError:
                continue
            return port
    raise RuntimeError(f"no free port on {address}")


def _config(release: Release, folder: Path) -> Manifest:
    """Gateways are scraped through the API server, with the kubeconfig's own certificate."""
    kubeconfig = yaml.safe_load(release.api.kubeconfig.read_text())
    cluster, user = kubeconfig["clusters"][0]["cluster"], kubeconfig["users"][0]["user"]
    files = {
        "ca_file": cluster["certificate-authority-data"],
        "cert_file": user["client-certificate-data"],
        "key_file": user["client-key-data"],
    }
    for name, text in files.items():
        (folder / name).touch(0o600)
        (folder / name).write_bytes(base64.b64decode(text))
    return {
        "global": {"scrape_interval": "1s", "scrape_timeout": "1s"},
        "scrape_configs": [
            {
                "job_name": "gateways",
                "scheme": "https",
                "tls_config": {name: str(folder / name) for name in files},
                "file_sd_configs": [{"files": [str(folder / TARGETS)], "refresh_interval": "1s"}],
            }
        ],
    }


def _server(release: Release) -> str:
    address: str = yaml.safe_load(release.api.kubeconfig.read_text())["clusters"][0]["cluster"]["server"]
    return address.removeprefix("https://")


def _list_targets(release: Release, target: Path) -> None:
    """Write down the gateways that there are now."""
    found = [
        {
            "targets": [_server(release)],
            "labels": {
                "instance": pod["metadata"]["name"],
                "__metrics_path__": f"/api/v1/namespaces/{NAMESPACE}/pods/{pod['metadata']['name']}:8081/proxy/metrics",
            },
        }
        for pod in release.gateway_pods()
    ]
    scratch = target.with_suffix(".new")
    scratch.write_text(json.dumps(found))
    scratch.replace(target)


@contextmanager
def _listing(release: Release, target: Path) -> Iterator[None]:
    """Keep the list of gateways up to date: Debian's Prometheus is built without Kubernetes' own discovery."""
    stop = threading.Event()

    def run() -> None:
        while not stop.wait(0.5):
            _list_targets(release, target)

    _list_targets(release, target)
    thread = threading.Thread(target=run, name="listing")
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(30)


def _service(address: str) -> tuple[Manifest, Manifest]:
    """The Service that the operator was given, and its endpoint."""
    host, _, port = address.rpartition(":")
    meta = {"name": PROMETHEUS_SERVICE, "namespace": PROMETHEUS_NAMESPACE}
    ports = [{"name": "http", "port": int(port), "protocol": "TCP"}]
    return (
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": meta,
            "spec": {"ports": [{"name": "http", "port": PORT, "targetPort": int(port), "protocol": "TCP"}]},
        },
        {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {**meta, "labels": {"kubernetes.io/service-name": PROMETHEUS_SERVICE}},
            "addressType": "IPv4",
            "ports": ports,
            "endpoints": [{"addresses": [host]}],
        },
    )
