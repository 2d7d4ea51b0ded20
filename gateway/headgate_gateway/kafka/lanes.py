"""Where records wait: lanes, partitions, topics and the batches made from them. Pure data with small invariants.

The accumulator owns the rules and is the only writer; the leader link reads batches. Order per key rests on this:
a partition's keyed records wait in one lane, and of its batches, oldest first, only the first may be on its way.
"""

from collections import deque
from collections.abc import Iterable

from headgate_gateway.kafka.batch import MAX_BATCH_BYTES
from headgate_gateway.kafka.submission import Piece

NO_LEADER = -1


class Lane:
    """Pieces waiting to be put into a batch, in order of acceptance."""

    __slots__ = ("count", "nbytes", "pieces", "weigh")

    def __init__(self, *, weigh: bool) -> None:
        self.pieces: deque[Piece] = deque()
        self.count = 0
        self.nbytes = 0
        self.weigh = weigh
        """Whether bytes are counted; only a flush threshold asks for them."""

    def push(self, piece: Piece) -> None:
        """Add at the end."""
        piece.lane = self
        self.pieces.append(piece)
        self.count += len(piece.indices)
        if self.weigh:
            self.nbytes += _weight(piece)

    def push_front(self, pieces: Iterable[Piece]) -> None:
        """Put pieces back before all others, in their order."""
        for piece in reversed(list(pieces)):
            piece.lane, piece.batch = self, None
            self.pieces.appendleft(piece)
            self.count += len(piece.indices)
            if self.weigh:
                self.nbytes += _weight(piece)

    def pop(self) -> Piece:
        """Take the oldest."""
        piece = self.pieces.popleft()
        piece.lane = None
        if not piece.settled:
            self.discount(piece)
        return piece

    def discount(self, piece: Piece) -> None:
        """No longer count a piece: it leaves, or its request has been answered."""
        self.count -= len(piece.indices)
        if self.weigh:
            self.nbytes -= _weight(piece)

    def drop_settled(self) -> None:
        """Forget answered pieces at the front. Requests expire in order of acceptance, so that is where they are."""
        pieces = self.pieces
        while pieces and pieces[0].settled:
            pieces.popleft()


def _weight(piece: Piece) -> int:
    values = piece.submission.records.values
    if len(piece.indices) == len(values):
        return sum(map(len, values))
    return sum(len(values[index]) for index in piece.indices)


class Batch:
    """Records that go to one partition together, until Kafka has said what became of them."""

    __slots__ = ("ambiguous", "attempts", "count", "error", "partition", "payload", "pieces", "raw", "raw_bytes")

    def __init__(self, partition: "Partition", pieces: list[Piece]) -> None:
        self.partition = partition
        self.pieces = pieces
        self.count = sum(len(piece.indices) for piece in pieces)
        self.raw: bytearray | None = None
        """Uncompressed; gone once there is a payload."""
        self.raw_bytes = 0
        """Size when it was encoded last."""
        self.payload: bytes | bytearray | None = None
        """As it is sent; None: to be encoded (again)."""
        self.attempts = 0
        self.ambiguous = False
        """Whether an attempt may have been written although no answer said so."""
        self.error = ""
        """What the last attempt met."""
        for piece in pieces:
            piece.batch = self

    def set_raw(self, raw: bytearray) -> None:
        """The batch has been encoded."""
        self.raw = raw
        self.raw_bytes = len(raw)

    def drop_settled(self) -> bool:
        """Remove pieces that were answered meanwhile; whether any is left. The bytes are then made anew."""
        alive = [piece for piece in self.pieces if not piece.settled]
        if len(alive) != len(self.pieces):
            self.pieces = alive
            self.count = sum(len(piece.indices) for piece in alive)
            self.raw = self.payload = None
        return bool(alive)

    def split_at(self, count: int) -> "Batch":
        """Keep the first `count` records; return a batch with the rest, to be sent right after."""
        kept, seen = 0, 0
        for piece in self.pieces:
            if seen + len(piece.indices) > count:
                break
            seen += len(piece.indices)
            kept += 1
        rest = self.pieces[kept:]
        if seen < count:
            head = rest[0]
            tail = head.split(count - seen)
            self.pieces = [*self.pieces[:kept], head]
            rest = [tail, *rest[1:]]
        else:
            self.pieces = self.pieces[:kept]
        self.count = count
        self.raw = self.payload = None
        other = Batch(self.partition, rest)
        other.ambiguous, other.error, other.attempts = self.ambiguous, self.error, self.attempts
        return other

    def extract(self, positions: set[int]) -> list[Piece]:
        """Take the records at these positions out; they are returned, each a piece of its own."""
        kept: list[Piece] = []
        taken: list[Piece] = []
        start = 0
        for whole in self.pieces:
            piece: Piece | None = whole
            end = start + len(whole.indices)
            for position in sorted(position for position in positions if start <= position < end):
                assert piece is not None  # noqa: S101 - positions are distinct and lie within the piece
                if position > start:
                    kept.append(piece)
                    piece = piece.split(position - start)
                taken.append(piece)
                piece = piece.split(1) if len(piece.indices) > 1 else None
                start = position + 1
            if piece is not None:
                kept.append(piece)
            start = end
        self.pieces = kept
        self.count = sum(len(piece.indices) for piece in kept)
        self.raw = self.payload = None
        return taken


class Partition:
    """One partition: its lane of keyed records, and its batches, of which only the first may be on its way."""

    __slots__ = ("batches", "blocked_until", "failures", "in_flight", "index", "lane", "leader", "topic")

    def __init__(self, topic: "Topic", index: int, leader: int, *, weigh: bool) -> None:
        self.topic = topic
        self.index = index
        self.leader = leader
        self.lane = Lane(weigh=weigh)
        self.batches: deque[Batch] = deque()
        self.in_flight = False
        self.failures = 0
        """Attempts that failed since the last success."""
        self.blocked_until = 0.0
        """No attempt before this time, on the producer's clock: others go on meanwhile."""

    def is_free(self, now: float) -> bool:
        """Whether a new batch may be made for it."""
        return not self.in_flight and not self.batches and self.blocked_until <= now


class Topic:
    """One topic: its partitions, once metadata has told them, and its lane of keyless records."""

    __slots__ = (
        "by_leader",
        "cap_bytes",
        "heard",
        "keyless",
        "last_used",
        "leaders",
        "name",
        "partitions",
        "problem",
        "refused_since",
        "turn",
        "unrouted",
    )

    def __init__(self, name: str, now: float, *, weigh: bool) -> None:
        self.name = name
        self.partitions: list[Partition] = []
        """By index; empty: not known yet."""
        self.by_leader: dict[int, list[Partition]] = {}
        self.leaders: tuple[int, ...] = ()
        """Keys of `by_leader`."""
        self.keyless = Lane(weigh=weigh)
        self.unrouted = Lane(weigh=weigh)
        """Requests with keys, until the number of partitions is known."""
        self.cap_bytes = float(MAX_BATCH_BYTES)
        """Uncompressed bytes of its batches: less than the most where Kafka has found batches too large."""
        self.turn = 0
        """Which partition keyless records go to next, so that all get their share."""
        self.problem = ""
        """Why the topic cannot be written to; empty: as far as is known it can."""
        self.refused_since: float | None = None
        """Since when metadata says that there is no such topic for us; None: it does not."""
        self.heard = now
        """When metadata spoke of it last."""
        self.last_used = now

    def is_idle(self) -> bool:
        """Whether nothing waits or travels."""
        return not (
            self.keyless.count or self.unrouted.count or any(p.batches or p.lane.count for p in self.partitions)
        )
