"""The composition root: wires config, producers, ports and metrics together, and takes them down in order.

start: admin port --> spool --> first config --> traffic port
SIGTERM: not ready, answers close --> wait for routes --> no new connections --> finish requests --> spool --> flush --> end
"""

import asyncio
import gc
import logging
import secrets
import signal
import time
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from headgate_gateway import __version__
from headgate_gateway.admin.analysis import encode_report
from headgate_gateway.admin.metrics import Gauges, snapshot_metrics
from headgate_gateway.admin.pages import AdminPages
from headgate_gateway.admin.spool import remark, why_not_ready
from headgate_gateway.config.analysis import AnalysisReport
from headgate_gateway.config.grants import SPOOL_GRANTS_FILE, parse_grants
from headgate_gateway.config.shard import CONTRACT_VERSIONS
from headgate_gateway.config.status import GatewayStatus, MemoryStatus, SpoolStatus
from headgate_gateway.descriptors import allow_connections
from headgate_gateway.directory import ConfigDirectory
from headgate_gateway.http.admission import Budget
from headgate_gateway.http.analysis import RepoName
from headgate_gateway.http.counters import TrafficCounters
from headgate_gateway.http.ingest import Ingest
from headgate_gateway.http.router import Router, ServedRepo
from headgate_gateway.http.server import Server, Timeouts
from headgate_gateway.kafka.pool import ProducerPool
from headgate_gateway.kafka.preflights import Preflights
from headgate_gateway.kafka.supervise import supervise
from headgate_gateway.reload import Loader
from headgate_gateway.spool.adoption import Adoptions
from headgate_gateway.spool.disk import OsDisk
from headgate_gateway.spool.opening import open_once_there_is_room, status_without_room
from headgate_gateway.spool.report import SpoolMetrics
from headgate_gateway.spool.settings import SpoolSettings
from headgate_gateway.spool.spool import Spool

log = logging.getLogger("headgate.gateway")

LAST_WORDS_SECONDS = 1.0
"""Kept of the grace period for answers to those whom the end of it cuts off."""
SPOOL_SLACK_SECONDS = 1.5
"""Kept of it for the spool's last words, and the producers' after it."""
HURRIED_SPOOL_SECONDS = 2.0
"""For delivering what is on disk when somebody does not want to wait: the next process goes on with it."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What the command line says. Times in seconds."""

    config: Path
    host: str
    port: int
    admin_port: int
    buffer_bytes: int
    max_connections: int
    grace_period: float
    drain_delay: float
    keep_alive: float
    track: str
    spool: SpoolSettings | None = None
    """None: this gateway has no disk for events."""


