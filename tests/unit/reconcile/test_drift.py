"""What others do to the fleet's objects, or put in their place: repaired, kept, or left alone. Over the fake API server."""

import copy
from collections.abc import Callable
from typing import Any

import pytest
from tests.unit.reconcile.fleetbed import KEY, Bed, fleet, profile, repo

from headgate_gateway.config import shard_file_name, shard_of
from headgate_operator.api.names import shard_name

INDEX = shard_of("events", "access")
SHARD = ("ConfigMap", "events", shard_name("main", INDEX))
SERVICE = ("Service", "events", "main-gateway")
DEPLOYMENT = ("Deployment", "events", "main-gateway")
CREDENTIALS = ("Secret", "events", "main-credentials")
ROUTE = ("HTTPRoute", "events", "main.events.access")
ROUTING = {
    "provider": "GatewayAPI",
    "hostnames": ["a.example.com"],
    "gatewayAPI": {"parentRefs": [{"name": "edge", "namespace": "edge"}]},
}

Manifest = dict[str, Any]


async def settled() -> Bed:
    bed = Bed()
    bed.put(fleet(routing=ROUTING), profile(), repo("access"), repo("audit"))
    await bed.reconcile()
    await bed.reconcile()
    bed.cluster.writes.clear()
    return bed


def edit(bed: Bed, key: tuple[str, str, str], change: Callable[[Manifest], object]) -> None:
    """What a person does with `kubectl edit`: fields can go as well as come."""
    live = copy.deepcopy(bed.cluster.objects[key])
    change(live)
    bed.cluster.put_whole(key, live)


def content(bed: Bed, key: tuple[str, str, str]) -> Manifest:
    return {name: value for name, value in bed.cluster.objects[key].items() if name != "metadata"}


def container(live: Manifest) -> Manifest:
    found: Manifest = live["spec"]["template"]["spec"]["containers"][0]
    return found


@pytest.mark.parametrize(
    ("key", "change"),
    [
        (SHARD, lambda live: live["data"].update({"shard-99.json": "{}"})),
        (SHARD, lambda live: live.update({"binaryData": {"a": "AA=="}})),
        (CREDENTIALS, lambda live: live.setdefault("data", {}).update({"credential.stray": "AA=="})),
        (SERVICE, lambda live: live["spec"]["selector"].update({"also": "this"})),
        (ROUTE, lambda live: live["spec"]["rules"][0].update({"retry": {"attempts": 3}})),
        (ROUTE, lambda live: live["spec"]["rules"].append({"matches": []})),
        (DEPLOYMENT, lambda live: live["spec"]["template"]["spec"].pop("automountServiceAccountToken")),
        (DEPLOYMENT, lambda live: container(live)["securityContext"].pop("allowPrivilegeEscalation")),
    ],
    ids=[
        *("a key in a shard", "binary data in a shard", "a stray credential", "a label in the selector"),
        *("a retry", "a rule", "false that was removed", "false that was removed in a container"),
    ],
)
async def test_what_changes_the_meaning_of_ours_is_repaired(
    key: tuple[str, str, str], change: Callable[[Manifest], object]
) -> None:
    bed = await settled()
    before = content(bed, key)
    edit(bed, key, change)
    assert content(bed, key) != before
    await bed.reconcile()
    after = content(bed, key)
    assert {name: value for name, value in after.items() if value != {}} == {
        name: value for name, value in before.items() if value != {}
    }
    await bed.reconcile()
    bed.cluster.writes.clear()
    await bed.reconcile()
    assert bed.cluster.writes == []


