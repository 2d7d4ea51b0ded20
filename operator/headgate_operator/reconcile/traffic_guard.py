"""What stands between a plan and the cluster for the sake of requests: none go where nothing serves them.

A route gets no more weight towards objects that could not be written; nothing of a canary or a new image is deleted
that a live route still names, or whose gateways hold events; stable gateways stay until others have taken over; and
credentials go before the Deployment that tells of them. Called by the fleet's reconcile once a pass.
"""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from headgate_operator.api.names import (
    LABEL_REPO,
    LABEL_REPO_NAMESPACE,
    LABEL_TRACK,
    LABEL_UPGRADE,
    TRACK_CANARY,
    canary_name,
    gateway_name,
    route_name,
    upgrade_name,
)
from headgate_operator.ports import Clock, Cluster, ClusterError, NotFoundError, NotLeaderError, ObjectRef
from headgate_operator.reconcile.apply import ANNOTATION_APPLIED, Applier, ApplyResult, Failure, ObjectKey
from headgate_operator.reconcile.holders import Holders
from headgate_operator.reconcile.ledger import STATE_SUFFIX
from headgate_operator.reconcile.records import ChildRecord, owner_of
from headgate_operator.reconcile.sights import weights_in
from headgate_operator.reconcile.store import FleetKey, Store
from headgate_operator.reconcile.workloads import WORKLOADS, may_go
from headgate_operator.render.world import RenderedObject, RepoKey
from headgate_operator.status.observation import PodView, split_tracks

ROUTE = "HTTPRoute"
GUARDED = frozenset({"Deployment", "Service", "ConfigMap", "PodDisruptionBudget"})
LOOK_SECONDS = 10.0
"""Between two looks at the credentials of a canary that runs: Secrets are not watched."""


