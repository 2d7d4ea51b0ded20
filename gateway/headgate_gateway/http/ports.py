"""What the HTTP side needs of a producer. `headgate_gateway.kafka` has the real one; tests bring their own."""

from collections.abc import Callable, Iterable
from typing import Protocol

from headgate_gateway.kafka.outcome import FailureReason, Outcome
from headgate_gateway.pipeline.records import Records


class Submission(Protocol):
    """Records handed in, until their fate is known."""

    @property
    def outcome(self) -> Outcome:
        """Final once `on_done` was called."""
        ...


class SpoolRefusal(Protocol):
    """Why the spool takes no records now."""

    @property
    def reason(self) -> FailureReason:
        """SPOOL_FULL or SPOOL_FAILED."""
        ...

    @property
    def message(self) -> str:
        """For people."""
        ...

    @property
    def retry_after(self) -> int:
        """Seconds until it is expected to take some again."""
        ...


class Spool(Protocol):
    """The durable queue on this gateway's disk, as far as requests ask it themselves; producers put records in it."""

    @property
    def refusal(self) -> SpoolRefusal | None:
        """Why it takes no records now; None: it does."""
        ...


class Producer(Protocol):
    """One producer of one Kafka cluster, perhaps with the spool behind it."""

    @property
    def down(self) -> str | None:
        """Why it cannot deliver now, nor spool; None while it can, or has not tried yet."""
        ...

    def refusal(self, name: str) -> str | None:
        """Why records for a topic would not be delivered, nor spooled, such as that it is missing; None: let them come."""
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

    def submit(self, records: Records, now_ms: int, on_done: Callable[[Submission], None]) -> Submission:
        """Hand in records; `on_done` is called once, later, within the profile's deliveryTimeout and a commit."""
        ...


class Lease(Protocol):
    """The right to use a producer, until released."""

    @property
    def producer(self) -> Producer:
        """The producer; which one it is may change when credentials do."""
        ...

    def release(self) -> None:
        """The producer closes with its last lease."""
        ...
