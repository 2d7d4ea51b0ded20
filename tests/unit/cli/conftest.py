"""An API server that stands in, and the kubeconfig that leads there."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.unit.cli.api_server import StandInApiServer, serving
from tests.unit.cli.views import manifest, rollout


@pytest.fixture
def kubeconfig(tmp_path: Path) -> Path:
    return tmp_path / "kubeconfig"


@pytest.fixture
def api(kubeconfig: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[StandInApiServer]:
    api = StandInApiServer()
    api.put_repo(manifest(rollout()))
    monkeypatch.setenv("KUBECONFIG", str(kubeconfig))
    with serving(api, kubeconfig):
        yield api
