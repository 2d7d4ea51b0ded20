"""Kafka under control: brokers of the testbed behind proxies of ours, their topics, leaders and users.

Owns what faults do to Kafka, and the way back. Everything goes by the testbed's own listener, never by the proxies.
"""

import asyncio
import importlib
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, TypeVar

import aiokafka.conn
import aiokafka.protocol.admin
from confluent_kafka import ElectionType, KafkaError, KafkaException, TopicCollection, TopicPartition
from tests.testbed.kafka import Kafka

from .oracle import Found
from .proxy import Proxy, Weather
from .reading import read_to_end

_API: Any = importlib.import_module("confluent_kafka.admin")  # it exports more than its types say
_connect: Any = aiokafka.conn.create_conn
_Reassignment: Any = aiokafka.protocol.admin.AlterPartitionReassignmentsRequest

USER, PASSWORD = "faults", "faults-secret"
PARTITIONS = 3
_ADMIN_SECONDS = 10
T = TypeVar("T")
_PATIENCE = 60.0


class Brokers:
    """One broker or three, each behind a proxy."""

    def __init__(self, kafka: Kafka) -> None:
        self.kafka = kafka
        self.weather = Weather()
        self.proxies = [Proxy(each.proxy, each.proxied, self.weather) for each in kafka.ports]

    @property
    def count(self) -> int:
        """How many there are."""
        return self.kafka.brokers

    @property
    def bootstrap(self) -> list[str]:
        """What a gateway is told: the proxies."""
        return self.kafka.bootstrap_proxied.split(",")

    async def pause(self, *brokers: int) -> None:
        """Freeze brokers."""
        await _at_once(self.kafka.pause, brokers)

    async def unpause(self, *brokers: int) -> None:
        """Let frozen ones go on."""
        await _at_once(self.kafka.unpause, brokers)

    async def kill(self, *brokers: int) -> None:
        """SIGKILL."""
        await _at_once(self.kafka.kill, brokers)

    async def stop(self, *brokers: int) -> None:
        """In good order."""
        await _at_once(self.kafka.stop, brokers)

    async def start(self, *brokers: int) -> None:
        """Start what was killed or stopped."""
        await asyncio.gather(*(asyncio.to_thread(self.kafka.start, each, False) for each in brokers))
        await asyncio.to_thread(self.kafka.wait_until_ready, *brokers)

    def reset_connections(self) -> None:
        """End every connection that gateways have."""
        for proxy in self.proxies:
            proxy.reset()

    async def create_topic(self, name: str) -> None:
        """Make a topic, as soon as all brokers can hold it."""
        until = time.monotonic() + _PATIENCE
        while True:
            try:
                return await asyncio.to_thread(self.kafka.create_topic, name, PARTITIONS)
            except KafkaException as error:
                # Brokers that were killed or frozen a moment ago are not part of the cluster again at once.
                if time.monotonic() > until or "already exists" in str(error):
                    raise
            await asyncio.sleep(0.3)

    async def configure_topic(self, name: str, setting: str, value: str | None) -> None:
        """Change one of a topic's settings; None: as it was."""
        operation = _API.AlterConfigOpType.SET if value is not None else _API.AlterConfigOpType.DELETE
        entry = _API.ConfigEntry(setting, value, incremental_operation=operation)
        wish = _API.ConfigResource(_API.ConfigResource.Type.TOPIC, name, incremental_configs=[entry])
        await self._done(lambda admin: admin.incremental_alter_configs([wish]))

    async def move_leaders(self, topic: str) -> None:
        """Give each partition to the next of its replicas, all of them alive."""
        described = await self._done(lambda admin: admin.describe_topics(TopicCollection([topic])))
        orders = {row.id: _turned([each.id for each in row.replicas]) for row in described[topic].partitions}
        rows = [(number, order, {}) for number, order in orders.items()]  # type: ignore[var-annotated]
        await self._send_raw(_Reassignment(20_000, [(topic, rows, {})], {}))
        partitions = [TopicPartition(topic, number) for number in orders]
        admin = self.kafka.admin()  # it has to outlive its future
        future = admin.elect_leaders(ElectionType.PREFERRED, partitions)
        await asyncio.to_thread(future.result, _ADMIN_SECONDS)

    async def _send_raw(self, request: Any) -> None:
        """A request that the admin client has no method for; any broker passes it on to the controller."""
        connection = await _connect("127.0.0.1", self.kafka.ports[0].plaintext, request_timeout_ms=20_000)
        try:
            await connection.send(request)
        finally:
            connection.close()

    async def add_user(self) -> None:
        """The user that gateways are, or its password anew."""
        await self._persist(lambda: self.kafka.add_scram_user(USER, PASSWORD))

    async def revoke_user(self) -> None:
        """Take the user away; connections that it has stay, as Kafka does it, until something ends them."""
        with suppress(KafkaException):  # an attempt that was not answered may have done it
            await self._persist(lambda: self.kafka.delete_scram_user(USER))

    async def deny_writing(self, topic: str) -> None:
        """An ACL against the user."""
        await self._done(lambda admin: admin.create_acls([_denial(_API.AclBinding, topic)]))

    async def allow_writing(self, topic: str) -> None:
        """The ACL goes."""
        await self._done(lambda admin: admin.delete_acls([_denial(_API.AclBindingFilter, topic)]))

    async def heal(self) -> None:
        """Fine weather, and all brokers up."""
        self.weather.clear()
        await asyncio.to_thread(self.kafka.heal)

    async def read(self, topics: Sequence[str]) -> list[Found]:
        """All records of topics."""
        return await asyncio.to_thread(read_to_end, self.kafka.bootstrap, topics)

    async def _done(self, ask: Callable[[Any], dict[Any, Any]]) -> dict[Any, Any]:
        """What an admin request brings, once it has been done.

        By a client of its own at each attempt: one whose broker was taken away may ask that one again and again, without a
        pause, and nobody else (librdkafka; 500,000 refused connections in half a minute).
        """

        def attempt() -> dict[Any, Any]:
            admin = self.kafka.admin()  # it has to outlive its futures
            return {key: each.result(_ADMIN_SECONDS) for key, each in ask(admin).items()}

        return await self._persist(attempt)

    async def _persist(self, ask: Callable[[], T]) -> T:
        """Ask brokers, some of whom may be away, until they have answered: asking again changes nothing."""
        until = time.monotonic() + _PATIENCE
        while True:
            try:
                return await asyncio.to_thread(ask)
            except (KafkaException, TimeoutError) as error:
                if time.monotonic() > until or (isinstance(error, KafkaException) and _is_gone(error)):
                    raise
            await asyncio.sleep(0.3)


def _is_gone(error: KafkaException) -> bool:
    return bool(error.args[0].code() == KafkaError.RESOURCE_NOT_FOUND)


@asynccontextmanager
async def behind_proxies(kafka: Kafka) -> AsyncIterator[Brokers]:
    """Healthy brokers with their proxies; they are well again afterwards."""
    made = Brokers(kafka)
    for proxy in made.proxies:
        await proxy.start()
    try:
        await made.add_user()
        yield made
    finally:
        await made.heal()
        for proxy in made.proxies:
            await proxy.stop()


async def _at_once(act: Any, brokers: Sequence[int]) -> None:
    await asyncio.gather(*(asyncio.to_thread(act, each) for each in brokers))


def _turned(order: list[int]) -> list[int]:
    return order[1:] + order[:1]


def _denial(kind: Any, topic: str) -> Any:
    literal, permission = _API.ResourcePatternType.LITERAL, _API.AclPermissionType.DENY
    return kind(_API.ResourceType.TOPIC, topic, literal, f"User:{USER}", "*", _API.AclOperation.WRITE, permission)
