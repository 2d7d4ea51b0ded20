"""The real API server for the operator's tests; each test has namespaces, a lease and a process of its own."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.integration.operator.process import OperatorProcess, running
from tests.integration.operator.world import PREFIX, World, opened
from tests.testbed.cluster import Cluster, ensure

CRDS = Path(__file__).parents[3] / "crds"


@pytest.fixture(scope="session")
def cluster() -> Cluster:
    found = ensure()
    _silence_others(found)
    found.run_kubectl("apply", "--server-side", "--force-conflicts", "-f", CRDS)
    names = [f"crd/{path.stem.removeprefix('headgate.dev_')}.headgate.dev" for path in sorted(CRDS.glob("*.yaml"))]
    found.run_kubectl("wait", "--for=condition=Established", "--timeout=30s", *names)
    return found


def _silence_others(cluster: Cluster) -> None:
    """No operator but the tests' own acts in the cluster: a demo's release goes, and what ended runs left behind."""
    cluster.run_helm("uninstall", "headgate", "--namespace", "headgate-system", "--ignore-not-found", "--wait")
    namespaces = cluster.run_kubectl("get", "namespaces", "-o", "name").split()
    if left := [name for name in namespaces if name.startswith(f"namespace/{PREFIX}")]:
        cluster.run_kubectl("delete", "--wait=false", *left)


@pytest.fixture
def world(cluster: Cluster) -> Iterator[World]:
    with opened(cluster) as world:
        yield world


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "operator.log"


@pytest.fixture
def operator(world: World, log: Path) -> Iterator[OperatorProcess]:
    with running(world, log) as operator:
        operator.wait_until_leading()
        yield operator