class Gateway:
    """One process."""

    def __init__(self, settings: Settings, loop: asyncio.AbstractEventLoop) -> None:
        self._settings = settings
        self._loop = loop
        self._stop = asyncio.Event()
        self._hurry = asyncio.Event()
        self._draining = False
        self._asking: asyncio.Task[None] | None = None
        self._run_id, self._begun = secrets.token_hex(8), loop.time()
        self._traffic = TrafficCounters()
        self._budget = Budget(settings.buffer_bytes)
        self._pool = ProducerPool()
        self._spool: Spool | None = None
        self._no_room = ""
        """Why there is no spool yet: the disk is full, as far as it is not this gateway's."""
        self._adoptions: Adoptions | None = None
        self._preflights = Preflights(self._pool.serving) if settings.track == "canary" else None
        self._ingest = Ingest(self._budget, self._traffic, lambda: time.time_ns() // 1_000_000)
        self._loader = Loader(ConfigDirectory(settings.config), self._pool, self._traffic, self._swap)
        timeouts = Timeouts(keep_alive=settings.keep_alive)
        self._server = Server(self._ingest, timeouts, loop, allow_connections(settings.max_connections))
        pages = AdminPages(self.status, self._not_ready, self._metrics, self._analysis, self._remark, self._not_alive)
        self._admin = Server(pages, Timeouts(), loop)

    def _swap(self, router: Router) -> None:
        self._ingest.router = router
        if self._preflights is not None:
            served = {id(route.repo): route.repo.config for route in router.values()}
            self._preflights.look_at(served.values())

    async def run(self) -> None:
        """Serve until a signal says stop, then drain. Raises OSError when a port is taken."""
        self._loop.add_signal_handler(signal.SIGTERM, self._terminate)
        self._loop.add_signal_handler(signal.SIGINT, self._stop_soon)
        admin_port = await self._admin.start(self._settings.host, self._settings.admin_port)
        if self._settings.spool is not None:
            await self._open_spool(self._settings.spool)
        loading = self._loop.create_task(self._loader.run())
        loading.add_done_callback(self._loader_ended)
        if self._preflights is not None:
            self._asking = self._loop.create_task(supervise("preflights", self._preflights.run))
        log.info("admin port open", extra={"port": admin_port, "version": __version__})
        await _first_of(self._loader.first_load.wait(), self._stop.wait())
        # What a config is made of lives long: the collector need not look through it again and again.
        gc.collect()
        gc.freeze()
        if not self._stop.is_set():
            port = await self._server.start(self._settings.host, self._settings.port)
            log.info("traffic port open", extra={"port": port, "maxConnections": self._server.max_connections})
        await self._stop.wait()
        await self._drain(self._loop.time() + max(self._settings.grace_period - LAST_WORDS_SECONDS, 0.0))
        if loading.done():
            loading.result()  # raises what it died of, so that the exit code says so
        loading.cancel()

    async def _open_spool(self, settings: SpoolSettings) -> None:
        """Find out what an earlier process has left, and go on delivering it. Raises what `Spool.open` does."""
        begun = self._loop.time()
        spool = await open_once_there_is_room(partial(Spool.open, settings, self._pool), self._note_no_room, self._stop)
        if spool is None:
            return
        self._no_room = ""
        self._spool = self._loader.spool = spool
        spool.start()
        if settings.owner:
            self._adoptions = Adoptions(spool, settings, OsDisk(), self._read_grants, self._open_adopted)
            self._adoptions.start()
        status = spool.status()
        found = {"directory": settings.directory, "records": status.backlog_records, "parked": status.parked}
        seconds = round(self._loop.time() - begun, 3)
        log.info("spool open", extra={**found, "damaged": status.damaged, "seconds": seconds})

    def _note_no_room(self, problem: str) -> None:
        self._no_room = problem

    async def _open_adopted(self, settings: SpoolSettings) -> Spool:
        return await Spool.open(settings, self._pool)

    def _read_grants(self) -> Mapping[str, str]:
        """Which spools of pods that are gone this gateway is to take over. Blocks; raises OSError, ValueError."""
        try:
            return parse_grants((self._settings.config / SPOOL_GRANTS_FILE).read_bytes())
        except FileNotFoundError:
            return {}

    def _stop_soon(self) -> None:
        """SIGINT: somebody sits at the terminal, and no routes lead here."""
        self._hurry_up()
        self._stop.set()

    def _hurry_up(self) -> None:
        self._hurry.set()
        if self._spool is not None:
            self._spool.hurry(HURRIED_SPOOL_SECONDS)
        if self._adoptions is not None:
            self._adoptions.hurry(HURRIED_SPOOL_SECONDS)

    def _terminate(self) -> None:
        """SIGTERM; whoever sends a second one does not want to wait for routes either."""
        if self._stop.is_set():
            self._hurry_up()
        self._stop.set()

    def _loader_ended(self, task: "asyncio.Task[None]") -> None:
        """The loader ends only when cancelled; anything else is a defect, and a restart is better than stale config."""
        if not task.cancelled():
            log.critical("the config loader died", exc_info=task.exception())
            self._stop.set()

    async def _drain(self, until: float) -> None:
        self._draining = self._server.draining = True
        if self._asking is not None:
            self._asking.cancel()
        log.info("draining", extra={"connections": len(self._server.connections)})
        with suppress(TimeoutError):
            async with asyncio.timeout(min(self._settings.drain_delay, max(until - self._loop.time(), 0.0))):
                await self._hurry.wait()
        await self._server.stop_listening()
        # One client that never ends its request must not keep what others were told is in memory from being sent.
        for producer in self._pool.producers():
            producer.hurry()
        finished = await self._server.finish(max(until - self._loop.time(), 0.0))
        spooled = await self._close_spool(until)
        # What is left in the producers belongs to clients that have gone, or whose time is up.
        left = max(until - self._loop.time(), 0.0)
        with suppress(TimeoutError):
            async with asyncio.timeout(left + LAST_WORDS_SECONDS / 4):
                await self._pool.close(left)
        await self._server.finish(LAST_WORDS_SECONDS / 2)
        self._server.abort()
        self._admin.abort()
        log.info("stopped", extra={"finished": finished, "cut": not finished, "spooled": spooled})

    async def _close_spool(self, until: float) -> int:
        """Deliver what is on disk as far as time allows; the records that are left for the next process."""
        if self._spool is None:
            return 0
        seconds = max(until - self._loop.time() - SPOOL_SLACK_SECONDS, 0.0)
        if self._hurry.is_set():
            seconds = min(seconds, HURRIED_SPOOL_SECONDS)
        adopted = self._adoptions.close(seconds) if self._adoptions is not None else asyncio.sleep(0, 0)
        left = sum(await asyncio.gather(self._spool.close(seconds), adopted))
        if left:
            log.warning("records stay in the spool", extra={"records": left})
        return left

    # What the admin port shows

    def _not_ready(self) -> str | None:
        if self._draining:
            return "draining"
        if self._no_room:
            return f"SpoolFull: {self._no_room}"
        if not self._loader.loaded:
            return "no config has been loaded yet"
        spool = self._spool
        return None if spool is None else why_not_ready(spool.fenced, spool.refusal, self._repos())

    def _not_alive(self) -> str | None:
        """A process that somebody took for gone has no directory any more: the next one makes one."""
        spool = self._spool
        return f"SpoolFailed: {spool.fenced}" if spool is not None and spool.has_given_up else None

    def _remark(self) -> str | None:
        refusal = self._spool.refusal if self._spool is not None else None
        return None if refusal is None else remark(refusal, self._repos())

    def _repos(self) -> dict[str, ServedRepo]:
        return {route.repo.config.name: route.repo for route in self._ingest.router.values()}

    def status(self) -> GatewayStatus:
        """The body of `/status`."""
        loader = self._loader
        return GatewayStatus(
            version=__version__,
            track=self._settings.track,
            contract_versions=CONTRACT_VERSIONS,
            shards=loader.shard_hashes,
            credentials_hash=loader.credentials_hash,
            repos=loader.repos,
            refused=loader.refused,
            refused_shards=tuple(loader.refused_shards.values()),
            producers=tuple(self._pool.report()),
            preflights=self._preflights.reports() if self._preflights is not None else (),
            ready=self._not_ready() is None,
            draining=self._draining,
            memory=MemoryStatus(
                reserved_bytes=self._budget.reserved, limit_bytes=self._budget.limit, resident_bytes=resident_bytes()
            ),
            spool=self._spool_status(),
        )

    def _spool_status(self) -> SpoolStatus | None:
        own = self._spool.status() if self._spool is not None else None
        if self._no_room and self._settings.spool is not None:
            return status_without_room(self._settings.spool, self._no_room)
        return self._adoptions.status(own) if self._adoptions is not None and own is not None else own

    def _spool_metrics(self) -> SpoolMetrics | None:
        own = self._spool.metrics() if self._spool is not None else None
        return self._adoptions.metrics(own) if self._adoptions is not None and own is not None else own

    def _metrics(self) -> Callable[[], bytes]:
        gauges = Gauges(
            repos=self._loader.repos,
            repos_refused=len(self._loader.refused),
            shards_refused=len(self._loader.refused_shards),
            memory_reserved=self._budget.reserved,
            memory_limit=self._budget.limit,
            connections=len(self._server.connections),
            connections_limit=self._server.max_connections,
            connections_opened=self._server.connections_opened,
            connections_refused=self._server.connections_refused,
            draining=self._draining,
            revisions=self._loader.revisions,
        )
        snapshots = [producer.snapshot() for producer in self._pool.producers()]
        spool = self._spool_metrics()
        return snapshot_metrics(self._traffic, gauges, snapshots, self._settings.track, spool)

    async def _analysis(self, wanted: tuple[RepoName, ...] | None) -> bytes:
        counters = self._traffic.analysis
        report = AnalysisReport(
            track=self._settings.track,
            started=self._run_id,
            uptime_seconds=self._loop.time() - self._begun,
            requests=counters.answered,
        )
        return await encode_report(counters, report, wanted)


async def _first_of(*waits: Coroutine[Any, Any, Any]) -> None:
    tasks = [asyncio.ensure_future(wait) for wait in waits]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()


def resident_bytes() -> int:
    """The process's resident set; 0 where the system does not say (/proc is Linux's)."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * 4_096
    except (OSError, ValueError, IndexError):
        return 0
