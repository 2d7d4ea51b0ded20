"""Conditions and transitions, as kstatus and users read them."""

from dataclasses import replace
from typing import Any

import pytest

from headgate_operator.render.world import Verdict
from headgate_operator.status import reasons
from headgate_operator.status.conditions import Fact, build_conditions, build_status_patch
from headgate_operator.status.delivery import Tally
from headgate_operator.status.fleet import FleetSight, build_fleet_status
from headgate_operator.status.observation import WorkloadProgress
from headgate_operator.status.profile import build_profile_status
from headgate_operator.status.repo import RepoSight, build_repo_status
from headgate_operator.status.transitions import fleet_notes, repo_notes

GOOD, BAD = Verdict(True, "Accepted", "fine"), Verdict(False, "ProfileNotFound", "create it")
NOW, LATER = "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"
ALL = Tally(ready=2, newest=2, serving=2, unknown=0, unreachable=(), refusals=())
SIGHT = RepoSight(3, GOOD, "rev", "ns/main", ("/log/repo/a",), True, ALL)
BUSY = WorkloadProgress(desired=2, updated=2, ready=2, total=2, observed=True)
FLEET = FleetSight(3, GOOD, BUSY, 2, 2, (), 5, 1)


def facts(status: dict[str, Any]) -> dict[str, tuple[str, str]]:
    return {each["type"]: (each["status"], each["reason"]) for each in status["conditions"]}


def test_the_transition_time_is_kept_while_the_status_is_the_same() -> None:
    first = build_conditions([Fact("Ready", "False", "A", "x")], (), 1, NOW)
    second = build_conditions([Fact("Ready", "False", "B", "y")], first, 2, LATER)
    third = build_conditions([Fact("Ready", "True", "C")], second, 3, LATER)
    assert [each[0]["lastTransitionTime"] for each in (first, second, third)] == [NOW, NOW, LATER]
    assert second[0]["observedGeneration"] == 2


def test_a_status_patch_removes_what_nobody_wants_any_more() -> None:
    assert build_status_patch({"revision": "r", "a": 1}, {"a": 2}) == {"revision": None, "a": 2}


@pytest.mark.parametrize(
    ("sight", "expected"),
    [
        (SIGHT, {"Ready": "True", "Accepted": "True", "Programmed": "True", "Serving": "True"}),
        (
            replace(SIGHT, tally=replace(ALL, newest=1)),
            {"Ready": "Unknown", "Reconciling": "True", "Accepted": "True", "Programmed": "False", "Serving": "True"},
        ),
        (
            replace(SIGHT, verdict=BAD),
            {"Ready": "False", "Stalled": "True", "Accepted": "False", "Programmed": "False", "Serving": "True"},
        ),
        (
            replace(SIGHT, tally=replace(ALL, refusals=(("pod", "bad"),), newest=0)),
            {"Ready": "False", "Stalled": "True", "Accepted": "True", "Programmed": "False", "Serving": "True"},
        ),
        (
            replace(SIGHT, tally=Tally(0, 0, 0, 0, (), ())),
            {"Ready": "Unknown", "Reconciling": "True", "Accepted": "True", "Programmed": "False", "Serving": "False"},
        ),
        (
            replace(SIGHT, trouble="cannot apply HTTPRoute a: invalid"),
            {"Ready": "False", "Stalled": "True", "Accepted": "True", "Programmed": "False", "Serving": "True"},
        ),
    ],
    ids=["served", "on its way", "not accepted", "refused", "no gateways", "an object of its own failed"],
)
def test_conditions_of_a_repo(sight: RepoSight, expected: dict[str, str]) -> None:
    status = build_repo_status(sight, {}, NOW)
    assert {key: value for key, (value, _) in facts(status).items()} == expected
    assert status["observedGeneration"] == 3


def test_gateways_counts_those_that_serve_the_revision() -> None:
    assert build_repo_status(SIGHT, {}, NOW)["gateways"] == "2/2"
    assert build_repo_status(replace(SIGHT, tally=replace(ALL, newest=1)), {}, NOW)["gateways"] == "1/2"
    assert build_repo_status(replace(SIGHT, verdict=BAD), {}, NOW)["gateways"] == "0/2"


