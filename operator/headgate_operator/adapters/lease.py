"""Who acts: leadership by a coordination.k8s.io Lease. Knows nothing of fleets; the composition root reacts to it.

    follower --(lease free, released, or unchanged for its duration)--> leader
    leader   --(renewed within the deadline)--> leader
    leader   --(deadline passed, or somebody else holds it)--> follower
    leader   --(shutdown)--> released: a follower takes over at its next look

All intervals are measured on this process's monotonic clock; times in the Lease are for people.
"""

import asyncio
import math
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from headgate_operator.ports import Clock, ClusterError, NotFoundError, ObjectRef


@dataclass(frozen=True, slots=True)
class LeaseTiming:
    """Seconds."""

    duration: float = 15.0
    """How long a lease that is not renewed keeps others away."""
    renew_deadline: float = 10.0
    """How long after its last renewal a leader still writes."""
    retry: float = 2.0
    """Between looks at the lease, and between renewals."""


class LeaseApi(Protocol):
    """The requests that a lease needs. All raise ClusterError."""

    async def get(self, ref: ObjectRef) -> dict[str, Any]:
        """Read it."""
        ...

    async def create(self, ref: ObjectRef, manifest: Mapping[str, Any]) -> dict[str, Any]:
        """Create it."""
        ...

    async def replace(self, ref: ObjectRef, manifest: Mapping[str, Any]) -> dict[str, Any]:
        """Replace it over its resourceVersion."""
        ...


class Lease:
    """One replica's view of the lease, and its part in it."""

    def __init__(
        self,
        api: LeaseApi,
        ref: ObjectRef,
        identity: str,
        timing: LeaseTiming,
        clock: Clock,
        now: Callable[[], datetime],
    ) -> None:
        self._api = api
        self._ref = ref
        self._identity = identity
        self._timing = timing
        self._clock = clock
        self._now = now
        self._renewed_at: float | None = None
        self._term = 0
        self._seen: tuple[str, float] | None = None
        self.reached_since: float | None = None
        """Since when the API server has answered without a gap; None while it does not."""

    def remaining(self) -> float:
        """Seconds for which this replica may still write; 0 where it does not lead."""
        if self._renewed_at is None:
            return 0.0
        return max(0.0, self._renewed_at + self._timing.renew_deadline - self._clock())

    @property
    def leads(self) -> bool:
        """Whether this replica acts."""
        return self.remaining() > 0

    async def run(self, on_change: Callable[[bool], Awaitable[None]]) -> None:
        """Follow, lead, follow, … until cancelled; `on_change` hears each change, with whether this replica leads.

        A lease that ran out and was taken again within one look is two changes: what was refused meanwhile is to be
        done anew.
        """
        led = 0
        while True:
            await self.step()
            if led and led != self._current_term:
                await on_change(False)
                led = 0
            # Once more: hearing it takes time as well.
            if not led and (led := self._current_term):
                await on_change(True)
            await asyncio.sleep(min(self._timing.retry, self.remaining() or self._timing.retry))

    @property
    def _current_term(self) -> int:
        """Counts the times that this replica began to lead; 0 while it follows."""
        return self._term if self.leads else 0

    async def step(self) -> None:
        """One look at the lease: renew it, take it, or leave it to who holds it."""
        asked_at = self._clock()
        try:
            async with asyncio.timeout(self._timing.renew_deadline / 2):
                await self._look(asked_at)
        except (ClusterError, TimeoutError) as error:
            if not isinstance(error, ClusterError) or error.status == 0:
                self.reached_since = None
            return
        if self.reached_since is None:
            self.reached_since = self._clock()

    async def release(self) -> None:
        """Let go of a lease that is held, so that a follower need not wait for it to run out."""
        if self._renewed_at is None:
            return
        self._renewed_at = None
        try:
            async with asyncio.timeout(self._timing.retry):
                found = await self._api.get(self._ref)
                if found["spec"].get("holderIdentity") == self._identity:
                    await self._api.replace(self._ref, {**found, "spec": {**found["spec"], "holderIdentity": ""}})
        except (ClusterError, TimeoutError):
            return  # it runs out by itself

    async def _look(self, asked_at: float) -> None:
        try:
            found = await self._api.get(self._ref)
        except NotFoundError:
            await self._api.create(self._ref, self._manifest(None))
            self._hold(asked_at)
            return
        spec = found.get("spec") or {}
        if spec.get("holderIdentity") == self._identity or self._is_free(found, spec):
            await self._take(found, asked_at)
        else:
            self._renewed_at = None

    async def _take(self, found: Mapping[str, Any], asked_at: float) -> None:
        await self._api.replace(self._ref, self._manifest(found))
        self._hold(asked_at)
        self._seen = None

    def _hold(self, asked_at: float) -> None:
        if not self.leads:
            self._term += 1
        # Counted from before the request: whoever watches the lease starts counting later.
        self._renewed_at = asked_at

    def _is_free(self, found: Mapping[str, Any], spec: Mapping[str, Any]) -> bool:
        if not spec.get("holderIdentity"):
            return True
        version, now = found["metadata"]["resourceVersion"], self._clock()
        if self._seen is None or self._seen[0] != version:
            self._seen = version, now
            return False
        return now - self._seen[1] >= float(spec.get("leaseDurationSeconds") or self._timing.duration)

    def _manifest(self, found: Mapping[str, Any] | None) -> dict[str, Any]:
        now = self._now().strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        spec = dict(found.get("spec") or {}) if found is not None else {}
        changed = spec.get("holderIdentity") != self._identity
        metadata = (
            found["metadata"] if found is not None else {"name": self._ref.name, "namespace": self._ref.namespace}
        )
        return {
            "apiVersion": self._ref.api_version,
            "kind": self._ref.kind,
            "metadata": metadata,
            "spec": {
                "holderIdentity": self._identity,
                # Whole seconds only; never fewer than this replica relies on.
                "leaseDurationSeconds": math.ceil(self._timing.duration),
                "acquireTime": now if changed else spec.get("acquireTime", now),
                "renewTime": now,
                "leaseTransitions": int(spec.get("leaseTransitions") or 0) + int(changed and found is not None),
            },
        }
