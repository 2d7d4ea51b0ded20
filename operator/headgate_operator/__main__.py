"""`headgate-operator`: the composition root. Builds the parts, runs kopf beside them, stops gracefully. Decides nothing."""

import asyncio
import logging
import os
import random
import signal
import sys
import time
from collections.abc import Coroutine, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

import kopf
import uvloop

from headgate_operator.adapters.cluster import ApiServer, connect, default_kubeconfig
from headgate_operator.adapters.counters import CounterPoller
from headgate_operator.adapters.gateways import GatewayPoller, PollTiming
from headgate_operator.adapters.guard import GuardedCluster
from headgate_operator.adapters.http import start_server
from headgate_operator.adapters.lease import Lease, LeaseTiming
from headgate_operator.adapters.prometheus import PrometheusReader
from headgate_operator.handlers import build_registry, build_settings
from headgate_operator.logs import set_up_logging
from headgate_operator.metrics import Metrics
from headgate_operator.ports import ClusterError, ObjectRef
from headgate_operator.reconcile.apply import Applier
from headgate_operator.reconcile.events import BURST, RATE, EventPoster, TokenBucket
from headgate_operator.reconcile.fleet import FleetReconciler
from headgate_operator.reconcile.gather import Gatherer
from headgate_operator.reconcile.hashing import PasswordHashing
from headgate_operator.reconcile.holders import Holders
from headgate_operator.reconcile.holds import HoldTiming
from headgate_operator.reconcile.nudge import Nudger
from headgate_operator.reconcile.passes import Parts
from headgate_operator.reconcile.profiles import ProfileLedger
from headgate_operator.reconcile.publish import Publisher
from headgate_operator.reconcile.queries import QueryBoard
from headgate_operator.reconcile.queue import QueueTiming, WorkQueue
from headgate_operator.reconcile.relist import Relister
from headgate_operator.reconcile.rollouts import RolloutParts
from headgate_operator.reconcile.secrets import SecretReader
from headgate_operator.reconcile.sights import Eyes
from headgate_operator.reconcile.store import FleetKey, Store
from headgate_operator.reconcile.watchdog import Watchdog
from headgate_operator.render.template_files import load_templates
from headgate_operator.render.templates import TemplateError, Templates
from headgate_operator.runner import Machinery, Runner
from headgate_operator.settings import Settings, parse_settings

STOP_SECONDS = 5.0
"""How long work under way may take to end once a stop is asked for."""

logger = logging.getLogger("headgate.operator")


def _utc_now() -> datetime:
    return datetime.now(UTC)


def _timestamp() -> str:
    return _utc_now().strftime("%Y-%m-%dT%H:%M:%SZ")


def _build_prometheus(settings: Settings) -> PrometheusReader | None:
    if not settings.prometheus_url:
        return None
    return PrometheusReader(
        settings.prometheus_url,
        token_file=settings.prometheus_token_file,
        ca_file=settings.prometheus_ca_file,
        timeout=settings.prometheus_timeout,
    )


class Operator:
    """All parts of one process, wired."""

    def __init__(self, settings: Settings, api: ApiServer, templates: Templates) -> None:
        clock, self.settings = time.monotonic, settings
        self.api, self.metrics = api, Metrics()
        self.lease = Lease(
            api,
            ObjectRef("coordination.k8s.io/v1", "Lease", settings.lease_namespace, settings.lease_name),
            settings.identity,
            LeaseTiming(settings.lease_duration, settings.lease_renew_deadline, settings.lease_retry),
            clock,
            _utc_now,
        )
        cluster = GuardedCluster(api, self.lease.remaining)
        # Jitter needs no cryptography.
        queue: WorkQueue[FleetKey] = WorkQueue(clock, random.random, QueueTiming())
        self.store = store = Store(settings.default_fleet, queue.add)
        self.watchdog = Watchdog(clock)
        self.events = EventPoster(cluster, self.metrics, _utc_now, settings.identity, TokenBucket(clock, BURST, RATE))
        publisher = Publisher(cluster, store, self.metrics, self.events)
        profiles = ProfileLedger(store, publisher, queue.add)
        secrets = SecretReader(cluster, clock, queue.add)
        self.poller = GatewayPoller(store.pods, queue.add, clock, self.metrics, PollTiming())
        self.counters = CounterPoller(store.pods, queue.add, clock, self.metrics)
        gatherer = Gatherer(store, cluster, secrets, self.poller.report)
        applier, holders = Applier(cluster, store, self.metrics), Holders(self.poller.report, clock)
        self.prometheus = _build_prometheus(settings)
        self.queries = QueryBoard(self.prometheus.poll if self.prometheus is not None else None, time.time)
        self.hashing = PasswordHashing()
        parts = Parts(
            store=store,
            gatherer=gatherer,
            applier=applier,
            publisher=publisher,
            nudger=Nudger(cluster, clock),
            secrets=secrets,
            profiles=profiles,
            templates=templates,
            metrics=self.metrics,
            reports=self.poller.report,
            holders=holders,
            now=_timestamp,
            clock=clock,
            holding=HoldTiming(),
            rollouts=RolloutParts(
                store=store,
                cluster=cluster,
                applier=applier,
                eyes=Eyes(store, self.poller.report, holders, self.counters.counted, clock),
                templates=templates,
                queries=self.queries.read,
                now=time.time,
            ),
            hashing=self.hashing,
            watch=self.counters.watch,
        )
        self.runner = Runner(
            Machinery(
                store=store,
                queue=queue,
                fleets=FleetReconciler(parts),
                profiles=profiles,
                publisher=publisher,
                gatherer=gatherer,
                secrets=secrets,
                poller=self.poller,
                relister=Relister(cluster, store, self.watchdog, self.metrics, settings.namespaces),
                watchdog=self.watchdog,
                lease=self.lease,
                metrics=self.metrics,
                clock=clock,
                now=_timestamp,
                resync=settings.resync,
                secret_poll=settings.secret_poll,
            )
        )

    def loops(self) -> dict[str, Coroutine[Any, Any, None]]:
        """Everything that runs beside kopf, by name."""
        runner = self.runner
        return {
            "lease": self.lease.run(runner.on_leadership),
            "listing": runner.keep_listing(),
            "work": runner.keep_working(),
            "secrets": runner.keep_polling_secrets(),
            "gauges": runner.keep_measuring(),
            "gateways": self.poller.run(lambda: runner.acting),
            "counters": self.counters.run(lambda: runner.acting),
            "queries": self.queries.run(lambda: runner.acting),
            "events": self.events.run(),
        }

    async def watch(self, stop: asyncio.Event) -> None:
        """Run kopf until it is told to stop."""
        everywhere = not self.settings.namespaces
        registry = build_registry(self.store, self.watchdog, self.settings.kubeconfig, cluster_wide=everywhere)
        await kopf.operator(
            registry=registry,
            settings=build_settings(cluster_wide=everywhere),
            clusterwide=everywhere,
            namespaces=list(self.settings.namespaces),
            standalone=True,
            # Left to itself, kopf asks for the name of the user, and an arbitrary user id has none.
            identity=self.settings.identity,  # type: ignore[arg-type]  # a str by a name that kopf does not export
            stop_flag=stop,
        )


