"""Whole connections, from their first byte to the records that a producer gets: head, admission, pipeline, answers.

A real Connection of a real Server, on a transport that only remembers, in front of a Kafka that takes some lines and
loses others. However the bytes come, the answers and the records are the same, and the books balance.
"""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final

from tests.unit.gateway.builders import FakeLease, FakeProducer, constraint, expression, repo_config
from tests.unit.gateway.hashes import API_KEYS, credentials

from headgate_gateway.http.admission import Budget
from headgate_gateway.http.auth import compile_auth
from headgate_gateway.http.connection import Connection, Phase
from headgate_gateway.http.counters import TrafficCounters
from headgate_gateway.http.ingest import Ingest
from headgate_gateway.http.messages import CONTINUE
from headgate_gateway.http.router import ServedRepo, build_router
from headgate_gateway.http.server import Server, Timeouts
from headgate_gateway.kafka.outcome import FailureReason, Outcome, PartitionAck
from headgate_gateway.pipeline.compile import compile_repo
from headgate_gateway.pipeline.records import Records

_FORMATS: Final = (("/lines", "JSONL"), ("/json", "JSON"), ("/ce", "CloudEvents"), ("/text", "Text"))
_REPOS: Final[list[dict[str, Any]]] = [
    {"name": "logs"},
    {
        "name": "odd",
        "endpoints": [
            *({"path": path, "format": form} for path, form in _FORMATS),
            {"path": "/named", "format": "JSON", "topicHeader": {"name": "topic", "topics": ["named"]}},
            {"path": "/offset", "format": "JSON", "response": "Offset"},
        ],
        "constraint": constraint(expression("a", "NotIn", "x", 1)),
        "executors": [{"explode": {"field": "l", "onFailure": "Keep"}}],
        "partial": "Accept",
        "kafka": {"deadLetter": {"topic": "dead"}, "key": {"field": "k"}},
        "limits": {"lineBytes": 256, "bodyBytes": "2Ki"},
    },
    {"name": "async", "endpoints": [{"path": "/async"}], "kafka": {"delivery": "Async"}},
    {"name": "guarded", "endpoints": [{"path": "/guarded"}], "auth": API_KEYS},
]
_CONFIGS: Final = [repo_config(**changes) for changes in _REPOS]
_COMPILED: Final = [compile_repo(config) for config in _CONFIGS]
_FILES: Final = credentials(keys={"shipper": "k-1"})
_TURNS: Final = 2_000


@dataclass
class _Wire(asyncio.Transport):
    """A transport without a network."""

    connection: Connection
    loop: asyncio.AbstractEventLoop
    written: bytearray = field(default_factory=bytearray)
    closed: bool = False
    paused: bool = False

    def write(self, data: Any) -> None:
        self.written += data

    def writelines(self, list_of_data: Iterable[Any]) -> None:
        self.written += b"".join(list_of_data)

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        pass

    def pause_reading(self) -> None:
        self.paused = True

    def resume_reading(self) -> None:
        self.paused = False

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        if not self.closed:
            self.closed = True
            self.loop.call_soon(self.connection.connection_lost, None)

    def abort(self) -> None:
        self.close()


def _lose_some(records: Records) -> Outcome:
    """A fate that follows from what a line is, so that it is the same however its bytes came."""
    outcome = Outcome()
    for line in records.lines:
        (outcome.failed if line % 7 == 5 else outcome.unknown if line % 7 == 6 else outcome.acked).append(line)
    if outcome.acked:
        outcome.acks.append(PartitionAck(records.topic, 0, 5, len(outcome.acked)))
    if not outcome.complete:
        outcome.reason, outcome.reasons = FailureReason.TIMEOUT, {FailureReason.TIMEOUT}
    return outcome


@dataclass(frozen=True)
class _Talk:
    """What came of the bytes of one connection."""

    statuses: list[int]
    records: list[tuple[str, tuple[Any, ...]]]
    """Of each submission its topic and its values."""