class TrafficGuard:
    """Guards the requests of one fleet; remembers only when it looked last."""

    def __init__(
        self, store: Store, cluster: Cluster, applier: Applier, clock: Clock, holders: Holders, fleet: FleetKey
    ) -> None:
        self._store = store
        self._holders = holders
        self._cluster = cluster
        self._applier = applier
        self._clock = clock
        self._fleet = fleet
        self._looked: dict[str, float] = {}
        """By canary: when its Secret was last seen in the cluster."""

    async def look_at_secrets(self, objects: Iterable[RenderedObject]) -> None:
        """Notice credentials of canaries that somebody deleted, so that apply makes them anew. Raises NotLeaderError only."""
        wanted = {each.name for each in objects if each.kind == "Secret" and _is_canary(each.manifest)}
        self._looked = {name: at for name, at in self._looked.items() if name in wanted}
        for name in sorted(wanted):
            child, now = self._store.child(("Secret", self._fleet[0], name)), self._clock()
            if child is None or now - self._looked.setdefault(name, now) < LOOK_SECONDS:
                continue
            self._looked[name] = now
            try:
                await self._cluster.get(_secret(self._fleet, name))
            except NotLeaderError:
                raise
            except NotFoundError:
                self._drop(child)
            except ClusterError:
                continue  # the next look tells

    def passable(self, objects: Iterable[RenderedObject], failures: Iterable[Failure]) -> list[RenderedObject]:
        """These routes without those that would give more weight to a Service of which something could not be written."""
        broken = {failure.key[2] for failure in failures if failure.key[0] != ROUTE}
        return [each for each in objects if not broken or not self._raises(each, broken)]

    def _raises(self, route: RenderedObject, broken: set[str]) -> bool:
        wanted = weights_in(route.manifest)
        live = self._live_weights(route.key)
        return any(
            weight > live.get(service, 0)
            for service, weight in wanted.items()
            # What goes back to the stable gateways always may.
            if service != gateway_name(self._fleet[1]) and any(_belongs(name, (service,)) for name in broken)
        )

    def _live_weights(self, route: ObjectKey) -> dict[str, int]:
        child = self._store.child(route)
        return weights_in(json.loads(child.content)) if child is not None else {}

    async def prune(self, objects: Sequence[RenderedObject], unrendered: Collection[RepoKey] = ()) -> ApplyResult:
        """Delete what is no longer wanted: routes first, then what none of them names. Raises NotLeaderError only.

        `unrendered`: repos whose canary stays although it is not among the objects, until its rollout has gone back.
        """
        routes = await self._applier.prune(self._fleet, objects, lambda child: child.kind == ROUTE)
        spared = self._named(objects, unrendered)
        failures = await self._remove_secrets({each.key for each in objects} | spared)
        # While its Secret is there the Deployment stays: nobody else would know of it.
        names = [failure.key[2] for failure in failures]
        spared |= {each.key for each in self._store.children_of(self._fleet) if names and _belongs(each.name, names)}
        others = await self._applier.prune(
            self._fleet, objects, lambda child: child.kind != ROUTE and child.key not in spared
        )
        return ApplyResult(
            deleted=[*routes.deleted, *others.deleted],
            failures=[*routes.failures, *failures, *others.failures],
        )

    def _named(self, objects: Sequence[RenderedObject], unrendered: Collection[RepoKey]) -> set[ObjectKey]:
        """What no plan wants and a live route still sends requests to: its own could not be written, or not yet. And
        what gateways that hold events need."""
        desired = {each.key for each in objects}
        found = self._former(desired)
        for child in self._store.children_of(self._fleet):
            if child.kind not in GUARDED or child.key in desired or child.name.endswith(STATE_SUFFIX):
                continue
            labels = json.loads(child.content)["metadata"].get("labels") or {}
            if labels.get(LABEL_TRACK) == TRACK_CANARY and (_repo_in(labels) in unrendered or self._is_needed(labels)):
                found.add(child.key)
        return found

    def _former(self, desired: Collection[ObjectKey]) -> set[ObjectKey]:
        """The stable gateways of another kind of workload, until the wanted ones have taken over."""
        keys = ((kind, self._fleet[0], gateway_name(self._fleet[1])) for kind in WORKLOADS)
        found = (self._store.child(key) for key in keys if key not in desired)
        return {each.key for each in found if each is not None and not may_go(self._store, self._holders, each)}

    def _is_needed(self, labels: Mapping[str, str]) -> bool:
        return self._has_weight(labels) or self._holders.any_holds(self._pods(labels))

    def _pods(self, labels: Mapping[str, str]) -> tuple[PodView, ...]:
        """Those of the canary, or the new image, that an object with these labels belongs to."""
        tracks = split_tracks(self._store.pods_of(self._fleet))
        return tracks.upgrade if LABEL_UPGRADE in labels else tracks.of(_repo_in(labels))

    def _has_weight(self, labels: Mapping[str, str]) -> bool:
        if LABEL_UPGRADE in labels:
            service = upgrade_name(self._fleet[1])
            routes = [each.key for each in self._store.children_of(self._fleet) if each.kind == ROUTE]
            return any(self._live_weights(route).get(service, 0) > 0 for route in routes)
        repo = _repo_in(labels)
        route = ROUTE, self._fleet[0], route_name(self._fleet[1], *repo)
        return self._live_weights(route).get(canary_name(self._fleet[1], *repo), 0) > 0

    async def _remove_secrets(self, staying: set[ObjectKey]) -> list[Failure]:
        """Delete the credentials of canaries that are to go, while their Deployments still tell of them."""
        failures: list[Failure] = []
        for child in self._store.children_of(self._fleet):
            ours = child.kind == "Deployment" and child.track == TRACK_CANARY and child.owner == self._fleet[1]
            if not ours or child.key in staying or child.name == upgrade_name(self._fleet[1]):
                continue  # an upgrade has no Secret of its own
            try:
                await self._remove_secret(child.name)
            except NotLeaderError:
                raise
            except ClusterError as error:
                key = "Secret", self._fleet[0], child.name
                failures.append(Failure(key, "delete", str(error), error.retryable))
        return failures

    async def _remove_secret(self, name: str) -> None:
        """Raises ClusterError. One that this manager did not make for a canary of this fleet is left alone."""
        ref, child = _secret(self._fleet, name), self._store.child(("Secret", self._fleet[0], name))
        try:
            found = await self._cluster.get(ref)
            if not _is_ours(found["metadata"], self._fleet[1]):
                return
            await self._cluster.delete(ref, found["metadata"]["uid"])
        except NotFoundError:
            pass
        if child is not None:
            self._drop(child)

    def _drop(self, child: ChildRecord) -> None:
        self._store.remove(child.kind, child.namespace, child.name, child.uid, child.version)


def _repo_in(labels: Mapping[str, str]) -> RepoKey:
    return labels.get(LABEL_REPO_NAMESPACE, ""), labels.get(LABEL_REPO, "")


def _is_canary(manifest: Mapping[str, Any]) -> bool:
    return (manifest["metadata"].get("labels") or {}).get(LABEL_TRACK) == TRACK_CANARY


def _is_ours(metadata: Mapping[str, Any], fleet: str) -> bool:
    applied = ANNOTATION_APPLIED in (metadata.get("annotations") or {})
    return applied and owner_of(metadata) == fleet and _is_canary({"metadata": metadata})


def _secret(fleet: FleetKey, name: str) -> ObjectRef:
    return ObjectRef("v1", "Secret", fleet[0], name)


def _belongs(name: str, canaries: Iterable[str]) -> bool:
    """Whether an object is of one of these canaries, by its name: ConfigMaps have a hash behind the canary's."""
    return any(name == canary or name.startswith(f"{canary}-") for canary in canaries)
