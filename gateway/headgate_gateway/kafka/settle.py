"""Turns Kafka's answers, and their absence, into fates of records. Pure; leader links call it.

answer 0            -> acknowledged
REFUSE              -> failed, with Kafka's reason
CUT                 -> the named records failed, the rest again; or, where none is named, halves
RETRY, REFRESH      -> again after a backoff, until the requests expire
no answer           -> again; the records count as perhaps written from then on
"""

from collections.abc import Callable
from random import Random

from headgate_gateway.kafka.accumulator import Accumulator
from headgate_gateway.kafka.connection import PartitionAnswer
from headgate_gateway.kafka.counters import Counters
from headgate_gateway.kafka.errors import INVALID, NONE, TOO_LARGE, Fate, code_of, is_ambiguous
from headgate_gateway.kafka.lanes import Batch, Partition
from headgate_gateway.kafka.outcome import FailureReason
from headgate_gateway.kafka.submission import Piece, Submission

BACKOFF_FIRST = 0.05
BACKOFF_MOST = 1.0
ATTEMPTS_BEFORE_CUT = 3
"""How often a batch that the network may have damaged is sent before one of its records is suspected."""


def backoff(failures: int, random: Random) -> float:
    """Seconds to wait after that many failures in a row: doubling, bounded, with jitter so that gateways spread."""
    return float(min(BACKOFF_MOST, BACKOFF_FIRST * 2 ** min(failures, 10)) * random.uniform(0.8, 1.2))


class Settler:
    """Applies answers to batches, and through them to submissions."""

    def __init__(
        self,
        accumulator: Accumulator,
        counters: Counters,
        random: Random,
        finish: Callable[[Submission], None],
        refresh: Callable[[], None],
    ) -> None:
        self._accumulator = accumulator
        self._counters = counters
        self._random = random
        self._finish = finish
        self._refresh = refresh

    def delivered(self, batch: Batch, base_offset: int) -> None:
        """Kafka has the batch, at this offset (-1: it did not say)."""
        finish = self._finish
        number = batch.partition.index
        known = base_offset >= 0
        offset = base_offset
        delivered = 0
        for piece in batch.pieces:
            count = len(piece.indices)
            if not piece.settled:
                delivered += count
                if piece.ack(number, offset) == 0:
                    finish(piece.submission)
            elif piece.submission.on_late is not None:
                # Answered while the batch was away, and in Kafka too: few can still use that.
                piece.submission.on_late(piece.lines())
            if known:
                offset += count
        counters = self._counters
        counters.delivered += delivered
        counters.batches += 1
        counters.batch_bytes += len(batch.payload or b"")
        self._accumulator.settle(batch)

    def answered(self, batch: Batch, answer: PartitionAnswer, now: float) -> None:
        """Kafka has answered for the batch."""
        if answer.code == NONE:
            self.delivered(batch, answer.base_offset)
            return
        row = code_of(answer.code)
        batch.attempts += 1
        batch.ambiguous = batch.ambiguous or is_ambiguous(answer.code, answer.base_offset)
        batch.error = f"{_where(batch.partition)}: {row.name}" + (f": {answer.message}" if answer.message else "")
        match row.fate:
            case Fate.RETRY:
                self._again(batch, now, elsewhere=False)
            case Fate.REFRESH:
                self._refresh()
                self._again(batch, now, elsewhere=True)
            case Fate.RETRY_THEN_CUT if batch.attempts < ATTEMPTS_BEFORE_CUT:
                self._again(batch, now, elsewhere=False)
            case Fate.RETRY_THEN_CUT | Fate.CUT:
                self._cut(batch, answer, now)
            case Fate.REFUSE:
                self._refuse(batch, answer.code)

    def lost(self, batch: Batch, reason: str, now: float, *, sent: bool) -> None:
        """The request that carried the batch ended without an answer; `sent`: it may have reached Kafka."""
        batch.attempts += 1
        batch.ambiguous = batch.ambiguous or sent
        batch.error = reason
        self._again(batch, now, elsewhere=not sent)

    def unencodable(self) -> None:
        """Fail the records that no batch can hold."""
        refused = self._accumulator.refused
        while refused:
            piece, reason = refused.pop()
            self._fail(piece, f"record cannot be encoded: {reason}", FailureReason.RECORD_INVALID, unknown=False)

    def fail_waiting(self, pieces: list[Piece], message: str) -> None:
        """Kafka will never take records of this topic: fail those that wait for it."""
        for piece in pieces:
            if not piece.settled:
                self._fail(piece, message, FailureReason.REFUSED, unknown=False)

    def _again(self, batch: Batch, now: float, *, elsewhere: bool) -> None:
        self._count_retry(batch)
        wait = backoff(batch.partition.failures, self._random)
        self._accumulator.retry(batch, now + wait, elsewhere=elsewhere)

    def _cut(self, batch: Batch, answer: PartitionAnswer, now: float) -> None:
        named = {position: text for position, text in answer.record_errors if 0 <= position < batch.count}
        if batch.count == 1 or len(named) == batch.count:
            self._refuse(batch, answer.code)
            return
        self._counters.splits += 1
        if named:
            # The positions count the batch as it was sent, so this comes before anything is dropped from it.
            offenders = batch.extract(set(named))
            reason = next(iter(named.values())) or batch.error
            for piece in offenders:
                if not piece.settled:
                    self._fail(piece, f"{batch.error} ({reason})", _blame(answer.code), unknown=batch.ambiguous)
        else:
            if answer.code in TOO_LARGE:
                self._accumulator.shrink(batch)
            self._accumulator.split(batch, batch.count // 2)
        # At once: Kafka is well, and strangers wait. What was refused is smaller by now, so this ends.
        self._count_retry(batch)
        self._accumulator.retry(batch, now)

    def _count_retry(self, batch: Batch) -> None:
        self._counters.retries += 1
        if batch.ambiguous:
            self._counters.retried_records += sum(len(piece.indices) for piece in batch.pieces if not piece.settled)

    def _refuse(self, batch: Batch, code: int) -> None:
        for piece in batch.pieces:
            if not piece.settled:
                self._fail(piece, batch.error, _blame(code), unknown=batch.ambiguous)
        self._accumulator.settle(batch)

    def _fail(self, piece: Piece, message: str, reason: FailureReason, *, unknown: bool) -> None:
        if unknown:
            self._counters.unknown += len(piece.indices)
        else:
            self._counters.failed += len(piece.indices)
        submission = piece.submission
        if piece.fail(reason, message, unknown=unknown) == 0:
            self._finish(submission)
        elif reason is FailureReason.REFUSED and submission.on_late is not None:
            # It will be submitted again, and what comes after it must not get past it until then.
            for rest, sent, _ in self._accumulator.withdraw(submission):
                self._fail(rest, message, FailureReason.RECALLED, unknown=sent)


def _blame(code: int) -> FailureReason:
    if code in TOO_LARGE:
        return FailureReason.RECORD_TOO_LARGE
    return FailureReason.RECORD_INVALID if code in INVALID else FailureReason.REFUSED


def _where(partition: Partition) -> str:
    return f"{partition.topic.name}-{partition.index}"
