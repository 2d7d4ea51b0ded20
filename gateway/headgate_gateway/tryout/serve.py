"""`headgate dev`: the gateway's own server, loader and pipeline on localhost, telling of every request and record.

Records are acknowledged here, or go to a Kafka that somebody named, by the gateway's own producers. No admin port, no
drain: what routes and the operator need is not here.
"""

import asyncio
import logging
import signal
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass
from typing import Protocol

from headgate_gateway.config.producer import ProducerConfig
from headgate_gateway.config.shard import CONTRACT_VERSIONS
from headgate_gateway.config.status import RefusedRepo
from headgate_gateway.directory import ConfigFiles
from headgate_gateway.http.admission import Budget
from headgate_gateway.http.counters import TrafficCounters
from headgate_gateway.http.ingest import Ingest
from headgate_gateway.http.messages import Head, Response
from headgate_gateway.http.ports import Lease
from headgate_gateway.http.router import Router
from headgate_gateway.http.server import Server, Timeouts
from headgate_gateway.leases import ProducerSource
from headgate_gateway.reload import Loader
from headgate_gateway.tryout.overheard import Overheard
from headgate_gateway.tryout.producer import LocalProducers
from headgate_gateway.tryout.record import Record, unfold

BUDGET_BYTES = 256 * 2**20
FINISH_SECONDS = 5.0
"""How long requests may still take once somebody has pressed Ctrl-C."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What the command line says."""

    host: str
    port: int
    kafka: str | None
    """host:port; None: records are told, and go nowhere."""


@dataclass(frozen=True, slots=True)
class Entries:
    """Repos as the operator would give them to a gateway."""

    repos: tuple[bytes, ...]
    """Canonical JSON of each entry."""
    credentials: Mapping[str, bytes]
    """Content of the files that they name."""


class Source(Protocol):
    """Where entries come from."""

    def version(self) -> object:
        """Something that changes when they may have. Raises OSError when that cannot be told."""
        ...

    def read(self) -> Entries:
        """What they are now; the last good ones where the new ones are not."""
        ...


class Teller(Protocol):
    """Tells people what happens."""

    def listening(self, url: str) -> None:
        """Requests are taken."""
        ...

    def serving(self, paths: Mapping[str, str], refused: tuple[RefusedRepo, ...]) -> None:
        """What is served from now on: repos by path."""
        ...

    def request(self, head: Head, answer: Response) -> None:
        """A request was answered."""
        ...

    def record(self, record: Record) -> None:
        """A record would go to Kafka."""
        ...


class _Files:
    """Entries as the files that a loader reads."""

    def __init__(self, source: Source) -> None:
        self._source = source

    def version(self) -> object:
        return self._source.version()

    def read(self) -> ConfigFiles:
        entries = self._source.read()
        shard = b'{"contractVersion":%d,"repos":[%b]}' % (CONTRACT_VERSIONS[-1], b",".join(entries.repos))
        return ConfigFiles({"00": shard}, entries.credentials)


def serve(source: Source, settings: Settings, teller: Teller) -> None:
    """Serve until SIGINT or SIGTERM. Raises OSError where the port is taken, ModuleNotFoundError without a Kafka client."""
    # The loader's news are told in words for people.
    logging.getLogger("headgate.gateway.reload").setLevel(logging.CRITICAL)
    asyncio.run(_serve(source, settings, teller))


async def _serve(source: Source, settings: Settings, teller: Teller) -> None:
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    async with _producers(settings.kafka, teller) as producers:
        traffic = TrafficCounters()
        ingest = Ingest(Budget(BUDGET_BYTES), traffic, lambda: time.time_ns() // 1_000_000)

        def swap(router: Router) -> None:
            ingest.router = router
            paths = {path: "/".join(route.repo.full_name) for path, route in router.items()}
            # The loader knows whom it has refused once it is through.
            loop.call_soon(lambda: teller.serving(paths, loader.refused))

        # There is no disk to fall back on here: who tries a repo out is told when Kafka does not take its lines.
        loader = Loader(_Files(source), producers, traffic, swap, needs_no_spool=True)
        server = Server(Overheard(ingest, teller.request), Timeouts(), loop)
        await _run(loader, server, settings, teller, stop)


async def _run(loader: Loader, server: Server, settings: Settings, teller: Teller, stop: asyncio.Event) -> None:
    port = await server.start(settings.host, settings.port)
    loading = asyncio.create_task(loader.run())
    loading.add_done_callback(lambda _: stop.set())
    try:
        loaded, stopped = asyncio.ensure_future(loader.first_load.wait()), asyncio.ensure_future(stop.wait())
        await asyncio.wait({loaded, stopped}, return_when=asyncio.FIRST_COMPLETED)
        loaded.cancel()
        if not stopped.done():
            teller.listening(f"http://{_host(settings.host)}:{port}")
        await stopped
        server.draining = True
        await server.stop_listening()
        await server.finish(FINISH_SECONDS)
    finally:
        server.abort()
        if not loading.done():
            loading.cancel()
    if loading.done() and not loading.cancelled():
        loading.result()  # raises what it died of


def _host(host: str) -> str:
    return f"[{host}]" if ":" in host else host


@asynccontextmanager
async def _to_kafka(address: str) -> AsyncIterator[ProducerSource]:
    # Imported here: `headgate[cli]` does without a Kafka client.
    from headgate_gateway.kafka.pool import ProducerPool  # noqa: PLC0415

    pool = ProducerPool()
    try:
        yield _OneKafka(pool, address)
    finally:
        await pool.close(FINISH_SECONDS)


class _OneKafka:
    """Every profile as it is, but for where its Kafka is and how one gets in."""

    def __init__(self, producers: ProducerSource, address: str) -> None:
        self._producers = producers
        self._elsewhere = {"bootstrap_servers": (address,), "tls": None, "sasl": None}

    def acquire(self, config: ProducerConfig, credentials: Mapping[str, bytes]) -> Lease:
        return self._producers.acquire(config.model_copy(update=self._elsewhere), {})


def _producers(kafka: str | None, teller: Teller) -> AbstractAsyncContextManager[ProducerSource]:
    if kafka is not None:
        return _to_kafka(kafka)

    def tell(records: list[Record]) -> None:
        for record in records:
            teller.record(record)

    return nullcontext(LocalProducers(lambda records, now_ms: tell(unfold([(records, now_ms)]))))
