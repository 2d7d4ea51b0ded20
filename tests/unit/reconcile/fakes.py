"""An API server in a dict: enough of apply, patch and delete to watch reconcile converge. Counts writes."""

import copy
import json
from collections.abc import AsyncIterator, Mapping
from typing import Any

from headgate_operator.api.names import FIELD_MANAGER
from headgate_operator.ports import ClusterError, ConflictError, NotFoundError, ObjectRef, RejectedError

Key = tuple[str, str, str]


def _merge(live: Any, patch: Any) -> Any:
    if not isinstance(patch, Mapping):
        return copy.deepcopy(patch)
    merged = dict(live) if isinstance(live, Mapping) else {}
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = _merge(merged.get(name), value)
    return merged


def _matches(selector: str, labels: Mapping[str, str]) -> bool:
    wanted = [each.partition("=") for each in selector.split(",") if each]
    return all(name in labels and (not equals or labels[name] == value) for name, equals, value in wanted)


class FakeCluster:
    """Implements ports.Cluster."""

    def __init__(self) -> None:
        self.objects: dict[Key, dict[str, Any]] = {}
        self.writes: list[tuple[str, str, str]] = []
        self.failing: dict[Key, ClusterError] = {}
        self.forbidden: set[str] = set()
        """Namespaces that may not be listed."""
        self._version = 100

    def put(self, manifest: Mapping[str, Any]) -> dict[str, Any]:
        """What a person would have done with kubectl apply; raises the generation when the spec changes."""
        metadata = manifest["metadata"]
        key = (manifest["kind"], metadata.get("namespace", ""), metadata["name"])
        before = self.objects.get(key)
        return self._store(key, _merge(before or {}, manifest))

    def put_whole(self, key: Key, manifest: dict[str, Any]) -> None:
        """What a person would have done with kubectl replace."""
        self._store(key, manifest)

    def _store(self, key: Key, manifest: dict[str, Any]) -> dict[str, Any]:
        before = self.objects.get(key)
        self._version += 1
        metadata = manifest["metadata"]
        generation = before["metadata"]["generation"] if before else 1
        if before and before.get("spec") != manifest.get("spec"):
            generation += 1
        changed = before is None or {**before, "metadata": {}} != {**manifest, "metadata": {}}
        metadata["uid"] = before["metadata"]["uid"] if before else f"uid-{self._version}"
        metadata["generation"] = generation
        labels_changed = before is not None and any(
            before["metadata"].get(name) != metadata.get(name)
            for name in ("labels", "annotations", "deletionTimestamp")
        )
        same = before is not None and not changed and not labels_changed
        metadata["resourceVersion"] = before["metadata"]["resourceVersion"] if before and same else str(self._version)
        metadata.setdefault("creationTimestamp", "2026-01-01T00:00:00Z")
        self.objects[key] = copy.deepcopy(manifest)
        return copy.deepcopy(manifest)

    def _write(self, verb: str, ref: ObjectRef) -> Key:
        key = (ref.kind, ref.namespace, ref.name)
        if key in self.failing:
            raise self.failing[key]
        self.writes.append((verb, ref.kind, ref.name))
        return key

    async def get(self, ref: ObjectRef) -> dict[str, Any]:
        key = (ref.kind, ref.namespace, ref.name)
        if key in self.failing:
            raise self.failing[key]
        if key not in self.objects:
            raise NotFoundError(f"{ref.kind} {ref.name} not found", status=404)
        return copy.deepcopy(self.objects[key])

    async def list(
        self, api_version: str, kind: str, namespace: str | None, selector: str
    ) -> AsyncIterator[dict[str, Any]]:
        if namespace in self.forbidden:
            raise RejectedError("forbidden", status=403)
        for key, manifest in list(self.objects.items()):
            labels = manifest["metadata"].get("labels") or {}
            if key[0] == kind and namespace in (None, key[1]) and _matches(selector, labels):
                yield copy.deepcopy(manifest)

    async def apply(self, ref: ObjectRef, manifest: Mapping[str, Any], manager: str = FIELD_MANAGER) -> dict[str, Any]:
        key = self._write("apply", ref)
        wanted = copy.deepcopy(dict(manifest))
        version = wanted["metadata"].pop("resourceVersion", None)
        live = self.objects.get(key)
        if version is not None and live is not None and live["metadata"]["resourceVersion"] != version:
            raise ConflictError("the object has been modified", status=409)
        return self._store(key, _merge(live or {}, wanted))

    async def delete(self, ref: ObjectRef, uid: str, *, orphan: bool = False) -> None:
        key = self._write("orphan" if orphan else "delete", ref)
        if key not in self.objects:
            raise NotFoundError("gone", status=404)
        if self.objects[key]["metadata"]["uid"] != uid:
            raise ConflictError("another object", status=409)
        del self.objects[key]

    async def patch(self, ref: ObjectRef, patch: Mapping[str, Any], subresource: str = "") -> dict[str, Any]:
        key = self._write(f"patch {subresource}".strip(), ref)
        if key not in self.objects:
            raise NotFoundError("gone", status=404)
        return self._store(key, _merge(self.objects[key], json.loads(json.dumps(patch))))

    async def create(self, ref: ObjectRef, manifest: Mapping[str, Any]) -> dict[str, Any]:
        return self._store(self._write("create", ref), copy.deepcopy(dict(manifest)))
