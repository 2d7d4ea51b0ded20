"""One object to the API server: creates what is absent, writes over what is the fleet's, and touches nothing else.

Server-side apply under the one field manager, and what apply alone leaves undone. Called by apply.
"""

import json
from typing import Any

from headgate_operator.api.names import FIELD_MANAGER, LABEL_FLEET, LABEL_MANAGED_BY
from headgate_operator.ports import Cluster, ConflictError, NotFoundError, ObjectRef, RejectedError
from headgate_operator.reconcile.handover import hand_over, is_scaled_by_others
from headgate_operator.reconcile.records import owner_of
from headgate_operator.reconcile.store import Store
from headgate_operator.reconcile.subset import build_removal, is_subset
from headgate_operator.reconcile.workloads import initial_replicas
from headgate_operator.render.children import STATEFUL_SET

OPTIMISTIC = frozenset({"ConfigMap"})
"""Kinds that are written only over the resourceVersion that was read: shards and state are decided from what they hold."""

NO_OBJECT = "1"
"""A resourceVersion that no object has. Apply then creates, and conflicts where anything is there already; a create by
POST would make us own every field a second time, as `Update`, and a field dropped from apply would stay for ever."""

_FIXED_OF_SETS = ("selector", "serviceName", "podManagementPolicy", "volumeClaimTemplates")

Manifest = dict[str, Any]


class Writer:
    """Writes single objects. Every method raises ClusterError."""

    def __init__(self, cluster: Cluster, store: Store) -> None:
        self._cluster = cluster
        self._store = store

    async def write(self, fleet: str, ref: ObjectRef, manifest: Manifest, version: str | None) -> Manifest:
        """The object as it is afterwards. `version`: the resourceVersion that the manifest was decided from.

        Raises RejectedError where the live object is not the fleet's.
        """
        live = self._store.child((ref.kind, ref.namespace, ref.name))
        if live is None:
            created = self._with_replicas(fleet, ref, manifest)
            try:
                return await self._cluster.apply(ref, _at_version(created, NO_OBJECT))
            except ConflictError as conflict:
                await self._meet(fleet, ref, conflict)
        elif live.owner != fleet:
            raise _not_ours(fleet)
        elif ref.kind in OPTIMISTIC and version is None:
            raise ConflictError("it appeared since this was decided")
        elif must_be_made_anew(ref.kind, manifest, json.loads(live.content)):
            await self._cluster.delete(ref, live.uid, orphan=True)
            raise ConflictError("it is being made anew around its pods, which go on serving")
        return await self._update(ref, manifest, version if ref.kind in OPTIMISTIC else None)

    def _with_replicas(self, fleet: str, ref: ObjectRef, manifest: Manifest) -> Manifest:
        """What is created. The number is handed over with the next write, as any that an autoscaler takes over."""
        replicas = initial_replicas(self._store, (ref.namespace, fleet))
        if not replicas or not is_scaled_by_others(ref, manifest):
            return manifest
        return {**manifest, "spec": {**manifest["spec"], "replicas": replicas}}

    async def _meet(self, fleet: str, ref: ObjectRef, conflict: ConflictError) -> None:
        """Look at an object that the store did not know: its label may have been taken away."""
        try:
            found = await self._cluster.get(ref)
        except NotFoundError:
            raise conflict from None  # it has gone again: the next attempt creates
        if owner_of(found["metadata"]) != fleet:
            raise _not_ours(fleet)
        self._store.upsert_answer({"apiVersion": ref.api_version, "kind": ref.kind, **found})
        if ref.kind in OPTIMISTIC:
            raise conflict  # what it holds has to be decided from first

    async def _update(self, ref: ObjectRef, manifest: Manifest, version: str | None) -> Manifest:
        await hand_over(self._cluster, ref, manifest)
        answer = await self._apply(ref, manifest, version)
        if removal := build_removal(ref.kind, manifest, answer):
            # Apply leaves others' fields alone. A patch that only takes away makes us the owner of nothing.
            answer = await self._cluster.patch(ref, removal | {"metadata": _version_of(answer)})
        return await self._disown(ref, answer)

    async def _apply(self, ref: ObjectRef, manifest: Manifest, version: str | None) -> Manifest:
        """Server-side apply; and where others' list items are in the way, which apply leaves alone, a merge patch first.

        An item that somebody added to a keyed list (a port, a container) belongs to him: apply neither removes it nor,
        where it clashes with ours, succeeds. A merge patch replaces lists as a whole.
        """
        try:
            answer = await self._cluster.apply(ref, _at_version(manifest, version))
        except RejectedError:
            pass  # perhaps for such an item; if not, the patch is refused for the same reason
        else:
            if is_subset(manifest, answer):
                return answer
        await self._cluster.patch(ref, manifest)
        return await self._cluster.apply(ref, manifest)

    async def _disown(self, ref: ObjectRef, answer: Manifest) -> Manifest:
        """Drop what a merge patch made us own beside what apply does: a field that apply drops later would stay."""
        entries = answer["metadata"].get("managedFields") or []
        kept = [entry for entry in entries if not _is_patched_by_us(entry)]
        if len(kept) == len(entries):
            return answer
        return await self._cluster.patch(ref, {"metadata": {"managedFields": kept, **_version_of(answer)}})


def must_be_made_anew(kind: str, desired: Manifest, live: Manifest) -> bool:
    """Whether desired and live differ in what no write changes. Deleted without its pods, it finds them again by label."""
    return kind == STATEFUL_SET and any(
        not is_subset(desired["spec"].get(field), live["spec"].get(field)) for field in _FIXED_OF_SETS
    )


def _at_version(manifest: Manifest, version: str | None) -> Manifest:
    if version is None:
        return manifest
    return {**manifest, "metadata": {**manifest["metadata"], "resourceVersion": version}}


def _version_of(answer: Manifest) -> dict[str, str]:
    return {"resourceVersion": answer["metadata"]["resourceVersion"]}


def _is_patched_by_us(entry: Manifest) -> bool:
    return entry.get("manager") == FIELD_MANAGER and entry.get("operation") == "Update" and not entry.get("subresource")


def _not_ours(fleet: str) -> RejectedError:
    return RejectedError(
        "one that is not this fleet's has that name, and is left alone: delete or rename it, or hand it over with the "
        f"labels {LABEL_FLEET}={fleet} and {LABEL_MANAGED_BY}={FIELD_MANAGER}"
    )
