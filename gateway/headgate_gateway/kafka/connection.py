"""One connection to one broker: opening it, asking it, and what aiokafka's errors mean. The edge to aiokafka.

Nothing above this module sees an exception of aiokafka, asyncio's timeouts or a socket. Cluster and leader links use
it. aiokafka's `AIOKafkaClient` is not used: it swallows why a connection failed, opens one connection at a time, and
its metadata requests let brokers create topics.
"""

import asyncio
import ssl
from collections.abc import Callable
from typing import Any, NamedTuple

from aiokafka.conn import AIOKafkaConnection
from aiokafka.errors import (
    AuthenticationFailedError,
    AuthenticationMethodNotSupported,
    IllegalSaslStateError,
    KafkaError,
    SaslAuthenticationFailed,
    UnsupportedSaslMechanismError,
)
from aiokafka.protocol.api import Request
from aiokafka.protocol.metadata import MetadataRequest
from aiokafka.protocol.produce import (
    ProduceRequest_v3,
    ProduceRequest_v4,
    ProduceRequest_v5,
    ProduceRequest_v6,
    ProduceRequest_v7,
    ProduceRequest_v8,
)

from headgate_gateway.kafka.access import AccessRequest, TopicAccess, read_access
from headgate_gateway.kafka.credentials import Security

CLIENT_ID = "headgate"
METADATA_TIMEOUT = 5.0
_IDLE_MS = 540_000
"""Just below the ten minutes after which brokers close idle connections, so that the two never race."""

_AUTHENTICATION_ERRORS = (
    AuthenticationFailedError,
    AuthenticationMethodNotSupported,
    IllegalSaslStateError,
    SaslAuthenticationFailed,
    UnsupportedSaslMechanismError,
)


class ConnectionFailedError(Exception):
    """The broker cannot be reached, or went away."""


class CredentialsRefusedError(ConnectionFailedError):
    """The broker does not accept who we say we are, or we do not accept it (TLS)."""


class NoAnswerError(ConnectionFailedError):
    """A request was sent and not answered: what it asked for may have happened."""


ProduceStruct = (
    ProduceRequest_v3
    | ProduceRequest_v4
    | ProduceRequest_v5
    | ProduceRequest_v6
    | ProduceRequest_v7
    | ProduceRequest_v8
)


class ProduceRequest(Request[ProduceStruct]):
    """aiokafka's produce request up to version 8, whose answers name the offending records and say why."""

    API_KEY = 0

    def __init__(
        self, acks: int, timeout_ms: int, topics: list[tuple[str, list[tuple[int, bytes | bytearray]]]]
    ) -> None:
        self._fields = (None, acks, timeout_ms, topics)

    def build(self, request_struct_class: type[ProduceStruct]) -> ProduceStruct:
        """The structure of the version that the connection has agreed on."""
        return request_struct_class(*self._fields)


class PartitionAnswer(NamedTuple):
    """What Kafka says about one batch."""

    code: int
    base_offset: int
    """-1: nothing was appended."""
    message: str
    record_errors: tuple[tuple[int, str], ...]
    """Positions in the batch of the records that Kafka does not want, with the reason, where it says so."""


class BrokerAddress(NamedTuple):
    """A broker as metadata names it."""

    node_id: int
    host: str
    port: int


class TopicMetadata(NamedTuple):
    """A topic as metadata names it."""

    code: int
    leaders: list[int]
    """By partition; -1: none at the moment."""


class ClusterMetadata(NamedTuple):
    """One metadata answer."""

    brokers: dict[int, BrokerAddress]
    topics: dict[str, TopicMetadata]


