"""Builders that show only what matters, a fake producer, and a raw HTTP client over real loopback sockets."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

from headgate_gateway.config import RepoConfig
from headgate_gateway.http.admission import Budget
from headgate_gateway.http.auth import compile_auth
from headgate_gateway.http.counters import TrafficCounters
from headgate_gateway.http.ingest import Ingest
from headgate_gateway.http.router import ServedRepo, build_router
from headgate_gateway.http.server import Server, Timeouts
from headgate_gateway.kafka.outcome import FailureReason, Outcome, PartitionAck
from headgate_gateway.pipeline.compile import BodyRun, compile_repo
from headgate_gateway.pipeline.records import Records
from headgate_gateway.pipeline.result import Processed


def entry(name: str = "logs", **changes: Any) -> dict[str, Any]:
    """A repo's entry in a shard, as JSON would have it."""
    kafka = {"producerProfile": "main", "topic": "t", **changes.pop("kafka", {})}
    producer = {"name": "main", "bootstrapServers": ["127.0.0.1:9092"], **changes.pop("producer", {})}
    base = {
        "name": name,
        "namespace": "default",
        "revision": "r1",
        "endpoints": [{"path": f"/log/repo/{name}"}],
        "kafka": kafka,
        "producers": {"main": producer},
    }
    return {**base, **changes}


def repo_config(name: str = "logs", **changes: Any) -> RepoConfig:
    return RepoConfig.model_validate(entry(name, **changes))


def expression(field: str, operator: str, *values: Any) -> dict[str, Any]:
    return {"field": field, "operator": operator, "values": list(values)}


def constraint(*expressions: dict[str, Any], on_mismatch: str = "Drop") -> dict[str, Any]:
    return {"matchExpressions": list(expressions), "onMismatch": on_mismatch}


def process(body: bytes, headers: dict[str, bytes] | None = None, now_ms: int = 1_000, **changes: Any) -> Processed:
    """A body through a repo's pipeline."""
    run = begin(repo_config(**changes), headers or {}, now_ms)
    for piece in run.cut(body):
        run.feed(*piece)
    return run.result


def begin(config: RepoConfig, headers: dict[str, bytes] | None = None, now_ms: int = 0) -> BodyRun:
    """A body on its way through the first endpoint of a repo."""
    return compile_repo(config).endpoints[0].begin(headers or {}, now_ms)


async def until(is_so: Callable[[], bool]) -> None:
    """Wait for what the event loop, or a thread, will have done in a moment."""
    patience = monotonic() + 10
    while not is_so():
        assert monotonic() < patience, "it did not come to pass"
        await asyncio.sleep(0.01)


@dataclass
class FakeSubmission:
    outcome: Outcome


@dataclass
class FakeProducer:
    """Resolves what is submitted as `fate` says, one turn of the loop later, or when `settle` is called."""

    limit: int = 64 * 2**20
    down: str | None = None
    hold: bool = False
    fate: Callable[[Records], Outcome] | None = None
    reserved: int = 0
    peak: int = 0
    submitted: list[Records] = field(default_factory=list)
    waiting: list[Callable[[], None]] = field(default_factory=list)
    offset: int = 0
    watched: list[str] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)
    """Why topics cannot be written to."""

    def refusal(self, name: str) -> str | None:
        return self.refused.get(name)

    def reserve(self, nbytes: int) -> bool:
        if self.reserved + nbytes > self.limit:
            return False
        self.reserved += nbytes
        self.peak = max(self.peak, self.reserved)
        return True

    def release(self, nbytes: int) -> None:
        self.reserved -= nbytes
        assert self.reserved >= 0

    def watch(self, topics: Iterable[str]) -> None:
        self.watched += topics

    def submit(self, records: Records, now_ms: int, on_done: Callable[[Any], None]) -> FakeSubmission:
        self.submitted.append(records)
        submission = FakeSubmission(self.fate(records) if self.fate else self.deliver(records))
        settle = lambda: on_done(submission)  # noqa: E731
        if self.hold:
            self.waiting.append(settle)
        else:
            asyncio.get_running_loop().call_soon(settle)
        return submission

    def deliver(self, records: Records) -> Outcome:
        count, base = len(records.values), self.offset
        self.offset += count
        return Outcome(acked=records.lines, acks=[PartitionAck(records.topic, 0, base, count)])

    def settle(self) -> None:
        for settle in self.waiting:
            settle()
        self.waiting.clear()

    @property
    def values(self) -> list[bytes]:
        return [value for records in self.submitted for value in records.values]


