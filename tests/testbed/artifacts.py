"""Build results on disk: a directory named after a hash of all that went into it, complete or not there at all.

Owns keys and the atomic publication. Knows nothing of what is built.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from .debian import remove_tree
from .settings import Settings

KEY_LENGTH = 12
KEPT = 2
SOURCES = Path(__file__).parent / "images"


def key_of(*parts: str | bytes) -> str:
    """A short hash of the parts; moving a byte from one part to its neighbour changes it."""
    digest = hashlib.sha256()
    for part in parts:
        raw = part.encode() if isinstance(part, str) else part
        digest.update(len(raw).to_bytes(8, "big"))
        digest.update(raw)
    return digest.hexdigest()[:KEY_LENGTH]


def sources(*names: str) -> Iterable[bytes]:
    """Names and contents of all files below images/NAME, in a fixed order."""
    for name in names:
        root = SOURCES / name
        for path in sorted([root] if root.is_file() else (p for p in root.rglob("*") if p.is_file())):
            yield str(path.relative_to(SOURCES)).encode()
            yield path.read_bytes()


@dataclass(frozen=True)
class Artifact:
    """A finished or future build result."""

    name: str
    key: str
    settings: Settings

    @property
    def path(self) -> Path:
        """Where it is once it is complete."""
        return self.settings.artifacts / f"{self.name}-{self.key}"

    @property
    def log(self) -> Path:
        """What building it prints."""
        return self.settings.logs / f"{self.name}.log"

    def exists(self) -> bool:
        """Is it complete?"""
        return self.path.is_dir()

    def make(self, build: Callable[[Path], None]) -> None:
        """Let `build` fill a scratch directory, then publish it in one rename and drop the oldest keys."""
        if self.exists():
            return
        scratch = self.settings.scratch / f"{self.name}-{self.key}"
        remove_tree(scratch)
        scratch.mkdir(parents=True)
        build(scratch)
        scratch.rename(self.path)
        self.path.touch()
        self._drop_oldest()

    def _drop_oldest(self) -> None:
        """Keep two: checkouts of two branches must not undo each other's work again and again."""
        versions = self.settings.artifacts.glob(f"{self.name}-{'?' * KEY_LENGTH}")
        for old in sorted(versions, key=lambda path: path.stat().st_mtime, reverse=True)[KEPT:]:
            shutil.rmtree(old)
