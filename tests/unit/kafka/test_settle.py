"""What becomes of records, by Kafka's answer. No Kafka here: answers are written down."""

from random import Random

import pytest

from headgate_gateway.kafka.accumulator import Accumulator
from headgate_gateway.kafka.connection import PartitionAnswer
from headgate_gateway.kafka.counters import Counters
from headgate_gateway.kafka.lanes import Batch
from headgate_gateway.kafka.outcome import FailureReason, PartitionAck
from headgate_gateway.kafka.settle import Settler
from headgate_gateway.kafka.submission import Submission

from .builders import LEADER, records, submit, values_of, with_topic


class World:
    """An accumulator with one partition, and what the settler told."""

    def __init__(self) -> None:
        self.accumulator = Accumulator()
        with_topic(self.accumulator)
        self.counters = Counters()
        self.finished: list[Submission] = []
        self.refreshed = 0
        self.now = 0.0
        self.settler = Settler(self.accumulator, self.counters, Random(1), self._finish, self._refresh)

    def _finish(self, submission: Submission) -> None:
        submission.resolve()
        self.finished.append(submission)

    def _refresh(self) -> None:
        self.refreshed += 1

    def submit(self, *values: str) -> Submission:
        return submit(self.accumulator, records(*values, keys=["k"] * len(values)))

    def take(self) -> Batch:
        self.now += 10.0
        [batch] = self.accumulator.take(LEADER, self.now)
        return batch

    def answer(self, code: int, base_offset: int = -1, message: str = "", errors: dict[int, str] | None = None) -> None:
        answer = PartitionAnswer(code, base_offset, message, tuple((errors or {}).items()))
        self.settler.answered(self.take(), answer, self.now)


def test_acknowledged_requests_know_their_offsets() -> None:
    world = World()
    first, second = world.submit("a", "b"), world.submit("c")
    world.answer(0, base_offset=40)
    assert first.outcome.acks == [PartitionAck("events", 0, 40, 2)]
    assert second.outcome.acks == [PartitionAck("events", 0, 42, 1)]
    assert (first.outcome.acked, second.outcome.acked) == ([1, 2], [1])
    assert world.finished == [first, second]


@pytest.mark.parametrize("code", [3, 5, 6, 7, 13, 19, 20, 56, 4711])
def test_passing_error_is_retried(code: int) -> None:
    world = World()
    submission = world.submit("a")
    world.answer(code)
    assert not submission.resolved
    world.answer(0, base_offset=1)
    assert submission.outcome.complete


@pytest.mark.parametrize("code", [3, 6, 13])
def test_error_of_a_leader_asks_for_metadata(code: int) -> None:
    world = World()
    world.submit("a")
    world.answer(code)
    assert world.refreshed == 1


def test_refused_batch_fails_with_kafkas_reason() -> None:
    world = World()
    submission = world.submit("a", "b")
    world.answer(29, message="not yours")
    assert submission.outcome.failed == [1, 2]
    assert submission.outcome.reason is FailureReason.REFUSED
    assert "TOPIC_AUTHORIZATION_FAILED: not yours" in submission.outcome.message


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (10, FailureReason.RECORD_TOO_LARGE),
        (18, FailureReason.RECORD_TOO_LARGE),
        (32, FailureReason.RECORD_INVALID),
        (87, FailureReason.RECORD_INVALID),
        (17, FailureReason.REFUSED),
        (29, FailureReason.REFUSED),
        (44, FailureReason.REFUSED),
    ],
)
def test_a_record_refused_for_good_says_whose_fault_it_is(code: int, reason: FailureReason) -> None:
    world = World()
    submission = world.submit("a")
    world.answer(code)
    assert (submission.outcome.reason, submission.outcome.reasons) == (reason, {reason})


def test_named_offender_fails_and_strangers_go_through() -> None:
    world = World()
    stranger, offender, other = world.submit("a"), world.submit("b", "bad", "c"), world.submit("d")
    world.answer(87, errors={2: "no key"})
    assert offender.outcome.failed == [2]
    batch = world.take()
    assert values_of(batch) == ["a", "b", "c", "d"]
    world.settler.delivered(batch, 0)
    assert stranger.outcome.complete
    assert other.outcome.complete
    assert offender.outcome.acked == [1, 3]
    assert "no key" in offender.outcome.message


def test_unnamed_offender_is_found_by_halving() -> None:
    world = World()
    strangers = [world.submit(str(number)) for number in range(7)]
    offender = world.submit("too large")
    for _ in range(20):
        if offender.resolved:
            break
        batch = world.take()
        code = 10 if "too large" in values_of(batch) else 0
        world.settler.answered(batch, PartitionAnswer(code, -1 if code else 5, "", ()), world.now)
    assert offender.outcome.failed == [1]
    assert "MESSAGE_TOO_LARGE" in offender.outcome.message
    assert all(stranger.outcome.complete for stranger in strangers)


def test_server_error_leaves_its_single_record_unknown() -> None:
    world = World()
    submission = world.submit("a")
    world.answer(-1)
    assert submission.outcome.unknown == [1]


def test_damaged_batch_is_sent_again_before_a_record_is_suspected() -> None:
    world = World()
    submission = world.submit("a")
    world.answer(2)
    world.answer(2)
    assert not submission.resolved
    world.answer(2)
    assert submission.outcome.failed == [1]


def test_request_without_answer_is_ambiguous_and_sent_again() -> None:
    world = World()
    submission = world.submit("a")
    batch = world.take()
    world.settler.lost(batch, "connection closed", world.now, sent=True)
    assert batch.ambiguous
    assert world.take() is batch
    world.settler.delivered(batch, 3)
    assert submission.outcome.complete


def test_late_answer_for_an_expired_request_counts_its_offsets() -> None:
    world = World()
    expired, alive = world.submit("a", "b"), world.submit("c")
    batch = world.take()
    for piece, _, _ in world.accumulator.withdraw(expired):
        piece.fail(FailureReason.TIMEOUT, "late", unknown=True)
    expired.resolve()
    world.settler.delivered(batch, 10)
    assert alive.outcome.acks == [PartitionAck("events", 0, 12, 1)]
    assert expired.outcome.unknown == [1, 2]
    assert world.counters.delivered == 1


@pytest.mark.parametrize(("code", "doubtful"), [(7, 2), (13, 2), (3, 0), (19, 0)])
def test_records_sent_again_are_counted_where_kafka_may_have_them(code: int, doubtful: int) -> None:
    world = World()
    world.submit("a", "b")
    world.answer(code)
    assert (world.counters.retries, world.counters.retried_records) == (1, doubtful)


def test_what_was_answered_meanwhile_is_not_sent_again_and_not_counted() -> None:
    world = World()
    expired, waiting = world.submit("a", "b", "c"), world.submit("d")
    batch = world.take()
    for piece, unknown, _ in world.accumulator.withdraw(expired):
        piece.fail(FailureReason.TIMEOUT, "", unknown=unknown)
    world.settler.lost(batch, "cut", world.now, sent=True)
    assert world.counters.retried_records == 1
    world.answer(0, base_offset=7)
    assert waiting.outcome.complete