@dataclass(frozen=True)
class FakeRefusal:
    reason: FailureReason = FailureReason.SPOOL_FULL
    message: str = "the spool is full"
    retry_after: int = 17


@dataclass
class FakeSpool:
    """Takes what comes, in memory, unless it has a reason not to."""

    refusal: FakeRefusal | None = None
    taken: list[bytes] = field(default_factory=list)

    def take(self, records: Records) -> Outcome:
        """The fate of records that go to disk."""
        if self.refusal is not None:
            why = self.refusal
            return Outcome(
                failed=records.lines,
                reason=why.reason,
                reasons={why.reason},
                message=why.message,
                retry_after=why.retry_after,
            )
        self.taken += records.values
        return Outcome(spooled=records.lines)


@dataclass
class FakeLease:
    producer: FakeProducer
    released: bool = False

    def release(self) -> None:
        self.released = True


def served_repo(
    config: RepoConfig,
    producers: Mapping[str, FakeProducer],
    traffic: TrafficCounters,
    credentials: Mapping[str, bytes] | None = None,
    spool: FakeSpool | None = None,
) -> ServedRepo:
    """A repo with producers, by profile name."""
    leases = {name: FakeLease(producers[name]) for name in config.kafka.profiles}
    return ServedRepo(compile_repo(config), leases, traffic, compile_auth(config, credentials or {}), spool)


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Client:
    """A raw connection: what is written is what is sent."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    async def answer(self, method: str = "POST") -> Answer:
        async with asyncio.timeout(10):
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            headers = {n.lower(): v for n, _, v in (line.partition(": ") for line in head[1:] if line)}
            length = 0 if method == "HEAD" else int(headers.get("content-length", 0))
            return Answer(int(head[0].split(" ")[1]), headers, await self.reader.readexactly(length))

    async def closed(self) -> bool:
        """Whether the server has closed, nothing unread before it."""
        async with asyncio.timeout(10):
            try:
                return await self.reader.read(1) == b""
            except ConnectionResetError:
                return True

    async def close(self) -> None:
        self.writer.close()
        with suppress(ConnectionError):
            await self.writer.wait_closed()


def post(body: bytes, *headers: str, path: str = "/log/repo/logs", length: int | None = None) -> bytes:
    lines = [
        f"POST {path} HTTP/1.1",
        "Host: gw",
        f"Content-Length: {len(body) if length is None else length}",
        *headers,
    ]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


def chunked(*chunks: bytes) -> bytes:
    head = b"POST /log/repo/logs HTTP/1.1\r\nHost: gw\r\nTransfer-Encoding: chunked\r\n\r\n"
    return head + b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"


SHORT = Timeouts(
    keep_alive=5, head=0.4, body_stall=0.4, body=0.4, body_bytes_per_second=1_000, linger=0.5, sweep=0.05, write=1
)


@dataclass
class Gateway:
    """A traffic port on loopback, with a fake producer behind it."""

    server: Server
    ingest: Ingest
    producer: FakeProducer
    port: int
    budget: Budget
    clients: list[Client] = field(default_factory=list)

    async def connect(self) -> Client:
        client = Client(*await asyncio.open_connection("127.0.0.1", self.port))
        self.clients.append(client)
        return client

    async def ask(self, data: bytes, method: str = "POST") -> Answer:
        client = await self.connect()
        client.send(data)
        return await client.answer(method)

    def counters(self, name: str = "logs") -> Any:
        return dict(self.ingest.traffic.repos.items())[name]


@asynccontextmanager
async def gateway(
    *configs: RepoConfig,
    producer: FakeProducer | None = None,
    budget: int = 2**28,
    timeouts: Timeouts = SHORT,
    credentials: Mapping[str, bytes] | None = None,
    clock: Callable[[], float] = monotonic,
    max_connections: int = 1_000,
    spool: FakeSpool | None = None,
) -> AsyncIterator[Gateway]:
    producer = producer or FakeProducer()
    shared, traffic = Budget(budget), TrafficCounters()
    ingest = Ingest(shared, traffic, lambda: 1_700_000_000_000, clock)
    served = [
        served_repo(c, dict.fromkeys(c.producers, producer), traffic, credentials, spool)
        for c in configs or (repo_config(),)
    ]
    ingest.router = build_router(served)
    server = Server(ingest, timeouts, asyncio.get_running_loop(), max_connections)
    running = Gateway(server, ingest, producer, await server.start("127.0.0.1", 0), shared)
    try:
        yield running
    finally:
        for client in running.clients:
            await client.close()
        server.abort()
        await asyncio.sleep(0)