def test_a_repo_whose_route_is_refused_serves_but_is_not_ready() -> None:
    before = build_repo_status(SIGHT, {}, NOW)
    status = build_repo_status(replace(SIGHT, route_trouble="Gateway edge does not take it"), before, NOW)
    assert [note.reason for note in repo_notes(before, status)] == ["RouteNotAccepted"]
    assert repo_notes(status, status) == ()
    found = facts(status)
    assert found["Ready"] == ("False", "RouteNotAccepted")
    assert (found["Programmed"][0], found["Serving"][0]) == ("True", "True")


def test_a_gateway_that_comes_or_goes_rewrites_no_repo() -> None:
    before = build_repo_status(SIGHT, {}, NOW)
    for tally in (replace(ALL, ready=3, newest=3, serving=3), replace(ALL, ready=1, newest=1, serving=1)):
        assert build_repo_status(replace(SIGHT, tally=tally), before, LATER) == before
    fresh = replace(ALL, ready=3, unreachable=("pod",))
    assert build_repo_status(replace(SIGHT, tally=fresh), before, LATER) == before


def test_gateways_counts_none_that_never_answered() -> None:
    before = build_repo_status(SIGHT, {}, NOW)
    moved = replace(SIGHT, urls=("/log/repo/b",), tally=replace(ALL, newest=1, serving=1, unreachable=("pod",)))
    after = build_repo_status(moved, before, LATER)
    assert (facts(after)["Programmed"], after["gateways"]) == (("True", "Programmed"), "1/2")


def test_the_unknown_keeps_what_was_known() -> None:
    before = build_repo_status(SIGHT, {}, NOW)
    unsure = replace(SIGHT, tally=Tally(2, 0, 0, 1, ("pod",), ()))
    assert build_repo_status(unsure, before, LATER)["conditions"] == before["conditions"]
    changed = build_repo_status(replace(unsure, generation=4, revision="new"), before, LATER)
    assert facts(changed)["Programmed"] == ("False", reasons.UNREACHABLE)
    assert facts(changed)["Serving"] == ("True", "Serving")


@pytest.mark.parametrize(
    ("sight", "ready"),
    [
        (FLEET, ("True", "Ready")),
        (replace(FLEET, current_gateways=1), ("True", "Ready")),
        (replace(FLEET, workload=None), ("Unknown", "RollingOut")),
        (replace(FLEET, workload=replace(BUSY, updated=1, total=3)), ("Unknown", "RollingOut")),
        (replace(FLEET, workload=replace(BUSY, desired=1)), ("Unknown", "RollingOut")),
        (replace(FLEET, workload=replace(BUSY, ready=1)), ("False", "Degraded")),
        (replace(FLEET, verdict=BAD), ("False", "ProfileNotFound")),
        (replace(FLEET, failures=("cannot apply Service x: no",)), ("False", "ApplyFailed")),
        (replace(FLEET, workload=WorkloadProgress(0, 0, 0, 0, True), ready_gateways=0), ("True", "ScaledToZero")),
    ],
)
def test_ready_of_a_fleet(sight: FleetSight, ready: tuple[str, str]) -> None:
    found = facts(build_fleet_status(sight, {}, NOW))
    assert found["Ready"] == ready
    assert ("Stalled" in found or "Reconciling" in found) == (ready[0] != "True")


READY_FLEET = build_fleet_status(FLEET, {}, NOW)
SETTLED = replace(BUSY, settled=True)


@pytest.mark.parametrize(
    ("workload", "ready_gateways"),
    [
        (replace(SETTLED, desired=4, observed=False), 2),
        (replace(SETTLED, desired=4), 2),
        (replace(SETTLED, desired=4, updated=4, total=4), 2),
        (replace(SETTLED, desired=4, updated=4, total=4, ready=3), 3),
        (replace(SETTLED, desired=1), 2),
        (replace(SETTLED, desired=1, ready=1), 1),
    ],
    ids=["asked for more", "no pod yet", "pods start", "one is up", "asked for less", "one has gone"],
)
def test_scaling_does_not_unready_a_fleet(workload: WorkloadProgress, ready_gateways: int) -> None:
    sight = replace(FLEET, workload=workload, ready_gateways=ready_gateways, current_gateways=ready_gateways)
    assert facts(build_fleet_status(sight, READY_FLEET, LATER))["Ready"] == ("True", "Ready")


