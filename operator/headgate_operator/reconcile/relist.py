"""Lists the world afresh: heals what a watch has missed, and fills the store before a leader acts. Writes nothing."""

from collections.abc import Sequence

from headgate_operator.metrics import Metrics
from headgate_operator.ports import Cluster, ClusterError, NotFoundError, ObjectRef, RejectedError
from headgate_operator.reconcile.records import version_of
from headgate_operator.reconcile.store import Store
from headgate_operator.reconcile.watchdog import Watchdog
from headgate_operator.reconcile.watched import NAMESPACES, WATCHED, WatchedKind


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
        """List every kind. Raises ClusterError where a kind that must be there cannot be listed."""
        for kind in WATCHED:
            newest = [await self._relist_kind(kind, namespace) for namespace in self._namespaces or (None,)]
            self._watchdog.expect(kind.kind, max(newest))
        await self._relist_namespaces()

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

    async def _relist_namespaces(self) -> None:
        if not self._namespaces:
            async for manifest in self._cluster.list(NAMESPACES.api_version, NAMESPACES.kind, None, ""):
                self._store.upsert(manifest)
            return
        for name in self._namespaces:
            try:
                manifest = await self._cluster.get(ObjectRef("v1", "Namespace", "", name))
            except (NotFoundError, RejectedError):
                continue  # without the right to read its labels, a fleet's selector does not match it
            self._store.upsert({**manifest, "apiVersion": "v1", "kind": "Namespace"})
