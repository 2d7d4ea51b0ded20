"""Where the testbed keeps things and how it was asked to behave.

Owns reading the HEADGATE_TESTBED_* environment and the names of directories below the cache.
Never touches the disk beyond `prepare`. Built once by `__main__` or a fixture and passed down.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from .errors import TestbedError

LABEL = "headgate.dev/testbed=1"
REPOSITORY = "headgate-testbed"


class ImagesMode(Enum):
    """Where images come from."""

    AUTO = "auto"
    PULL = "pull"
    BUILD = "build"


@dataclass(frozen=True)
class Settings:
    """What a run was asked for. All paths are absolute."""

    cache: Path
    images: ImagesMode = ImagesMode.AUTO
    cluster_name: str = "headgate"

    @classmethod
    def read(cls, environ: Mapping[str, str] | None = None, images: str | None = None) -> Settings:
        """Settings from the environment; `images` (the command-line flag) wins over it."""
        env = os.environ if environ is None else environ
        home = Path(env.get("HOME", "/root"))
        cache = Path(env.get("HEADGATE_TESTBED_CACHE") or home / ".cache" / "headgate-testbed")
        return cls(
            cache=cache.expanduser().absolute(),
            images=_images_mode(images or env.get("HEADGATE_TESTBED_IMAGES") or "auto"),
            cluster_name=env.get("HEADGATE_TESTBED_CLUSTER") or "headgate",
        )

    @property
    def cache_id(self) -> str:
        """A short name for this cache, for what must live outside of it."""
        return hashlib.sha256(str(self.cache).encode()).hexdigest()[:8]

    @property
    def artifacts(self) -> Path:
        """Finished build results, one directory each, named after a hash of their inputs."""
        return self.cache / "artifacts"

    @property
    def scratch(self) -> Path:
        """Unfinished work; anything here may be removed when no run is going on."""
        return self.cache / "scratch"

    @property
    def logs(self) -> Path:
        """One log a build, overwritten by the next attempt."""
        return self.cache / "logs"

    @property
    def engine(self) -> Path:
        """Our own Docker engine: socket, configuration, data."""
        return self.cache / "engine"

    @property
    def downloads(self) -> Path:
        """Caches of the package tools (Go, Maven), so that an interrupted build goes on where it was."""
        return self.cache / "downloads"

    @property
    def cluster(self) -> Path:
        """Files of the running cluster: kubeconfig, kind's configuration, audit log."""
        return self.cache / "cluster"

    @property
    def kafka(self) -> Path:
        """Files of the brokers on loopback: certificates and properties."""
        return self.cache / "kafka"

    @property
    def state_file(self) -> Path:
        """What exists now; see `state`."""
        return self.cache / "state.json"

    def prepare(self) -> None:
        """Create the directories."""
        for path in (self.artifacts, self.scratch, self.logs, self.engine, self.downloads, self.cluster, self.kafka):
            path.mkdir(parents=True, exist_ok=True)


def _images_mode(word: str) -> ImagesMode:
    try:
        return ImagesMode(word)
    except ValueError:
        raise TestbedError(f"images mode {word!r} is unknown: use auto, pull or build") from None
