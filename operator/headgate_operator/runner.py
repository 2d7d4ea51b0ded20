"""Drives the reconcilers: queue, leadership, resync, slow polls, health. Decides nothing about fleets.

Assembled by the composition root from parts that know each other only by small interfaces.
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass

from headgate_operator.adapters.gateways import GatewayPoller
from headgate_operator.adapters.lease import Lease
from headgate_operator.api.fleet import GatewayFleet
from headgate_operator.metrics import Metrics
from headgate_operator.ports import Clock, ClusterError, NotLeaderError
from headgate_operator.reconcile.fleet import FleetReconciler
from headgate_operator.reconcile.gather import Gatherer
from headgate_operator.reconcile.passes import Outcome
from headgate_operator.reconcile.profiles import ProfileLedger
from headgate_operator.reconcile.publish import Publisher
from headgate_operator.reconcile.queue import WorkQueue
from headgate_operator.reconcile.relist import Relister
from headgate_operator.reconcile.secrets import SecretReader
from headgate_operator.reconcile.store import FleetKey, Store
from headgate_operator.reconcile.watchdog import Watchdog
from headgate_operator.render.accept import fleet_not_found

WORKERS = 8
"""Fleets reconciled at a time."""

SETTLE_SECONDS = 15.0
"""After its first listing a replica lists again: kopf's watches may have begun only after something was deleted."""

logger = logging.getLogger("headgate.runner")


@dataclass(frozen=True)
class Machinery:
    """What the runner drives."""

    store: Store
    queue: WorkQueue[FleetKey]
    fleets: FleetReconciler
    profiles: ProfileLedger
    publisher: Publisher
    gatherer: Gatherer
    secrets: SecretReader
    poller: GatewayPoller
    relister: Relister
    watchdog: Watchdog
    lease: Lease
    metrics: Metrics
    clock: Clock
    now: Callable[[], str]
    resync: float
    secret_poll: float


class Runner:
    """Follows while another replica leads, and acts while this one does."""

    def __init__(self, machinery: Machinery) -> None:
        self._parts = machinery
        self._acting = False
        self._listed = False
        self._relist_wanted = asyncio.Event()

    # Leadership.

    async def on_leadership(self, leads: bool) -> None:
        """Begin to act, or stop. Hears each change from the lease."""
        logger.info("this replica leads" if leads else "this replica follows")
        self._acting = False
        self._parts.metrics.leader.set(leads)
        if leads:
            self._relist_wanted.set()
        else:
            self._parts.queue.clear()
            self._parts.metrics.drop_all_fleets(self._parts.metrics.fleets)

    @property
    def acting(self) -> bool:
        """Whether this replica leads and has listed the world since it began to."""
        return self._acting and self._parts.lease.leads

    # Loops; each runs until cancelled.

    async def keep_listing(self) -> None:
        """List the world at start, on taking the lease, soon after, and every resync; then reconcile everything."""
        delay, pause = 0.0, SETTLE_SECONDS
        while True:
            if await self._wait_for_turn(delay):
                pause = SETTLE_SECONDS
            try:
                await self._parts.relister.relist()
            except ClusterError as error:
                logger.warning("cannot list: %s", error)
                delay = 1.0 if error.retryable else 10.0
                self._relist_wanted.clear()
                continue
            self._begin()
            delay, pause = pause, self._parts.resync

    async def _wait_for_turn(self, delay: float) -> bool:
        try:
            async with asyncio.timeout(delay):
                await self._relist_wanted.wait()
        except TimeoutError:
            return False
        self._relist_wanted.clear()
        return True

    def _begin(self) -> None:
        self._listed = True
        if self._parts.lease.leads and not self._relist_wanted.is_set():
            self._acting = True
            self._parts.publisher.sweep()
            for key in sorted(self._parts.store.fleet_keys()):
                self._parts.queue.add(key)

    async def keep_working(self) -> None:
        """Work off the queue."""
        await self._parts.queue.run(self._work, WORKERS)

    async def keep_polling_secrets(self) -> None:
        """Look at Secrets by name: those that profiles and repos name, and our own, which nobody watches."""
        while True:
            await asyncio.sleep(self._parts.secret_poll)
            if not self.acting:
                continue
            await self._parts.secrets.poll()
            for record in self._parts.store.resources(GatewayFleet.KIND):
                try:
                    await self._parts.gatherer.read_credentials(record.key)
                except ClusterError as error:
                    logger.debug("cannot read the credentials of %s/%s: %s", *record.key, error)

    async def keep_measuring(self) -> None:
        """Keep the gauges that nobody else sets."""
        while True:
            self._parts.metrics.queue_depth.set(self._parts.queue.depth)
            self._parts.metrics.queue_age.set(self._parts.queue.oldest_age)
            await asyncio.sleep(1.0)

    # Work.

    async def _work(self, key: FleetKey) -> bool:
        if not self.acting:
            return True
        begun = self._parts.clock()
        try:
            outcome = await self._reconcile(key)
        except NotLeaderError:
            return True  # whoever leads now does it
        except ClusterError as error:
            logger.warning("reconcile of %s/%s: %s", *key, error)
            outcome = Outcome(succeeded=False)
        except Exception:
            # The one broad save of reconciling: a bug that one fleet hits must not stop the others. It is retried with
            # backoff, logged with its trace, and counted.
            logger.exception("reconcile of %s/%s failed unexpectedly", *key)
            outcome = Outcome(succeeded=False)
        self._parts.poller.hurry(key, outcome.awaiting)
        if outcome.again is not None:
            self._parts.queue.add_later(key, outcome.again)
        result = "success" if outcome.succeeded else "retry"
        self._parts.metrics.reconcile_seconds.labels(result).observe(self._parts.clock() - begun)
        return outcome.succeeded

    async def _reconcile(self, key: FleetKey) -> Outcome:
        if key == ("", ""):
            return Outcome(await self._parts.fleets.publish_unserved(None, fleet_not_found(None)))
        if not key[1]:
            return Outcome(await self._parts.profiles.reconcile(key[0], self._parts.now()))
        return await self._parts.fleets.reconcile(key)

    # Health.

    def live(self) -> str:
        """What is wrong enough for a restart: a watch that died without a word."""
        stale = self._parts.watchdog.stale(self._parts.lease.reached_since)
        return f"no life in the watch of {', '.join(stale)}" if stale else ""

    def ready(self) -> str:
        """What is missing before this replica could act: followers are ready too."""
        if self._parts.lease.reached_since is None:
            return "the API server does not answer"
        return "" if self._listed else "the world has not been listed yet"
