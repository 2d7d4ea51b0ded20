"""One request's records on their way to Kafka, and how their fate is gathered. Pure: no clock, no I/O.

The producer makes one `Submission` per call of `submit`; the accumulator cuts it into pieces, one per partition (or
per batch, where a batch is full); whoever learns a piece's fate reports it here.
"""

from collections.abc import Callable, Generator, Sequence
from typing import TYPE_CHECKING, Any

from headgate_gateway.kafka.outcome import REFUSALS, FailureReason, Outcome, PartitionAck
from headgate_gateway.pipeline.records import Records

if TYPE_CHECKING:
    import asyncio

    from headgate_gateway.kafka.lanes import Batch, Lane


class Submission:
    """Records of one request for one topic, until each is delivered, failed or unknown.

    Awaitable, and calls `on_done` once; never from within `Producer.submit`. The lists of its outcome may be the
    request's own: read them, do not change them.
    """

    __slots__ = (
        "_future",
        "accepted",
        "now_ms",
        "on_done",
        "on_late",
        "outcome",
        "pending",
        "pieces",
        "records",
        "resolved",
    )

    def __init__(
        self,
        records: Records,
        now_ms: int,
        accepted: float,
        on_done: "Callable[[Submission], None] | None" = None,
        on_late: "Callable[[Sequence[int]], None] | None" = None,
    ) -> None:
        self.records = records
        self.now_ms = now_ms
        """Time of acceptance, in milliseconds since the epoch: the timestamp of records that bring none."""
        self.accepted = accepted
        """Time of acceptance on the producer's clock, in seconds."""
        self.on_done = on_done
        self.on_late = on_late
        """Gets the lines of `unknown` that Kafka acknowledges after all. Who asks for it gets the whole submission back
        as soon as Kafka refuses a part of it."""
        self.outcome = Outcome()
        self.pending = len(records.values)
        """Records whose fate is open."""
        self.pieces: list[Piece] = []
        self.resolved = False
        self._future: asyncio.Future[Outcome] | None = None

    def __await__(self) -> Generator[Any, None, Outcome]:
        if not self.resolved:
            # Imported here, since everything else in this module is pure and used without a loop.
            import asyncio  # noqa: PLC0415

            if self._future is None:
                self._future = asyncio.get_running_loop().create_future()
            yield from asyncio.shield(self._future).__await__()
        return self.outcome

    def resolve(self) -> None:
        """Tell whoever waits. The outcome is final."""
        self.resolved = True
        self.pieces = []  # a piece knows its submission: without this, only the garbage collector frees them
        if self._future is not None and not self._future.done():
            self._future.set_result(self.outcome)
        if self.on_done is not None:
            self.on_done(self)


class Piece:
    """Records of one submission that travel together: those for one partition, or the keyless ones."""

    __slots__ = ("batch", "indices", "keyed", "lane", "settled", "submission")

    def __init__(self, submission: Submission, indices: Sequence[int], *, keyed: bool) -> None:
        self.submission = submission
        self.keyed = keyed
        """Whether its records belong to one partition, and to no other."""
        self.indices = indices
        """Indices into the request's records, ascending: a range where they are consecutive."""
        self.lane: Lane | None = None
        self.batch: Batch | None = None
        self.settled = False
        submission.pieces.append(self)

    def split(self, count: int) -> "Piece":
        """Keep the first `count` records; return a piece with the rest, in the same lane and batch."""
        rest = Piece(self.submission, self.indices[count:], keyed=self.keyed)
        rest.lane, rest.batch, rest.settled = self.lane, self.batch, self.settled
        self.indices = self.indices[:count]
        return rest

    def lines(self) -> list[int]:
        """Numbers of the lines that the records were made from. The request's own list where the piece is all of it."""
        lines = self.submission.records.lines
        if len(self.indices) == len(lines):
            return lines
        return [lines[index] for index in self.indices]

    def ack(self, partition: int, base_offset: int) -> int:
        """The records are in Kafka, the first at `base_offset` (-1: not known). Returns how many are still open."""
        submission, count = self.submission, len(self.indices)
        outcome = submission.outcome
        if outcome.acked:
            outcome.acked.extend(self.lines())
        else:
            # May be the request's own list, but then this piece is the whole request and nothing is added later.
            outcome.acked = self.lines()
        outcome.acks.append(PartitionAck(submission.records.topic, partition, base_offset, count))
        self.settled = True
        submission.pending -= count
        return submission.pending

    def fail(self, reason: FailureReason, message: str, *, unknown: bool) -> int:
        """The records are not in Kafka, or perhaps (`unknown`). Returns how many are still open."""
        submission, count = self.submission, len(self.indices)
        outcome = submission.outcome
        lines = self.lines()
        (outcome.unknown if unknown else outcome.failed).extend(lines)
        if reason in REFUSALS:
            outcome.refused = {**(outcome.refused or {}), **dict.fromkeys(lines, (reason, message))}
        outcome.reasons.add(reason)
        if outcome.reason is None:
            outcome.reason, outcome.message = reason, message
        self.settled = True
        submission.pending -= count
        return submission.pending
