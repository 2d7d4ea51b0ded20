"""The runner over real parts: leadership that comes back brings the dropped work back, and a later look is kept."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from tests.unit.reconcile.fakes import FakeCluster
from tests.unit.reconcile.fleetbed import KEY, Bed, fleet, profile, repo

from headgate_operator.adapters.gateways import GatewayPoller, PollTiming
from headgate_operator.adapters.lease import Lease, LeaseTiming
from headgate_operator.ports import ObjectRef
from headgate_operator.reconcile.queue import QueueTiming, WorkQueue
from headgate_operator.runner import Machinery, Runner

PATIENCE = 5.0
"""Seconds after which a test gives up."""


class LeaseCluster(FakeCluster):
    """The Lease of one replica alone."""

    async def replace(self, ref: ObjectRef, manifest: Mapping[str, Any]) -> dict[str, Any]:
        return self.put(manifest)


class Replica:
    """A runner with the parts of a Bed, on a clock that can be moved."""

    def __init__(self, bed: Bed) -> None:
        self.bed, self.skipped = bed, 0.0
        api = LeaseCluster()
        timing = LeaseTiming(duration=15.0, renew_deadline=10.0, retry=0.01)
        ref = ObjectRef("coordination.k8s.io/v1", "Lease", "ns", "headgate")
        self.lease = Lease(api, ref, "me", timing, self.clock, lambda: datetime(2026, 1, 1, tzinfo=UTC))
        self.queue: WorkQueue[tuple[str, str]] = WorkQueue(self.clock, lambda: 0.5, QueueTiming(coalesce=0.0))
        parts = bed.reconciler._parts
        self.runner = Runner(
            Machinery(
                store=bed.store,
                queue=self.queue,
                fleets=bed.reconciler,
                profiles=bed.profiles,
                publisher=bed.publisher,
                gatherer=parts.gatherer,
                secrets=parts.secrets,
                poller=GatewayPoller(bed.store.pods, self.queue.add, self.clock, bed.metrics, PollTiming()),
                relister=bed.relister,
                watchdog=bed.watchdog,
                lease=self.lease,
                metrics=bed.metrics,
                clock=self.clock,
                now=parts.now,
                resync=3_600.0,
                secret_poll=3_600.0,
            )
        )

    def clock(self) -> float:
        return asyncio.get_running_loop().time() + self.skipped

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        loops = (
            self.lease.run(self.runner.on_leadership),
            self.runner.keep_listing(),
            self.runner.keep_working(),
        )
        tasks = [asyncio.create_task(loop) for loop in loops]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


async def wait_until(check: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not check():  # noqa: ASYNC110 (many parts change what is looked at)
            await asyncio.sleep(0.01)


def accepted(bed: Bed, name: str) -> bool:
    return bed.conditions("EventRepo", name).get("Accepted") == ("True", "Accepted")


async def test_what_was_dropped_while_the_lease_had_run_out_is_done_once_it_is_held_again() -> None:
    bed = Bed()
    bed.put(fleet(), profile(), repo("access"))
    replica = Replica(bed)
    async with replica.running():
        await wait_until(lambda: accepted(bed, "access") and not replica.queue.depth)
        replica.skipped += 11  # the lease runs out between two renewals
        bed.put(repo("later"))
        bed.store.upsert(bed.cluster.objects["EventRepo", "events", "later"])
        assert not replica.runner.acting
        assert await replica.runner._work(KEY)  # a worker takes the notice and may not act on it
        await wait_until(lambda: accepted(bed, "later"))


async def test_a_gateway_that_lags_is_looked_at_again_though_nothing_happens() -> None:
    bed = Bed()
    bed.put(fleet(), profile(), repo("access"))
    await bed.reconcile()
    bed.load(bed.add_pod("pod-1"))
    bed.put(repo("access", topic="other"))
    replica = Replica(bed)
    async with replica.running():
        await wait_until(lambda: ("patch", "Pod", "pod-1") in bed.cluster.writes)
        await wait_until(lambda: 3 < (replica.queue.delay() or 0) <= 5)