class _Bench:
    """A gateway's traffic side, made anew for each connection: its counters begin at zero."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.producer, self.budget, self.traffic = FakeProducer(fate=_lose_some), Budget(2**28), TrafficCounters()
        self.ingest = Ingest(self.budget, self.traffic, lambda: 1_700_000_000_000)
        self.repos = [self._serve(index) for index in range(len(_CONFIGS))]
        self.ingest.router = build_router(self.repos)
        self.connection = Connection(Server(self.ingest, Timeouts(), loop))
        self.wire = _Wire(self.connection, loop)
        self.connection.connection_made(self.wire)

    def _serve(self, index: int) -> ServedRepo:
        leases = {"main": FakeLease(self.producer)}
        return ServedRepo(_COMPILED[index], leases, self.traffic, compile_auth(_CONFIGS[index], _FILES))

    async def talk(self, parts: Iterable[bytes]) -> _Talk:
        for part in parts:
            await self._rest(while_paused=True)
            if self.wire.closed:
                break
            self.connection.data_received(part)
        await self._rest()
        if not self.wire.closed and not self.connection.eof_received():
            self.wire.close()
        await self._rest()
        self.wire.close()
        await self._rest()
        statuses = _read_statuses(bytes(self.wire.written))
        self._check_books(statuses)
        made = [(records.topic, tuple(records.values)) for records in self.producer.submitted]
        return _Talk(statuses, made)

    async def _rest(self, *, while_paused: bool = False) -> None:
        """Let answers come; some bodies are decoded in threads."""
        for turn in range(_TURNS):
            waits = self.connection.phase is Phase.WAITING and (self.wire.paused or not while_paused)
            if not waits and turn > 1:
                return
            await asyncio.sleep(0 if turn < _TURNS // 2 else 0.005)
        raise AssertionError("a request is never answered")

    def _check_books(self, statuses: list[int]) -> None:
        assert 500 not in statuses
        counted: dict[int, int] = {}
        for counters in (self.traffic.elsewhere, *(repo.counters for repo in self.repos)):
            for status, count in counters.requests.items():
                counted[status] = counted.get(status, 0) + count
        abandoned = counted.pop(499, 0)
        own = statuses.count(200) - counted.get(200, 0)  # /status is nobody's
        assert own >= 0
        assert abandoned <= 1
        assert sum(counted.values()) + own + self._uncounted(statuses, counted) == len(statuses)
        for repo in self.repos:
            c = repo.counters
            assert c.received == c.accepted + c.dropped + c.rejected
            assert c.in_flight == 0
            sample = repo.analysis.sample("n", "n", "r")
            assert sample.requests + sample.excluded == sum(c.requests.values())
            assert repo._users == 1
        made = sum(len(records.values) for records in self.producer.submitted)
        fates = [(c.delivered, c.dead_lettered, c.failed, c.unknown) for c in (repo.counters for repo in self.repos)]
        assert made == sum(map(sum, fates))
        assert (self.budget.reserved, self.producer.reserved) == (0, 0)

    @staticmethod
    def _uncounted(statuses: list[int], counted: dict[int, int]) -> int:
        """Other methods on /status."""
        return statuses.count(405) - counted.get(405, 0)


def _read_statuses(data: bytes) -> list[int]:
    """The statuses of whole and well-framed answers; an answer to HEAD has no body, whatever it says."""
    found = []
    while data:
        if data.startswith(CONTINUE):
            data = data[len(CONTINUE) :]
            continue
        head, end, data = data.partition(b"\r\n\r\n")
        assert end
        line, *fields = head.split(b"\r\n")
        assert line.startswith(b"HTTP/1.1 ")
        found.append(HTTPStatus(int(line[9:12])).value)
        named = dict(each.split(b": ", 1) for each in fields)
        length = int(named[b"Content-Length"])
        if data and not data.startswith(b"HTTP/1.1 "):
            assert len(data) >= length
            data = data[length:]
    return found


_LOOP: Final = asyncio.new_event_loop()


def _talk(parts: Iterable[bytes]) -> _Talk:
    async def run() -> _Talk:
        return await _Bench(_LOOP).talk(parts)

    return _LOOP.run_until_complete(run())


def fuzz_requests(data: bytes) -> None:
    """The bytes of a connection, all at once and in pieces."""
    whole = _talk([data] if data else [])
    size = data[-1] % 40 + 1 if data else 1
    assert _talk(data[at : at + size] for at in range(0, len(data), size)) == whole
