"""What one repo's rollout cannot do keeps no other from going on."""

import dataclasses
import json
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

import pytest
from tests.unit.reconcile.fleetbed import fleet, repo
from tests.unit.reconcile.partsbed import breaking, fail, renew
from tests.unit.reconcile.rolloutbed import QUICK, REPO, ROUTED, RolloutBed

from headgate_gateway.config import content_hash
from headgate_operator.api.names import canary_name, revision_name, rollout_name
from headgate_operator.api.rollout import Rollout
from headgate_operator.ports import RejectedError
from headgate_operator.reconcile.sights import Eyes
from headgate_operator.render.canonical import canonical_json
from headgate_operator.render.world import RepoKey
from headgate_operator.rollout.model import QueryResult, RolloutState

AFTER = {"matchExpressions": [{"field": "status", "operator": "Ge", "values": [400]}]}
SECOND = ("events", "second")
CANARY = canary_name("main", *REPO)
IMMEDIATE = {"strategy": "Immediate"}


async def two_repos(**spec: Any) -> RolloutBed:
    """Two repos at rest."""
    bed = RolloutBed()
    await bed.settle()
    bed.put(repo("second", rollout=QUICK), fleet(routing=ROUTED, replicas=1, **spec))
    await bed.tick()
    return bed


def shown(bed: RolloutBed, key: RepoKey) -> dict[str, Any]:
    found: dict[str, Any] = bed.cluster.objects["EventRepo", *key]["status"]["rollout"]
    return found


async def is_served(bed: RolloutBed, key: RepoKey) -> bool:
    """Whether a change of this repo that needs no canary reaches the gateways."""
    before = shown(bed, key)["stable"]
    bed.put(repo(key[1], rollout=IMMEDIATE, constraint=AFTER))
    for _ in range(3):
        await bed.tick()
    return bool(shown(bed, key)["stable"] != before)


async def test_a_repo_that_cannot_be_judged_keeps_its_weight_and_stops_no_other() -> None:
    bed = await two_repos()
    raising: set[RepoKey] = set()

    def ask(key: RepoKey, policy: Rollout, state: RolloutState, now: float) -> Mapping[str, QueryResult]:
        if key in raising:
            raise ZeroDivisionError("a factor of nothing")
        return {}

    renew(bed, queries=ask)
    bed.put(repo("access", rollout=QUICK, constraint=AFTER))
    while bed.weight() != 10:
        await bed.tick()
    raising.add(REPO)
    assert await is_served(bed, SECOND)
    assert (bed.weight(), bed.canary() is None) == (10, False)
    assert "a factor of nothing" in str(bed.cluster.objects["GatewayFleet", "events", "main"]["status"])
    assert "a factor of nothing" in bed.status()["message"]
    assert bed.events.count(("access", "ApplyFailed")) == 1
    counted = bed.metrics.registry.get_sample_value("headgate_rollout_errors_total", {"verb": "decide"})
    assert counted is not None
    assert counted >= 3
    raising.clear()
    await bed.until("Stable")
    assert "a factor of nothing" not in str(bed.status())


async def beyond_deciding(**policy: Any) -> RolloutBed:
    """A repo with 10 % on a canary about which nobody can decide any more."""
    bed = RolloutBed()
    await bed.settle()
    bed.put(repo("access", rollout=QUICK | policy, constraint=AFTER))
    while bed.weight() != 10:
        await bed.tick()
    renew(bed, queries=lambda *_: fail("a broken query"))
    return bed


async def test_one_that_cannot_be_judged_goes_back_after_progress_deadline() -> None:
    bed = await beyond_deciding(progressDeadline="30s")
    for _ in range(31):
        await bed.tick()
    assert bed.weight() == 10
    await bed.tick()
    assert bed.weight() == 0
    assert (bed.status()["phase"], bed.status()["reason"]) == ("RollingBack", "NotDecided")
    assert "a broken query" in bed.status()["message"]
    assert bed.events.count(("access", "RollingBack")) == 1
    assert bed.canary() is not None  # nobody can tell yet whether requests still reach it
    again = bed.restarted()
    await again.until("RolledBack")
    assert again.canary() is None


async def test_a_dead_canary_that_cannot_be_judged_goes_back_at_once() -> None:
    bed = await beyond_deciding()
    bed.behaviour.starts = False
    await bed.tick()
    assert (bed.weight(), bed.status()["reason"]) == (0, "NotDecided")
    assert "no ready gateway" in bed.status()["message"]


async def test_the_deadline_counts_only_failures_in_a_row() -> None:
    bed = await beyond_deciding(progressDeadline="30s", steps=[{"weight": 10, "hold": "Manual"}])
    raising = {REPO}
    renew(bed, queries=lambda key, *_: fail("a broken query") if key in raising else {})
    for failing in ({REPO}, set(), {REPO}):
        raising.clear()
        raising.update(failing)
        for _ in range(20):
            await bed.tick()
    assert bed.weight() == 10


async def test_a_state_that_cannot_be_stored_keeps_no_requests_on_a_dead_canary() -> None:
    bed = await beyond_deciding()
    bed.cluster.failing["ConfigMap", "events", rollout_name("main", *REPO)] = RejectedError("no", status=403)
    bed.behaviour.starts = False
    await bed.tick()
    assert bed.weight() == 0


