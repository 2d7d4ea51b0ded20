"""Which records travel together, and when. The clock is a number; leaders are 1 and 2."""

import random
from dataclasses import replace

import pytest

from headgate_gateway.config.producer import Flush
from headgate_gateway.kafka.accumulator import Accumulator
from headgate_gateway.kafka.lanes import NO_LEADER, Batch

from .builders import LEADER, partition_for_key, records, submit, values_of, with_topic


def take_all(accumulator: Accumulator, now: float = 0.0, leader: int = LEADER) -> list[list[str]]:
    return [values_of(batch) for batch in accumulator.take(leader, now)]


def test_batch_mixes_requests_in_order_of_acceptance() -> None:
    accumulator = Accumulator()
    with_topic(accumulator)
    submit(accumulator, records("a", "b"))
    submit(accumulator, records("c"))
    assert take_all(accumulator) == [["a", "b", "c"]]
    assert take_all(accumulator) == []


def test_partition_has_one_unresolved_batch() -> None:
    accumulator = Accumulator()
    with_topic(accumulator)
    submit(accumulator, records("a", keys=["k"]))
    [batch] = accumulator.take(LEADER, 0.0)
    submit(accumulator, records("b", keys=["k"]))
    assert accumulator.take(LEADER, 0.0) == []
    accumulator.settle(batch)
    assert take_all(accumulator) == [["b"]]


def test_keyed_records_go_to_javas_partition_and_keyless_ones_join_the_free_batch() -> None:
    accumulator = Accumulator()
    with_topic(accumulator, partitions=6)
    submit(accumulator, records("a", "b", "c", keys=["k1", None, "k2"]))
    batches = accumulator.take(LEADER, 0.0)
    where = {value: batch.partition.index for batch in batches for value in values_of(batch)}
    assert where["a"] == partition_for_key(b"k1", 6)
    assert where["c"] == partition_for_key(b"k2", 6)
    assert where["b"] in (where["a"], where["c"])


def test_keyless_records_go_to_a_partition_that_is_free() -> None:
    accumulator = Accumulator()
    with_topic(accumulator, partitions=2)
    submit(accumulator, records("a"))
    [first] = accumulator.take(LEADER, 0.0)
    submit(accumulator, records("b"))
    [second] = accumulator.take(LEADER, 0.0)
    assert first.partition is not second.partition
    submit(accumulator, records("c"))
    assert accumulator.take(LEADER, 0.0) == []


def test_quiet_topic_uses_all_its_partitions() -> None:
    accumulator = Accumulator()
    with_topic(accumulator, partitions=3)
    used = set()
    for _ in range(3):
        submit(accumulator, records("a"))
        [batch] = accumulator.take(LEADER, 0.0)
        used.add(batch.partition.index)
        accumulator.settle(batch)
    assert used == {0, 1, 2}


def test_full_batch_leaves_the_rest_for_the_next_partition() -> None:
    accumulator = Accumulator(cap_bytes=600)
    with_topic(accumulator, partitions=2)
    submit(accumulator, records(*["x" * 100] * 8))
    batches = accumulator.take(LEADER, 0.0)
    assert [batch.count for batch in batches] == [4, 4]


def test_record_above_the_cap_travels_alone() -> None:
    accumulator = Accumulator(cap_bytes=600)
    with_topic(accumulator, partitions=3)
    submit(accumulator, records("small", "x" * 5000, "later"))
    assert [len(values) for values in take_all(accumulator)] == [1, 1, 1]


def test_leader_takes_only_what_it_leads() -> None:
    accumulator = Accumulator()
    topic = accumulator.watch("events", 0.0)
    accumulator.set_leaders(topic, [1, 2])
    key = next(str(n) for n in range(99) if partition_for_key(str(n).encode(), 2) == 1)
    submit(accumulator, records("a", keys=[key]))
    assert accumulator.take(1, 0.0) == []
    assert take_all(accumulator, leader=2) == [["a"]]


