"""Who takes over a spool on a shared claim: only of a pod that is gone, and a gateway that is well."""

from typing import Any

import pytest
from tests.unit.reconcile.fleetbed import fleet, profile, repo
from tests.unit.reconcile.sharedbed import GRANTS, SharedBed, shared
from tests.unit.reconcile.spoolbed import DEPLOYMENT, LABELS, STATEFUL_SET

from headgate_operator.ports import UnavailableError
from headgate_operator.reconcile.adoptions import LOOK_AGAIN, decide_grants
from headgate_operator.status.observation import Directories


@pytest.mark.parametrize(
    ("gone", "adopters", "before", "granted"),
    [
        (set(), {"a": 0}, {}, {}),
        ({"x"}, {}, {}, {}),
        ({"x"}, {"b": 0, "a": 0}, {}, {"x": "a"}),
        ({"x"}, {"a": 1, "b": 0}, {}, {"x": "b"}),
        ({"x", "y", "z"}, {"a": 0, "b": 0}, {}, {"x": "a", "y": "b", "z": "a"}),
        ({"x"}, {"a": 0, "b": 9}, {"x": "b"}, {"x": "b"}),
        ({"x", "y"}, {"a": 0, "b": 0}, {"y": "a"}, {"x": "b", "y": "a"}),
        ({"x"}, {"a": 0}, {"x": "b"}, {"x": "a"}),
        (set(), {"a": 0}, {"x": "a"}, {}),
    ],
    ids=[
        "nobody is gone",
        "nobody may",
        "the first of equals",
        "who has fewest",
        "shared out",
        "who was granted it keeps it",
        "what was granted before counts",
        "who was granted it may no more",
        "what is delivered is granted no more",
    ],
)
def test_spools_are_granted(gone: set[str], adopters: dict[str, int], before: dict[str, str], granted: Any) -> None:
    assert decide_grants(gone, adopters, before) == granted


async def test_the_spool_of_a_pod_that_is_gone_is_granted_and_that_of_one_that_is_there_is_not() -> None:
    bed = await shared()
    assert bed.grants == {}
    bed.gateway("main-y")
    bed.say("main-x", owner=bed.uid("main-x"), foreign=("gone", bed.uid("main-y")))
    await bed.reconcile()
    assert bed.grants.keys() == {"gone"}
    assert bed.grants["gone"] in {bed.uid("main-x"), bed.uid("main-y")}


@pytest.mark.parametrize("phase", ["Pending", "Running", "Failed", "Succeeded", "Unknown"])
async def test_a_pod_that_is_there_in_any_phase_is_not_gone_even_without_its_labels(phase: str) -> None:
    bed = await shared()
    metadata = {"name": "stray", "namespace": "events", "deletionTimestamp": "2026-01-01T00:00:00Z"}
    bed.cluster.put({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "status": {"phase": phase}})
    stray = bed.uid("stray")
    bed.say("main-x", owner=bed.uid("main-x"), foreign=(stray,))
    await bed.reconcile()
    assert bed.grants == {}
    bed.remove("Pod", "stray")
    bed.clock.now += LOOK_AGAIN
    await bed.reconcile()
    assert bed.grants == {stray: bed.uid("main-x")}


async def test_a_watch_that_has_lost_a_pod_decides_nothing() -> None:
    """The store does not know the pod, which the API server has: it is not gone."""
    bed = await shared()
    bed.cluster.put(
        {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "y", "namespace": "events", "labels": LABELS}}
    )
    bed.say("main-x", owner=bed.uid("main-x"), foreign=(bed.uid("y"),))
    await bed.reconcile()
    assert bed.grants == {}


@pytest.mark.parametrize(
    "state",
    [{"state": "Failed"}, {"owner": ""}, {"owner": "another"}],
    ids=["its disk fails", "its spool is not on the claim", "its spool is not its own"],
)
async def test_a_gateway_that_is_not_well_takes_nothing_over(state: dict[str, str]) -> None:
    bed = await shared()
    bed.say("main-x", **{"owner": bed.uid("main-x"), "foreign": ("gone",)} | state)
    await bed.reconcile()
    assert bed.grants == {}


async def test_canaries_take_nothing_over_and_their_spools_are() -> None:
    bed = await shared()
    bed.pod("main-canary", "ReplicaSet", "canary")
    bed.say("main-canary", owner=bed.uid("main-canary"), foreign=("gone",))
    bed.say("main-x", owner=bed.uid("main-x"), adopted=50, foreign=("gone",))
    await bed.reconcile()
    assert bed.grants == {"gone": bed.uid("main-x")}


async def test_a_grant_goes_on_when_its_gateway_goes_and_ends_when_the_spool_is_gone() -> None:
    bed = await shared()
    bed.say("main-x", owner=bed.uid("main-x"), foreign=("gone",))
    await bed.reconcile()
    x = bed.uid("main-x")
    assert bed.grants == {"gone": x}
    bed.remove("Pod", "main-x")
    bed.gateway("main-y", foreign=("gone", x))
    bed.clock.now += LOOK_AGAIN
    await bed.reconcile()
    assert bed.grants == {"gone": bed.uid("main-y"), x: bed.uid("main-y")}
    bed.say("main-y", owner=bed.uid("main-y"))
    await bed.reconcile()
    assert bed.grants == {}


