"""Bringing images of the engine into the nodes, layer by layer.

`kind load` sends every image whole to every node. Between two builds of ours one small layer differs, so this sends
each node what its containerd lacks, as an OCI layout (image-spec, image-layout.md) with the other blobs left out:
containerd takes those that it has by their digest.
"""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .debian import remove_tree
from .engine.docker import Docker

CTR = ("ctr", "--namespace", "k8s.io")
MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
CONFIG_TYPE = "application/vnd.oci.image.config.v1+json"
LAYER_TYPE = "application/vnd.oci.image.layer.v1.tar"


@dataclass(frozen=True)
class Layer:
    """An uncompressed layer of a saved image: `digest` is that of its bytes."""

    digest: str
    size: int
    member: str


@dataclass(frozen=True)
class Saved:
    """An image as `docker save` wrote it."""

    archive: Path
    name: str
    config: bytes
    layers: tuple[Layer, ...]


def load(docker: Docker, nodes: Sequence[str], references: Iterable[str], scratch: Path) -> None:
    """Bring the images into all nodes. `scratch` is a directory that does not exist yet."""
    scratch.mkdir(parents=True)
    try:
        for number, reference in enumerate(references):
            saved = save(docker, reference, scratch / f"{number}.tar")
            with ThreadPoolExecutor(len(nodes)) as pool:
                list(pool.map(lambda node, image=saved: _send(docker, node, image, scratch), nodes))
            saved.archive.unlink()
    finally:
        remove_tree(scratch)


def save(docker: Docker, reference: str, archive: Path) -> Saved:
    """Save an image and read what it is made of. Handles the layout of old engines and of new ones (OCI)."""
    docker.call("save", "--output", archive, reference)
    with tarfile.open(archive) as source:
        (manifest,) = json.loads(_read(source, "manifest.json"))
        config = _read(source, manifest["Config"])
        digests = json.loads(config)["rootfs"]["diff_ids"]
        layers = [
            Layer(digest, _size(source, member), member)
            for digest, member in zip(digests, manifest["Layers"], strict=True)
        ]
    return Saved(archive, full_name(reference), config, tuple(layers))


def full_name(reference: str) -> str:
    """The name that a kubelet will ask for: containerd knows no short ones."""
    first, slash, _ = reference.partition("/")
    has_host = bool(slash) and ("." in first or ":" in first or first == "localhost")
    named = reference if has_host else f"docker.io/{reference if slash else 'library/' + reference}"
    return named if ":" in named.rpartition("/")[2] else f"{named}:latest"


def build_manifest(config: bytes, layers: Iterable[Layer]) -> bytes:
    """The image manifest; the same image always has the same bytes."""
    return _encode(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST_TYPE,
            "config": {"mediaType": CONFIG_TYPE, "digest": digest_of(config), "size": len(config)},
            "layers": [{"mediaType": LAYER_TYPE, "digest": each.digest, "size": each.size} for each in layers],
        }
    )


def build_index(name: str, manifest: bytes) -> bytes:
    """The layout's entry: which manifest has which name."""
    entry = {
        "mediaType": MANIFEST_TYPE,
        "digest": digest_of(manifest),
        "size": len(manifest),
        "annotations": {"io.containerd.image.name": name},
    }
    return _encode({"schemaVersion": 2, "manifests": [entry]})


def digest_of(blob: bytes) -> str:
    """As OCI writes digests."""
    return f"sha256:{hashlib.sha256(blob).hexdigest()}"


def write_layout(saved: Saved, present: set[str], target: Path) -> None:
    """An OCI layout of the image without the layers that are `present`."""
    manifest = build_manifest(saved.config, saved.layers)
    with tarfile.open(saved.archive) as source, tarfile.open(target, "w") as sink:
        _add(sink, "oci-layout", b'{"imageLayoutVersion":"1.0.0"}')
        for layer in {each.digest: each for each in saved.layers}.values():
            if layer.digest not in present:
                content = source.extractfile(layer.member)
                assert content is not None
                sink.addfile(_entry(_blob_path(layer.digest), layer.size), content)
        for blob in (saved.config, manifest):
            _add(sink, _blob_path(digest_of(blob)), blob)
        _add(sink, "index.json", build_index(saved.name, manifest))


def _send(docker: Docker, node: str, saved: Saved, scratch: Path) -> None:
    present = set(docker.call("exec", node, *CTR, "content", "ls", "--quiet").split())
    layout = scratch / f"{node}.tar"
    write_layout(saved, present, layout)
    docker.call("exec", "--interactive", node, *CTR, "images", "import", "-", stdin=layout.read_bytes())
    layout.unlink()


def _read(source: tarfile.TarFile, member: str) -> bytes:
    content = source.extractfile(member)
    assert content is not None
    return content.read()


def _size(source: tarfile.TarFile, member: str) -> int:
    """A layer that occurs twice may be a link the second time."""
    found = source.getmember(member)
    return len(_read(source, member)) if found.issym() or found.islnk() else found.size


def _blob_path(digest: str) -> str:
    return f"blobs/{digest.replace(':', '/')}"


def _entry(path: str, size: int) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(path)
    entry.size, entry.mode = size, 0o644
    return entry


def _add(sink: tarfile.TarFile, path: str, blob: bytes) -> None:
    sink.addfile(_entry(path, len(blob)), io.BytesIO(blob))


def _encode(content: dict[str, Any]) -> bytes:
    return json.dumps(content, sort_keys=True, separators=(",", ":")).encode()