@pytest.mark.parametrize("key", [SERVICE, CREDENTIALS, SHARD], ids=lambda key: key[0])
async def test_an_object_of_somebody_else_with_our_name_is_untouched_and_the_fleet_says_so(
    key: tuple[str, str, str],
) -> None:
    bed = Bed()
    theirs = {"kind": key[0], "metadata": {"name": key[2], "namespace": key[1]}, "data": {"password": "c2VjcmV0"}}
    bed.put(theirs, fleet(), profile(), repo("access"))
    before = copy.deepcopy(bed.cluster.objects[key])
    for _ in range(2):
        await bed.reconcile()
    assert bed.cluster.objects[key] == before
    conditions = bed.cluster.objects["GatewayFleet", "events", "main"]["status"]["conditions"]
    ready = next(each for each in conditions if each["type"] == "Ready")
    assert (ready["status"], ready["reason"]) == ("False", "ApplyFailed")
    assert f"{key[0]} {key[2]}" in ready["message"]
    assert "delete or rename it" in ready["message"]


async def test_an_object_that_is_labelled_by_mistake_is_not_ours_either() -> None:
    bed = Bed()
    metadata = {"name": SHARD[2], "namespace": "events", "labels": {"headgate.dev/fleet": "main"}}
    theirs = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"a": "b"}}
    bed.put(theirs, fleet(), profile(), repo("access"))
    await bed.reconcile()
    assert bed.cluster.objects[SHARD]["data"] == {"a": "b"}


async def test_what_was_applied_from_a_rendering_is_adopted() -> None:
    bed = Bed()
    labels = {"headgate.dev/fleet": "main", "app.kubernetes.io/managed-by": "headgate-operator"}
    metadata = {"name": CREDENTIALS[2], "namespace": "events", "labels": labels}
    bed.put({"kind": "Secret", "metadata": metadata}, fleet(), profile(), repo("access"))
    await bed.reconcile()
    assert bed.cluster.objects[CREDENTIALS]["metadata"]["ownerReferences"]
    assert bed.conditions("GatewayFleet", "main")["Ready"][1] != "ApplyFailed"


async def refused_but_served() -> Bed:
    bed = await settled()
    bed.put(repo("access", kafka={"producerProfile": "nobody", "topic": "t"}))
    await bed.reconcile()
    assert bed.conditions("EventRepo", "access")["Accepted"][0] == "False"
    assert "access" in bed.cluster.objects[SHARD]["data"][shard_file_name(INDEX)]
    return bed


@pytest.mark.parametrize(
    "harm",
    [
        lambda bed: bed.cluster.objects.pop(SHARD),
        lambda bed: edit(bed, SHARD, lambda live: live["data"].update({shard_file_name(INDEX): "{"})),
        lambda bed: edit(bed, SHARD, lambda live: live["data"].clear()),
        lambda bed: edit(bed, SHARD, lambda live: live["metadata"].update(labels={})),
    ],
    ids=["deleted", "broken", "emptied", "without its label"],
)
async def test_what_is_served_survives_harm_to_its_shard(harm: Callable[[Bed], object]) -> None:
    bed = await refused_but_served()
    before = bed.cluster.objects[SHARD]["data"]
    harm(bed)
    await bed.reconcile()
    await bed.reconciler.reconcile(KEY)  # the attempt after a conflict, without a listing in between
    assert bed.cluster.objects[SHARD]["data"] == before
    assert bed.cluster.objects[SHARD]["metadata"]["labels"]["headgate.dev/fleet"] == "main"
    bed.cluster.writes.clear()
    await bed.reconcile()
    assert bed.cluster.writes == []


async def test_a_shard_without_its_label_is_read_before_it_is_written_by_an_operator_that_never_saw_it() -> None:
    before = await refused_but_served()
    served = before.cluster.objects[SHARD]["data"]
    edit(before, SHARD, lambda live: live["metadata"].update(labels={}))
    bed = Bed(before.cluster)
    assert not (await bed.reconcile()).succeeded
    await bed.reconciler.reconcile(KEY)
    assert bed.cluster.objects[SHARD]["data"] == served
    assert bed.cluster.objects[SHARD]["metadata"]["labels"]["headgate.dev/fleet"] == "main"
