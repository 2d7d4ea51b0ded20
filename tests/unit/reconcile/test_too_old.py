"""Fleets that ask of their gateways what an image does not know, and repos whose fleet no longer has what they ask for."""

from typing import Any

import pytest
from tests.unit.reconcile.fleetbed import fleet, profile, repo
from tests.unit.reconcile.spoolbed import CLAIMED, DEPLOYMENT, STATEFUL_SET, SpoolBed, claimed

from headgate_operator.reconcile.records import build_pod_view
from headgate_operator.status.observation import Refusal

REFUSES = {"terminated": {"exitCode": 2, "reason": "Error"}}
CRASHED = {"terminated": {"exitCode": 1, "reason": "Error"}}
BACK_OFF = {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s"}}
RUNNING: dict[str, Any] = {"running": {}}
SPOOLING = {"producerProfile": "local", "topic": "t", "onFailure": "Spool"}
NO_SPOOL = "SpoolNotEnabled: kafka.onFailure is Spool, and this gateway has no spool"


def container(state: dict[str, Any], last: dict[str, Any] | None = None, *, ready: bool = False) -> dict[str, Any]:
    return {"name": "gateway", "state": state, "lastState": last or {}, "ready": ready}


@pytest.mark.parametrize(
    ("status", "too_old", "trouble"),
    [
        (container(BACK_OFF, REFUSES), True, "GatewayTooOld: the gateway's image refuses its command line"),
        (container(REFUSES), True, "GatewayTooOld"),
        (container(RUNNING, REFUSES), True, "GatewayTooOld"),
        (container(RUNNING, REFUSES, ready=True), False, ""),
        (container(BACK_OFF, CRASHED), False, "CrashLoopBackOff: back-off 10s"),
        (container({"waiting": {"reason": "ImagePullBackOff"}}), False, "ImagePullBackOff"),
        ({**container(RUNNING, REFUSES), "name": "proxy"}, False, ""),
    ],
    ids=[
        "waits to start again",
        "has just ended",
        "starts again",
        "serves at last",
        "has crashed",
        "has no image",
        "another",
    ],
)
def test_an_image_that_refuses_its_command_line_is_too_old(status: dict[str, Any], too_old: bool, trouble: str) -> None:
    metadata = {"name": "a", "namespace": "events", "uid": "a"}
    view = build_pod_view({"metadata": metadata, "status": {"containerStatuses": [status]}})
    assert view.too_old is too_old
    assert view.trouble.startswith(trouble)
    assert bool(view.trouble) is bool(trouble)


def crash(bed: SpoolBed, name: str) -> None:
    """The gateway does not know --spool."""
    pod = bed.cluster.objects["Pod", "events", name]
    pod["status"] = {
        "conditions": [{"type": "Ready", "status": "False"}],
        "containerStatuses": [container(BACK_OFF, REFUSES)],
    }
    bed.put(pod)
    bed.fall_silent(name)


async def crash_all(bed: SpoolBed) -> None:
    """None of the StatefulSet's gateways knows it."""
    for name in ("main-gateway-0", "main-gateway-1"):
        bed.pod(name)
        crash(bed, name)
    counts = {"replicas": 2, "updatedReplicas": 2, "readyReplicas": 0, "observedGeneration": 99}
    bed.put({"kind": "StatefulSet", "metadata": {"namespace": "events", "name": "main-gateway"}, "status": counts})
    await bed.reconcile()


def message(bed: SpoolBed, kind: str, name: str, condition: str) -> str:
    found = bed.cluster.objects[kind, "events", name]["status"]["conditions"]
    return next(str(each["message"]) for each in found if each["type"] == condition)


async def test_a_new_fleet_whose_image_knows_no_spool_says_so_and_what_to_do() -> None:
    bed = SpoolBed()
    bed.put(fleet(spool=CLAIMED), profile(), repo("access", kafka=SPOOLING))
    await bed.reconcile()
    await crash_all(bed)
    found = bed.conditions("GatewayFleet", "main")
    assert found["Ready"] == found["Programmed"] == ("False", "GatewayTooOld")
    assert found["Stalled"] == ("True", "GatewayTooOld")
    assert "set spec.image to a gateway of the operator's release" in message(bed, "GatewayFleet", "main", "Ready")
    assert bed.conditions("EventRepo", "access")["Serving"] == ("False", "NoGatewaysReady")
    assert "see the fleet's conditions" in message(bed, "EventRepo", "access", "Serving")


async def test_a_spool_that_the_image_of_a_serving_fleet_does_not_know_is_told_and_the_former_gateways_serve() -> None:
    bed = SpoolBed()
    bed.put(fleet(), profile(), repo("access"))
    await bed.reconcile()
    for name in ("main-gateway-x", "main-gateway-y"):
        bed.pod(name, "ReplicaSet")
    bed.complete(DEPLOYMENT)
    await bed.reconcile()
    assert bed.conditions("GatewayFleet", "main")["Ready"] == ("True", "Ready")
    bed.put(fleet(spool=CLAIMED))
    await bed.reconcile()
    await crash_all(bed)
    assert bed.conditions("GatewayFleet", "main")["Ready"] == ("False", "GatewayTooOld")
    assert bed.has(DEPLOYMENT, STATEFUL_SET)
    assert bed.conditions("EventRepo", "access")["Serving"] == ("True", "Serving")


async def test_repos_that_need_the_spool_of_a_fleet_that_gives_it_up_say_so_and_what_to_do() -> None:
    bed = await claimed()
    bed.put(repo("kept", kafka=SPOOLING))
    await bed.reconcile()
    for name in ("main-gateway-0", "main-gateway-1"):
        bed.load(bed.cluster.objects["Pod", "events", name]["metadata"]["uid"])
    await bed.reconcile()
    assert bed.conditions("EventRepo", "kept")["Ready"] == ("True", "Ready")
    bed.put(fleet(spool={"mode": "Disabled"}))
    await bed.reconcile()
    found = bed.conditions("EventRepo", "kept")
    assert found["Accepted"] == found["Ready"] == ("False", "SpoolNotEnabled")
    assert found["Serving"] == ("True", "Serving"), "the former gateways are there still"
    told = message(bed, "EventRepo", "kept", "Ready")
    assert "spec.spool.mode set to EmptyDir, VolumeClaim or SharedClaim, or set spec.kafka.onFailure to Reject" in told
    for name in ("main-gateway-0", "main-gateway-1"):
        bed.remove("Pod", name)
    for name in ("main-gateway-x", "main-gateway-y"):
        bed.pod(name, "ReplicaSet")
        uid = bed.cluster.objects["Pod", "events", name]["metadata"]["uid"]
        bed.load(uid, {("events", "kept"): Refusal(NO_SPOOL, "", serving=False)})
    await bed.reconcile()
    assert bed.conditions("EventRepo", "kept")["Serving"] == ("False", "NotServed")
    assert NO_SPOOL in message(bed, "EventRepo", "kept", "Serving")
    assert bed.conditions("EventRepo", "access")["Serving"] == ("True", "Serving")
