"""Stands in for Kafka: hands records on to whoever shows or compares them, and acknowledges each. Keeps nothing."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from headgate_gateway.config.producer import ProducerConfig
from headgate_gateway.http.ports import Submission
from headgate_gateway.kafka.outcome import Outcome, PartitionAck
from headgate_gateway.pipeline.records import Records

Take = Callable[[Records, int], None]
"""Takes records and their request's time of acceptance, in ms since the epoch."""


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """Records that were taken."""

    outcome: Outcome


class LocalProducer:
    """Acknowledges what it is given as partition 0 of each topic, with offsets from 0 on."""

    down: str | None = None

    def __init__(self, take: Take) -> None:
        self._take = take
        self._offsets: dict[str, int] = {}

    def refusal(self, name: str) -> str | None:
        """Every topic is there."""
        return None

    def reserve(self, nbytes: int) -> bool:
        """There is room for what fits the gateway."""
        return True

    def release(self, nbytes: int) -> None:
        """Nothing was taken."""

    def watch(self, topics: Iterable[str]) -> None:
        """Nothing is to be learned about topics."""

    def submit(self, records: Records, now_ms: int, on_done: Callable[[Submission], None]) -> Submission:
        """Hand the records on; acknowledged one turn of the loop later."""
        count, base = len(records.values), self._offsets.get(records.topic, 0)
        self._offsets[records.topic] = base + count
        self._take(records, now_ms)
        submission = Acknowledged(
            Outcome(acked=records.lines, acks=[PartitionAck(records.topic, 0, base, count)]),
        )
        asyncio.get_running_loop().call_soon(on_done, submission)
        return submission


@dataclass(frozen=True, slots=True)
class LocalLease:
    """A use of the one producer."""

    producer: LocalProducer

    def release(self) -> None:
        """There is nothing to close."""


class LocalProducers:
    """The same producer for every profile, as a loader asks for them."""

    def __init__(self, take: Take) -> None:
        self._lease = LocalLease(LocalProducer(take))

    def acquire(self, config: ProducerConfig, credentials: Mapping[str, bytes]) -> LocalLease:
        """The lease of any profile."""
        return self._lease
