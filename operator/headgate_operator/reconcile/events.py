"""Kubernetes Events on the users' resources: queued, written beside reconcile, given up rather than waited for."""

import asyncio
import itertools
import logging
import secrets
from collections.abc import Callable
from datetime import datetime
from typing import Any

from headgate_operator.api.names import API_VERSION, FIELD_MANAGER
from headgate_operator.metrics import Metrics
from headgate_operator.ports import Clock, Cluster, ClusterError, ObjectRef
from headgate_operator.reconcile.records import ResourceRecord
from headgate_operator.status.transitions import EventNote

logger = logging.getLogger("headgate.events")

QUEUED = 2_000
"""Events that may wait; more are dropped and counted: conditions say the same."""

BURST, RATE = 50, 10.0
"""Events that are written at once, and a second after that: thousands of repos must not wait for news of them."""

NOTE_LIMIT = 1_024
"""Bytes of a note: the API server's own bound."""

IN_FLIGHT = 4


_Queued = tuple[bool, int, ObjectRef, dict[str, Any]]
"""(is no warning, number, ...): what is smallest goes first."""


class TokenBucket:
    """Lets a burst pass, and a steady rate after it."""

    def __init__(self, clock: Clock, burst: int, rate: float) -> None:
        self._clock = clock
        self._burst = burst
        self._rate = rate
        self._tokens, self._filled = float(burst), clock()

    def take(self) -> float:
        """Takes one; answers in how many seconds it may be used."""
        now = self._clock()
        self._tokens = min(self._burst, self._tokens + (now - self._filled) * self._rate) - 1
        self._filled = now
        return max(0.0, -self._tokens / self._rate)


class EventPoster:
    """Writes Events, warnings before all else."""

    def __init__(
        self, cluster: Cluster, metrics: Metrics, now: Callable[[], datetime], instance: str, bucket: TokenBucket
    ) -> None:
        self._cluster = cluster
        self._metrics = metrics
        self._now = now
        self._instance = instance
        self._bucket = bucket
        self._queue: asyncio.PriorityQueue[_Queued] = asyncio.PriorityQueue(QUEUED)
        self._posted = itertools.count()

    def post(self, record: ResourceRecord, note: EventNote) -> None:
        """Have an Event written soon."""
        # A random suffix: names of Events must differ, also between replicas.
        name = f"{record.name[:230]}.{secrets.token_hex(8)}"
        ref = ObjectRef("events.k8s.io/v1", "Event", record.namespace, name)
        try:
            manifest = self._manifest(ref, record, note)
            self._queue.put_nowait((note.type != "Warning", next(self._posted), ref, manifest))
        except asyncio.QueueFull:
            self._metrics.events.labels("dropped").inc()

    async def run(self) -> None:
        """Write what is queued, until cancelled."""
        async with asyncio.TaskGroup() as group:
            for _ in range(IN_FLIGHT):
                group.create_task(self._write())

    async def _write(self) -> None:
        while True:
            await asyncio.sleep(self._bucket.take())
            _, _, ref, manifest = await self._queue.get()
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
