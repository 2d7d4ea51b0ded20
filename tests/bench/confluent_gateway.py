"""The gateway with confluent-kafka (librdkafka) in its own producer's place: a measured alternative, not a product.

    python -m tests.bench.confluent_gateway LINGER_MS [the gateway's arguments]

Takes keyless records only, knows neither credentials nor topics that are missing.
"""

import asyncio
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import confluent_kafka
from tests.bench.launching import launch

import headgate_gateway.app
from headgate_gateway.config.producer import ProducerConfig
from headgate_gateway.kafka.outcome import FailureReason, PartitionAck
from headgate_gateway.kafka.pool import ProducerPool
from headgate_gateway.kafka.producer import Producer
from headgate_gateway.kafka.status import ProducerState
from headgate_gateway.kafka.submission import Submission
from headgate_gateway.pipeline.records import Records

POLL_SECONDS = 0.001
"""Between two looks at what librdkafka has to tell: a thread that waits for it would take the interpreter's lock."""


class ConfluentProducer(Producer):
    """The port's `submit` by librdkafka; what it inherits is the buffer's count and what admin is told."""

    linger_ms = 0.0

    def start(self) -> None:
        """librdkafka connects by itself, in threads of its own."""
        self.state = ProducerState.READY
        self._alive = True
        self._client = confluent_kafka.Producer(
            {
                "bootstrap.servers": ",".join(self.config.bootstrap_servers),
                "acks": "all",
                "compression.type": self.config.compression.type.value,
                "linger.ms": self.linger_ms,
                "delivery.timeout.ms": self.config.delivery_timeout,
                "queue.buffering.max.messages": 0,
                "queue.buffering.max.kbytes": 2**20,
                "batch.size": 1_000_000,
            }
        )
        self._task = asyncio.create_task(self._poll())

    def watch(self, topics: Iterable[str]) -> None:
        """librdkafka learns of a topic with its first record."""

    def refusal(self, name: str) -> str | None:
        """Never: this is a bench."""
        return None

    def submit(
        self,
        records: Records,
        now_ms: int,
        on_done: Callable[[Submission], None] | None = None,
        on_late: Callable[[Sequence[int]], None] | None = None,
    ) -> Submission:
        """One call for all records; each has its own report. Nothing comes late: no time is up before librdkafka's own."""
        submission = Submission(records, now_ms, self._loop.time(), on_done)
        messages = [{"value": value} for value in records.values]  # batches take no timestamps: librdkafka sets them
        self._client.produce_batch(records.topic, messages, on_delivery=Reports(submission))
        return submission

    async def close(self, seconds: float) -> None:
        """What is under way gets its time."""
        self.state, self._alive = ProducerState.CLOSED, False
        await asyncio.to_thread(self._client.flush, seconds)

    async def _poll(self) -> None:
        while self._alive:
            self._client.poll(0)
            await asyncio.sleep(POLL_SECONDS)


class Reports:
    """Gathers the reports of a submission's records, and tells when there are all."""

    __slots__ = ("_bases", "_counts", "_error", "_left", "_submission")

    def __init__(self, submission: Submission) -> None:
        self._submission = submission
        self._left = submission.pending
        self._bases: dict[int, int] = {}
        self._counts: dict[int, int] = {}
        self._error = ""

    def __call__(self, error: Any, message: Any) -> None:
        """librdkafka's callback, once a record."""
        if error is not None:
            self._error = str(error)
        else:
            partition, offset = message.partition(), message.offset()
            self._bases[partition] = min(offset, self._bases.get(partition, offset))
            self._counts[partition] = self._counts.get(partition, 0) + 1
        self._left -= 1
        if not self._left:
            self._end()

    def _end(self) -> None:
        submission = self._submission
        records, outcome = submission.records, submission.outcome
        if self._error:
            outcome.unknown, outcome.reason, outcome.message = records.lines, FailureReason.TIMEOUT, self._error
        else:
            outcome.acked = records.lines
        outcome.acks = [
            PartitionAck(records.topic, partition, base, self._counts[partition])
            for partition, base in self._bases.items()
        ]
        submission.pending = 0
        submission.resolve()


class ConfluentPool(ProducerPool):
    """Makes the other producer."""

    def _make(self, config: ProducerConfig, credentials: Mapping[str, bytes], content: str, secret: str) -> Producer:
        producer = ConfluentProducer(config, credentials, content_hash=content)
        producer.start()
        return producer


def main() -> None:
    linger, *arguments = sys.argv[1:]
    ConfluentProducer.linger_ms = float(linger)
    vars(headgate_gateway.app)["ProducerPool"] = ConfluentPool
    launch(arguments)


if __name__ == "__main__":
    main()
