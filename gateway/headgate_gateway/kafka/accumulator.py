"""Which records travel in which batch, and when: lanes in, batches out. Pure; the clock is an argument.

    submission -> keyed lane of a partition --+
               -> keyless lane of a topic ----+--> batch, once a partition is free and the lane is due
    batch -> in flight -> settled | back (retry, split) until its requests expire

The producer adds submissions and topics; a leader link takes batches and reports what became of them.
"""

from collections.abc import Iterator, Sequence

from headgate_gateway.config.producer import Flush
from headgate_gateway.kafka.batch import MAX_BATCH_BYTES
from headgate_gateway.kafka.filling import encode_again, fill_batch
from headgate_gateway.kafka.lanes import NO_LEADER, Batch, Lane, Partition, Topic
from headgate_gateway.kafka.partition import KeyHasher
from headgate_gateway.kafka.submission import Piece, Submission

MAX_REQUEST_BYTES = 8 * 2**20
"""Uncompressed bytes of one produce request: encoding them holds the event loop, and brokers limit requests."""
SMALLEST_CAP_BYTES = 16_384
CAP_GROWTH = 1.02
"""Growth of a topic's cap with each batch that Kafka takes: a doubling in 35."""

_ONLY = range(1)


class Accumulator:
    """The lanes of one producer."""

    def __init__(self, flush: Flush | None = None, *, cap_bytes: int = MAX_BATCH_BYTES) -> None:
        self.topics: dict[str, Topic] = {}
        self.refused: list[tuple[Piece, str]] = []
        """Records that no batch can hold, with the reason; whoever takes batches clears it."""
        self.hurry = False
        """Send without waiting for the thresholds of `flush`: the producer is being drained."""
        self._cap_bytes = cap_bytes
        self._cap_records = (flush.max_messages if flush else None) or 2**31 - 1
        self._frequency = flush.frequency / 1000 if flush and flush.frequency else None
        self._enough_records = min((flush.messages if flush else None) or 2**31, self._cap_records)
        self._enough_bytes = min((flush.bytes if flush else None) or 2**62, cap_bytes)
        self._weigh = self._frequency is not None
        self._active: dict[int, dict[Partition, None]] = {}
        """By leader: partitions with keyed records or batches."""
        self._keyless: dict[Topic, None] = {}
        """Topics with keyless records."""
        self._hasher = KeyHasher()

    # -- in ---------------------------------------------------------------------------------------------------------

    def add(self, submission: Submission, now: float) -> Topic:
        """Put a request's records into their lanes; the topic, which may be new and then has no partitions yet."""
        records = submission.records
        topic = self.topics.get(records.topic) or self.watch(records.topic, now)
        topic.last_used = now
        keys = records.keys
        if keys is None:
            topic.keyless.push(Piece(submission, range(submission.pending), keyed=False))
            self._keyless[topic] = None
        elif not topic.partitions:
            topic.unrouted.push(Piece(submission, range(submission.pending), keyed=True))
        elif len(keys) == 1 and keys[0] is not None:
            # The way of most requests with keys, cut short.
            partition = topic.partitions[self._hasher.positive_hash(keys[0]) % len(topic.partitions)]
            partition.lane.push(Piece(submission, _ONLY, keyed=True))
            self._activate(partition)
        else:
            self._route(submission, keys, range(submission.pending), topic)
        return topic

    def watch(self, name: str, now: float) -> Topic:
        """The topic of that name; made known if it is new."""
        topic = self.topics.get(name)
        if topic is None:
            topic = self.topics[name] = Topic(name, now, weigh=self._weigh)
        topic.last_used = now
        return topic

    def forget_idle(self, before: float) -> list[str]:
        """Drop topics that nobody has used since `before`; their names."""
        names = [name for name, topic in self.topics.items() if topic.last_used < before and topic.is_idle()]
        for name in names:
            topic = self.topics.pop(name)
            self._keyless.pop(topic, None)
            for partition in topic.partitions:
                self._active.get(partition.leader, {}).pop(partition, None)
        return names

    def _route(self, submission: Submission, keys: list[bytes | None], indices: Sequence[int], topic: Topic) -> None:
        partition_count = len(topic.partitions)
        positive_hash = self._hasher.positive_hash
        groups: dict[int, list[int]] = {}
        keyless: list[int] = []
        for index in indices:
            key = keys[index]
            if key is None:
                keyless.append(index)
            else:
                groups.setdefault(positive_hash(key) % partition_count, []).append(index)
        for number, group in groups.items():
            partition = topic.partitions[number]
            partition.lane.push(Piece(submission, group, keyed=True))
            self._activate(partition)
        if keyless:
            topic.keyless.push(Piece(submission, keyless, keyed=False))
            self._keyless[topic] = None

    def _activate(self, partition: Partition) -> None:
        active = self._active.get(partition.leader)
        if active is None:
            active = self._active[partition.leader] = {}
        active[partition] = None

    # -- metadata ---------------------------------------------------------------------------------------------------

    def set_leaders(self, topic: Topic, leaders: Sequence[int]) -> None:
        """Metadata says: the topic has these partitions, led by these brokers (NO_LEADER: by none)."""
        old = topic.partitions
        for partition, leader in zip(old, leaders, strict=False):
            self._move(partition, leader)
        vanished = old[len(leaders) :]
        topic.partitions = old[: len(leaders)] + [
            Partition(topic, index, leaders[index], weigh=self._weigh) for index in range(len(old), len(leaders))
        ]
        topic.by_leader = {}
        for partition in topic.partitions:
            if partition.leader != NO_LEADER:
                topic.by_leader.setdefault(partition.leader, []).append(partition)
        topic.leaders = tuple(topic.by_leader)
        for partition in vanished:
            self._evacuate(partition)
        self._route_waiting(topic)

    def set_leaderless(self, topic: Topic) -> None:
        """Metadata says: no such topic (any more). What waits keeps waiting, until its deadline."""
        for partition in topic.partitions:
            self._move(partition, NO_LEADER)
        topic.by_leader = {}
        topic.leaders = ()

    def waiting(self, topic: Topic) -> list[Piece]:
        """All records of a topic that wait, taken out of their lanes and of batches that are not under way."""
        pieces: list[Piece] = []
        for lane in (topic.unrouted, topic.keyless, *(partition.lane for partition in topic.partitions)):
            while lane.pieces:
                pieces.append(lane.pop())
        for partition in topic.partitions:
            if not partition.in_flight:
                pieces += [piece for batch in partition.batches for piece in batch.pieces if not batch.ambiguous]
        return [piece for piece in pieces if not piece.settled]

    def is_full(self, lane: Lane) -> bool:
        """Whether a lane has reached a threshold of `flush`."""
        return lane.count >= self._enough_records or lane.nbytes >= self._enough_bytes

    def _move(self, partition: Partition, leader: int) -> None:
        if partition.leader == leader:
            return
        active = self._active.get(partition.leader, {})
        was_active = partition in active
        active.pop(partition, None)
        partition.leader = leader
        # Whatever the old leader had against it says nothing about the new one.
        partition.blocked_until = 0.0
        if was_active:
            self._activate(partition)

    def _route_waiting(self, topic: Topic) -> None:
        lane = topic.unrouted
        while lane.pieces:
            self._reroute(lane.pop(), topic)

    def _reroute(self, piece: Piece, topic: Topic) -> None:
        submission = piece.submission
        if piece.settled:
            return
        submission.pieces.remove(piece)
        keys = submission.records.keys
        if keys is None:
            topic.keyless.push(Piece(submission, piece.indices, keyed=False))
            self._keyless[topic] = None
        else:
            self._route(submission, keys, piece.indices, topic)

    def _evacuate(self, partition: Partition) -> None:
        """The topic was made anew with fewer partitions: what waits for this one goes where its keys lead now."""
        self._active.get(partition.leader, {}).pop(partition, None)
        if partition.in_flight:
            return  # its answer, or the lack of one, leads to `settle` or `retry`, which evacuate
        pieces = [piece for batch in partition.batches for piece in batch.pieces]
        partition.batches.clear()
        while partition.lane.pieces:
            pieces.append(partition.lane.pop())
        for piece in pieces:
            self._reroute(piece, partition.topic)

    @staticmethod
    def _has_vanished(partition: Partition) -> bool:
        """Whether its topic has been made anew since, without it."""
        present = partition.topic.partitions
        return partition.index >= len(present) or present[partition.index] is not partition

    # -- out --------------------------------------------------------------------------------------------------------

    def take(self, leader: int, now: float) -> list[Batch]:
        """The batches of this leader's next request, at most one a partition; they are in flight from now on."""
        taken: list[Batch] = []
        room = MAX_REQUEST_BYTES
        for batch in self._candidates(leader, now):
            batch.partition.in_flight = True
            taken.append(batch)
            room -= len(batch.raw or batch.payload or b"")
            if room <= 0:
                break
        return taken

    def _candidates(self, leader: int, now: float) -> Iterator[Batch]:
        active = self._active.get(leader)
        if active:
            for partition in list(active):
                batch = self._next_batch(partition, now)
                if batch is not None:
                    # To the end of the order, so that no partition starves when a request is full.
                    active.pop(partition, None)
                    active[partition] = None
                    yield batch
                elif not partition.batches and not partition.lane.count:
                    active.pop(partition, None)
        if self._keyless:
            yield from self._keyless_candidates(leader, now)

    def _next_batch(self, partition: Partition, now: float) -> Batch | None:
        if partition.in_flight or partition.blocked_until > now:
            return None
        batches = partition.batches
        while batches and not batches[0].drop_settled():
            batches.popleft()
        if batches:
            batch = batches[0]
            if batch.raw is None and batch.payload is None:
                encode_again(batch)
            return batch
        return self._close(partition) if self._is_due(partition.lane, now) else None

    def _keyless_candidates(self, leader: int, now: float) -> Iterator[Batch]:
        for topic in list(self._keyless):
            lane = topic.keyless
            if not lane.count:
                del self._keyless[topic]
                continue
            led = topic.by_leader.get(leader)
            if not led or not self._is_due(lane, now):
                continue
            topic.turn += 1
            for step in range(len(led)):
                partition = led[(topic.turn + step) % len(led)]
                if not partition.is_free(now):
                    continue
                batch = self._close(partition)
                if batch is not None:
                    self._activate(partition)
                    yield batch
                if not lane.count:
                    break

    def _is_due(self, lane: Lane, now: float) -> bool:
        if not lane.count:
            return False
        if self._frequency is None or self.hurry:
            return True
        if self.is_full(lane):
            return True
        lane.drop_settled()
        return lane.pieces[0].submission.accepted + self._frequency <= now

    def next_due(self, leader: int, now: float) -> float | None:
        """When `take` may have something that it has not now; None: not before something is added or answered."""
        times = [
            max(partition.blocked_until, 0.0 if partition.batches else self._due_time(partition.lane))
            for partition in self._active.get(leader, ())
            if not partition.in_flight and (partition.batches or partition.lane.count)
        ]
        for topic in self._keyless:
            free = [p.blocked_until for p in topic.by_leader.get(leader, ()) if not p.in_flight and not p.batches]
            if free and topic.keyless.count:
                times.append(max(min(free), self._due_time(topic.keyless)))
        return max(min(times), now) if times else None

    def _due_time(self, lane: Lane) -> float:
        if self._frequency is None or self.hurry or not lane.count:
            return 0.0
        lane.drop_settled()
        return lane.pieces[0].submission.accepted + self._frequency

    # -- making batches ---------------------------------------------------------------------------------------------

    def _close(self, partition: Partition) -> Batch | None:
        """Make a batch of a partition's keyed records and its topic's keyless ones, as far as they fit."""
        topic = partition.topic
        lanes = (partition.lane, topic.keyless)
        batch = fill_batch(
            partition, lanes, min(self._cap_bytes, int(topic.cap_bytes)), self._cap_records, self.refused
        )
        if batch is not None:
            partition.batches.append(batch)
        return batch

    # -- what became of them ----------------------------------------------------------------------------------------

    def settle(self, batch: Batch) -> None:
        """Kafka has answered for all of the batch: the partition is free for its next one."""
        partition = batch.partition
        partition.batches.popleft()
        batch.pieces = []  # a piece knows its batch: without this, only the garbage collector frees its request
        partition.in_flight = False
        partition.failures = 0
        partition.topic.cap_bytes = min(MAX_BATCH_BYTES, partition.topic.cap_bytes * CAP_GROWTH)
        if self._has_vanished(partition):
            self._evacuate(partition)
        elif not partition.batches and not partition.lane.count:
            self._active.get(partition.leader, {}).pop(partition, None)

    def retry(self, batch: Batch, not_before: float, *, elsewhere: bool = False) -> None:
        """Send the batch again. `elsewhere`: its keyless records may go to another partition.

        Records that may be written stay where they are, since going elsewhere would double them for sure.
        """
        partition = batch.partition
        partition.in_flight = False
        partition.failures += 1
        partition.blocked_until = not_before
        if self._has_vanished(partition):
            self._evacuate(partition)
            return
        if elsewhere and not batch.ambiguous and any(not piece.keyed for piece in batch.pieces):
            self._release_keyless(batch)
        self._activate(partition)

    def _release_keyless(self, batch: Batch) -> None:
        keyless = [piece for piece in batch.pieces if not piece.keyed and not piece.settled]
        batch.pieces = [piece for piece in batch.pieces if piece.keyed]
        batch.count = sum(len(piece.indices) for piece in batch.pieces)
        batch.raw = batch.payload = None
        if not batch.pieces:
            batch.partition.batches.popleft()
        topic = batch.partition.topic
        topic.keyless.push_front(keyless)
        self._keyless[topic] = None

    def split(self, batch: Batch, count: int) -> Batch:
        """Cut a refused batch in two, the first with `count` records; both are sent again, one after the other."""
        rest = batch.split_at(count)
        batch.partition.batches.insert(1, rest)
        return rest

    def shrink(self, batch: Batch) -> None:
        """Kafka finds the batch too large: make the topic's next ones smaller, and let them grow again bit by bit.

        Without this, each batch of a topic with a small `max.message.bytes` would be refused and cut.
        """
        topic = batch.partition.topic
        topic.cap_bytes = max(SMALLEST_CAP_BYTES, min(topic.cap_bytes, batch.raw_bytes / 2))

    def withdraw(self, submission: Submission) -> list[tuple[Piece, bool, str]]:
        """The submission's time is up: its open pieces, whether each may be written, and why it is not known to be."""
        open_pieces = []
        for piece in submission.pieces:
            if piece.settled:
                continue
            batch, lane = piece.batch, piece.lane
            if batch is not None:
                sent = batch.ambiguous or (batch.partition.in_flight and batch.partition.batches[0] is batch)
                open_pieces.append((piece, sent, batch.error))
            else:
                open_pieces.append((piece, False, ""))
            if lane is not None:
                lane.discount(piece)
                piece.settled = True
                lane.drop_settled()
        return open_pieces
