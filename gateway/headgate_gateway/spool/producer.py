"""A producer with the disk behind it: the HTTP side's port, for repos that spool.

Async:                                        append -> durable: `outcome.spooled`
Sync, its lanes free, its target not blocked: Kafka; what fails or is unknown is appended
Sync otherwise:                               append
"""

from collections.abc import Callable, Iterable

from headgate_gateway.kafka.outcome import Outcome
from headgate_gateway.pipeline.records import Records


class SpoolSubmission:
    """Records handed in, until each is in Kafka, on disk, or refused by both."""

    __slots__ = ("outcome",)

    def __init__(self) -> None:
        self.outcome = Outcome()


class SpoolingProducer:
    """The http port `Producer`. One for each real producer that a lease gives, so that bytes go back where they came from."""

    @property
    def down(self) -> str | None:
        """Why neither Kafka nor the disk takes records; None: one of them may."""
        raise NotImplementedError

    def refusal(self, name: str) -> str | None:
        """Why neither Kafka nor the disk takes records for a topic; None: let them come."""
        raise NotImplementedError

    def reserve(self, nbytes: int) -> bool:
        """Take bytes of the profile's `maxBufferBytes`."""
        raise NotImplementedError

    def release(self, nbytes: int) -> None:
        """Give them back."""
        raise NotImplementedError

    def watch(self, topics: Iterable[str]) -> None:
        """Learn about topics before their first record comes."""
        raise NotImplementedError

    def submit(self, records: Records, now_ms: int, on_done: Callable[[SpoolSubmission], None]) -> SpoolSubmission:
        """Hand in records; `on_done` is called once, later, within the profile's deliveryTimeout and a commit.

        Its outcome's `spooled` are lines that are durable. Nobody may change the lists of `records` afterwards.
        """
        raise NotImplementedError


class SpoolingLease:
    """The http port `Lease`."""

    @property
    def producer(self) -> SpoolingProducer:
        """The producer that serves now, with the disk behind it: take it once a request, and stay with it."""
        raise NotImplementedError

    def release(self) -> None:
        """No longer used by its repo. The spool keeps the profile for as long as it holds records for it."""
        raise NotImplementedError
