"""Our two images, tagged after what they are made of, so that a changed source is another image and rolls its pods.

python -m tests.e2e.images      # the cluster, and both images on its nodes: what end-to-end tests begin with
"""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.testbed import cluster as testbed_cluster
from tests.testbed.cluster import Cluster
from tests.testbed.progress import Progress

ROOT = Path(__file__).resolve().parents[2]
SHARED = (
    "pyproject.toml",
    "requirements/build.txt",
    "requirements/compile.txt",
    ".dockerignore",
    "operator",
    "gateway",
)


@dataclass(frozen=True)
class Images:
    """References of images that every node of the cluster holds."""

    operator: str
    gateway: str


def ensure_images(cluster: Cluster) -> Images:
    """Build both images where a source has changed, and load them into the nodes."""
    return Images(operator=_ensure(cluster, "operator"), gateway=_ensure(cluster, "gateway"))


def _ensure(cluster: Cluster, role: str) -> str:
    reference = reference_of(role)
    cluster.build_image(ROOT / f"Dockerfile.{role}", reference)
    cluster.load_image(reference)
    return reference


def reference_of(role: str) -> str:
    """What the image of the present sources is called, whether or not it is built."""
    return f"headgate/{role}:dev-{hash_of(f'Dockerfile.{role}', f'requirements/{role}.txt', *SHARED)}"


def hash_of(*names: str) -> str:
    """Of files and directories of the repository, by their names."""
    digest = hashlib.sha256()
    for path in _source_files(names):
        digest.update(f"{path.relative_to(ROOT)}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def _source_files(names: Iterable[str]) -> Iterator[Path]:
    for name in names:
        path = ROOT / name
        found = sorted(path.rglob("*")) if path.is_dir() else [path]
        yield from (file for file in found if file.is_file() and "__pycache__" not in file.parts)


if __name__ == "__main__":
    ensure_images(testbed_cluster.ensure(Progress()))