async def test_the_kubelet_of_who_takes_over_is_told_at_once() -> None:
    bed = await shared()
    annotations = bed.cluster.objects["Pod", "events", "main-x"]["metadata"].get("annotations") or {}
    before = annotations.get("headgate.dev/config-hash")
    bed.say("main-x", owner=bed.uid("main-x"), foreign=("gone",))
    await bed.reconcile()
    assert (
        bed.cluster.objects["Pod", "events", "main-x"]["metadata"]["annotations"]["headgate.dev/config-hash"] != before
    )


async def test_pods_that_cannot_be_listed_are_not_gone() -> None:
    bed = await shared()
    bed.say("main-x", owner=bed.uid("main-x"), foreign=("gone",))
    listed = bed.cluster.list

    def refuse(version: str, kind: str, namespace: str | None, selector: str) -> Any:
        if (kind, selector) == ("Pod", ""):
            raise UnavailableError("later")
        return listed(version, kind, namespace, selector)

    bed.cluster.list = refuse  # type: ignore[assignment, method-assign]
    await bed.reconcile()
    assert bed.grants == {}
    bed.cluster.list = listed  # type: ignore[method-assign]
    bed.clock.now += LOOK_AGAIN
    await bed.reconcile()
    assert bed.grants == {"gone": bed.uid("main-x")}


async def test_a_fleet_that_shares_no_claim_grants_nothing() -> None:
    bed = SharedBed()
    bed.put(fleet(spool={"mode": "EmptyDir"}), profile(), repo("access"))
    await bed.reconcile()
    assert GRANTS not in bed.cluster.objects


async def left(**spool: Any) -> SharedBed:
    """A fleet that has just left the mode, and whose new gateways are ready."""
    bed = await shared()
    bed.say("main-x", owner=bed.uid("main-x"), **spool)
    await bed.reconcile()
    bed.leave()
    await bed.reconcile()
    bed.complete(STATEFUL_SET)
    await bed.reconcile()
    return bed


async def test_a_fleet_that_leaves_the_mode_delivers_first_what_pods_that_are_gone_have_left() -> None:
    bed = await left(foreign=("gone",))
    assert bed.grants == {"gone": bed.uid("main-x")}
    assert bed.has(DEPLOYMENT, STATEFUL_SET)
    bed.say("main-x", owner=bed.uid("main-x"), adopted=1, waiting=Directories(1, 500))
    await bed.reconcile()
    assert bed.grants == {}
    assert bed.has(DEPLOYMENT)
    bed.say("main-x", owner=bed.uid("main-x"))
    await bed.reconcile()
    assert not bed.has(DEPLOYMENT)
    bed.remove("Pod", "main-x")
    await bed.reconcile()
    assert GRANTS not in bed.cluster.objects


async def test_a_gateway_of_a_mode_that_was_left_still_grants_while_it_is_out_of_reach() -> None:
    bed = await left(foreign=("gone",))
    bed.fall_silent("main-x")
    await bed.reconcile()
    assert GRANTS in bed.cluster.objects
    assert bed.has(DEPLOYMENT)


@pytest.mark.parametrize(
    ("spool", "stays"),
    [
        ({}, False),
        ({"adopted": 2, "waiting": Directories(2, 500)}, True),
        ({"adopted": 1, "unopened": Directories(1, 500)}, True),
        ({"adopted": 1, "parked": 3}, False),
    ],
    ids=["nothing is left", "some wait for their turn", "one cannot be opened", "what is kept is nobody's to deliver"],
)
async def test_who_has_taken_over_what_is_not_delivered_stays(spool: dict[str, Any], stays: bool) -> None:
    bed = await left(**spool)
    assert bed.has(DEPLOYMENT) == stays


async def test_a_gateway_of_a_mode_that_was_left_which_is_only_starting_is_waited_for() -> None:
    bed = await left(foreign=("gone",))
    bed.remove("Pod", "main-x")
    owner = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "m", "uid": "m", "controller": True}
    metadata = {"name": "main-y", "namespace": "events", "labels": LABELS, "ownerReferences": [owner]}
    bed.cluster.put({"apiVersion": "v1", "kind": "Pod", "metadata": metadata})
    await bed.reconcile()
    assert bed.has(DEPLOYMENT, GRANTS)
    bed.clock.now += 300
    await bed.reconcile()
    assert not bed.has(DEPLOYMENT)


async def test_gateways_stay_for_the_spool_of_a_pod_whose_object_is_there_and_runs_no_more() -> None:
    bed = await shared()
    bed.gateway("main-y")
    y = bed.uid("main-y")
    bed.fail("main-y")
    bed.say("main-x", owner=bed.uid("main-x"), foreign=(y,))
    bed.leave()
    await bed.reconcile()
    bed.complete(STATEFUL_SET)
    await bed.reconcile()
    assert (bed.grants, bed.has(DEPLOYMENT)) == ({}, True)
    bed.remove("Pod", "main-y")
    bed.clock.now += LOOK_AGAIN
    await bed.reconcile()
    assert bed.grants == {y: bed.uid("main-x")}
    bed.say("main-x", owner=bed.uid("main-x"))
    await bed.reconcile()
    assert not bed.has(DEPLOYMENT)
