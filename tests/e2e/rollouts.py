"""A repo's rollout as its team sees it: status, the route's weights over time, and who wrote which record."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.e2e.api import Manifest, wait_for
from tests.e2e.release import FLEET, NAMESPACE, Release
from tests.e2e.repos import repo_path

ROUTES = f"apis/gateway.networking.k8s.io/v1/namespaces/{NAMESPACE}/httproutes"
SETTLED = ("Stable", "RolledBack")


def quick_rollout(*weights: int, hold: str = "6s", min_requests: int = 30, **analysis: Any) -> Manifest:
    """Steps that a test can wait for."""
    return {
        "steps": [{"weight": weight, "hold": hold} for weight in weights or (10, 50)],
        "analysis": {"minRequests": min_requests, **analysis},
    }


def rollout_of(release: Release, namespace: str, name: str) -> Manifest:
    """The `rollout` block of a repo's status; empty while there is none."""
    found = release.api.get(repo_path(namespace, name)) or {}
    block: Manifest = found.get("status", {}).get("rollout") or {}
    return block


def wait_settled(release: Release, namespace: str, name: str, timeout: float = 150) -> Manifest:
    """The rollout of the newest generation once it has ended, one way or the other."""

    def settled() -> Manifest | None:
        found = release.api.get(repo_path(namespace, name)) or {}
        status = found.get("status", {})
        block: Manifest = status.get("rollout") or {}
        current = status.get("observedGeneration") == found.get("metadata", {}).get("generation")
        return block if current and block.get("phase") in SETTLED else None

    try:
        return wait_for(settled, f"the rollout of {namespace}/{name} has ended", timeout)
    except TimeoutError as error:
        raise TimeoutError(f"{error}: {rollout_of(release, namespace, name)}") from None


def wait_phase(release: Release, namespace: str, name: str, *phases: str, timeout: float = 90) -> Manifest:
    """The rollout once it is in one of these phases."""

    def reached() -> Manifest | None:
        block = rollout_of(release, namespace, name)
        return block if block.get("phase") in phases else None

    try:
        return wait_for(reached, f"{namespace}/{name} is {' or '.join(phases)}", timeout)
    except TimeoutError as error:
        raise TimeoutError(f"{error}: {rollout_of(release, namespace, name)}") from None


def route_weight(release: Release, namespace: str, name: str) -> int:
    """Per cent that the repo's route sends to its canary."""
    route = release.api.get(f"{ROUTES}/{FLEET}.{namespace}.{name}") or {}
    backends = [each for rule in route.get("spec", {}).get("rules", ()) for each in rule.get("backendRefs", ())]
    return sum(each.get("weight", 1) for each in backends if "canary" in each["name"])


@dataclass
class Watched:
    """What a repo went through while it was looked at."""

    weights: list[int] = field(default_factory=list)
    """Each weight that the route had, in order."""
    phases: list[str] = field(default_factory=list)
    moments: dict[str, float] = field(default_factory=dict)
    """When each weight (`weight 10`) and phase was first seen, monotonic seconds."""

    def note(self, weight: int, phase: str) -> None:
        """Take in one look."""
        for seen, value, label in ((self.weights, weight, f"weight {weight}"), (self.phases, phase, phase)):
            if not seen or seen[-1] != value:
                seen.append(value)  # type: ignore[arg-type]
                self.moments.setdefault(label, time.monotonic())


@contextmanager
def watching(release: Release, namespace: str, name: str) -> Iterator[Watched]:
    """Look at the route and the status five times a second for as long as the block runs."""
    watched, stop = Watched(), threading.Event()

    def look() -> None:
        while not stop.is_set():
            watched.note(route_weight(release, namespace, name), rollout_of(release, namespace, name).get("phase", ""))
            stop.wait(0.2)

    thread = threading.Thread(target=look, name="watching")
    thread.start()
    try:
        yield watched
    finally:
        stop.set()
        thread.join(30)


def canary_pods(release: Release) -> list[Manifest]:
    """Every canary pod of the default fleet."""
    return release.api.items(
        f"api/v1/namespaces/{NAMESPACE}/pods", f"headgate.dev/fleet={FLEET},headgate.dev/track=canary"
    )