class Connection:
    """An open, authenticated connection."""

    __slots__ = ("_conn",)

    def __init__(self, conn: Any) -> None:
        self._conn = conn  # an AIOKafkaConnection, which has no types

    @property
    def is_open(self) -> bool:
        """Whether it can take a request, as far as is known."""
        return bool(self._conn.connected())

    def close(self) -> None:
        """Close now. Requests under way end in NoAnswerError."""
        self._conn.close()

    async def wait_closed(self) -> None:
        """Wait until the socket is gone; a moment at most, since a peer that hangs must not hold us."""
        closed = self._conn.close()
        if closed is not None:
            await asyncio.wait([closed], timeout=1.0)

    async def fetch_metadata(self, topics: list[str]) -> ClusterMetadata:
        """Brokers, and the partitions of the topics, none of which is created by asking."""
        request = MetadataRequest(topics, allow_auto_topic_creation=False)
        return _read_metadata(await self._ask(request, METADATA_TIMEOUT))

    async def fetch_access(self, topics: list[str]) -> dict[str, TopicAccess]:
        """The topics and what we may do with them; none is created by asking."""
        return read_access(await self._ask(AccessRequest(topics), METADATA_TIMEOUT))

    async def produce(self, request: ProduceRequest, patience: float) -> dict[tuple[str, int], PartitionAnswer]:
        """Send batches and wait `patience` seconds for Kafka's answer.

        Raises NoAnswerError: the batches may be written; any other ConnectionFailedError: they are not.
        """
        return _read_answers(await self._ask(request, patience))

    async def produce_unanswered(self, request: ProduceRequest, patience: float) -> None:
        """Send batches with acks none: returns once they have left for the socket."""
        self._check_open()
        try:
            async with asyncio.timeout(patience):
                await self._conn.send(request, expect_response=False)
        except (KafkaError, OSError, TimeoutError) as error:
            self.close()
            raise NoAnswerError(_reason(error)) from error

    async def _ask(self, request: Any, patience: float) -> Any:
        self._check_open()
        try:
            async with asyncio.timeout(patience):
                return await self._conn.send(request)
        except TimeoutError as error:
            # A later answer would be matched to the next request: the connection is of no use any more.
            self.close()
            raise NoAnswerError(f"no answer from {self._where} within {patience:.1f} s") from error
        except (KafkaError, OSError) as error:
            self.close()
            raise NoAnswerError(_reason(error)) from error

    def _check_open(self) -> None:
        if not self._conn.connected():
            raise ConnectionFailedError(f"{self._where}: the broker closed the connection")

    @property
    def _where(self) -> str:
        return f"{self._conn.host}:{self._conn.port}"


async def open_connection(
    host: str, port: int, security: Security, *, patience: float, on_close: Callable[[], None] | None = None
) -> Connection:
    """Connect and authenticate: TCP, TLS and SASL within `patience` seconds.

    Raises CredentialsRefusedError or ConnectionFailedError, which name the broker.
    """
    connection_class: Any = AIOKafkaConnection
    conn = connection_class(
        host,
        port,
        client_id=CLIENT_ID,
        # Never reached: ours (in `_ask`) come first. aiokafka's would leave the connection open when it expires.
        request_timeout_ms=3_600_000,
        ssl_context=security.context,
        security_protocol=security.protocol,
        max_idle_ms=_IDLE_MS,
        on_close=None if on_close is None else lambda _conn, _reason: on_close(),
        **security.sasl,
    )
    try:
        async with asyncio.timeout(patience):
            await conn.connect()
    except TimeoutError as error:
        raise ConnectionFailedError(f"{host}:{port}: no connection within {patience:.1f} s") from error
    except _AUTHENTICATION_ERRORS as error:
        raise CredentialsRefusedError(f"{host}:{port}: {_reason(error)}") from error
    except ssl.SSLError as error:
        raise CredentialsRefusedError(f"{host}:{port}: TLS: {error}") from error
    except UnicodeError as error:
        # Before ValueError, of which it is one: a host such as a..b that cannot be asked for at all.
        raise ConnectionFailedError(f"{host}:{port}: not a host name: {error}") from error
    except ValueError as error:
        # aiokafka's SCRAM raises it where the broker proves not to know the password, or speaks nonsense.
        raise CredentialsRefusedError(f"{host}:{port}: {error}") from error
    except (KafkaError, OSError, NotImplementedError) as error:
        # NotImplementedError: aiokafka speaks no version of a request that this broker understands.
        raise ConnectionFailedError(f"{host}:{port}: {_reason(error)}") from error
    return Connection(conn)


def _reason(error: BaseException) -> str:
    """What an error says, with the cause that aiokafka hides behind it."""
    text = str(error.args[0]) if error.args and isinstance(error.args[0], str) else str(error)
    cause = error.__cause__
    if cause is not None and str(cause) and str(cause) not in text:
        return f"{text or type(error).__name__}: {cause}"
    return text or type(error).__name__


def _read_metadata(response: Any) -> ClusterMetadata:
    brokers = {row[0]: BrokerAddress(row[0], row[1], row[2]) for row in response.brokers}
    topics = {}
    for code, name, _internal, partitions in response.topics:
        leaders = [-1] * (1 + max((row[1] for row in partitions), default=-1))
        for row in partitions:
            leaders[row[1]] = row[2]
        topics[name] = TopicMetadata(code, leaders)
    return ClusterMetadata(brokers, topics)


def _read_answers(response: Any) -> dict[tuple[str, int], PartitionAnswer]:
    answers = {}
    for topic, partitions in response.topics:
        for row in partitions:
            errors = tuple((index, text or "") for index, text in (row[5] or ())) if len(row) > 5 else ()
            message = (row[6] or "") if len(row) > 6 else ""
            answers[topic, row[0]] = PartitionAnswer(row[1], row[2], message, errors)
    return answers
