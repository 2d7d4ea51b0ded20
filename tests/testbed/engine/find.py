"""Which engine to use: the one that answers, else our own, started if need be."""

from __future__ import annotations

import os
from pathlib import Path

from tests.testbed.progress import Progress
from tests.testbed.settings import Settings
from tests.testbed.state import State

from . import own
from .docker import Docker, client


def running(settings: Settings) -> Docker | None:
    """The engine that answers now: DOCKER_HOST or the default socket first, then our own."""
    binary = client()
    if binary is None:
        return None
    host = os.environ.get("DOCKER_HOST", "")
    ours = own.socket_url(settings)
    for candidate in dict.fromkeys((host, ours)):
        docker = Docker(binary, candidate, ours=candidate == ours)
        if _may_answer(candidate) and docker.answers():
            return docker
    return None


def ensure(settings: Settings, state: State, progress: Progress) -> Docker:
    """An engine that answers."""
    return running(settings) or own.start(settings, state, progress)


def _may_answer(host: str) -> bool:
    """Skip the client's start where its socket is not even there."""
    path = host.removeprefix("unix://") if host.startswith("unix://") else ("" if host else "/var/run/docker.sock")
    return not path or Path(path).exists()