def test_records_wait_until_the_topic_is_known() -> None:
    accumulator = Accumulator()
    submit(accumulator, records("keyed", keys=["k"]))
    submit(accumulator, records("keyless"))
    assert accumulator.take(LEADER, 0.0) == []
    with_topic(accumulator, partitions=2)
    assert sorted(value for batch in take_all(accumulator) for value in batch) == ["keyed", "keyless"]


def test_retry_waits_for_its_time_while_other_partitions_go_on() -> None:
    accumulator = Accumulator()
    with_topic(accumulator, partitions=2)
    keys = {partition_for_key(str(n).encode(), 2): str(n) for n in range(20)}
    submit(accumulator, records("slow", keys=[keys[0]]))
    [batch] = accumulator.take(LEADER, 0.0)
    accumulator.retry(batch, not_before=5.0)
    submit(accumulator, records("behind", keys=[keys[0]]))
    submit(accumulator, records("quick", keys=[keys[1]]))
    assert take_all(accumulator, now=1.0) == [["quick"]]
    assert accumulator.next_due(LEADER, 1.0) == 5.0
    assert [batch] == accumulator.take(LEADER, 5.0)
    accumulator.settle(batch)
    assert take_all(accumulator, now=5.0) == [["behind"]]


def test_retried_keyless_records_may_go_elsewhere_unless_they_may_be_written() -> None:
    accumulator = Accumulator()
    with_topic(accumulator, partitions=2)
    submit(accumulator, records("a"))
    [first] = accumulator.take(LEADER, 0.0)
    accumulator.retry(first, not_before=9.0, elsewhere=True)
    [second] = accumulator.take(LEADER, 1.0)
    assert second.partition is not first.partition
    second.ambiguous = True
    accumulator.retry(second, not_before=9.0, elsewhere=True)
    assert accumulator.take(LEADER, 1.0) == []
    assert accumulator.take(LEADER, 9.0) == [second]


def test_split_batch_keeps_its_order() -> None:
    accumulator = Accumulator()
    with_topic(accumulator)
    submit(accumulator, records("a", "b", keys=["k", "k"]))
    submit(accumulator, records("c", "d", keys=["k", "k"]))
    [batch] = accumulator.take(LEADER, 0.0)
    accumulator.split(batch, 3)
    accumulator.retry(batch, 0.0)
    submit(accumulator, records("e", keys=["k"]))
    seen = []
    for _ in range(3):
        [part] = accumulator.take(LEADER, 0.0)
        seen.append(values_of(part))
        accumulator.settle(part)
    assert seen == [["a", "b", "c"], ["d"], ["e"]]


def test_named_records_are_taken_out_of_a_batch() -> None:
    accumulator = Accumulator()
    with_topic(accumulator)
    submit(accumulator, records("a", "b", "c"))
    submit(accumulator, records("d", "e"))
    [batch] = accumulator.take(LEADER, 0.0)
    taken = batch.extract({0, 2, 3})
    assert [list(piece.indices) for piece in taken] == [[0], [2], [0]]
    accumulator.retry(batch, 0.0)
    assert take_all(accumulator) == [["b", "e"]]


def test_expired_request_leaves_its_lane_and_later_retries() -> None:
    accumulator = Accumulator()
    with_topic(accumulator)
    first = submit(accumulator, records("a", keys=["k"]))
    submit(accumulator, records("b", keys=["k"]))
    [batch] = accumulator.take(LEADER, 0.0)
    waiting = submit(accumulator, records("c", keys=["k"]))
    for submission in (first, waiting):
        for piece, _, _ in accumulator.withdraw(submission):
            piece.settled = True
    accumulator.retry(batch, 0.0)
    assert take_all(accumulator) == [["b"]]
    accumulator.settle(batch)
    assert accumulator.take(LEADER, 0.0) == []
    assert accumulator.topics["events"].is_idle()


