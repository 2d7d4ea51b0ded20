"""Sends batches to one leader, one produce request at a time, and brings back its answers.

    connecting --ok--> resting <--> exchanging
        ^                 |             |
        +----- closed ----+--- closed --+

While a request is under way, records gather in the lanes: that is what makes batches big under load, without any
waiting while there is none. The producer makes one link a broker that leads something.
"""

import asyncio
from collections.abc import Callable
from random import Random
from time import perf_counter

from headgate_gateway.config.producer import Acks
from headgate_gateway.kafka.accumulator import Accumulator
from headgate_gateway.kafka.batch import compress_batch
from headgate_gateway.kafka.codec import Compressor
from headgate_gateway.kafka.connection import (
    BrokerAddress,
    Connection,
    ConnectionFailedError,
    NoAnswerError,
    PartitionAnswer,
    ProduceRequest,
    open_connection,
)
from headgate_gateway.kafka.counters import Counters
from headgate_gateway.kafka.credentials import Security
from headgate_gateway.kafka.lanes import Batch
from headgate_gateway.kafka.settle import Settler, backoff

ACKS = {Acks.ALL: -1, Acks.LEADER: 1, Acks.NONE: 0}
SUSPECT_AFTER = 3.0
"""Seconds without an answer after which we ask other brokers whether this one still leads."""
_SUSPECT_AGAIN = 1.0
_MISSING = PartitionAnswer(13, -1, "the answer does not mention the partition", ())


class LinkSettings:
    """What all links of a producer share."""

    __slots__ = ("acks", "compressor", "connect_patience", "random", "request_ms", "security")

    def __init__(
        self,
        *,
        acks: Acks,
        compressor: Compressor | None,
        security: Security,
        request_ms: int,
        connect_patience: float,
        random: Random,
    ) -> None:
        self.acks = ACKS[acks]
        self.compressor = compressor
        self.security = security
        self.request_ms = request_ms
        """How long the leader may wait for its replicas; it answers REQUEST_TIMED_OUT then."""
        self.connect_patience = connect_patience
        """Seconds that connecting may take."""
        self.random = random