@pytest.mark.parametrize(
    ("change", "ready"),
    [
        ({"workload": replace(SETTLED, settled=False, updated=1, total=3)}, ("Unknown", "RollingOut")),
        ({"workload": replace(SETTLED, desired=4), "generation": 4}, ("Unknown", "RollingOut")),
        ({"workload": replace(SETTLED, desired=4, observed=False), "generation": 4}, ("Unknown", "RollingOut")),
        ({"workload": replace(SETTLED, ready=1), "ready_gateways": 1}, ("False", "Degraded")),
        (
            {"workload": replace(SETTLED, desired=4, updated=4, total=4), "pod_trouble": "Unschedulable"},
            ("False", "Degraded"),
        ),
    ],
    ids=["a new template", "a new spec", "a new spec, not seen yet", "a gateway lost", "no node for the new ones"],
)
def test_what_is_more_than_scaling_does(change: dict[str, Any], ready: tuple[str, str]) -> None:
    assert facts(build_fleet_status(replace(FLEET, **change), READY_FLEET, LATER))["Ready"] == ready


def test_gateways_that_start_for_the_first_time_are_not_degraded() -> None:
    first = build_fleet_status(replace(FLEET, workload=None, ready_gateways=0), {}, NOW)
    starting = replace(FLEET, workload=replace(BUSY, ready=0), ready_gateways=0)
    assert facts(build_fleet_status(starting, first, LATER))["Ready"] == ("Unknown", "RollingOut")


def test_a_fleet_that_cannot_start_is_stalled_with_the_reason() -> None:
    stuck = replace(BUSY, ready=1, updated=1, stuck="ReplicaSet has timed out progressing")
    sight = replace(FLEET, workload=stuck)
    found = build_fleet_status(sight, {}, NOW)
    assert facts(found)["Ready"] == ("False", "ProgressDeadlineExceeded")
    assert facts(found)["Stalled"] == ("True", "ProgressDeadlineExceeded")
    assert "has timed out" in found["conditions"][0]["message"]
    pulling = replace(sight, pod_trouble="ImagePullBackOff: no such image")
    assert "ImagePullBackOff" in build_fleet_status(pulling, {}, NOW)["conditions"][0]["message"]


def test_a_degraded_fleet_says_what_its_pods_say() -> None:
    sight = replace(FLEET, workload=replace(BUSY, ready=1), pod_trouble="ImagePullBackOff: no such image")
    status = build_fleet_status(sight, {}, NOW)
    assert "ImagePullBackOff" in str(status["conditions"])


def test_a_profile_is_ready_when_it_is_accepted() -> None:
    assert facts(build_profile_status(GOOD, 2, 1, {}, NOW))["Ready"] == ("True", "Ready")
    assert facts(build_profile_status(BAD, 0, 1, {}, NOW))["Stalled"] == ("True", "ProfileNotFound")


def test_events_are_written_on_transitions_only() -> None:
    first = build_repo_status(SIGHT, {}, NOW)
    assert [note.reason for note in repo_notes({}, first)] == ["Programmed"]
    assert repo_notes(first, first) == ()
    refused = build_repo_status(replace(SIGHT, verdict=BAD), first, LATER)
    assert [(note.type, note.reason) for note in repo_notes(first, refused)] == [("Warning", "ProfileNotFound")]
    newer = build_repo_status(replace(SIGHT, revision="new"), first, LATER)
    assert [note.reason for note in repo_notes(first, newer)] == ["Programmed"]


def test_a_fleet_that_degrades_says_so_once() -> None:
    ready = build_fleet_status(FLEET, {}, NOW)
    degraded = build_fleet_status(replace(FLEET, workload=replace(BUSY, ready=1)), ready, LATER)
    assert [(note.type, note.reason) for note in fleet_notes(ready, degraded)] == [("Warning", "Degraded")]
    assert fleet_notes(degraded, degraded) == ()


def test_a_status_patch_takes_away_what_is_no_longer_wanted_at_any_depth() -> None:
    live = {"gone": 1, "kept": 2, "rollout": {"phase": "Progressing", "step": "1/2", "deep": {"a": 1, "b": 2}}}
    desired = {"kept": 2, "rollout": {"phase": "Stable", "deep": {"b": 3}}}
    assert build_status_patch(live, desired) == {
        "gone": None,
        "kept": 2,
        "rollout": {"phase": "Stable", "step": None, "deep": {"a": None, "b": 3}},
    }
