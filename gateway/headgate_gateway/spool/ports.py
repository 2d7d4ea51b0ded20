"""What the spool needs of Kafka's side: a producer, a lease of one, and where leases come from. Tests bring their own."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol

from headgate_gateway.config.producer import ProducerConfig
from headgate_gateway.kafka.outcome import Outcome
from headgate_gateway.pipeline.records import Records


class Submission(Protocol):
    """Records handed in, until their fate is known."""

    @property
    def outcome(self) -> Outcome:
        """Final once `on_done` was called."""
        ...


class KafkaProducer(Protocol):
    """As `headgate_gateway.kafka.producer.Producer`."""

    @property
    def down(self) -> str | None:
        """Why it cannot deliver now; None while it can, or has not tried yet."""
        ...

    @property
    def pending_records(self) -> int:
        """Records handed in, by anybody, whose fate is open."""
        ...

    def refusal(self, name: str) -> str | None:
        """Why records for a topic would not be delivered; None: let them come. Asking makes it look again."""
        ...

    def reserve(self, nbytes: int) -> bool:
        """Take bytes of the profile's `maxBufferBytes`; False when they are not there."""
        ...

    def release(self, nbytes: int) -> None:
        """Give reserved bytes back."""
        ...

    def watch(self, topics: Iterable[str]) -> None:
        """Learn about topics before their first record comes."""
        ...

    def submit(
        self,
        records: Records,
        now_ms: int,
        on_done: Callable[[Any], None],
        on_late: Callable[[Sequence[int]], None],
    ) -> Submission:
        """Hand in records. Keyed ones are sent in the order of the calls."""
        ...

    def recall(self, submissions: Iterable[Any]) -> None:
        """Take submissions back: `on_done` of each that is open is called within this call, in this order."""
        ...


class ProducerLease(Protocol):
    """The right to use a producer, until released."""

    @property
    def producer(self) -> KafkaProducer:
        """The one that serves now."""
        ...

    def release(self) -> None:
        """The producer closes with its last lease."""
        ...


class ProducerSource(Protocol):
    """As `headgate_gateway.kafka.pool.ProducerPool`."""

    def acquire(self, config: ProducerConfig, credentials: Mapping[str, bytes]) -> ProducerLease:
        """The producer of a profile's content. Raises ValueError where none can be made of these credentials."""
        ...