async def test_a_repo_that_cannot_be_judged_keeps_its_slot() -> None:
    bed = await two_repos(rollouts={"maxConcurrent": 1})
    raising: set[RepoKey] = set()

    def ask(key: RepoKey, policy: Rollout, state: RolloutState, now: float) -> Mapping[str, QueryResult]:
        return {} if key not in raising else fail("a broken query")

    renew(bed, queries=ask)
    bed.put(repo("access", rollout=QUICK, constraint=AFTER))
    while bed.weight() != 10:
        await bed.tick()
    raising.add(REPO)
    bed.put(repo("second", rollout=QUICK, constraint=AFTER))
    for _ in range(5):
        await bed.tick()
    assert shown(bed, SECOND)["phase"] == "Waiting"
    assert "events/access" in shown(bed, SECOND)["message"]


async def test_a_deleted_repo_whose_canary_cannot_be_looked_at_stops_no_other() -> None:
    bed = await two_repos()
    bed.put(repo("access", rollout=QUICK, constraint=AFTER))
    while bed.weight() != 10:
        await bed.tick()
    eyes: Eyes = bed.reconciler._parts.rollouts.eyes
    pods = {pod["metadata"]["uid"] for key, pod in bed.cluster.objects.items() if key[2].startswith(CANARY)}

    def raising(known: Callable[[str], Any]) -> Callable[[str], Any]:
        return lambda uid: fail("nonsense") if uid in pods else known(uid)

    renew(bed, eyes=dataclasses.replace(eyes, reports=raising(eyes.reports)))
    del bed.cluster.objects["EventRepo", *REPO]
    bed.put(repo("second", rollout=IMMEDIATE, constraint=AFTER))
    before = shown(bed, SECOND)["stable"]
    for _ in range(2):
        await bed.relister.relist()
        await bed.reconciler.reconcile(("events", "main"))
    assert shown(bed, SECOND)["stable"] != before


async def test_a_stored_intent_that_cannot_be_rendered_stops_nobody() -> None:
    bed = await two_repos()
    kept = next(
        each for key, each in bed.cluster.objects.items() if key[0] == "ControllerRevision" and "access" in key[2]
    )
    data = kept["data"] | {"profiles": {"local": {"bootstrapServers": 5}}}
    broken = content_hash(canonical_json(data))
    labels = kept["metadata"]["labels"] | {"headgate.dev/revision": broken}
    metadata = {"namespace": "events", "name": revision_name("main", *REPO, broken), "labels": labels}
    state = {"phase": "RolledBack", "stable": shown(bed, REPO)["stable"], "candidate": broken}
    bed.put(
        {"apiVersion": "apps/v1", "kind": "ControllerRevision", "metadata": metadata, "data": data, "revision": 7},
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": metadata | {"name": rollout_name("main", *REPO)},
            "data": {"state.json": json.dumps(state)},
        },
    )
    assert await is_served(bed, SECOND)


async def test_a_trouble_whose_words_change_with_each_look_is_told_once() -> None:
    bed = await beyond_deciding()
    looks = iter(range(1_000))
    renew(bed, queries=lambda *_: fail(f"a broken query, for the {next(looks)}th time"))
    await bed.tick()
    told, before = bed.status()["message"], bed.cluster.objects["GatewayFleet", "events", "main"]["status"]
    for _ in range(5):
        await bed.tick()
    assert bed.events.count(("access", "ApplyFailed")) == 1
    assert bed.status()["message"] == told
    assert bed.cluster.objects["GatewayFleet", "events", "main"]["status"] == before


async def test_another_kind_of_error_is_another_trouble() -> None:
    bed = await beyond_deciding()
    errors = iter([LookupError("a"), LookupError("b"), KeyError("c"), KeyError("d")])

    def ask(*_: object) -> NoReturn:
        raise next(errors)

    renew(bed, queries=ask)
    for _ in range(4):
        await bed.tick()
    assert bed.events.count(("access", "ApplyFailed")) == 2


@pytest.mark.parametrize("weight", [0, 10])
async def test_a_candidate_that_cannot_be_rendered_goes_back_and_stops_no_other(weight: int) -> None:
    bed = await two_repos()
    if weight:
        bed.put(repo("access", rollout=QUICK, constraint=AFTER))
        while bed.weight() != weight:
            await bed.tick()
    renew(bed, templates=breaking("deployment.yaml.j2", CANARY))
    bed.put(repo("access", rollout=QUICK, constraint=AFTER))
    await bed.tick()
    assert bed.weight() == 0
    assert (bed.canary() is not None) is bool(weight)  # it drains first
    assert await is_served(bed, SECOND)
    await bed.until("RolledBack")
    await bed.tick()
    assert bed.canary() is None
    assert bed.status()["reason"] == "ConfigRefused"
    assert "ZeroDivisionError" in bed.status()["message"]
    assert ("access", "ApplyFailed") in bed.events


async def test_a_state_that_cannot_be_rendered_moves_nothing_and_stops_no_other() -> None:
    bed = await two_repos()
    renew(bed, templates=breaking("configmap.yaml.j2", rollout_name("main", *REPO)))
    bed.put(repo("access", rollout=QUICK, constraint=AFTER))
    assert await is_served(bed, SECOND)
    assert (bed.weight(), bed.canary()) == (0, None)
    assert shown(bed, REPO)["phase"] == "Stable"
    assert bed.conditions("EventRepo", "access")["Programmed"] == ("False", "ApplyFailed")
