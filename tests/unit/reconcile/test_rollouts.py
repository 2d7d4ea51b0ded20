"""Whole rollouts over the fake API server: what is written, in which order, and what an operator that was killed finds."""

import random

import pytest
from tests.unit.reconcile.fleetbed import fleet, profile, repo
from tests.unit.reconcile.rolloutbed import QUICK, REPO, ROUTED, RolloutBed

from headgate_operator.ports import UnavailableError

BEFORE = {"matchExpressions": [{"field": "status", "operator": "Ge", "values": [100]}]}
AFTER = {"matchExpressions": [{"field": "status", "operator": "Ge", "values": [400]}]}


async def changed() -> tuple[RolloutBed, str]:
    """A repo at rest whose spec has just been edited, and the revision that is served."""
    bed = RolloutBed()
    await bed.settle()
    stable = bed.status()["stable"]
    bed.put(repo("access", rollout=QUICK, constraint=AFTER))
    return bed, stable


async def test_a_new_repo_needs_no_canary() -> None:
    bed = RolloutBed()
    await bed.settle()
    assert bed.status() == {"phase": "Stable", "stable": bed.cluster.objects["EventRepo", *REPO]["status"]["revision"]}
    assert bed.canary() is None
    assert bed.conditions("EventRepo", "access")["Ready"][0] == "True"


async def test_a_good_change_is_promoted_step_by_step_and_leaves_nothing_behind() -> None:
    bed, stable = await changed()
    assert await bed.until("Stable") == [0, 10, 50, 0]
    ended = bed.status()
    assert ended["stable"] != stable
    assert bed.canary() is None
    assert not [key for key in bed.cluster.objects if key[0] in ("Secret", "Service") and "canary" in key[2]]
    assert bed.conditions("EventRepo", "access")["Ready"][0] == "True"
    assert [key[2] for key in bed.cluster.objects if key[0] == "ControllerRevision"] == [
        f"main.events.access.{stable}",
        f"main.events.access.{ended['stable']}",
    ]


async def test_until_it_is_promoted_the_stable_gateways_serve_what_they_served() -> None:
    bed, stable = await changed()
    for _ in range(300):
        await bed.tick()
        pods = [pod for key, pod in bed.cluster.objects.items() if key[0] == "Pod" and "canary" not in key[2]]
        if bed.status()["phase"] in ("Promoting", "Stable") and bed.status()["stable"] != stable:
            break
        assert {bed._serves(pod) for pod in pods} == {stable}
    else:
        raise AssertionError("never promoted")


async def test_a_bad_change_goes_back_and_the_repo_says_so() -> None:
    bed, stable = await changed()
    bed.behaviour.drops = True
    assert await bed.until("RolledBack") == [0, 10, 0]
    ended = bed.status()
    assert ended["stable"] == stable
    assert [each["name"] for each in ended["measurements"] if each["verdict"] == "Fail"] == ["dropped"]
    conditions = bed.conditions("EventRepo", "access")
    assert (conditions["Ready"][0], conditions["Stalled"][0], conditions["Serving"][0]) == ("False", "True", "True")
    assert bed.canary() is None
    assert ("access", "RolledBack") in bed.events


async def test_a_preflight_that_fails_costs_no_request() -> None:
    bed, stable = await changed()
    bed.behaviour.preflight, bed.behaviour.problem = "Failed", "topic nosuch does not exist"
    assert await bed.until("RolledBack") == [0]
    assert "topic nosuch does not exist" in bed.status()["message"]
    assert bed.status()["stable"] == stable


async def test_a_refused_revision_is_not_tried_again_and_the_next_one_is() -> None:
    bed, stable = await changed()
    bed.behaviour.drops = True
    await bed.until("RolledBack")
    for _ in range(20):
        await bed.tick()
    assert bed.canary() is None
    bed.behaviour.drops = False
    bed.put(repo("access", rollout=QUICK, constraint=BEFORE))
    await bed.until("Stable")
    assert bed.status()["stable"] != stable


async def test_a_retry_tries_the_same_revision_again() -> None:
    bed, _ = await changed()
    bed.behaviour.fails = True
    await bed.until("RolledBack")
    candidate = bed.status()["candidate"]
    bed.behaviour.fails = False
    manifest = repo("access", rollout=QUICK, constraint=AFTER)
    manifest["metadata"]["annotations"] = {"headgate.dev/command": f"retry {candidate} - once"}
    bed.put(manifest)
    await bed.until("Stable")
    assert bed.status()["stable"] == candidate
    assert bed.status()["command"]["result"] == "Obeyed"


async def test_a_command_to_a_repo_at_rest_is_answered() -> None:
    bed = RolloutBed()
    await bed.settle()
    manifest = repo("access", rollout=QUICK)
    manifest["metadata"]["annotations"] = {"headgate.dev/command": f"promote {bed.status()['stable']} - why"}
    bed.put(manifest)
    await bed.tick()
    assert bed.status()["command"]["token"] == "why"
    assert bed.status()["command"]["result"] != "Obeyed"


async def test_an_unchanged_world_with_a_finished_rollout_is_not_written_to() -> None:
    bed, _ = await changed()
    await bed.until("Stable")
    await bed.tick()
    bed.cluster.writes.clear()
    for _ in range(5):
        await bed.tick()
    again = bed.restarted()
    for _ in range(5):
        await again.tick()
    assert bed.cluster.writes == []


