"""Submissions that are taken back, and what Kafka says of them afterwards. No broker: batches are answered by hand."""

from collections.abc import Sequence
from random import Random

from headgate_gateway.config.producer import ProducerConfig
from headgate_gateway.kafka.connection import PartitionAnswer
from headgate_gateway.kafka.lanes import Batch
from headgate_gateway.kafka.outcome import FailureReason
from headgate_gateway.kafka.producer import Producer
from headgate_gateway.kafka.submission import Submission

from .builders import LEADER, NOW_MS, records, with_topic

CONFIG = ProducerConfig(name="main", bootstrap_servers=("127.0.0.1:9",))
TOPIC_REFUSED = 29


class World:
    """A producer that never connects, a topic of one partition, and what was told of its submissions."""

    def __init__(self, partitions: int = 1) -> None:
        self.producer = Producer(CONFIG, {}, random=Random(1))
        with_topic(self.producer._accumulator, partitions)
        self.done: list[Submission] = []
        self.late: list[int] = []

    def submit(self, *values: str, keys: Sequence[str] | None = None) -> Submission:
        wanted = records(*values, keys=keys or ["k"] * len(values))
        return self.producer.submit(wanted, NOW_MS, self.done.append, self.late.extend)

    def take(self, now: float = 1e9) -> list[Batch]:
        return self.producer._accumulator.take(LEADER, now)


async def test_what_waits_is_failed_within_the_call_and_never_sent() -> None:
    world = World()
    first, second = world.submit("a", "b"), world.submit("c")
    world.producer.recall([first, second])
    assert world.done == [first, second]
    assert (first.outcome.failed, first.outcome.unknown) == ([1, 2], [])
    assert first.outcome.reasons == {FailureReason.RECALLED}
    assert world.take() == []
    assert world.producer.is_idle
    assert world.producer.pending_records == 0


async def test_what_is_on_its_way_is_unknown_and_its_acknowledgement_is_told() -> None:
    world = World()
    sent = world.submit("a", "b")
    [batch] = world.take()
    world.producer.recall([sent])
    assert sent.outcome.unknown == [1, 2]
    world.producer._settler.delivered(batch, 7)
    assert world.late == [1, 2]


async def test_what_is_on_its_way_is_not_sent_again_when_its_answer_is_lost() -> None:
    world = World()
    sent, other = world.submit("a"), world.submit("b")
    [batch] = world.take()
    world.producer.recall([sent])
    world.producer._settler.lost(batch, "cut", 0.0, sent=True)
    [again] = world.take()
    assert again.count == 1
    world.producer._settler.delivered(again, 7)
    assert world.late == []
    assert other.outcome.acked == [1]


async def test_submissions_that_have_their_outcome_are_passed_over() -> None:
    world = World()
    acked = world.submit("a")
    world.producer._settler.delivered(world.take()[0], 7)
    world.producer.recall([acked, acked])
    assert world.done == [acked]
    assert acked.outcome.complete


async def test_a_successor_takes_back_what_was_handed_to_it() -> None:
    world, successor = World(), World()
    world.producer.successor = successor.producer
    forwarded = world.submit("a")
    assert not successor.producer.is_idle
    world.producer.recall([forwarded])
    assert forwarded.outcome.failed == [1]
    assert successor.producer.is_idle


async def test_a_submission_of_which_kafka_refuses_a_part_comes_back_whole() -> None:
    world = World(partitions=6)
    sent = world.submit("a", "b", keys=["k1", "k2"])
    first, second = world.take()
    world.producer._settler.answered(first, PartitionAnswer(TOPIC_REFUSED, -1, "", ()), 0.0)
    assert world.done == [sent]
    assert len(sent.outcome.failed) == len(sent.outcome.unknown) == 1
    assert set(sent.outcome.refused or {}) == set(sent.outcome.failed)
    world.producer._settler.delivered(second, 7)
    assert world.late == sent.outcome.unknown


async def test_a_refused_record_is_named_with_its_reason_and_its_neighbours_go_on() -> None:
    world = World()
    sent = world.submit("a", "b")
    [batch] = world.take()
    world.producer._settler.answered(batch, PartitionAnswer(87, -1, "", ((1, "no key"),)), 0.0)
    [rest] = world.take()
    world.producer._settler.delivered(rest, 7)
    assert sent.outcome.acked == [1]
    assert sent.outcome.refused is not None
    assert sent.outcome.refused[2][0] is FailureReason.RECORD_INVALID


async def test_what_is_taken_back_while_others_expire_is_told_once() -> None:
    world = World()
    submissions = [world.submit("a") for _ in range(3)]

    def take_back_others(first: Submission) -> None:
        world.done.append(first)
        world.producer.recall(submissions[1:])

    submissions[0].on_done = take_back_others
    world.producer._timeout = -1.0
    world.producer._expire()
    assert world.done == submissions
