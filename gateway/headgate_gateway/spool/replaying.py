"""`headgate spool replay`: takes a directory's lock, its logs and their producers, and sends what is there.

The way of a gateway that only empties its spool. Called by the command line, in a process of its own.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from pydantic import ValidationError

from headgate_gateway.config.producer import ProducerConfig
from headgate_gateway.spool.directory import SpoolDirectory
from headgate_gateway.spool.disk import Disk
from headgate_gateway.spool.entry import Destination
from headgate_gateway.spool.epoch import Fence, has_epoch
from headgate_gateway.spool.errors import SpoolSharedError
from headgate_gateway.spool.inspection import LogPlace, log_places
from headgate_gateway.spool.log import Log, Notify, Stored
from headgate_gateway.spool.sending import KafkaProducer, Sender, Tally
from headgate_gateway.spool.space import Space

_NO_BOUND = 2**62
CLOSE_SECONDS = 5.0
REPLAYER = "headgate-spool-replay"
"""Whose epoch it is, as a gateway tells that finds it in a directory that it had."""
_SHARED = (
    "is on a claim that gateways share (it has an epoch): one on another machine may be using it, and would go on taking"
    " events that this replay misses. Let the fleet's gateways deliver it; or make sure that none does and name"
    " --take-over, which fences whichever had it"
)


@dataclass(frozen=True, slots=True)
class ReplayRequest:
    """What is to be sent, and where to."""

    directory: str
    """Absolute."""
    kafka: str | None = None
    """HOST:PORT, without TLS and SASL, in place of what the profiles name."""
    credentials: Mapping[str, bytes] = field(default_factory=dict)
    """The contents of the files that profiles name."""
    logs: frozenset[str] = frozenset()
    """Names of logs; empty: all but the parked."""
    topics: frozenset[str] = frozenset()
    """Empty: all."""
    keep: bool = False
    """What is sent counts as not sent."""
    takes_over: bool = False
    """A directory that gateways share is taken from whichever has it."""

    def wants_log(self, name: str) -> bool:
        """Whether a log is to be sent."""
        return name in self.logs if self.logs else name != "parked"

    def wants(self, stored: Stored) -> bool:
        """Whether an entry is to be sent."""
        return not self.topics or stored.entry.topic in self.topics


class Lease(Protocol):
    """Of a producer."""

    @property
    def producer(self) -> KafkaProducer:
        """The producer."""
        ...


class ProducerPool(Protocol):
    """`headgate_gateway.kafka`'s."""

    def acquire(self, config: ProducerConfig, credentials: Mapping[str, bytes]) -> Any:
        """The producer of a profile. Raises ValueError for credentials that cannot be used."""
        ...


class Producers:
    """The producers of the profiles that a directory holds."""

    def __init__(self, profiles: Mapping[str, bytes], pool: ProducerPool, request: ReplayRequest) -> None:
        self._profiles = profiles
        self._pool = pool
        self._request = request
        self._found: dict[str, KafkaProducer | str] = {}

    def __call__(self, destination: Destination) -> KafkaProducer | str:
        """As `ProducerOf` has it."""
        content = destination.profile_hash
        if content not in self._found:
            self._found[content] = self._find(destination)
        return self._found[content]

    def _find(self, destination: Destination) -> KafkaProducer | str:
        stored = self._profiles.get(destination.profile_hash)
        if stored is None and self._request.kafka is None:
            return f"the directory does not hold profile {destination.profile}: name a Kafka with --kafka"
        try:
            config = self._config(destination, stored)
            lease: Lease = self._pool.acquire(config, {} if self._request.kafka else self._request.credentials)
        except ValueError as error:
            return f"profile {destination.profile}: {error}"
        return lease.producer

    def _config(self, destination: Destination, stored: bytes | None) -> ProducerConfig:
        if self._request.kafka is None:
            return ProducerConfig.model_validate_json(stored or b"", extra="ignore")
        elsewhere = {"bootstrap_servers": (self._request.kafka,), "tls": None, "sasl": None}
        try:
            return ProducerConfig.model_validate_json(stored or b"", extra="ignore").model_copy(update=elsewhere)
        except ValidationError:
            # Missing, or another version's: the Kafka that was named is all that it takes.
            return ProducerConfig(name=destination.profile, bootstrap_servers=(self._request.kafka,))


async def replay(
    disk: Disk, request: ReplayRequest, pool: ProducerPool, on_progress: Callable[[str, Tally], None]
) -> dict[str, Tally]:
    """Send; what became of each log's records. Raises SpoolLockedError, SpoolVersionError, SpoolFencedError, OSError."""
    directory = await asyncio.to_thread(_open_directory, disk, request)
    try:
        producers = Producers(await asyncio.to_thread(directory.profiles), pool, request)
        notify = asyncio.get_running_loop().call_soon_threadsafe
        tallies = {}
        for place in log_places(disk, request.directory):
            if request.wants_log(place.name):
                log = await asyncio.to_thread(_open_log, disk, place, notify, directory.fence)
                tallies[place.name] = await _replay_log(log, place.name, request, producers, on_progress)
        return tallies
    finally:
        directory.close()


def _open_directory(disk: Disk, request: ReplayRequest) -> SpoolDirectory:
    owner = REPLAYER if has_epoch(disk, request.directory) else ""
    if owner and not request.takes_over:
        raise SpoolSharedError(f"{request.directory} {_SHARED}")
    return SpoolDirectory.open(disk, request.directory, owner)


def _open_log(disk: Disk, place: LogPlace, notify: Notify, fence: Fence | None) -> Log:
    return Log.open(disk, place.path, Space(_NO_BOUND, 0), notify, fence=fence)


async def _replay_log(
    log: Log,
    name: str,
    request: ReplayRequest,
    producers: Producers,
    on_progress: Callable[[str, Tally], None],
) -> Tally:
    try:
        sender = Sender(log, producers, keep=request.keep, wanted=request.wants)
        await sender.run(lambda tally: on_progress(name, tally))
        return sender.tally
    finally:
        await asyncio.to_thread(log.close)


async def replay_to_kafka(
    disk: Disk, request: ReplayRequest, on_progress: Callable[[str, Tally], None]
) -> dict[str, Tally]:
    """`replay` with producers of its own."""
    # Imported here: whoever brings other producers does without a Kafka client.
    from headgate_gateway.kafka.pool import ProducerPool as KafkaPool  # noqa: PLC0415

    pool = KafkaPool()
    try:
        return await replay(disk, request, pool, on_progress)
    finally:
        await pool.close(CLOSE_SECONDS)
