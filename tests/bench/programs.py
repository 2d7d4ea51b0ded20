"""The Go programs of this folder: the load generator and the peers. Built once, kept with the testbed's other artifacts.

Versions and checksums stand in each program's go.mod and go.sum. Never runs what it builds.
"""

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tests.testbed.artifacts import Artifact, key_of
from tests.testbed.builds import golang
from tests.testbed.commands import require, run
from tests.testbed.progress import Progress
from tests.testbed.settings import Settings
from tests.testbed.state import locked

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Program:
    """A program of ours, by the folder of its module."""

    name: str
    folder: Path
    expected: float
    generated: bool = False
    """Its sources are written by the Collector's builder, from the manifest beside its go.mod."""


LOAD = Program("load", HERE / "load", 5)
SARAMA_SINGLE = Program("sarama-single", HERE / "peers" / "sarama_single", 20)
FRANZ_LINES = Program("franz-lines", HERE / "peers" / "franz_lines", 20)
COLLECTOR = Program("collector", HERE / "peers" / "collector", 80, generated=True)
COLLECTOR_BUILDER = "go.opentelemetry.io/collector/cmd/builder"


def ensure(program: Program, settings: Settings | None = None) -> Path:
    """The program's file, built where these sources have not been built yet."""
    chosen = settings or Settings.read()
    made = artifact(program, chosen)
    if not made.exists():
        chosen.prepare()
        progress = Progress()
        with locked(chosen, progress), progress.step(f"go build {program.name}", program.expected):
            made.make(lambda target: _build(program, target, made.log, chosen))
    return made.path / program.name


def artifact(program: Program, settings: Settings) -> Artifact:
    """Named after a hash of all sources of the program."""
    return Artifact(f"bench-{program.name}", key_of("go", *sources(program.folder)), settings)


def sources(folder: Path) -> list[bytes]:
    """Names and contents below a folder, in a fixed order."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return [part for path in files for part in (str(path.relative_to(folder)).encode(), path.read_bytes())]


def _build(program: Program, target: Path, log: Path, settings: Settings) -> None:
    if program.generated:
        with tempfile.TemporaryDirectory(dir=settings.scratch) as directory:
            folder = Path(directory)
            _generate(program.folder, folder, log, settings)
            _compile(folder, ".", target / program.name, log, settings)
    else:
        _compile(program.folder, ".", target / program.name, log, settings)


def _generate(folder: Path, target: Path, log: Path, settings: Settings) -> None:
    """Let the Collector's builder write the sources beside our locks; it resolves no versions."""
    builder = target / "builder"
    _compile(folder / "builder", COLLECTOR_BUILDER, builder, log, settings)
    for name in ("manifest.yaml", "go.mod", "go.sum"):
        shutil.copyfile(folder / name, target / name)
    run(
        [builder, "--config", "manifest.yaml", "--skip-compilation", "--skip-get-modules"],
        cwd=target,
        env=golang.environment(settings),
        log=log,
    )


def _compile(folder: Path, package: str, target: Path, log: Path, settings: Settings) -> None:
    """`go build` with the locked versions."""
    go = require("go", golang.REMEDY)
    run(
        [go, "build", "-mod=readonly", "-trimpath", "-ldflags", "-s -w", "-o", target, package],
        cwd=folder,
        env=golang.environment(settings),
        log=log,
    )