async def test_measurements_alone_are_not_stored_every_second() -> None:
    slow = {"steps": [{"weight": 10, "hold": "300s"}], "analysis": {"minRequests": 50}}
    bed = RolloutBed()
    await bed.settle()
    bed.put(repo("access", rollout=slow, constraint=AFTER))
    await bed.until("Progressing")
    for _ in range(90):
        await bed.tick()
    bed.cluster.writes.clear()
    for _ in range(20):
        await bed.tick()
    stored = [write for write in bed.cluster.writes if write[2].endswith(".rollout")]
    shown = [write for write in bed.cluster.writes if write[0] == "patch status"]
    assert len(stored) <= 3  # a look at each fifth more of requests
    assert 3 <= len(shown) <= 6  # every five seconds


@pytest.mark.parametrize("good", [True, False], ids=["good", "bad"])
@pytest.mark.parametrize("seed", range(2))
async def test_an_operator_killed_at_random_ends_as_it_would_have(seed: int, good: bool) -> None:
    chance = random.Random(seed)
    bed, stable = await changed()
    bed.behaviour.drops = not good
    highest = 0
    for _ in range(400):
        await bed.tick()
        highest = max(highest, bed.weight())
        if bed.status()["phase"] == "RolledBack" or (bed.status()["phase"], bed.status()["stable"] != stable) == (
            "Stable",
            True,
        ):
            break
        if chance.random() < 0.2:
            bed = bed.restarted()
    assert bed.status()["phase"] == ("Stable" if good else "RolledBack")
    assert (bed.status()["stable"] == stable) is not good
    assert highest == (50 if good else 10)
    assert bed.canary() is None


async def test_a_state_that_cannot_be_stored_moves_nothing() -> None:
    bed, stable = await changed()
    bed.cluster.failing["ConfigMap", "events", "main.events.access.rollout"] = UnavailableError("down")
    for _ in range(30):
        await bed.tick()
    assert bed.weight() == 0
    assert bed.canary() is None
    bed.cluster.failing.clear()
    await bed.until("Stable")
    assert bed.status()["stable"] != stable


async def test_a_repo_that_is_deleted_and_comes_back_changed_is_judged_against_what_was_promoted() -> None:
    bed = RolloutBed()
    await bed.settle()
    stable = bed.status()["stable"]
    del bed.cluster.objects["EventRepo", *REPO]
    for _ in range(3):
        await bed.relister.relist()
        await bed.reconciler.reconcile(("events", "main"))
    bed.put(repo("access", rollout=QUICK, constraint=AFTER))
    await bed.reconcile()
    await bed.until("Progressing")
    assert bed.status()["stable"] == stable
    assert (await bed.until("Stable"))[-3:] == [10, 50, 0]


async def test_what_a_deleted_repo_had_promoted_is_forgotten_after_a_day() -> None:
    bed = RolloutBed()
    await bed.settle()
    del bed.cluster.objects["EventRepo", *REPO]

    def kept() -> list[str]:
        return [
            key[2] for key in bed.cluster.objects if key[2].startswith("main.events.access.") and key[0] != "HTTPRoute"
        ]

    for hours in (0, 23, 2):
        bed.clock.now += hours * 3_600
        for _ in range(2):
            await bed.relister.relist()
            await bed.reconciler.reconcile(("events", "main"))
        assert bool(kept()) is (hours != 2)


async def test_without_routes_a_change_goes_to_everything_at_once() -> None:
    bed = RolloutBed()
    bed.put(fleet(replicas=1), profile(), repo("access", rollout=QUICK))
    await bed.reconcile()
    stable = bed.status()["stable"]
    bed.put(repo("access", rollout=QUICK, constraint=AFTER))
    await bed.reconcile()
    assert bed.status()["phase"] == "Stable"
    assert bed.status()["stable"] != stable
    assert bed.canary() is None


async def test_a_profile_edit_walks_through_its_repos_in_line_and_stops_at_the_failure_budget() -> None:
    bed = RolloutBed()
    await bed.settle()
    bed.put(fleet(routing=ROUTED, replicas=1, rollouts={"maxConcurrent": 1}), repo("second", rollout=QUICK))
    await bed.tick()
    bed.behaviour.fails = True
    bed.put(profile(acks="leader"))
    await bed.until("RolledBack")
    await bed.tick()
    second = bed.cluster.objects["EventRepo", "events", "second"]["status"]["rollout"]
    assert second["phase"] == "Waiting"
    assert "1 of 1 failures (events/access)" in second["message"]


async def test_a_retry_waits_for_a_slot_like_everybody_else() -> None:
    bed = RolloutBed()
    await bed.settle()
    bed.put(fleet(routing=ROUTED, replicas=1, rollouts={"maxConcurrent": 1}), repo("second", rollout=QUICK))
    await bed.tick()
    bed.behaviour.fails = True
    bed.put(repo("access", rollout=QUICK, constraint=AFTER))
    await bed.until("RolledBack")
    manual = {"steps": [{"weight": 10, "hold": "Manual"}], "analysis": {"minRequests": 50}}
    bed.put(repo("second", rollout=manual, constraint=AFTER))
    for _ in range(5):
        await bed.tick()
    manifest = repo("access", rollout=QUICK, constraint=AFTER)
    manifest["metadata"]["annotations"] = {"headgate.dev/command": f"retry {bed.status()['candidate']} - again"}
    bed.put(manifest)
    for _ in range(3):
        await bed.tick()
    assert bed.status()["phase"] == "Waiting"
    assert "events/second" in bed.status()["message"]
