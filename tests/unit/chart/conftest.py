"""Helm as a function from values to objects."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.testbed import debian
from tests.testbed.tools import helm as helm_of_testbed

CHART = Path(__file__).resolve().parents[3] / "charts" / "headgate"
Render = Callable[..., list[dict[str, Any]]]


@pytest.fixture(scope="session")
def helm() -> Path:
    """The testbed's helm, built once."""
    return helm_of_testbed()


@pytest.fixture(scope="session")
def promtool() -> str:
    """Debian's; it comes with Prometheus. Skips where it is not, and packages may not be installed."""
    if shutil.which("promtool") is None:
        if not debian.is_debian_root():
            pytest.skip("no promtool here, and only root on Debian may install it")
        debian.install("prometheus")
    return shutil.which("promtool") or "/usr/bin/promtool"


@pytest.fixture(scope="session")
def render(helm: Path) -> Render:
    """`helm template` with values, as objects. Raises CalledProcessError with Helm's words in `stderr`."""

    def template(values: dict[str, Any] | None = None, *flags: str) -> list[dict[str, Any]]:
        done = subprocess.run(
            [helm, "template", "headgate", CHART, "-n", "headgate-system", "--kube-version", "1.34.0", "-f", "-", *flags],
            input=yaml.safe_dump(values or {}), capture_output=True, text=True, timeout=60, check=True,
        )  # fmt: skip
        return [manifest for manifest in yaml.safe_load_all(done.stdout) if manifest]

    return template
