"""The in-memory picture of what was watched or listed, in compact form. Decides nothing and does no I/O.

Handlers, listings and the answers to our own writes all feed it; an older version of an object never replaces a newer.
"""

from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from headgate_operator.api.fleet import GatewayFleet, NamespacesFrom
from headgate_operator.reconcile.records import (
    RESOURCE_TYPES,
    ChildRecord,
    ResourceRecord,
    build_child_record,
    build_pod_view,
    build_resource_record,
    version_of,
)
from headgate_operator.status.observation import PodView

FleetKey = tuple[str, str]
"""(namespace, name) of a GatewayFleet."""

TOMBSTONES = 4_096
"""Deleted objects that are remembered, so that a listing begun earlier does not bring them back."""


class Store:
    """Everything that reconcile reads."""

    def __init__(self, default_fleet: FleetKey | None, notify: Callable[[FleetKey], None]) -> None:
        self._default_fleet = default_fleet
        self._notify = notify
        self._resources: dict[str, dict[tuple[str, str], ResourceRecord]] = {kind: {} for kind in RESOURCE_TYPES}
        self._repos_of: defaultdict[FleetKey | None, set[tuple[str, str]]] = defaultdict(set)
        self._children: dict[tuple[str, str, str], ChildRecord] = {}
        self._children_of: defaultdict[FleetKey, set[tuple[str, str, str]]] = defaultdict(set)
        self._pods: dict[tuple[str, str], PodView] = {}
        self._pod_versions: dict[tuple[str, str], int] = {}
        self._namespaces: dict[str, tuple[str, int, Mapping[str, str]]] = {}
        self._leaving: set[str] = set()
        self.unreadable: frozenset[str] = frozenset()
        """Namespaces whose EventRepos may not be listed: what is not seen there is not therefore gone."""
        self._tombstones: OrderedDict[str, int] = OrderedDict()
        """By uid the version at which an object was gone. A newer one lives: an object that only lost the label which
        its watch selects by is reported as deleted, and so is one that a finalizer still holds by our own delete."""

    # Intake.

    def upsert(self, manifest: dict[str, Any]) -> None:
        """Take in an object as it is now."""
        gone = self._tombstones.get(manifest["metadata"].get("uid", ""))
        if gone is not None and version_of(manifest) <= gone:
            return
        kind = manifest["kind"]
        if kind in RESOURCE_TYPES:
            self._upsert_resource(manifest)
        elif kind == "Pod":
            self._upsert_pod(manifest)
        elif kind == "Namespace":
            self._upsert_namespace(manifest)
        else:
            self._upsert_child(manifest)

    def upsert_answer(self, manifest: dict[str, Any]) -> None:
        """Take in what the API server has just answered to ourselves.

        It may be at the very version at which its watch reported it deleted: the one that took its label away.
        """
        uid = manifest["metadata"]["uid"]
        if self._tombstones.get(uid, 0) <= version_of(manifest):
            self._tombstones.pop(uid, None)
        self.upsert(manifest)

    def remove(self, kind: str, namespace: str, name: str, uid: str, version: int) -> None:
        """Take in that an object was gone at this version; a newer one, or a namesake with another uid, stays."""
        self._tombstones[uid] = max(version, self._tombstones.get(uid, 0))
        if len(self._tombstones) > TOMBSTONES:
            self._tombstones.popitem(last=False)
        if kind in RESOURCE_TYPES:
            self._remove_resource(kind, (namespace, name), uid, version)
        elif kind == "Pod":
            self._remove_pod((namespace, name), uid, version)
        elif kind == "Namespace":
            self._remove_namespace(name, uid, version)
        else:
            self._remove_child((kind, namespace, name), uid, version)

    def _upsert_resource(self, manifest: dict[str, Any]) -> None:
        metadata = manifest["metadata"]
        table, key = self._resources[manifest["kind"]], (metadata["namespace"], metadata["name"])
        old, version = table.get(key), version_of(manifest)
        if old is not None and old.uid == metadata["uid"] and old.version >= version:
            return
        new = build_resource_record(manifest)
        if old is not None and old.uid == new.uid and old.generation == new.generation and old.parsed == new.parsed:
            new.parsed = old.parsed  # one object for equal content: memos go by identity, and memory is spared
        table[key] = new
        self._index_repo(old, new)
        # Who else writes our status is answered at the next resync; our own writes must not wake us.
        if old is None or old.intent != new.intent or old.generation != new.generation:
            self._notify_resource(new)

    def _remove_resource(self, kind: str, key: tuple[str, str], uid: str, version: int) -> None:
        record = self._resources[kind].get(key)
        if record is not None and record.uid == uid and record.version <= version:
            del self._resources[kind][key]
            self._index_repo(record, None)
            self._notify_resource(record)

    def _index_repo(self, old: ResourceRecord | None, new: ResourceRecord | None) -> None:
        for record in (old, new):
            if record is not None and record.kind == "EventRepo":
                members = self._repos_of[self.fleet_of(record)]
                members.add(record.key) if record is new else members.discard(record.key)

    def _notify_resource(self, record: ResourceRecord) -> None:
        if record.kind == "GatewayFleet":
            self._notify(record.key)
            self._notify_siblings(record.namespace)
        elif record.kind == "EventRepo":
            fleet = self.fleet_of(record)
            self._notify(fleet if fleet is not None else ("", ""))
        else:
            self._notify_siblings(record.namespace)

    def _notify_siblings(self, namespace: str) -> None:
        """A namespace's profiles belong to all of its fleets; where it has none, `(namespace, "")` answers for them."""
        for key in [key for key in self._resources["GatewayFleet"] if key[0] == namespace] or [(namespace, "")]:
            self._notify(key)

    def _upsert_child(self, manifest: dict[str, Any]) -> None:
        metadata = manifest["metadata"]
        key = (manifest["kind"], metadata["namespace"], metadata["name"])
        old = self._children.get(key)
        if old is not None and old.uid == metadata["uid"] and old.version >= version_of(manifest):
            return
        new = build_child_record(manifest)
        self._children[key] = new
        if old is not None and old.fleet != new.fleet:
            self._children_of[old.namespace, old.fleet].discard(key)
        self._children_of[new.namespace, new.fleet].add(key)
        if old is None or _state_of(old) != _state_of(new):
            self._notify((new.namespace, new.fleet))

    def _remove_child(self, key: tuple[str, str, str], uid: str, version: int) -> None:
        record = self._children.get(key)
        if record is not None and record.uid == uid and record.version <= version:
            del self._children[key]
            self._children_of[record.namespace, record.fleet].discard(key)
            self._notify((record.namespace, record.fleet))

    def _upsert_pod(self, manifest: Mapping[str, Any]) -> None:
        view, version = build_pod_view(manifest), version_of(manifest)
        key = (view.namespace, view.name)
        old = self._pods.get(key)
        if old is not None and old.uid == view.uid and self._pod_versions[key] >= version:
            return
        self._pods[key], self._pod_versions[key] = view, version
        if old is None or replace(old, config_hash=view.config_hash) != view:
            self._notify((view.namespace, view.fleet))

    def _remove_pod(self, key: tuple[str, str], uid: str, version: int) -> None:
        view = self._pods.get(key)
        if view is not None and view.uid == uid and self._pod_versions[key] <= version:
            del self._pods[key], self._pod_versions[key]
            self._notify((view.namespace, view.fleet))

    def _upsert_namespace(self, manifest: Mapping[str, Any]) -> None:
        metadata = manifest["metadata"]
        name, labels, version = metadata["name"], metadata.get("labels") or {}, version_of(manifest)
        old = self._namespaces.get(name)
        if old is not None and old[0] == metadata["uid"] and old[1] >= version:
            return
        self._namespaces[name] = (metadata["uid"], version, labels)
        if metadata.get("deletionTimestamp"):
            self._leaving.add(name)
        else:
            self._leaving.discard(name)  # another of that name
        # One that is seen late matters as well: its repos were refused for want of labels.
        if old is None or old[2] != labels:
            self._notify_selecting_fleets(name)

    def _remove_namespace(self, name: str, uid: str, version: int) -> None:
        known = self._namespaces.get(name)
        if known is not None and known[0] == uid and known[1] <= version:
            del self._namespaces[name]
            self._leaving.discard(name)
            self._notify_selecting_fleets(name)

    def _notify_selecting_fleets(self, namespace: str) -> None:
        for fleet, members in self._repos_of.items():
            if (
                fleet is not None
                and self._selects_namespaces(fleet)
                and any(member[0] == namespace for member in members)
            ):
                self._notify(fleet)

    def _selects_namespaces(self, fleet: FleetKey) -> bool:
        record = self._resources["GatewayFleet"].get(fleet)
        return (
            record is not None
            and isinstance(record.parsed, GatewayFleet)
            and record.parsed.spec.allowed_repos.namespaces.from_ is NamespacesFrom.SELECTOR
        )

    # Reading.

    def fleet_of(self, record: ResourceRecord) -> FleetKey | None:
        """The fleet that a repo belongs to; None where it names none and there is no default."""
        return record.fleet or self._default_fleet

    def resource(self, kind: str, key: tuple[str, str]) -> ResourceRecord | None:
        """One of the users' resources."""
        return self._resources[kind].get(key)

    def resources(self, kind: str, namespace: str | None = None) -> list[ResourceRecord]:
        """All resources of a kind, in order of (namespace, name)."""
        table = self._resources[kind]
        return [table[key] for key in sorted(table) if namespace is None or key[0] == namespace]

    def repos_of(self, fleet: FleetKey | None) -> list[ResourceRecord]:
        """The repos of a fleet, in order of (namespace, name); of None, those that name no fleet."""
        table = self._resources["EventRepo"]
        return [table[key] for key in sorted(self._repos_of.get(fleet, ()))]

    def child(self, key: tuple[str, str, str]) -> ChildRecord | None:
        """A live child by (kind, namespace, name)."""
        return self._children.get(key)

    def children_of(self, fleet: FleetKey) -> list[ChildRecord]:
        """The live children of a fleet."""
        return [self._children[key] for key in sorted(self._children_of.get(fleet, ()))]

    def pods_of(self, fleet: FleetKey) -> list[PodView]:
        """The gateway pods of a fleet that are not leaving, in order of name."""
        found = (view for view in self._pods.values() if (view.namespace, view.fleet) == fleet and not view.leaving)
        return sorted(found, key=lambda view: view.name)

    def all_pods_of(self, fleet: FleetKey) -> list[PodView]:
        """The gateway pods of a fleet that run still, in order of name: those that are leaving have spools too."""
        found = (view for view in self._pods.values() if (view.namespace, view.fleet) == fleet and not view.finished)
        return sorted(found, key=lambda view: view.name)

    def pods(self) -> Iterable[PodView]:
        """All gateway pods."""
        return self._pods.values()

    def namespace_labels(self, name: str) -> Mapping[str, str] | None:
        """Labels of a namespace, where known."""
        known = self._namespaces.get(name)
        return None if known is None else known[2]

    def is_leaving(self, namespace: str) -> bool:
        """Whether a namespace is being deleted, which nothing takes back: no object can be created in it any more."""
        return namespace in self._leaving

    def fleet_keys(self) -> set[FleetKey]:
        """Every key that has something to reconcile: fleets, fleets that repos name, and `(namespace, "")` for profiles."""
        named = {fleet or ("", "") for fleet, members in self._repos_of.items() if members}
        profiles = {(namespace, "") for namespace, _ in self._resources["KafkaProducerProfile"]}
        return self._resources["GatewayFleet"].keys() | named | profiles

    def entries(self, kind: str, namespace: str | None) -> Iterator[tuple[str, str, str, int]]:
        """(namespace, name, uid, version) of all objects of a kind, for comparing with a listing."""
        found: Iterable[tuple[str, str, str, int]]
        if kind in RESOURCE_TYPES:
            found = ((each.namespace, each.name, each.uid, each.version) for each in self._resources[kind].values())
        elif kind == "Pod":
            found = ((*key, view.uid, self._pod_versions[key]) for key, view in self._pods.items())
        elif kind == "Namespace":
            found = (("", name, uid, version) for name, (uid, version, _) in self._namespaces.items())
        else:
            children = (child for child in self._children.values() if child.kind == kind)
            found = ((each.namespace, each.name, each.uid, each.version) for each in children)
        return (each for each in found if namespace in (None, each[0]))


def _state_of(child: ChildRecord) -> tuple[object, ...]:
    """What a reconcile depends on: the rest of a status may change as it likes."""
    return child.uid, child.digest, child.progress, child.trouble, child.accepted, child.unresolved
