"""A Docker client bound to one engine.

Owns how `docker` is called (which binary, which DOCKER_HOST) and small questions about containers and images.
Never starts or stops the engine.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from tests.testbed.commands import run, succeeds
from tests.testbed.errors import CommandError, TestbedError


@dataclass(frozen=True)
class Docker:
    """`host` is a DOCKER_HOST value; "" means the client's default."""

    binary: Path
    host: str
    ours: bool

    @property
    def env(self) -> dict[str, str]:
        """What other clients (kind) need to talk to the same engine."""
        path = f"{self.binary.parent}:{os.environ.get('PATH', '')}"
        return {"PATH": path, **({"DOCKER_HOST": self.host} if self.host else {})}

    def call(
        self,
        *args: str | Path,
        log: Path | None = None,
        timeout: float | None = None,
        stdin: bytes | None = None,
        env: Mapping[str, str] | None = None,
    ) -> str:
        """`docker ARGS...`; stdout, or CommandError."""
        return run([self.binary, *args], env={**self.env, **(env or {})}, log=log, timeout=timeout, stdin=stdin)

    def try_call(self, *args: str | Path) -> None:
        """`docker ARGS...` for tidying up: what cannot be done now is left for another time."""
        succeeds([self.binary, *args], env=self.env)

    def answers(self, timeout: float = 10) -> bool:
        """Is there an engine, not only a client?"""
        return succeeds([self.binary, "info", "--format", "{{.ServerVersion}}"], env=self.env, timeout=timeout)

    def has_image(self, reference: str) -> bool:
        """Is this image in the engine already?"""
        return succeeds([self.binary, "image", "inspect", "--format", "{{.Id}}", reference], env=self.env)

    def image_id(self, reference: str) -> str:
        """The image's content hash."""
        return self.call("image", "inspect", "--format", "{{.Id}}", reference).strip()

    def inspect(self, container: str) -> dict[str, Any] | None:
        """What the engine knows of a container; None where there is none of this name."""
        try:
            found = json.loads(self.call("container", "inspect", container))
        except CommandError:
            return None
        return found[0] if found else None

    def is_running(self, container: str) -> bool:
        """Does the container run (paused counts)?"""
        found = self.inspect(container)
        return bool(found and found["State"]["Running"])

    def ids(self, what: str, *filters: str) -> list[str]:
        """Ids of all containers (`ps -a`), images, networks or volumes with these `--filter`s."""
        listing: Sequence[str] = {"container": ("ps", "-a")}.get(what, (what, "ls"))
        chosen = [word for each in filters for word in ("--filter", each)]
        return list(dict.fromkeys(self.call(*listing, "-q", *chosen).split()))

    def remove_containers(self, *containers: str) -> None:
        """Remove containers with their anonymous volumes; those that are gone already are fine."""
        present = [name for name in containers if self.inspect(name)]
        if present:
            self.call("rm", "-f", "-v", *present)

    @cached_property
    def builder(self) -> tuple[Path, dict[str, str]]:
        """A client that can drive BuildKit, and the environment it needs for that.

        Clients from 23 on need the buildx plugin for it; Debian's 20.10 has BuildKit built in.
        """
        if succeeds([self.binary, "buildx", "version"], env=self.env):
            return self.binary, {**self.env, "DOCKER_BUILDKIT": "1"}
        for candidate in (Path("/usr/bin/docker"), self.binary):
            if candidate.exists() and _has_buildkit_inside(candidate):
                return candidate, {**self.env, "DOCKER_BUILDKIT": "1"}
        raise TestbedError("this docker client cannot use BuildKit: install the buildx plugin")


def client() -> Path | None:
    """The `docker` on PATH."""
    found = shutil.which("docker")
    return Path(found) if found else None


def _has_buildkit_inside(binary: Path) -> bool:
    """Is this client of 18.09 to 22? `docker --version` asks no engine: "Docker version 20.10.24+dfsg1, build ..."."""
    words = run([binary, "--version"], timeout=10).split()
    major = words[2].split(".")[0] if len(words) > 2 else ""
    return major.isdigit() and 18 <= int(major) <= 22
