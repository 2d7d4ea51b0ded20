"""Packages with entry points, installed into a folder on the import path as pip would: with real metadata."""

import zipfile
from pathlib import Path

import hatchling.build
import pytest

EXAMPLE = Path(__file__).resolve().parents[4] / "examples" / "plugin"


def install_example(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Builds the example's wheel and unpacks it."""
    with monkeypatch.context() as elsewhere:
        elsewhere.chdir(EXAMPLE)
        wheel = hatchling.build.build_wheel(str(folder))
    with zipfile.ZipFile(folder / wheel) as archive:
        archive.extractall(folder)
    monkeypatch.syspath_prepend(folder)


def install_module(folder: Path, monkeypatch: pytest.MonkeyPatch, name: str, code: str) -> None:
    """A package of one module; `name` is both the entry point's name and the module's."""
    information = folder / f"{name}-1.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (information / "entry_points.txt").write_text(f"[headgate.executors]\n{name} = {name}\n")
    (folder / f"{name}.py").write_text(code)
    monkeypatch.syspath_prepend(folder)
