"""What the API server refuses of a repo's own objects is told where its rollout is looked at, in the server's words."""

import pytest
from tests.unit.reconcile.fleetbed import repo
from tests.unit.reconcile.rolloutbed import QUICK, REPO, RolloutBed

from headgate_operator.api.names import canary_name, revision_name, rollout_name, route_name
from headgate_operator.ports import RejectedError, UnavailableError

AFTER = {"matchExpressions": [{"field": "status", "operator": "Ge", "values": [400]}]}
NAME = canary_name("main", *REPO)
QUOTA = 'deployments.apps "x" is forbidden: exceeded quota: small'
PATIENT = {**QUICK, "progressDeadline": "30s"}


async def changed() -> RolloutBed:
    """A repo at rest whose spec has just been edited."""
    bed = RolloutBed()
    await bed.settle()
    bed.put(repo("access", rollout=PATIENT, constraint=AFTER))
    return bed


def message(bed: RolloutBed) -> str:
    """Of the Ready condition."""
    conditions = bed.cluster.objects["EventRepo", *REPO]["status"]["conditions"]
    return next(str(each["message"]) for each in conditions if each["type"] == "Ready")


@pytest.mark.parametrize("kind", ["Deployment", "Service", "Secret"])
async def test_a_canarys_object_that_is_refused_is_told_at_once_and_after_the_deadline(kind: str) -> None:
    bed = await changed()
    bed.cluster.failing[kind, "events", NAME] = RejectedError(QUOTA, status=403)
    for _ in range(3):
        await bed.tick()
    assert f"cannot apply {kind} {NAME}: {QUOTA}" in bed.status()["message"]
    assert QUOTA in message(bed)
    assert bed.status()["message"].count(QUOTA) == 1
    assert bed.events.count(("access", "ApplyFailed")) == 1
    while bed.status()["phase"] == "Progressing":
        await bed.tick()
    assert QUOTA in bed.status()["message"]
    assert bed.status()["reason"] == "ProgressDeadlineExceeded"


async def test_a_route_that_is_refused_is_told_while_the_canary_has_weight() -> None:
    bed = await changed()
    while bed.weight() != 10:
        await bed.tick()
    bed.cluster.failing["HTTPRoute", "events", route_name("main", *REPO)] = RejectedError(QUOTA, status=403)
    for _ in range(20):
        await bed.tick()
    assert bed.weight() == 10
    assert QUOTA in bed.status()["message"]
    bed.cluster.failing.clear()
    await bed.until("Stable")
    assert QUOTA not in str(bed.status())


@pytest.mark.parametrize("what", ["state", "revision"])
async def test_a_refused_record_of_the_rollout_is_told(what: str) -> None:
    bed = await changed()
    probe = await changed()
    await probe.tick()
    candidate = probe.status()["candidate"]
    name = rollout_name("main", *REPO) if what == "state" else revision_name("main", *REPO, candidate)
    kind = "ConfigMap" if what == "state" else "ControllerRevision"
    bed.cluster.failing[kind, "events", name] = RejectedError("the webhook says no", status=400)
    for _ in range(2):
        await bed.tick()
    assert "the webhook says no" in message(bed)
    assert bed.canary() is None


async def test_what_the_next_attempt_may_settle_is_told_only_once_it_lasts() -> None:
    bed = await changed()
    bed.cluster.failing["Deployment", "events", NAME] = UnavailableError("etcd is busy")
    await bed.tick()
    assert "etcd is busy" not in bed.status()["message"]
    for _ in range(3):
        await bed.tick()
    assert "etcd is busy" in bed.status()["message"]