async def run(settings: Settings, stop: asyncio.Event) -> int:
    """Run until `stop`, or until a part dies. Answers the exit code."""
    # A template that does not compile is a mistake of deployment: say so before anything is touched.
    api, templates = await connect(settings.kubeconfig, version("headgate")), load_templates(*settings.templates)
    operator = Operator(settings, api, templates)
    server = await start_server(
        settings.metrics_port, operator.metrics.registry, operator.runner.live, operator.runner.ready
    )
    kopf_stop = asyncio.Event()
    tasks = {asyncio.create_task(loop, name=name) for name, loop in operator.loops().items()}
    tasks.add(asyncio.create_task(operator.watch(kopf_stop), name="kopf"))
    waiter = asyncio.create_task(stop.wait(), name="stop")
    _handle_signals(stop)
    try:
        await asyncio.wait({*tasks, waiter}, return_when=asyncio.FIRST_COMPLETED)
        return _report({task for task in tasks if task.done()})
    finally:
        kopf_stop.set()
        await _stop(tasks, operator.lease)
        waiter.cancel()
        operator.hashing.close()
        await server.cleanup()
        if operator.prometheus is not None:
            await operator.prometheus.close()
        await api.close()


def _handle_signals(stop: asyncio.Event) -> None:
    loop = asyncio.get_running_loop()

    def install() -> None:
        for each in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(each, stop.set)

    install()
    # kopf installs handlers of its own as it starts; ours come back, since the lease has to be released first.
    loop.call_later(2.0, install)


async def _stop(tasks: set[asyncio.Task[None]], lease: Lease) -> None:
    by_name = {task.get_name(): task for task in tasks}
    # No new work, no renewal; then the lease is free for a follower, and kopf's watches may take their time.
    for name, task in by_name.items():
        if name != "kopf":
            task.cancel()
    await asyncio.wait([task for name, task in by_name.items() if name != "kopf"], timeout=STOP_SECONDS)
    await lease.release()
    _, late = await asyncio.wait([by_name["kopf"]], timeout=STOP_SECONDS)
    for task in late:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _report(done: set[asyncio.Task[None]]) -> int:
    """A part that ends by itself is a failure: the process ends, and Kubernetes starts a new one."""
    for task in done:
        error = None if task.cancelled() else task.exception()
        logger.error("%s has ended unexpectedly", task.get_name(), exc_info=error)
    return 1 if done else 0


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point of `headgate-operator`."""
    settings = parse_settings(sys.argv[1:] if arguments is None else arguments, os.environ)
    set_up_logging(settings.log_format, settings.log_level)
    settings = replace(settings, kubeconfig=settings.kubeconfig or default_kubeconfig(os.environ))
    if settings.kubeconfig is not None:
        os.environ["KUBECONFIG"] = settings.kubeconfig  # where kopf looks for it
    try:
        sys.exit(uvloop.run(_run_until_signalled(settings)))
    except (ClusterError, TemplateError, OSError) as error:
        logger.error("%s", error)
        sys.exit(1)


async def _run_until_signalled(settings: Settings) -> int:
    return await run(settings, asyncio.Event())


if __name__ == "__main__":
    main()
