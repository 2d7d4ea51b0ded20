"""Writes statuses through the status subresource, only where they differ, and queues the Events of their transitions.

Never touches spec or metadata. Called by the reconcilers with what `status` has built.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from headgate_operator.api.names import API_VERSION
from headgate_operator.metrics import Metrics
from headgate_operator.ports import Cluster, ClusterError, NotFoundError, NotLeaderError, ObjectRef
from headgate_operator.reconcile.bounded import for_each
from headgate_operator.reconcile.events import EventPoster
from headgate_operator.reconcile.records import ResourceRecord, digest_of
from headgate_operator.reconcile.store import Store
from headgate_operator.render.canonical import canonical_json
from headgate_operator.status.conditions import build_status_patch
from headgate_operator.status.transitions import EventNote, fleet_notes, profile_notes, repo_notes

IN_FLIGHT = 20

_NOTES = {"EventRepo": repo_notes, "GatewayFleet": fleet_notes, "KafkaProducerProfile": profile_notes}


@dataclass(frozen=True, slots=True)
class _Written:
    uid: str
    desired: str
    live: str


class Publisher:
    """Writes statuses; remembers what it wrote."""

    def __init__(self, cluster: Cluster, store: Store, metrics: Metrics, events: EventPoster) -> None:
        self._cluster = cluster
        self._store = store
        self._metrics = metrics
        self._events = events
        self._written: dict[tuple[str, str, str], _Written] = {}

    async def publish(self, statuses: Iterable[tuple[ResourceRecord, Mapping[str, Any]]]) -> bool:
        """Write the statuses that differ; answers whether all is as it should be. Raises NotLeaderError only."""
        changed = [(record, status) for record, status in statuses if self._differs(record, status)]
        written: list[bool] = []

        async def write(each: tuple[ResourceRecord, Mapping[str, Any]]) -> None:
            written.append(await self._write(*each))

        await for_each(changed, IN_FLIGHT, write)
        return all(written)

    def note(self, record: ResourceRecord, note: EventNote) -> None:
        """Have one Event written on a resource."""
        self._events.post(record, note)

    def sweep(self) -> None:
        """Drop what is remembered of resources that are gone."""
        for kind, namespace, name in list(self._written):
            if self._store.resource(kind, (namespace, name)) is None:
                del self._written[kind, namespace, name]

    @property
    def remembered(self) -> int:
        """How many resources it remembers a write of."""
        return len(self._written)

    def _differs(self, record: ResourceRecord, status: Mapping[str, Any]) -> bool:
        if self._store.is_leaving(record.namespace):
            return False  # nobody will read it, and thousands would be told that their fleet went first
        content = canonical_json(status)
        if content == record.status:
            return False
        # A CRD of another version may drop a field: what was written once is not written for ever.
        return self._written.get((record.kind, *record.key)) != _Written(
            record.uid, digest_of(content), digest_of(record.status)
        )

    async def _write(self, record: ResourceRecord, status: Mapping[str, Any]) -> bool:
        ref = ObjectRef(API_VERSION, record.kind, record.namespace, record.name)
        live = json.loads(record.status)
        # The uid makes the API server refuse where the resource was deleted and created anew.
        patch = {"metadata": {"uid": record.uid}, "status": build_status_patch(live, status)}
        try:
            answer = await self._cluster.patch(ref, patch, "status")
        except NotLeaderError:
            raise
        except NotFoundError:
            return True
        except ClusterError as error:
            self._metrics.write_errors.labels("status", record.kind).inc()
            return not error.retryable
        self._metrics.writes.labels("status", record.kind).inc()
        self._remember(record, status, answer)
        for note in _NOTES[record.kind](live, status):
            self._events.post(record, note)
        return True

    def _remember(self, record: ResourceRecord, status: Mapping[str, Any], answer: dict[str, Any]) -> None:
        answer.setdefault("apiVersion", API_VERSION)
        answer.setdefault("kind", record.kind)
        self._store.upsert(answer)
        stored = canonical_json(answer.get("status") or {})
        self._written[(record.kind, *record.key)] = _Written(
            record.uid, digest_of(canonical_json(status)), digest_of(stored)
        )
