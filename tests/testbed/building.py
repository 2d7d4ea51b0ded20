"""Building the repository's own images with the testbed's engine.

Owns the build context and what a build needs on a machine with a private certificate authority. What is in the
images is their Dockerfiles' business; the authority's bundle goes into build stages only, never into a final image.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from .commands import run
from .debian import remove_tree
from .engine.docker import Docker
from .progress import Progress, Silent
from .settings import LABEL, Settings

ROOT = Path(__file__).resolve().parents[2]
# The Dockerfiles look for a file of this name in their context, and take it for pip in their build stages.
CA_FILE = "build-ca.crt"
CA_VARIABLES = ("PIP_CERT", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE")
SYSTEM_BUNDLES = (Path("/etc/ssl/certs/ca-certificates.crt"), Path("/etc/pki/tls/certs/ca-bundle.crt"))
# What a Dockerfile may COPY. Tests and documents would only make contexts differ that build the same image.
CONTEXT = ("pyproject.toml", "README.md", "LICENSE", "requirements", "operator", "gateway", "crds")
OPERATOR_TAG, GATEWAY_TAG = "headgate/operator:dev", "headgate/gateway:dev"
DOCKERFILES = {OPERATOR_TAG: ROOT / "Dockerfile.operator", GATEWAY_TAG: ROOT / "Dockerfile.gateway"}


def build_image(
    docker: Docker,
    settings: Settings,
    base: str,
    dockerfile: Path,
    tag: str,
    progress: Progress | None = None,
    *,
    files: Sequence[str] = CONTEXT,
    arguments: Sequence[str] = (),
) -> str:
    """`docker build --network host` over `base`; returns the image's id. `arguments`: of the Dockerfile, as `NAME=value`."""
    path = dockerfile if dockerfile.is_absolute() else ROOT / dockerfile
    name = tag.replace("/", "-").replace(":", "-")
    log = settings.logs / f"build-{name}.log"
    log.unlink(missing_ok=True)
    context = settings.scratch / f"context-{name}-{os.getpid()}"
    binary, env = docker.builder
    try:
        fill_context(context, path, certificate_bundle(), files)
        with (progress or Silent()).step(f"docker build {tag}", 40):
            run(
                [binary, "build", "--progress", "plain", "--network", "host", "--label", LABEL,
                 "--build-arg", f"BASE_IMAGE={base}", *(word for each in arguments for word in ("--build-arg", each)),
                 *_proxy_args(os.environ), "--tag", tag, context],
                env=env, log=log,
            )  # fmt: skip
    finally:
        remove_tree(context)
    return docker.image_id(tag)


def fill_context(context: Path, dockerfile: Path, bundle: Path | None, files: Sequence[str] = CONTEXT) -> None:
    """Copy what the Dockerfile may need; a directory of its own keeps the bundle out of the checkout."""
    remove_tree(context)
    context.mkdir(parents=True)
    shutil.copyfile(dockerfile, context / "Dockerfile")
    for name in files:
        source = dockerfile.parent / name
        if source.is_dir():
            shutil.copytree(source, context / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info", ".*"))
        elif source.exists():
            shutil.copyfile(source, context / name)
    if bundle is not None:
        shutil.copyfile(bundle, context / CA_FILE)


def certificate_bundle(
    environ: Mapping[str, str] | None = None, system: Sequence[Path] = SYSTEM_BUNDLES
) -> Path | None:
    """The bundle that the environment names, else the system's: a private authority may be in either."""
    env = os.environ if environ is None else environ
    named = [Path(env[name]) for name in CA_VARIABLES if env.get(name)]
    return next((path for path in (*named, *system) if path.is_file()), None)


def _proxy_args(environ: Mapping[str, str]) -> list[str]:
    """Docker knows these build arguments without a Dockerfile naming them, and keeps them out of the image."""
    names = [f"{scheme}_proxy" for scheme in ("http", "https", "no")]
    present = [name for lower in names for name in (lower, lower.upper()) if environ.get(name)]
    return [word for name in present for word in ("--build-arg", name)]
