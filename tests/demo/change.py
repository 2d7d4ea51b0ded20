"""The demo's changes: a good one walks through its canary while requests come, then a bad one goes back by itself."""

import asyncio
import json
import secrets
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import httpx
from tests.demo.show import Show
from tests.e2e.api import Manifest, restarts, wait_for
from tests.e2e.release import Release
from tests.e2e.repos import repo_path, status_at_least, wait_ready
from tests.e2e.rollouts import rollout_of

REPO = "nginx-access"
NAMESPACE = "default"
PATIENCE_SECONDS = 180
BODY_LINES = 5
BODIES_A_SECOND = 100.0
MAX_SECONDS = 240.0
AT_ONCE: Manifest = {"spec": {"rollout": {"strategy": "Immediate", "steps": None, "analysis": None}}}
"""Merge patches; null takes away. A canary to which no request comes is not decided for half an hour."""
BY_DEFAULT: Manifest = {"spec": {"rollout": None}}
QUICK = {
    "strategy": "Canary",
    "steps": [{"weight": 10, "hold": "10s"}, {"weight": 50, "hold": "10s"}],
    "analysis": {"minRequests": 50},
}


class RefusedError(Exception):
    """A request failed that should not have."""


@dataclass
class Stream:
    """The log, shipped again and again in small bodies, and what came of it."""

    url: str
    lines: list[bytes]
    sent: Counter[bytes] = field(default_factory=Counter)
    """How often each line was in a body that was answered 200."""
    bodies: int = 0
    dropped: int = 0
    failures: list[str] = field(default_factory=list)

    async def run(self, stop: threading.Event) -> None:
        """Send at the rate until told to stop."""
        began, sending = time.monotonic(), set[asyncio.Task[None]]()
        async with httpx.AsyncClient(timeout=20, trust_env=False) as client:
            number = 0
            while not stop.is_set() and time.monotonic() - began < MAX_SECONDS:
                start = number * BODY_LINES % max(1, len(self.lines) - BODY_LINES)
                task = asyncio.create_task(self._send(client, self.lines[start : start + BODY_LINES]))
                sending.add(task)
                task.add_done_callback(sending.discard)
                number += 1
                await asyncio.sleep(max(0.0, began + number / BODIES_A_SECOND - time.monotonic()))
            await asyncio.gather(*sending)

    async def _send(self, client: httpx.AsyncClient, lines: list[bytes]) -> None:
        try:
            answer = await client.post(self.url, content=b"\n".join(lines))
        except httpx.HTTPError as error:
            self.failures.append(f"{type(error).__name__}: {error}")
            return
        if answer.status_code != httpx.codes.OK:
            self.failures.append(f"{answer.status_code} {answer.text[:300]}")
            return
        self.bodies += 1
        self.dropped += answer.json()["dropped"]
        self.sent.update(lines)


@contextmanager
def streaming(url: str, lines: list[bytes]) -> Iterator[Stream]:
    """Requests for as long as the block runs; all answers are in once it ends. Raises RefusedError for a failed one."""
    stream, stop = Stream(url, lines), threading.Event()
    thread = threading.Thread(target=lambda: asyncio.run(stream.run(stop)), name="streaming")
    thread.start()
    try:
        yield stream
    finally:
        stop.set()
        thread.join(60)
    if stream.failures:
        raise RefusedError(f"{len(stream.failures)} of {stream.bodies} requests failed: {stream.failures[0]}")


@dataclass(frozen=True)
class Walk:
    """How a change ended."""

    phase: str
    message: str
    weights: tuple[int, ...]
    seconds: float


def change_to(minimum: int) -> Manifest:
    """The merge patch of a change that a canary takes, in steps that people can wait for."""
    return {"spec": {"constraint": status_at_least(minimum), "rollout": QUICK}}


