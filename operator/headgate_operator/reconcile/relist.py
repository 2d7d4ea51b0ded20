"""Lists the world afresh: heals what a watch has missed, and fills the store before a leader acts. Writes nothing."""

import logging
from collections.abc import Sequence

from headgate_operator.api.repo import EventRepo
from headgate_operator.metrics import Metrics
from headgate_operator.ports import Cluster, ClusterError, NotFoundError, ObjectRef, RejectedError
from headgate_operator.reconcile.records import version_of
from headgate_operator.reconcile.store import Store
from headgate_operator.reconcile.watchdog import Watchdog
from headgate_operator.reconcile.watched import NAMESPACES, WATCHED, WatchedKind

FORBIDDEN = 403

logger = logging.getLogger("headgate.relist")


class Relister:
    """Makes the store agree with listings."""

    def __init__(
        self, cluster: Cluster, store: Store, watchdog: Watchdog, metrics: Metrics, namespaces: Sequence[str]
    ) -> None:
        self._cluster = cluster
        self._store = store
        self._watchdog = watchdog
        self._metrics = metrics
        self._namespaces = tuple(namespaces)

    async def relist(self) -> None:
        """List every kind. Raises ClusterError where a kind that must be there can be listed nowhere."""
        for kind in WATCHED:
            await self._relist_everywhere(kind)
        if self._namespaces:
            await self._read_namespaces()
        else:
            await self._relist_everywhere(NAMESPACES)

    async def _relist_everywhere(self, kind: WatchedKind) -> None:
        refused: dict[str, RejectedError] = {}
        for namespace in self._namespaces or ("",):
            try:
                newest = await self._relist_kind(kind, namespace or None)
            except RejectedError as error:
                if error.status != FORBIDDEN:
                    raise
                refused[namespace], newest = error, 0
            self._watchdog.expect((kind.kind, namespace), newest)
        if len(refused) == len(self._namespaces or ("",)):
            raise next(iter(refused.values()))
        # A namespace that takes its rights back, or is being deleted, must not hold up all others. What was known there
        # stays: to be refused a look is not to see that something has gone.
        for namespace, why in refused.items():
            logger.warning("cannot list %s in %s: %s", kind.plural, namespace, why)
        if kind.kind == EventRepo.KIND:
            self._store.unreadable = frozenset(refused)

    async def _relist_kind(self, kind: WatchedKind, namespace: str | None) -> int:
        # What was known before the listing began and is not in it is gone; what came in by the watch meanwhile is not.
        known = list(self._store.entries(kind.kind, namespace))
        try:
            seen = await self._take_in(kind, namespace)
        except NotFoundError:
            if not kind.optional:
                raise
            seen = {}
        except ClusterError:
            self._metrics.relists.labels(kind.kind, "failed").inc()
            raise
        self._metrics.relists.labels(kind.kind, "ok").inc()
        for where, name, uid, version in known:
            if uid not in seen:
                self._store.remove(kind.kind, where, name, uid, version)
        return max(seen.values(), default=0)

    async def _take_in(self, kind: WatchedKind, namespace: str | None) -> dict[str, int]:
        seen: dict[str, int] = {}
        async for manifest in self._cluster.list(kind.api_version, kind.kind, namespace, kind.selector):
            seen[manifest["metadata"]["uid"]] = version_of(manifest)
            self._store.upsert(manifest)
        return seen

    async def _read_namespaces(self) -> None:
        for name in self._namespaces:
            try:
                manifest = await self._cluster.get(ObjectRef("v1", "Namespace", "", name))
            except (NotFoundError, RejectedError):
                continue  # without the right to read its labels, a fleet's selector does not match it
            self._store.upsert({**manifest, "apiVersion": "v1", "kind": "Namespace"})
