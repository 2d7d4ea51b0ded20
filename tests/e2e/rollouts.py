"""A repo's rollout as its team sees it: status, the route's weights over time, and what becomes of a change."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.e2e.api import Manifest, wait_for
from tests.e2e.release import FLEET, NAMESPACE, Release
from tests.e2e.repos import repo_path

FleetKey = tuple[str, str]
"""Namespace and name."""
DEFAULT: FleetKey = (NAMESPACE, FLEET)
SETTLED = ("Stable", "RolledBack")
LOOKS_EVERY = 0.1
"""Seconds."""


def quick_rollout(*weights: int, hold: str = "6s", min_requests: int = 30, **analysis: Any) -> Manifest:
    """Steps that a test can wait for."""
    return {
        "steps": [{"weight": weight, "hold": hold} for weight in weights or (10, 50)],
        "analysis": {"minRequests": min_requests, **analysis},
    }


def change(release: Release, namespace: str, name: str, **spec: object) -> None:
    """Edit a repo's spec, as a user would."""
    release.api.merge(repo_path(namespace, name), {"spec": spec})


def command(release: Release, namespace: str, name: str, verb: str, revision: str, token: str) -> None:
    """The annotation that asks for a verb, whatever the step."""
    annotation = {"headgate.dev/command": f"{verb} {revision} - {token}"}
    release.api.merge(repo_path(namespace, name), {"metadata": {"annotations": annotation}})


def rollout_of(release: Release, namespace: str, name: str) -> Manifest:
    """The `rollout` block of a repo's status; empty while there is none."""
    found = release.api.get(repo_path(namespace, name)) or {}
    block: Manifest = found.get("status", {}).get("rollout") or {}
    return block


def wait_settled(release: Release, namespace: str, name: str, timeout: float = 150) -> Manifest:
    """The rollout of the newest generation once it has ended, one way or the other, for the revision that the spec asks for."""

    def settled() -> Manifest | None:
        found = release.api.get(repo_path(namespace, name)) or {}
        status = found.get("status", {})
        block: Manifest = status.get("rollout") or {}
        current = status.get("observedGeneration") == found.get("metadata", {}).get("generation")
        ended = {"Stable": block.get("stable"), "RolledBack": block.get("candidate")}.get(block.get("phase", ""))
        return block if current and ended and ended == status.get("revision") else None

    try:
        return wait_for(settled, f"the rollout of {namespace}/{name} has ended", timeout)
    except TimeoutError as error:
        raise TimeoutError(f"{error}: {rollout_of(release, namespace, name)}") from None


def wait_phase(release: Release, namespace: str, name: str, *phases: str, timeout: float = 90) -> Manifest:
    """The rollout once it is in one of these phases."""
    return wait_rollout(release, namespace, name, timeout, phase=phases)


def wait_rollout(
    release: Release, namespace: str, name: str, timeout: float = 90, **wanted: tuple[str, ...]
) -> Manifest:
    """The rollout once each of these fields has one of these values."""

    def reached() -> Manifest | None:
        block = rollout_of(release, namespace, name)
        return block if all(block.get(field) in values for field, values in wanted.items()) else None

    try:
        return wait_for(reached, f"{namespace}/{name} has {wanted}", timeout, LOOKS_EVERY)
    except TimeoutError as error:
        raise TimeoutError(f"{error}: {rollout_of(release, namespace, name)}") from None


def routes_path(fleet: FleetKey = DEFAULT) -> str:
    """Where the API server keeps a fleet's routes."""
    return f"apis/gateway.networking.k8s.io/v1/namespaces/{fleet[0]}/httproutes"


def repo_route(release: Release, namespace: str, name: str, fleet: FleetKey = DEFAULT) -> Manifest | None:
    """A repo's own route."""
    return release.api.get(f"{routes_path(fleet)}/{fleet[1]}.{namespace}.{name}")


def route_weight(release: Release, namespace: str, name: str, fleet: FleetKey = DEFAULT) -> int:
    """Per cent that the repo's route sends elsewhere than to the stable gateways: to its canary, or to a new image."""
    route = repo_route(release, namespace, name, fleet) or {}
    backends = [each for rule in route.get("spec", {}).get("rules", ()) for each in rule.get("backendRefs", ())]
    return sum(each.get("weight", 1) for each in backends if each["name"] != f"{fleet[1]}-gateway")


@dataclass
class Watched:
    """What a repo went through while it was looked at. All moments are monotonic seconds."""

    weights: list[int] = field(default_factory=list)
    """Each weight that the route had, in order."""
    phases: list[str] = field(default_factory=list)
    blocks: list[tuple[float, Manifest]] = field(default_factory=list)
    """Each state of the status, in order, and when it was first seen: Unix seconds."""
    windows: list[list[float]] = field(default_factory=list)
    """From when to when the route had weight; the last has no end while it has."""
    failed: list[float] = field(default_factory=list)
    """When status first showed a Failed measurement, of each rollout that had one."""
    failing: bool = False

    def note(self, weight: int, block: Manifest, before: float, after: float) -> None:
        """Take in one look, which took from `before` to `after`: a window is never longer than it surely was."""
        if self.weights[-1:] != [weight]:
            self.weights.append(weight)
        if self.phases[-1:] != [phase := block.get("phase", "")]:
            self.phases.append(phase)
        if not self.blocks or self.blocks[-1][1] != block:
            self.blocks.append((time.time(), block))
        is_open = bool(self.windows) and len(self.windows[-1]) == 1
        if weight and not is_open:
            self.windows.append([after])
        if not weight and is_open:
            self.windows[-1].append(before)
        failing = any(each["verdict"] == "Fail" for each in block.get("measurements", ()))
        if failing and not self.failing:
            self.failed.append(after)
        self.failing = failing

    @property
    def verdicts(self) -> set[str]:
        """Every verdict that status has shown."""
        return {each["verdict"] for _, block in self.blocks for each in block.get("measurements", ())}


@contextmanager
def watching(release: Release, namespace: str, name: str, fleet: FleetKey = DEFAULT) -> Iterator[Watched]:
    """Look at the route and the status ten times a second for as long as the block runs."""
    watched, stop = Watched(), threading.Event()

    def look() -> None:
        while not stop.is_set():
            before = time.monotonic()
            weight = route_weight(release, namespace, name, fleet)
            after = time.monotonic()
            watched.note(weight, rollout_of(release, namespace, name), before, after)
            stop.wait(LOOKS_EVERY)

    thread = threading.Thread(target=look, name="watching")
    thread.start()
    try:
        yield watched
    finally:
        stop.set()
        thread.join(30)


def canary_pods(release: Release, fleet: FleetKey = DEFAULT) -> list[Manifest]:
    """Every canary pod of a fleet."""
    return release.api.items(
        f"api/v1/namespaces/{fleet[0]}/pods", f"headgate.dev/fleet={fleet[1]},headgate.dev/track=canary"
    )
