"""Taking things away again: `down` keeps what was built, `clean` keeps nothing.

Owns finding what interrupted runs have left, by label and by record. Never removes what the testbed did not make.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from . import kafka
from .debian import remove_tree
from .engine import find, own
from .engine.docker import Docker
from .errors import TestbedError
from .progress import Progress
from .session import Session, opened
from .settings import LABEL, REPOSITORY, Settings
from .state import State


def down(session: Session) -> None:
    """Delete cluster and brokers. Starts no engine: where none answers, nothing of ours runs."""
    docker = find.running(session.settings)
    if docker is not None:
        with session.progress.step("deleting the cluster and the brokers", 5):
            _remove_containers(docker, session.settings)
            _remove_networks(docker)
    for folder in (session.settings.cluster, session.settings.kafka):
        remove_tree(folder)
    session.state.put("cluster", None)
    session.state.put("kafka", None)


def stop_engine(session: Session) -> None:
    """End our engine; its images stay on disk. One that is not ours goes on."""
    with session.progress.step("stopping our Docker engine", 5):
        own.stop(session.settings, session.state)


def clean(settings: Settings, progress: Progress) -> None:
    """Everything: containers, images, our engine with its rules and bridges, the cache directory."""
    _refuse_odd_directory(settings.cache)
    with opened(settings, progress) as session:
        down(session)
        docker = find.running(settings)
        if docker is not None and not docker.ours:
            with progress.step("removing the testbed's images", 10):
                _remove_images(docker)
        stop_engine(session)
        packages = session.state.get("packages", [])
        with progress.step(f"removing {settings.cache}", 10):
            remove_tree(settings.cache)
        if packages:  # others may use them by now, so that is for people to decide
            progress.say(f"Debian packages that were installed stay: apt-get purge {' '.join(packages)}")


def describe(settings: Settings) -> Iterator[str]:
    """What exists, one thing a line."""
    state = State(settings.state_file)
    docker = find.running(settings)
    yield f"cache:   {settings.cache}"
    yield f"engine:  {_engine_line(docker)}"
    record = state.get("cluster") or {}
    if docker is None:
        return
    nodes = docker.ids("container", f"label=io.x-k8s.kind.cluster={settings.cluster_name}")
    condition = "complete" if record.get("complete") else "incomplete"
    yield f"cluster: {settings.cluster_name}, {len(nodes)} nodes, {condition}" if nodes else "cluster: none"
    for count in sorted(state.get("kafka") or {}):
        yield f"kafka:   {count} broker(s): {kafka.container_name(int(count), 0)} ..."


def _engine_line(docker: Docker | None) -> str:
    if docker is None:
        return "none answers"
    return f"{'ours' if docker.ours else 'found'}, {docker.host or 'default socket'}"


def _remove_containers(docker: Docker, settings: Settings) -> None:
    kind = docker.ids("container", f"label=io.x-k8s.kind.cluster={settings.cluster_name}")
    ours = docker.ids("container", f"label={LABEL}")
    docker.remove_containers(*dict.fromkeys([*kind, *ours]))


def _remove_networks(docker: Docker) -> None:
    """kind's network, unless another cluster of kind's uses it."""
    if docker.ours and docker.ids("network", "name=^kind$") and not docker.ids("container", "network=kind"):
        docker.call("network", "rm", "kind")


def _remove_images(docker: Docker) -> None:
    """Images by label and by our name for them, in an engine that is not ours."""
    named = docker.ids("image", f"reference={REPOSITORY}/*")
    for image in dict.fromkeys([*docker.ids("image", f"label={LABEL}"), *named]):
        docker.try_call("rmi", "--force", image)


def _refuse_odd_directory(cache: Path) -> None:
    """A mistyped HEADGATE_TESTBED_CACHE must not cost anybody a home directory."""
    made_by_us = any((cache / name).exists() for name in ("lock", "state.json"))
    if cache.exists() and not made_by_us and any(cache.iterdir()):
        raise TestbedError(f"{cache} was not made by the testbed: remove it yourself")
