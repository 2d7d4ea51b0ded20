"""The kind node image: kind's base, Kubernetes' programs, and every image that the cluster needs, unpacked.

Owns what kind's own `kind build node-image` would do, where neither its base image nor releases can be fetched.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from tests.testbed import versions
from tests.testbed.artifacts import SOURCES, key_of, sources
from tests.testbed.commands import run
from tests.testbed.settings import LABEL, Settings

from . import downloads, golang
from .images import PATH_ENV, Builder, Image, envoy, kafka, proxy, rootfs

CONTAINER = "headgate-testbed-node-build"
ON_NODE = ("kubeadm", "kubelet", "kubectl")
# kind applies these two when it creates a cluster; networking is ours and there is no storage class.
HARMLESS_MANIFEST = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: %s, namespace: kube-system}\n"


def base(settings: Settings) -> Image:
    """kind's base image on our Debian."""
    parts = (rootfs(versions.NODE_SUITE).key, downloads.manifests_artifact(settings).key)
    return Image("node-base", key_of("node-base", *parts, *sources("node/Dockerfile")))


def node(settings: Settings) -> Image:
    """The image that `kind create cluster` gets."""
    programs = (
        golang.artifact(module, settings).key
        for module in (golang.KUBERNETES, golang.ETCD, golang.COREDNS, golang.PAUSE)
    )
    images = (image.key for image in (base(settings), proxy(settings), envoy(settings), kafka(settings)))
    return Image("node", key_of("node-1", *programs, *images, *sources("node/import-images.sh")))


def build_base(builder: Builder) -> None:
    """See images/node/Dockerfile; kind's files come from its Go module."""
    image = base(builder.settings)
    source = downloads.manifests_artifact(builder.settings).path / "node"

    def fill(context: Path) -> None:
        shutil.copytree(source, context / "files")
        for path in (context / "files").rglob("*"):
            path.chmod(0o755 if path.is_dir() or path.parent.name == "bin" else 0o644)
        config = context / "files/etc/containerd/config.toml"
        config.write_text(containerd_config(config.read_text(), pause_image(component_images(builder.settings))))

    builder.build_context(image, rootfs(versions.NODE_SUITE), "node", fill)


def containerd_config(text: str, pause: str) -> str:
    """kind's configuration for an older containerd in a container without CAP_SYS_RESOURCE."""
    kept = (line for line in text.splitlines() if "base_runtime_spec" not in line)
    text = "\n".join(kept) + "\n"
    text = re.sub(r'sandbox_image = ".*"', f'sandbox_image = "{pause}"', text)
    return text.replace("restrict_oom_score_adj = false", "restrict_oom_score_adj = true")


def component_images(settings: Settings) -> dict[str, str]:
    """Component -> the image name that kubeadm will ask for."""
    kubeadm = golang.artifact(golang.KUBERNETES, settings).path / "kubeadm"
    listing = run([kubeadm, "config", "images", "list", "--kubernetes-version", versions.KUBERNETES])
    return name_components(listing)


def name_components(listing: str) -> dict[str, str]:
    """kubeadm's list, keyed by the last part of each name."""
    return {line.rpartition("/")[2].partition(":")[0]: line for line in listing.split()}


def pause_image(images: dict[str, str]) -> str:
    """The sandbox image; containerd's configuration must name the same."""
    return images["pause"]


def build_node(builder: Builder) -> None:
    """Start the base with `sleep`, put programs and images in, commit."""
    settings, docker, log = builder.settings, builder.docker, builder.log("node")
    log.unlink(missing_ok=True)
    names = build_components(builder)
    archive = builder.fresh("node") / "images.tar"
    docker.call("save", "--output", archive, *names, log=log)
    docker.remove_containers(CONTAINER)
    docker.call(
        "run", "--detach", "--name", CONTAINER, "--label", LABEL, "--privileged", "--entrypoint", "sleep",
        base(settings).reference, "infinity", log=log,
    )  # fmt: skip
    try:
        _fill(builder, archive, log)
        entrypoint = 'ENTRYPOINT ["/usr/local/bin/entrypoint", "/sbin/init"]'
        docker.call(
            "commit", "--change", entrypoint, "--change", "CMD []", CONTAINER, node(settings).reference, log=log
        )
    finally:
        docker.remove_containers(CONTAINER)
        shutil.rmtree(archive.parent)


def _fill(builder: Builder, archive: Path, log: Path) -> None:
    docker = builder.docker
    programs = golang.artifact(golang.KUBERNETES, builder.settings).path
    for program in ON_NODE:
        docker.call("cp", programs / program, f"{CONTAINER}:/usr/bin/{program}", log=log)
    for path, text in {
        "/kind/version": versions.KUBERNETES,
        "/kind/manifests/default-cni.yaml": HARMLESS_MANIFEST % "testbed-cni",
        "/kind/manifests/default-storage.yaml": HARMLESS_MANIFEST % "testbed-storage",
    }.items():
        docker.call("exec", "--interactive", CONTAINER, "sh", "-c", f"cat > {path}", stdin=text.encode(), log=log)
    script = SOURCES / "node" / "import-images.sh"
    docker.call("cp", script, f"{CONTAINER}:/root/import-images.sh", log=log)
    docker.call("cp", archive, f"{CONTAINER}:/root/images.tar", log=log)
    docker.call("exec", CONTAINER, "sh", "-c", "sh /root/import-images.sh < /root/images.tar", log=log)
    docker.call("exec", CONTAINER, "rm", "-f", "/root/images.tar", "/root/import-images.sh", log=log)


def build_components(builder: Builder) -> list[str]:
    """Images under the names that kubeadm prints, one layer each; and those of Envoy and Kafka."""
    settings = builder.settings
    names = component_images(settings)
    kubernetes = golang.artifact(golang.KUBERNETES, settings).path
    for component in ("kube-apiserver", "kube-controller-manager", "kube-scheduler"):
        _scratch_image(builder, kubernetes / component, names[component], "/usr/local/bin")
    _scratch_image(builder, golang.artifact(golang.ETCD, settings).path / "etcd", names["etcd"], "/usr/local/bin")
    _scratch_image(builder, golang.artifact(golang.COREDNS, settings).path / "coredns", names["coredns"], "/")
    _scratch_image(builder, golang.artifact(golang.PAUSE, settings).path / "pause", names["pause"], "/")
    builder.flatten(proxy(settings).reference, names["kube-proxy"], PATH_ENV)
    return [*names.values(), envoy(settings).reference, kafka(settings).reference]


def _scratch_image(builder: Builder, program: Path, reference: str, folder: str) -> None:
    root = builder.fresh(f"component-{program.name}")
    target = root / folder.lstrip("/")
    target.mkdir(parents=True, exist_ok=True)
    shutil.copy2(program, target / program.name)
    entrypoint = f'ENTRYPOINT ["{folder.rstrip("/")}/{program.name}"]'
    builder.import_tree(root, reference, PATH_ENV, entrypoint)
    shutil.rmtree(root)
