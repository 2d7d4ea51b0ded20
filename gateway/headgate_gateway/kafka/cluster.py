"""Keeps asking Kafka who the brokers are and who leads which partition, and says whether Kafka can be reached.

Owns one connection of its own, so that its questions never wait behind a produce request, which brokers answer in
order. Asks the brokers it knows and then the bootstrap servers, every time: nothing has to be rebuilt after an
outage. Never creates a topic. The producer runs it and applies what it finds.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from random import Random
from typing import TypeVar

from headgate_gateway.kafka.access import TopicAccess
from headgate_gateway.kafka.connection import (
    BrokerAddress,
    ClusterMetadata,
    Connection,
    ConnectionFailedError,
    CredentialsRefusedError,
    open_connection,
)
from headgate_gateway.kafka.credentials import Security
from headgate_gateway.kafka.settle import backoff

MAX_AGE = 60.0
"""Seconds after which metadata is asked for anyway, to notice new partitions."""
LEAST_GAP = 0.1
"""Seconds between two questions, however many ask for one."""

T = TypeVar("T")


class Cluster:
    """What is known of one Kafka cluster."""

    def __init__(
        self,
        bootstrap_servers: Iterable[str],
        security: Security,
        random: Random,
        connect_patience: float,
        topics: Callable[[], list[str]],
        apply: Callable[[ClusterMetadata], bool],
        changed: Callable[[], None],
    ) -> None:
        self.brokers: dict[int, BrokerAddress] = {}
        self.error: str | None = None
        """Why no broker could be asked the last time; None: one answered."""
        self.refused = False
        """Whether that was for our credentials."""
        self.reached = False
        """Whether a broker has ever answered us, authenticated."""
        self._bootstrap = [_host_and_port(server) for server in bootstrap_servers]
        self._security = security
        self._random = random
        self._patience = connect_patience
        self._topics = topics
        self._apply = apply
        self._changed = changed
        self._connection: Connection | None = None
        self._wake = asyncio.Event()
        self._failures = 0
        self._incomplete = 0

    def refresh(self) -> None:
        """Ask again soon."""
        self._wake.set()

    async def run(self) -> None:
        """Ask for ever."""
        loop = asyncio.get_running_loop()
        while True:
            self._wake.clear()
            asked = loop.time()
            try:
                metadata = await self._fetch()
            except ConnectionFailedError as error:
                self._fail(error)
                # Not cut short by `refresh`: whoever misses a broker would otherwise make this loop spin.
                await asyncio.sleep(backoff(self._failures, self._random))
                continue
            seconds = self._succeed(metadata)
            await self._pause(seconds)
            await asyncio.sleep(max(0.0, asked + LEAST_GAP - loop.time()))

    async def close(self) -> None:
        """Close the connection."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.wait_closed()

    async def _pause(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._wake.wait()
        except TimeoutError:
            pass

    def _succeed(self, metadata: ClusterMetadata) -> float:
        """Take an answer; seconds until the next question."""
        self._failures = 0
        self.error, self.refused, self.reached = None, False, True
        if metadata.brokers:
            self.brokers = metadata.brokers
        complete = self._apply(metadata)
        self._changed()
        self._incomplete = 0 if complete else self._incomplete + 1
        return MAX_AGE if complete else backoff(self._incomplete, self._random)

    def _fail(self, error: ConnectionFailedError) -> None:
        self._failures += 1
        self.error = str(error)
        self.refused = isinstance(error, CredentialsRefusedError)
        self._changed()

    async def _fetch(self) -> ClusterMetadata:
        if self._connection is not None and self._connection.is_open:
            try:
                return await self._connection.fetch_metadata(self._topics())
            except ConnectionFailedError:
                # Idle connections are closed by brokers, and SASL sessions end: no news until a new one fails too.
                self._connection = None
        return await self._fetch_anew()

    async def fetch_access(self, topics: list[str]) -> dict[str, TopicAccess]:
        """The topics and what we may do with them, on a connection of its own: that our credentials hold is asked, too.

        Raises CredentialsRefusedError or ConnectionFailedError where no broker answers.
        """

        connection, access = await self._ask_any(lambda connection: connection.fetch_access(topics))
        connection.close()
        return access

    async def _fetch_anew(self) -> ClusterMetadata:
        self._connection = None
        self._connection, metadata = await self._ask_any(lambda connection: connection.fetch_metadata(self._topics()))
        return metadata

    async def _ask_any(self, ask: Callable[[Connection], Awaitable[T]]) -> tuple[Connection, T]:
        """The first answer of any broker, known ones before the bootstrap servers, and the connection that it came on."""
        known = [(broker.host, broker.port) for broker in self.brokers.values()]
        self._random.shuffle(known)
        failure: ConnectionFailedError | None = None
        for host, port in dict.fromkeys([*known, *self._bootstrap]):
            try:
                connection = await open_connection(host, port, self._security, patience=self._patience)
                try:
                    return connection, await ask(connection)
                except BaseException:
                    connection.close()
                    raise
            except ConnectionFailedError as error:
                # A refusal tells more than an unreachable neighbour.
                if failure is None or not isinstance(failure, CredentialsRefusedError):
                    failure = error
        raise failure or ConnectionFailedError("no broker to ask")


def _host_and_port(server: str) -> tuple[str, int]:
    host, _, port = server.rpartition(":")
    return host.strip("[]"), int(port)
