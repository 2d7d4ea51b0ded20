"""Thirty rollouts, good and bad, while whoever acts is killed again and again: each ends as it would have."""

import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from tests.e2e.api import Manifest, wait_for
from tests.e2e.conftest import PROFILE
from tests.e2e.release import FLEET_PATH, Release
from tests.e2e.repos import repo, repo_path, status_at_least, wait_ready
from tests.e2e.rollouts import canary_pods, rollout_of, wait_settled
from tests.e2e.test_operator import kill_leader

pytestmark = pytest.mark.cluster

REPOS = 10
ROUNDS = 3
SEED = 20261122
BETWEEN_KILLS = (8.0, 20.0)
# Nobody sends anything, so nothing is measured: what is tested is that no step is lost or done twice.
UNMEASURED = {
    "steps": [{"weight": 40, "hold": "1s"}],
    "analysis": {"minRequests": 10, "onInconclusive": "Promote", "deadline": "1s"},
}


@contextmanager
def killing(release: Release, seed: int) -> Iterator[list[str]]:
    """Kill the leader at random for as long as the block runs; the names of the pods that were killed."""
    killed: list[str] = []
    stop, chance = threading.Event(), random.Random(seed)

    def run() -> None:
        while not stop.wait(chance.uniform(*BETWEEN_KILLS)):
            killed.append(kill_leader(release))

    thread = threading.Thread(target=run, name="killing")
    thread.start()
    try:
        yield killed
    finally:
        stop.set()
        thread.join(60)


def name_of(index: int) -> str:
    return f"survivor-{index}"


def is_bad(index: int, turn: int) -> bool:
    """Which third of the changes names a topic that does not exist."""
    return (index + turn) % 3 == 0


def changed(namespace: str, topic: str, index: int, turn: int) -> Manifest:
    """A repo as a round wants it."""
    target = f"{topic}-nosuch-{turn}" if is_bad(index, turn) else topic
    constraint = status_at_least(100 + turn)
    return repo(name_of(index), namespace, PROFILE, target, constraint=constraint, rollout=UNMEASURED)


@pytest.fixture
def all_at_once(release: Release) -> Iterator[None]:
    """A fleet that lets all of them roll out at a time."""
    release.api.merge(FLEET_PATH, {"spec": {"rollouts": {"maxConcurrent": REPOS}}})
    yield
    release.api.merge(FLEET_PATH, {"spec": {"rollouts": None}})


@pytest.mark.timeout(600)
@pytest.mark.usefixtures("all_at_once")
def test_thirty_rollouts_end_as_they_would_have_while_operators_are_killed(
    release: Release, namespace: str, topic: str, say: Callable[[str], None]
) -> None:
    names = [name_of(index) for index in range(REPOS)]
    release.api.apply(*(repo(name, namespace, PROFILE, topic, rollout=UNMEASURED) for name in names))
    for name in names:
        wait_ready(release, namespace, name)
    stable = {name: rollout_of(release, namespace, name)["stable"] for name in names}

    with killing(release, SEED) as killed:
        for turn in range(1, ROUNDS + 1):
            release.api.apply(*(changed(namespace, topic, index, turn) for index in range(REPOS)))
            for index, name in enumerate(names):
                ended = wait_settled(release, namespace, name, timeout=240)
                wanted = (release.api.get(repo_path(namespace, name)) or {})["status"]["revision"]
                if is_bad(index, turn):
                    assert (ended["phase"], ended["stable"], ended["candidate"]) == ("RolledBack", stable[name], wanted)
                else:
                    assert (ended["phase"], ended["stable"]) == ("Stable", wanted)
                stable[name] = ended["stable"]
            say(f"round {turn}: {REPOS} rollouts ended, {len(killed)} operators killed so far")

    assert len(killed) >= ROUNDS
    wait_for(lambda: not canary_pods(release), "no canary is left", 120)