def test_expired_records_are_unknown_only_if_they_were_sent() -> None:
    accumulator = Accumulator()
    with_topic(accumulator)
    sent = submit(accumulator, records("a", keys=["k"]))
    [batch] = accumulator.take(LEADER, 0.0)
    queued = submit(accumulator, records("b", keys=["k"]))
    assert [unknown for _, unknown, _ in accumulator.withdraw(sent)] == [True]
    assert [unknown for _, unknown, _ in accumulator.withdraw(queued)] == [False]
    accumulator.retry(batch, 0.0)
    assert [unknown for _, unknown, _ in accumulator.withdraw(sent)] == [False]
    batch.ambiguous = True
    assert [unknown for _, unknown, _ in accumulator.withdraw(sent)] == [True]


def test_records_follow_their_partition_to_its_new_leader() -> None:
    accumulator = Accumulator()
    topic = with_topic(accumulator)
    submit(accumulator, records("a", keys=["k"]))
    [batch] = accumulator.take(1, 0.0)
    accumulator.set_leaders(topic, [2])
    accumulator.retry(batch, 0.0)
    assert accumulator.take(1, 0.0) == []
    assert accumulator.take(2, 0.0) == [batch]


@pytest.mark.parametrize("answered", [True, False])
def test_topic_made_anew_with_fewer_partitions_loses_nothing(answered: bool) -> None:
    accumulator = Accumulator()
    topic = with_topic(accumulator, partitions=4)
    for number in range(12):
        submit(accumulator, records(str(number), keys=[str(number)]))
    under_way = accumulator.take(LEADER, 0.0)
    for number in range(12, 24):
        submit(accumulator, records(str(number), keys=[str(number)]))
    accumulator.set_leaders(topic, [LEADER])
    seen: list[str] = []
    for batch in under_way:
        if answered:
            seen += values_of(batch)
            accumulator.settle(batch)
        else:
            accumulator.retry(batch, 0.0)
    while taken := accumulator.take(LEADER, 0.0):
        for batch in taken:
            assert batch.partition.index == 0
            seen += values_of(batch)
            accumulator.settle(batch)
    assert sorted(map(int, seen)) == list(range(24))


def test_leaderless_partition_is_skipped_by_keyless_records() -> None:
    accumulator = Accumulator()
    topic = accumulator.watch("events", 0.0)
    accumulator.set_leaders(topic, [NO_LEADER, LEADER])
    submit(accumulator, records("a"))
    [batch] = accumulator.take(LEADER, 0.0)
    assert batch.partition.index == 1


def test_record_that_cannot_be_encoded_is_set_apart() -> None:
    accumulator = Accumulator()
    with_topic(accumulator)
    submit(accumulator, records("before"))
    submit(accumulator, replace(records("a", "bad", "c"), timestamps=[1, 2**70, 3]))
    assert take_all(accumulator) == [["before", "a", "c"]]
    [(piece, _)] = accumulator.refused
    assert piece.lines() == [2]


class TestFlush:
    def test_frequency_is_the_longest_wait(self) -> None:
        accumulator = Accumulator(Flush(frequency=200))
        with_topic(accumulator)
        submit(accumulator, records("a"), now=10.0)
        submit(accumulator, records("b"), now=10.1)
        assert accumulator.take(LEADER, 10.1) == []
        assert accumulator.next_due(LEADER, 10.1) == pytest.approx(10.2)
        assert take_all(accumulator, now=10.2) == [["a", "b"]]

    def test_enough_messages_send_early(self) -> None:
        accumulator = Accumulator(Flush(messages=3, frequency=60_000))
        with_topic(accumulator)
        submit(accumulator, records("a", "b"))
        assert accumulator.take(LEADER, 0.0) == []
        submit(accumulator, records("c"))
        assert take_all(accumulator) == [["a", "b", "c"]]

    def test_enough_bytes_send_early(self) -> None:
        accumulator = Accumulator(Flush(bytes=100, frequency=60_000))
        with_topic(accumulator)
        submit(accumulator, records("x" * 60))
        assert accumulator.take(LEADER, 0.0) == []
        submit(accumulator, records("x" * 60))
        assert [len(values) for values in take_all(accumulator)] == [2]

    def test_bytes_of_expired_records_do_not_count(self) -> None:
        accumulator = Accumulator(Flush(bytes=100, frequency=60_000))
        with_topic(accumulator)
        gone = submit(accumulator, records("x" * 60))
        accumulator.withdraw(gone)
        submit(accumulator, records("x" * 60))
        assert accumulator.take(LEADER, 0.0) == []

    def test_max_messages_caps_a_batch(self) -> None:
        accumulator = Accumulator(Flush(max_messages=2))
        with_topic(accumulator, partitions=2)
        submit(accumulator, records("a", "b", "c"))
        assert take_all(accumulator) == [["a", "b"], ["c"]]

    def test_draining_waits_for_nothing(self) -> None:
        accumulator = Accumulator(Flush(frequency=60_000))
        with_topic(accumulator)
        submit(accumulator, records("a"))
        accumulator.hurry = True
        assert take_all(accumulator) == [["a"]]


