"""This gateway as it ships: the root file system of its image, with its interpreter, libraries and compiled modules.

Owns unpacking it, once for each state of the sources. Nothing of a container is between the process and the machine:
it is started like the peers, only with another root directory. As root; others measure the checkout, interpreted.
"""

import os
import sys
import tempfile
from functools import cache
from pathlib import Path

from tests.e2e.images import hash_of
from tests.testbed import building
from tests.testbed.artifacts import Artifact
from tests.testbed.commands import run
from tests.testbed.progress import Progress
from tests.testbed.session import Session, opened
from tests.testbed.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
PYTHON = "/opt/headgate/venv/bin/python"
REQUIREMENTS = tuple(f"requirements/{name}.txt" for name in ("build", "compile", "gateway"))
SOURCES = ("Dockerfile.gateway", "pyproject.toml", *REQUIREMENTS, "gateway")
"""Of the image, without the operator: it is in there too, but nothing of it runs."""
CHECKOUT = "opt/checkout"
"""Where the root file system has the repository, for modules of this folder that stand for the gateway's program."""
# A mount namespace of its own: nothing is left behind, and the process keeps the id that it was started with.
ENTER = f"""\
for folder in proc dev tmp; do mount --rbind "/$folder" "$0/$folder"; done
mount --bind {ROOT} "$0/{CHECKOUT}"
exec chroot "$0" env --chdir=/ PYTHONPATH=/{CHECKOUT} PYTHONDONTWRITEBYTECODE=1 {PYTHON} "$@"
"""


def interpreter() -> list[str | Path]:
    """The command that runs Python with the gateway in it."""
    return ["unshare", "--mount", "sh", "-ec", ENTER, root_file_system()] if as_image() else [sys.executable]


def as_image() -> bool:
    """Whether what is measured is what ships."""
    return os.geteuid() == 0


def describe() -> str:
    """Which interpreter it is, and whether modules are compiled."""
    script = (
        "import platform, headgate_gateway.http.express as hot; "
        "print('Python', platform.python_version(), 'interpreted' if hot.__file__.endswith('.py') else 'compiled')"
    )
    return run([*interpreter(), "-c", script]).strip()


@cache
def root_file_system() -> Path:
    """The image's, unpacked."""
    settings = Settings.read()
    made = Artifact("bench-gateway", hash_of(*SOURCES), settings)
    if not made.exists():
        with opened(settings, Progress()) as session:
            made.make(lambda target: _unpack(session, target, settings))
    return made.path


def _unpack(session: Session, target: Path, settings: Settings) -> None:
    reference, docker = f"headgate/gateway:bench-{hash_of(*SOURCES)}", session.docker
    dockerfile = ROOT / "Dockerfile.gateway"
    building.build_image(docker, settings, session.images.python, dockerfile, reference, session.progress)
    container = docker.call("create", reference).strip()
    try:
        with tempfile.TemporaryDirectory(dir=settings.scratch) as scratch:
            archive = Path(scratch) / "tree.tar"
            docker.call("export", "--output", archive, container)
            run(["tar", "--extract", "--file", archive, "--directory", target])
    finally:
        docker.remove_containers(container)
    (target / CHECKOUT).mkdir(parents=True)