class LeaderLink:
    """The way to one broker."""

    def __init__(
        self,
        address: BrokerAddress,
        settings: LinkSettings,
        accumulator: Accumulator,
        settler: Settler,
        counters: Counters,
        refresh: Callable[[], None],
        changed: Callable[[], None],
    ) -> None:
        self.address = address
        self.error: str | None = None
        """Why there is no connection; None: there is one, or the first attempt is under way."""
        self.suspect = False
        """Whether a request has been under way for suspiciously long."""
        self.resting = False
        """Whether it waits for something to do: then, and only then, `wake` makes it look."""
        self.rests_until: float | None = None
        self._settings = settings
        self._accumulator = accumulator
        self._settler = settler
        self._counters = counters
        self._refresh = refresh
        self._changed = changed
        self._loop = asyncio.get_running_loop()
        self._connection: Connection | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._failures = 0
        self._under_way: list[Batch] = []
        self._suspect_timer: asyncio.TimerHandle

    @property
    def is_open(self) -> bool:
        """Whether there is a connection that answers."""
        return self._connection is not None and self._connection.is_open and not self.suspect

    @property
    def is_busy(self) -> bool:
        """Whether a request is under way."""
        return bool(self._under_way)

    def wake(self) -> None:
        """Look for batches soon. Everything submitted in this turn of the event loop still travels together."""
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
        self.resting = False

    def check_leadership(self) -> None:
        """Metadata is fresh: stop waiting for a broker that no longer leads what we sent it."""
        if (
            self.suspect
            and self._connection is not None
            and any(batch.partition.leader != self.address.node_id for batch in self._under_way)
        ):
            self._connection.close()

    async def run(self) -> None:
        """Send for ever."""
        while True:
            connection = self._connection
            if connection is None or not connection.is_open:
                await self._connect()
                continue
            now = self._loop.time()
            batches = self._accumulator.take(self.address.node_id, now)
            if self._accumulator.refused:
                self._settler.unencodable()
            if batches:
                await self._exchange(connection, batches)
            else:
                await self._rest(self._accumulator.next_due(self.address.node_id, now))

    async def close(self) -> None:
        """Close the connection; what is under way counts as perhaps written."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.wait_closed()

    async def _connect(self) -> None:
        address, settings = self.address, self._settings
        try:
            self._connection = await open_connection(
                address.host, address.port, settings.security, patience=settings.connect_patience, on_close=self.wake
            )
        except ConnectionFailedError as error:
            self._failures += 1
            self.error = str(error)
            self._changed()
            # The broker may have moved, or its partitions may have been given to another.
            self._refresh()
            await asyncio.sleep(backoff(self._failures, settings.random))
            return
        self._counters.connects += 1
        self._failures = 0
        self.error = None
        self._changed()

    async def _rest(self, until: float | None) -> None:
        self._waiter = self._loop.create_future()
        self.resting = True
        self.rests_until = until
        timer = None if until is None else self._loop.call_at(until, self.wake)
        try:
            await self._waiter
        finally:
            self.resting = False
            self._waiter = None
            if timer is not None:
                timer.cancel()

    async def _exchange(self, connection: Connection, batches: list[Batch]) -> None:
        self._under_way = batches
        self._suspect_timer = self._loop.call_later(SUSPECT_AFTER, self._become_suspect)
        reason, sent = "the producer was interrupted", False
        try:
            await self._seal(batches)
            sent = True
            answers = await self._send(connection, batches)
            self._take_answers(answers)
        except NoAnswerError as error:
            reason = str(error)
        except ConnectionFailedError as error:
            reason, sent = str(error), False
        finally:
            self._suspect_timer.cancel()
            if self.suspect:
                self.suspect = False
                self._changed()
            # Whatever happened, nothing stays in flight that nobody waits for.
            while self._under_way:
                self._settler.lost(self._under_way.pop(0), reason, self._loop.time(), sent=sent)

    async def _seal(self, batches: list[Batch]) -> None:
        compressor = self._settings.compressor
        for batch in batches:
            if batch.payload is not None:
                continue
            raw = batch.raw
            assert raw is not None  # noqa: S101 - `take` hands out encoded batches only
            self._counters.raw_bytes += len(raw)
            if compressor is not None and len(raw) > compressor.thread_above:
                batch.payload = await self._loop.run_in_executor(None, compress_batch, raw, compressor)
            else:
                batch.payload = compress_batch(raw, compressor)
            batch.raw = None

    async def _send(
        self, connection: Connection, batches: list[Batch]
    ) -> dict[tuple[str, int], PartitionAnswer] | None:
        settings = self._settings
        by_topic: dict[str, list[tuple[int, bytes | bytearray]]] = {}
        for batch in batches:
            partition = batch.partition
            by_topic.setdefault(partition.topic.name, []).append((partition.index, batch.payload or b""))
        request = ProduceRequest(settings.acks, settings.request_ms, list(by_topic.items()))
        self._counters.requests += 1
        # uvloop's own clock counts milliseconds: too coarse for a broker on the next desk.
        started = perf_counter()
        if settings.acks == 0:
            await connection.produce_unanswered(request, settings.request_ms / 1000)
            return None
        # A second more than the broker has, so that a slow replica is told by its answer, not by silence.
        answers = await connection.produce(request, settings.request_ms / 1000 + 1.0)
        self._counters.request_seconds.observe(perf_counter() - started)
        return answers

    def _take_answers(self, answers: dict[tuple[str, int], PartitionAnswer] | None) -> None:
        now = self._loop.time()
        batches = self._under_way
        while batches:
            # Off the list first: a batch is settled once, even if settling it fails.
            batch = batches.pop(0)
            if answers is None:
                self._settler.delivered(batch, -1)
            else:
                partition = batch.partition
                answer = answers.get((partition.topic.name, partition.index), _MISSING)
                self._settler.answered(batch, answer, now)

    def _become_suspect(self) -> None:
        # Again and again while the request is under way: `_exchange` cancels the timer.
        self.suspect = True
        self._refresh()
        self._changed()
        self._suspect_timer = self._loop.call_later(_SUSPECT_AGAIN, self._become_suspect)