def test_idle_topics_are_forgotten_and_busy_ones_are_not() -> None:
    accumulator = Accumulator()
    with_topic(accumulator, name="quiet")
    with_topic(accumulator, name="busy")
    submit(accumulator, records("a", topic="busy"))
    assert accumulator.forget_idle(before=100.0) == ["quiet"]


class Walk:
    """Acknowledges, retries and splits batches by chance, and remembers what went through."""

    def __init__(self, seed: int) -> None:
        self.source = random.Random(seed)
        self.accumulator = Accumulator(cap_bytes=400)
        self.topic = with_topic(self.accumulator, partitions=5)
        self.accepted = 0
        self.under_way: list[Batch] = []
        self.done: list[int] = []
        self.order: dict[int, list[int]] = {}

    def submit(self) -> None:
        keys = [self.source.choice(["a", "b", "c", None]) for _ in range(self.source.randrange(1, 4))]
        submit(self.accumulator, records(*[str(self.accepted + n) for n in range(len(keys))], keys=keys))
        self.accepted += len(keys)

    def take(self, now: float) -> None:
        self.under_way += self.accumulator.take(self.source.choice([1, 2]), now)
        self.source.shuffle(self.under_way)

    def answer(self, now: float) -> None:
        if not self.under_way:
            return
        batch = self.under_way.pop()
        match self.source.randrange(4):
            case 0:
                self.accumulator.retry(batch, now + 2.0, elsewhere=bool(self.source.randrange(2)))
            case 1 if batch.count > 1:
                self.accumulator.split(batch, batch.count // 2)
                self.accumulator.retry(batch, 0.0)
            case _:
                self.acknowledge(batch)

    def acknowledge(self, batch: Batch) -> None:
        for piece in batch.pieces:
            numbers = [int(piece.submission.records.values[index]) for index in piece.indices]
            self.done += numbers
            if piece.keyed:
                self.order.setdefault(batch.partition.index, []).extend(numbers)
            piece.settled = True
        self.accumulator.settle(batch)

    def finish(self) -> None:
        while batches := [b for leader in (1, 2) for b in self.accumulator.take(leader, 1e9)] + self.under_way:
            self.under_way = []
            for batch in batches:
                self.acknowledge(batch)


@pytest.mark.parametrize("seed", range(5))
def test_no_record_is_lost_doubled_or_out_of_order_whatever_happens_to_batches(seed: int) -> None:
    walk = Walk(seed)
    for step in range(1500):
        if step < 1000:
            walk.submit()
        walk.take(float(step))
        walk.answer(float(step))
        if step % 97 == 0:
            walk.accumulator.set_leaders(walk.topic, [walk.source.choice([1, 2]) for _ in range(5)])
    walk.finish()
    assert sorted(walk.done) == list(range(walk.accepted))
    assert all(numbers == sorted(numbers) for numbers in walk.order.values())
