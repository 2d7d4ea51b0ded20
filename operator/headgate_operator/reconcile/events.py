"""Kubernetes Events on the users' resources: queued, written beside reconcile, given up rather than waited for."""

import asyncio
import logging
import secrets
from collections.abc import Callable
from datetime import datetime
from typing import Any

from headgate_operator.api.names import API_VERSION, FIELD_MANAGER
from headgate_operator.metrics import Metrics
from headgate_operator.ports import Cluster, ClusterError, ObjectRef
from headgate_operator.reconcile.records import ResourceRecord
from headgate_operator.status.transitions import EventNote

logger = logging.getLogger("headgate.events")

QUEUED = 2_000
"""Events that may wait; more are dropped and counted: conditions say the same."""

NOTE_LIMIT = 1_024
"""Bytes of a note: the API server's own bound."""

IN_FLIGHT = 4


class EventPoster:
    """Writes Events one after the other."""

    def __init__(self, cluster: Cluster, metrics: Metrics, now: Callable[[], datetime], instance: str) -> None:
        self._cluster = cluster
        self._metrics = metrics
        self._now = now
        self._instance = instance
        self._queue: asyncio.Queue[tuple[ObjectRef, dict[str, Any]]] = asyncio.Queue(QUEUED)

    def post(self, record: ResourceRecord, note: EventNote) -> None:
        """Have an Event written soon."""
        # A random suffix: names of Events must differ, also between replicas.
        name = f"{record.name[:230]}.{secrets.token_hex(8)}"
        ref = ObjectRef("events.k8s.io/v1", "Event", record.namespace, name)
        try:
            self._queue.put_nowait((ref, self._manifest(ref, record, note)))
        except asyncio.QueueFull:
            self._metrics.events.labels("dropped").inc()

    async def run(self) -> None:
        """Write what is queued, until cancelled."""
        async with asyncio.TaskGroup() as group:
            for _ in range(IN_FLIGHT):
                group.create_task(self._write())

    async def _write(self) -> None:
        while True:
            ref, manifest = await self._queue.get()
            try:
                await self._cluster.create(ref, manifest)
            except ClusterError as error:
                logger.debug("Event %s: %s", ref.name, error)
                self._metrics.events.labels("failed").inc()
            else:
                self._metrics.events.labels("written").inc()

    def _manifest(self, ref: ObjectRef, record: ResourceRecord, note: EventNote) -> dict[str, Any]:
        return {
            "apiVersion": ref.api_version,
            "kind": ref.kind,
            "metadata": {"name": ref.name, "namespace": ref.namespace},
            "eventTime": self._now().strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            "reportingController": FIELD_MANAGER,
            "reportingInstance": self._instance[:128],
            "action": "Reconcile",
            "type": note.type,
            "reason": note.reason[:128],
            "note": note.note.encode()[:NOTE_LIMIT].decode(errors="ignore"),
            "regarding": {
                "apiVersion": API_VERSION,
                "kind": record.kind,
                "namespace": record.namespace,
                "name": record.name,
                "uid": record.uid,
            },
        }
