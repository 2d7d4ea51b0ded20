"""Events on a shared claim that no gateway delivers are told of, with the reason."""

from typing import Any

from tests.unit.reconcile.fleetbed import fleet
from tests.unit.reconcile.sharedbed import SHARED, SharedBed, shared
from tests.unit.reconcile.spoolbed import HELD, LABELS

from headgate_operator.reconcile.adoptions import LOOK_AGAIN
from headgate_operator.status.observation import Directories


def see(bed: SharedBed, name: str, others: dict[str, int], **spool: Any) -> None:
    """Let a gateway tell of others' directories, and their bytes."""
    bed.say(name, **{"owner": bed.uid(name), "foreign": tuple(others), "foreign_bytes": others} | spool)


def metric(bed: SharedBed, name: str, reason: str) -> float | None:
    labels = {"fleet_namespace": "events", "fleet": "main", "reason": reason}
    return bed.metrics.registry.get_sample_value(f"headgate_fleet_spool_{name}", labels)


async def test_the_directory_of_a_pod_that_is_finished_is_told_until_its_object_is_deleted() -> None:
    bed = await shared()
    bed.gateway("main-y")
    bed.fail("main-y")
    y = bed.uid("main-y")
    see(bed, "main-x", {y: 500})
    await bed.reconcile()
    assert bed.left == {"PodFinished": (1, 500)}
    assert (metric(bed, "left_directories", "PodFinished"), metric(bed, "left_directory_bytes", "PodFinished")) == (
        1,
        500,
    )
    await bed.reconcile()
    assert bed.events.count(("main", "EventsLeft")) == 1
    bed.remove("Pod", "main-y")
    bed.clock.now += LOOK_AGAIN
    await bed.reconcile()
    assert bed.left == {"Waiting": (1, 500)}
    see(bed, "main-x", {})
    await bed.reconcile()
    assert bed.left == {}
    assert metric(bed, "left_directories", "Waiting") == 0


async def test_one_that_is_finished_and_has_lost_its_labels_is_told_too() -> None:
    bed = await shared()
    metadata = {"name": "stray", "namespace": "events"}
    bed.cluster.put({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "status": {"phase": "Failed"}})
    see(bed, "main-x", {bed.uid("stray"): 500})
    await bed.reconcile()
    assert bed.left == {"PodFinished": (1, 500)}


async def test_directories_of_gateways_that_run_are_none_of_them() -> None:
    bed = await shared()
    bed.gateway("main-y")
    metadata = {"name": "unseen", "namespace": "events", "labels": LABELS}
    bed.cluster.put({"apiVersion": "v1", "kind": "Pod", "metadata": metadata})
    see(bed, "main-x", {bed.uid("main-y"): 500, bed.uid("unseen"): 7})
    await bed.reconcile()
    assert bed.left == {}
    assert ("main", "EventsLeft") not in bed.events


async def test_what_no_gateway_can_take_over_now_is_told() -> None:
    bed = await shared()
    see(bed, "main-x", {"gone": 500}, state="Failed")
    await bed.reconcile()
    assert bed.left == {"NobodyReady": (1, 500)}


async def test_what_is_taken_over_and_not_open_is_told() -> None:
    bed = await shared()
    bed.gateway("main-y")
    see(bed, "main-x", {}, adopted=7, waiting=Directories(2, 20), unopened=Directories(1, 5))
    see(bed, "main-y", {}, adopted=1, waiting=Directories(1, 1))
    await bed.reconcile()
    assert bed.left == {"Waiting": (3, 21), "CannotBeOpened": (1, 5)}
    assert bed.events.count(("main", "EventsLeft")) == 1


async def scaled_to_zero(bed: SharedBed, *names: str) -> None:
    bed.put(fleet(spool=SHARED, replicas=0))
    await bed.reconcile()
    for name in names:
        bed.remove("Pod", name)
    await bed.reconcile()


async def test_what_the_last_gateways_have_left_is_told_as_they_said_last_also_by_a_new_leader() -> None:
    bed = await shared()
    bed.gateway("main-y")
    x, y = bed.uid("main-x"), bed.uid("main-y")
    see(bed, "main-x", {y: 900, "gone": 50}, **HELD)
    see(bed, "main-y", {x: 900, "gone": 50})
    await bed.reconcile()
    await scaled_to_zero(bed, "main-x", "main-y")
    assert bed.left == {"NobodyReady": (2, 750)}
    again = SharedBed(bed.cluster)
    for _ in range(3):
        await again.reconcile()
        assert again.left == {"NobodyReady": (2, 750)}
    assert metric(again, "left_directories", "NobodyReady") == 2
    again.gateway("main-z")
    await again.reconcile()
    assert again.left == {}


async def test_gateways_that_leave_nothing_leave_no_word() -> None:
    bed = await shared()
    bed.gateway("main-y")
    see(bed, "main-x", {bed.uid("main-y"): 900})
    see(bed, "main-y", {bed.uid("main-x"): 900})
    await bed.reconcile()
    y = bed.uid("main-y")
    bed.remove("Pod", "main-y")
    see(bed, "main-x", {y: 900})  # it has not looked since
    await bed.reconcile()
    await scaled_to_zero(bed, "main-x")
    assert bed.left == {}
