"""Images as layouts: what is sent to a node, and under which name."""

import io
import json
import tarfile
from pathlib import Path

import pytest
from tests.testbed.loading import Layer, Saved, build_manifest, digest_of, full_name, write_layout

BASE, CODE = b"base layer", b"code layer"


@pytest.fixture
def saved(tmp_path: Path) -> Saved:
    archive = tmp_path / "saved.tar"
    with tarfile.open(archive, "w") as sink:
        for name, blob in (("1/layer.tar", BASE), ("2/layer.tar", CODE)):
            entry = tarfile.TarInfo(name)
            entry.size = len(blob)
            sink.addfile(entry, io.BytesIO(blob))
    layers = (Layer(digest_of(BASE), len(BASE), "1/layer.tar"), Layer(digest_of(CODE), len(CODE), "2/layer.tar"))
    return Saved(archive, "docker.io/headgate/operator:dev", b"{}", layers)


def test_layers_that_a_node_has_are_not_sent(saved: Saved, tmp_path: Path) -> None:
    write_layout(saved, {digest_of(BASE)}, tmp_path / "layout.tar")
    with tarfile.open(tmp_path / "layout.tar") as layout:
        names = layout.getnames()
    assert f"blobs/sha256/{digest_of(CODE)[7:]}" in names
    assert f"blobs/sha256/{digest_of(BASE)[7:]}" not in names


def test_the_index_names_the_image_and_its_manifest(saved: Saved, tmp_path: Path) -> None:
    write_layout(saved, set(), tmp_path / "layout.tar")
    with tarfile.open(tmp_path / "layout.tar") as layout:
        index = layout.extractfile("index.json")
        assert index is not None
        (entry,) = json.loads(index.read())["manifests"]
    assert entry["annotations"]["io.containerd.image.name"] == saved.name
    assert entry["digest"] == digest_of(build_manifest(saved.config, saved.layers))


@pytest.mark.parametrize(
    ("short", "full"),
    [
        ("headgate/operator:dev", "docker.io/headgate/operator:dev"),
        ("nginx", "docker.io/library/nginx:latest"),
        ("registry.example:5000/a/b", "registry.example:5000/a/b:latest"),
        ("localhost/a:1", "localhost/a:1"),
    ],
)
def test_short_names_become_those_that_a_kubelet_asks_for(short: str, full: str) -> None:
    assert full_name(short) == full
