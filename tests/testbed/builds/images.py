"""Images that we build, as references that say what went into them.

Owns the recipes of the single-purpose images (root file systems, Kubernetes components, Envoy, Kafka).
The node image, which holds them, is in `node`. Never pulls.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from tests.testbed import versions
from tests.testbed.artifacts import SOURCES, key_of, sources
from tests.testbed.commands import run
from tests.testbed.debian import bootstrap, install, remove_tree
from tests.testbed.engine.docker import Docker
from tests.testbed.settings import LABEL, REPOSITORY, Settings

from . import downloads, golang


@dataclass(frozen=True)
class Image:
    """An image of our own: `reference` holds the hash of its inputs, so being there means being right."""

    name: str
    key: str

    @property
    def reference(self) -> str:
        """What `docker run` takes."""
        return f"{REPOSITORY}/{self.name}:{self.key}"


@dataclass(frozen=True)
class Builder:
    """What every recipe needs."""

    docker: Docker
    settings: Settings

    def log(self, name: str) -> Path:
        """The log of one image."""
        return self.settings.logs / f"image-{name}.log"

    def build_context(self, image: Image, base: Image, recipe: str, fill: Callable[[Path], None]) -> None:
        """`docker build` of images/RECIPE/Dockerfile over `base`, with the files that `fill` puts beside it."""
        self.log(image.name).unlink(missing_ok=True)
        context = self.fresh(image.name)
        shutil.copyfile(SOURCES / recipe / "Dockerfile", context / "Dockerfile")
        fill(context)
        binary, env = self.docker.builder
        run(
            [binary, "build", "--progress", "plain", "--network", "host", "--label", LABEL,
             "--build-arg", f"BASE={base.reference}", "--tag", image.reference, context],
            env=env, log=self.log(image.name),
        )  # fmt: skip
        remove_tree(context)

    def import_tree(self, root: Path, reference: str, *changes: str) -> None:
        """One layer out of a directory."""
        archive = root.with_name(root.name + ".tar")
        run(["tar", "--create", "--file", archive, "--directory", root, "--numeric-owner", "."])
        options = [word for change in (f"LABEL {LABEL}", *changes) for word in ("--change", change)]
        self.docker.call("import", *options, archive, reference)
        archive.unlink()

    def flatten(self, reference: str, target: str, *changes: str) -> None:
        """Squash an image into one layer; `changes` give back the settings that the export loses."""
        container = self.docker.call("create", "--label", LABEL, reference, "/none").strip()
        archive = self.fresh("flatten-" + target.replace("/", "-").replace(":", "-")) / "tree.tar"
        try:
            self.docker.call("export", "--output", archive, container)
            options = [word for change in (f"LABEL {LABEL}", *changes) for word in ("--change", change)]
            self.docker.call("import", *options, archive, target)
        finally:
            self.docker.remove_containers(container)
            remove_tree(archive.parent)

    def fresh(self, name: str) -> Path:
        """An empty scratch directory."""
        path = self.settings.scratch / f"image-{name}"
        remove_tree(path)
        path.mkdir(parents=True)
        return path


PATH_ENV = "ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def rootfs(suite: str) -> Image:
    """Debian's smallest root file system."""
    return Image(f"debian-{suite}", key_of("rootfs-1", suite))


def python_base() -> Image:
    """What stands in for python:3.13-slim: `python3`, `python`, venv and CA certificates."""
    return Image("python-base", key_of("python-2", versions.PYTHON_SUITE))


def build_rootfs(builder: Builder, suite: str) -> None:
    """debootstrap, as an image."""
    install("debootstrap")
    image = rootfs(suite)
    root = builder.fresh(image.name)
    bootstrap(suite, root, builder.log(image.name))
    builder.import_tree(root, image.reference, PATH_ENV, 'CMD ["/bin/bash"]')
    remove_tree(root)


def build_python_base(builder: Builder) -> None:
    """debootstrap with Python; `python` as a second name, as the official image has it."""
    install("debootstrap")
    image = python_base()
    root = builder.fresh(image.name)
    bootstrap(versions.PYTHON_SUITE, root, builder.log(image.name), ("python3", "python3-venv", "ca-certificates"))
    (root / "usr/bin/python").symlink_to("python3")
    builder.import_tree(root, image.reference, PATH_ENV, "ENV LANG=C.UTF-8", 'CMD ["python3"]')
    remove_tree(root)


def proxy(settings: Settings) -> Image:
    """kube-proxy over Debian."""
    parts = (rootfs(versions.NODE_SUITE).key, golang.artifact(golang.KUBERNETES, settings).key)
    return Image("proxy", key_of("proxy", *parts, *sources("proxy")))


def build_proxy(builder: Builder) -> None:
    """See images/proxy/Dockerfile."""
    program = golang.artifact(golang.KUBERNETES, builder.settings).path / "kube-proxy"
    builder.build_context(
        proxy(builder.settings), rootfs(versions.NODE_SUITE), "proxy", lambda context: _copy(context, [program])
    )


def envoy(settings: Settings) -> Image:
    """Envoy and Envoy Gateway."""
    parts = (downloads.envoy_artifact(settings).key, golang.artifact(golang.ENVOY_GATEWAY, settings).key)
    return Image("envoy", key_of("envoy", rootfs(versions.NODE_SUITE).key, *parts, *sources("envoy")))


def build_envoy(builder: Builder) -> None:
    """See images/envoy/Dockerfile."""
    programs = [
        downloads.envoy_artifact(builder.settings).path / "envoy",
        golang.artifact(golang.ENVOY_GATEWAY, builder.settings).path / "envoy-gateway",
    ]
    _build_flat(builder, envoy(builder.settings), programs, 'ENTRYPOINT ["/usr/local/bin/envoy-gateway"]')


def kafka(settings: Settings) -> Image:
    """Kafka's jars and a Java."""
    parts = (rootfs(versions.NODE_SUITE).key, downloads.kafka_artifact(settings).key)
    return Image("kafka", key_of("kafka", *parts, *sources("kafka/Dockerfile")))


def build_kafka(builder: Builder) -> None:
    """See images/kafka/Dockerfile."""
    libs = downloads.kafka_artifact(builder.settings).path / "libs"
    _build_flat(builder, kafka(builder.settings), [libs])


def _build_flat(builder: Builder, image: Image, files: list[Path], *changes: str) -> None:
    """Build, then squash: nodes unpack single layers only (see images/node/import-images.sh)."""
    layered = Image(image.name, f"{image.key}-layered")
    builder.build_context(layered, rootfs(versions.NODE_SUITE), image.name, lambda context: _copy(context, files))
    builder.flatten(layered.reference, image.reference, PATH_ENV, *changes)
    builder.docker.call("rmi", layered.reference)


def _copy(context: Path, files: Iterable[Path]) -> None:
    for path in files:
        if path.is_dir():
            shutil.copytree(path, context / path.name)
        else:
            shutil.copy2(path, context / path.name)
