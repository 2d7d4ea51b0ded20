"""Passes a field on to another field manager before the operator stops setting it.

Server-side apply removes a field that its only owner no longer sends, and the API server then fills in the default: a
fleet of eight gateways that is given an autoscaler would be scaled to one. So another manager gets the live value
first, the way of https://kubernetes.io/docs/reference/using-api/server-side-apply/#transferring-ownership. Called by
apply before each write.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from headgate_operator.api.names import FIELD_MANAGER
from headgate_operator.ports import Cluster, NotFoundError, ObjectRef
from headgate_operator.reconcile.workloads import WORKLOADS

HANDOVER_MANAGER = "headgate-handover"
"""Holds what was handed over until the autoscaler changes it, which makes it the autoscaler's."""


async def hand_over(cluster: Cluster, ref: ObjectRef, desired: Mapping[str, Any]) -> None:
    """Give away what `desired` no longer sets, if nobody else holds it. Raises ClusterError.

    Reads the live object: the store keeps no managedFields, and its copy may be older than the autoscaler's last word.
    """
    if not is_scaled_by_others(ref, desired):
        return
    try:
        live = await cluster.get(ref)
    except NotFoundError:
        return
    if handover := build_handover(live):
        await cluster.apply(ref, {"apiVersion": ref.api_version, "kind": ref.kind, **handover}, HANDOVER_MANAGER)


def is_scaled_by_others(ref: ObjectRef, desired: Mapping[str, Any]) -> bool:
    """Whether this is a workload whose number of gateways an autoscaler decides."""
    return ref.kind in WORKLOADS and "replicas" not in desired["spec"]


def build_handover(live: Mapping[str, Any]) -> dict[str, Any] | None:
    """What to apply to a live workload as HANDOVER_MANAGER; None where there is nothing to hand over.

    Zero is not handed over: an autoscaler leaves a workload of none alone, and the default, one, wakes it.
    """
    metadata, replicas = live["metadata"], live.get("spec", {}).get("replicas")
    if not replicas or _owners(metadata.get("managedFields") or ()) != {FIELD_MANAGER}:
        return None
    # The version makes sure that what is handed over is still the live value.
    kept = {name: metadata[name] for name in ("name", "namespace", "resourceVersion")}
    return {"metadata": kept, "spec": {"replicas": replicas}}


def _owners(managed: Iterable[Mapping[str, Any]]) -> set[str]:
    return {str(entry.get("manager")) for entry in managed if "f:replicas" in _spec_fields(entry)}


def _spec_fields(entry: Mapping[str, Any]) -> Mapping[str, Any]:
    if entry.get("subresource") == "status":
        return {}
    fields: Mapping[str, Any] = (entry.get("fieldsV1") or {}).get("f:spec") or {}
    return fields
