"""The gateway's image runs compiled what every request passes, and holds nothing that compiled it."""

from pathlib import Path

from tests.e2e.release import Release

ROOT = Path(__file__).resolve().parents[2]
INTERPRETED = """\
import importlib, sys
for path in sys.argv[1:]:
    module = importlib.import_module(path.removesuffix(".py").replace("/", "."))
    if not module.__file__.endswith(".so"):
        print(path)
"""


def inside(release: Release, *command: str) -> str:
    """What a command prints in a container of the image."""
    entry, *rest = command
    return release.cluster.docker.call(
        "run", "--rm", "--network", "none", "--entrypoint", entry, release.images.gateway, *rest
    )


def test_what_every_request_passes_is_compiled(release: Release) -> None:
    hot = (ROOT / "gateway" / "native.txt").read_text().split()
    assert inside(release, "/opt/headgate/venv/bin/python", "-c", INTERPRETED, *hot) == ""


def test_no_compiler_ships(release: Release) -> None:
    assert inside(release, "sh", "-c", "command -v gcc cc mypyc || true") == ""