def patch_repo(release: Release, show: Show, patch: Manifest) -> None:
    """`kubectl patch` of the repo."""
    text = json.dumps(patch)
    show.command(f"kubectl patch eventrepo {REPO} --type merge -p '{text}'")
    release.api.kubectl("patch", "eventrepo", REPO, "-n", NAMESPACE, "--type", "merge", "-p", text)


def refused_before(repo: Manifest) -> str:
    """The revision that the newest spec asks for, where it was rolled back before; else empty.

    It is not tried again by itself, not even with `strategy: Immediate`.
    """
    status = repo.get("status", {})
    rollout = status.get("rollout") or {}
    current = status.get("observedGeneration") == repo.get("metadata", {}).get("generation")
    refused = rollout.get("candidate") if rollout.get("phase") == "RolledBack" else None
    return str(refused) if current and refused and refused == status.get("revision") else ""


def retry(release: Release, show: Show, revision: str) -> None:
    """The command that has a refused revision tried again."""
    command = f"headgate.dev/command=retry {revision} - {secrets.token_hex(8)}"
    show.say("This revision was rolled back before, and is not tried again by itself; so we ask for it:")
    show.command(f"kubectl annotate eventrepo {REPO} --overwrite '{command}'")
    release.api.kubectl("annotate", "eventrepo", REPO, "-n", NAMESPACE, "--overwrite", command)


def walk(release: Release, show: Show, minimum: int) -> Walk:
    """Edit the constraint and watch its rollout to the end. Raises where a stable gateway was touched."""
    pods = _stable_pods(release)
    before = rollout_of(release, NAMESPACE, REPO)
    began = time.monotonic()
    patch_repo(release, show, change_to(minimum))
    show.command(f"headgate rollout watch {REPO} -n {NAMESPACE}")
    weights: list[int] = []
    shown = ""

    def ended() -> Manifest | None:
        nonlocal shown
        found = release.api.get(repo_path(NAMESPACE, REPO)) or {}
        rollout: Manifest = found.get("status", {}).get("rollout") or {}
        weight = rollout.get("weight", 0)
        if weight not in weights[-1:]:
            weights.append(weight)
        line, detail = _headline(rollout), rollout.get("countedWeight", "")
        if line != shown:
            shown = line
            show.say(f"{time.monotonic() - began:5.1f} s  {line}")
        show.detail(f"{line} {detail}")
        current = found.get("status", {}).get("observedGeneration") == found.get("metadata", {}).get("generation")
        settled = rollout.get("phase") in ("Stable", "RolledBack") and _is_news(rollout, before)
        return rollout if current and settled else None

    end = wait_for(ended, "the rollout has ended", PATIENCE_SECONDS, every=0.2)
    if _stable_pods(release) != pods:
        raise RefusedError("a stable gateway was restarted or replaced")
    return Walk(end["phase"], end.get("message", ""), tuple(weights), time.monotonic() - began)


def _is_news(rollout: Manifest, before: Manifest) -> bool:
    return (rollout.get("stable"), rollout.get("candidate")) != (before.get("stable"), before.get("candidate"))


def _headline(rollout: Manifest) -> str:
    step = f" step {rollout['step']}" if rollout.get("step") else ""
    stage = f" {rollout['stage']}" if rollout.get("stage") else ""
    weight = f", {rollout['weight']} % of the requests" if "weight" in rollout else ""
    return f"{rollout.get('phase', '')}{step}{stage}{weight}"


def _stable_pods(release: Release) -> dict[str, int]:
    """Restarts of each stable gateway, by uid."""
    return {
        pod["metadata"]["uid"]: restarts(pod)
        for pod in release.gateway_pods()
        if pod["metadata"]["labels"].get("headgate.dev/track") == "stable"
    }


def go_back(release: Release, show: Show, minimum: int) -> None:
    """Set the spec to what is promoted, as `git revert` would."""
    patch_repo(release, show, {"spec": {"constraint": status_at_least(minimum)}})
    wait_ready(release, NAMESPACE, REPO, timeout=30)
