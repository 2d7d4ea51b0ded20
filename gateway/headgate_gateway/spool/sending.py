"""A spool's directory delivered without a gateway: `headgate spool replay`. Entries go in order, log by log.

Once something of a destination does not arrive, what follows for it is taken back and stays, so that order per key
holds; records that Kafka refuses for themselves stay alone. What is delivered is acknowledged by the log's own checkpoint. Nothing is dead-lettered or parked.
"""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Protocol

from headgate_gateway.kafka.outcome import FailureReason, Outcome
from headgate_gateway.kafka.submission import Submission
from headgate_gateway.pipeline.records import Records
from headgate_gateway.spool.entry import Destination, records_of
from headgate_gateway.spool.log import Log, Stored

_READ_BYTES = 8 * 2**20
"""Sent at a time: the next ones once all of these have their outcome."""

FOR_GOOD = {FailureReason.RECORD_TOO_LARGE, FailureReason.RECORD_INVALID}
"""Kafka refuses these records, and no others for them."""


class KafkaProducer(Protocol):
    """What it needs of `headgate_gateway.kafka`'s producers."""

    def submit(self, records: Records, now_ms: int, on_done: Callable[[Submission], None]) -> Submission:
        """Send records; `on_done` is called once, later."""
        ...

    def recall(self, submissions: Iterable[Submission]) -> None:
        """Take back what has no outcome yet."""
        ...


ProducerOf = Callable[[Destination], KafkaProducer | str]
"""The producer of a destination's profile; a text: why there is none."""


@dataclass(slots=True)
class Tally:
    """What became of the records of a log."""

    delivered: int = 0
    left: dict[Destination, int] = field(default_factory=dict)
    """Records that stay, by destination."""
    problems: dict[Destination, str] = field(default_factory=dict)
    """Why nothing more is sent there."""
    refused: dict[Destination, str] = field(default_factory=dict)
    """Why Kafka does not want some of the records themselves: the others went on."""


class _Batch:
    """Entries that were read together, until all have their outcome."""

    def __init__(self, sender: "Sender") -> None:
        self._sender = sender
        self._open: dict[Submission, tuple[Destination, int]] = {}
        self._finished = asyncio.Event()

    def submit(self, producer: KafkaProducer, stored: Stored, positions: list[int]) -> None:
        entry = stored.entry
        whole = len(positions) == entry.count
        records = records_of(entry, None if whole else positions)
        submission = producer.submit(records, entry.accepted_ms, lambda done: self._done(producer, done))
        self._open[submission] = entry.destination, stored.first

    def _done(self, producer: KafkaProducer, submission: Submission) -> None:
        destination, first = self._open.pop(submission)
        self._sender.settle(destination, first, submission.outcome)
        if not submission.outcome.reasons <= FOR_GOOD:
            producer.recall([other for other, (its, _) in self._open.items() if its == destination])
        if not self._open:
            self._finished.set()

    async def finish(self) -> None:
        if self._open:
            await self._finished.wait()


class Sender:
    """Sends one log."""

    def __init__(self, log: Log, producer_of: ProducerOf, *, keep: bool, wanted: Callable[[Stored], bool]) -> None:
        self._log = log
        self._producer_of = producer_of
        self._keep = keep
        self._wanted = wanted
        self.tally = Tally()

    async def run(self, on_progress: Callable[[Tally], None]) -> None:
        """Send all of it. Raises OSError where the disk fails."""
        number = self._log.start
        while True:
            some, number = await asyncio.to_thread(self._log.read, number, _READ_BYTES)
            if not some:
                return
            batch = _Batch(self)
            for stored in filter(self._wanted, some):
                self._send(batch, stored)
            await batch.finish()
            if not self._keep:
                await asyncio.to_thread(self._log.checkpoint)
            on_progress(self.tally)

    def _send(self, batch: _Batch, stored: Stored) -> None:
        destination, missing = stored.entry.destination, self._log.missing(stored.first, stored.end)
        positions = [number - stored.first for first, end in missing for number in range(first, end)]
        if destination not in self.tally.problems:
            producer = self._producer_of(destination)
            if not isinstance(producer, str):
                batch.submit(producer, stored, positions)
                return
            self.tally.problems[destination] = producer
        self._leave(destination, len(positions))

    def _leave(self, destination: Destination, count: int) -> None:
        self.tally.left[destination] = self.tally.left.get(destination, 0) + count

    def settle(self, destination: Destination, first: int, outcome: Outcome) -> None:
        """An entry has its outcome: its lines are positions in it."""
        self.tally.delivered += len(outcome.acked)
        if not self._keep:
            for position in outcome.acked:
                self._log.acknowledge(first + position, first + position + 1)
        if not outcome.complete:
            self._leave(destination, len(outcome.failed) + len(outcome.unknown))
            told = self.tally.refused if outcome.reasons <= FOR_GOOD else self.tally.problems
            told.setdefault(destination, outcome.message or str(outcome.reason))
