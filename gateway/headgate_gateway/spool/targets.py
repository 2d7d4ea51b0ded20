"""What the courier knows of one target: where its records are, and whether it may be sent any. Pure; clock and randomness are arguments.

A target is a topic of one profile's content; its keyed and its keyless records are two, since only keyed ones wait for
each other. A lane of it (a bucket of keys) is busy while records of it are being written or wait on disk.

    OPEN --failure--> BLOCKED --backoff over, producer ready again, topic there--> TRIAL --delivered--> OPEN
                         ^                                                          |
                         +----------------------- failure --------------------------+
"""

from collections.abc import Iterable
from enum import Enum, auto
from random import Random
from typing import NamedTuple

from headgate_gateway.spool.entry import EntryHead
from headgate_gateway.spool.window import Window

BLOCK_FIRST = 1.0
BLOCK_MOST = 30.0
"""Seconds between two attempts on a target that fails: doubling, with jitter."""


class Awaits(Enum):
    """What a blocked target is tried again for, beside the end of its backoff."""

    TIME = auto()
    PRODUCER = auto()
    """Its producer, which is down."""
    TOPIC = auto()
    """Its topic, which is missing or not ours to write to."""


class Target(NamedTuple):
    """Where records go, and whether they have keys."""

    profile_hash: str
    topic: str
    keyed: bool

    @classmethod
    def of(cls, head: EntryHead) -> "Target":
        """An entry's."""
        return cls(head.profile_hash, head.topic, bool(head.lanes))


class Lanes:
    """Entries by bucket: which lanes are busy."""

    __slots__ = ("buckets", "entries")

    def __init__(self) -> None:
        self.entries = 0
        self.buckets: dict[int, int] = {}
        """Entries by bucket."""

    def add(self, buckets: Iterable[int]) -> None:
        """One entry more."""
        self.entries += 1
        counts = self.buckets
        for bucket in buckets:
            counts[bucket] = counts.get(bucket, 0) + 1

    def remove(self, buckets: Iterable[int]) -> None:
        """One entry fewer."""
        self.entries -= 1
        counts = self.buckets
        for bucket in buckets:
            if counts[bucket] == 1:
                del counts[bucket]
            else:
                counts[bucket] -= 1

    def subtract(self, others: "Lanes") -> None:
        """As many entries fewer."""
        self.entries -= others.entries
        for bucket, count in others.buckets.items():
            left = self.buckets[bucket] - count
            if left:
                self.buckets[bucket] = left
            else:
                del self.buckets[bucket]

    def meets(self, buckets: Iterable[int]) -> bool:
        """Whether any of these is busy."""
        return bool(self.buckets) and not self.buckets.keys().isdisjoint(buckets)


class Backoff(NamedTuple):
    """How long a target that fails is left alone."""

    first: float = BLOCK_FIRST
    most: float = BLOCK_MOST

    def seconds(self, failures: int, random: Random) -> float:
        """After so many failures in a row."""
        return float(min(self.most, self.first * 2 ** min(failures - 1, 16)) * random.uniform(0.8, 1.2))


PATIENT = Backoff()


class TargetState:
    """One target, as long as it has records or is blocked."""

    __slots__ = (
        "appending",
        "awaits",
        "blocked_since",
        "blocked_until",
        "burial_problem",
        "burying",
        "failures",
        "in_side",
        "last_delivery",
        "live",
        "live_count",
        "nbytes",
        "needs",
        "oldest_ms",
        "problem",
        "producer",
        "profile",
        "records",
        "refused_since",
        "target",
        "trial",
        "waiting",
        "window",
    )

    def __init__(self, target: Target, profile: str) -> None:
        self.target = target
        self.profile = profile
        """The profile's name."""
        self.appending = Lanes()
        """Entries on their way to the disk."""
        self.waiting = Lanes()
        """Entries that are on disk and not with a producer."""
        self.live: dict[int, None] = {}
        """By serial number, in order: keyed requests that producers have and the disk has not."""
        self.live_count = 0
        self.in_side = 0
        """Entries in, or on their way to, a log of its own."""
        self.burying = 0
        """Entries with records that are being given up."""
        self.burial_problem = ""
        """Why neither dead letter nor park takes them now; empty: they do, as far as is known."""
        self.window = Window()
        self.needs: set[str] = set()
        """Hashes of the profiles that its records need, those of their dead letters included."""
        self.producer: object = None
        """Who got its last records."""
        self.records = 0
        """Durable and not acknowledged."""
        self.nbytes = 0
        """Their bytes, about."""
        self.oldest_ms: int | None = None
        """About when the oldest of them was accepted."""
        self.blocked_since: float | None = None
        """Since its first failure after which nothing was delivered; None: it is OPEN."""
        self.blocked_until: float | None = None
        """None: OPEN or TRIAL."""
        self.trial = False
        self.failures = 0
        self.refused_since: float | None = None
        """Since when Kafka has refused the topic as such, each time that it was asked; None: it does not."""
        self.problem = ""
        self.awaits = Awaits.TIME
        self.last_delivery = float("-inf")

    # May it go?

    @property
    def is_open(self) -> bool:
        """Whether new records may go to Kafka without a detour, as far as the target is concerned."""
        return self.blocked_since is None

    @property
    def takes_live(self) -> bool:
        """Whether new records may be an attempt, too: nothing on disk could be one."""
        return self.is_open or (self.may_try and self.is_empty)

    @property
    def may_try(self) -> bool:
        """Whether records from disk may go to Kafka."""
        return self.blocked_until is None

    def is_free(self, buckets: Iterable[int]) -> bool:
        """Whether no record of these lanes waits on disk."""
        return not self.waiting.entries or not self.waiting.meets(buckets)

    def is_untouched(self, buckets: Iterable[int]) -> bool:
        """Whether no record of these lanes waits on disk, or is about to be there."""
        return self.is_free(buckets) and not self.appending.meets(buckets)

    @property
    def is_idle(self) -> bool:
        """Whether nothing would be lost with it."""
        return self.is_open and self.is_empty

    @property
    def is_empty(self) -> bool:
        """Whether it has no records, as far as it knows itself."""
        return not (
            self.waiting.entries
            or self.appending.entries
            or self.in_side
            or self.burying
            or self.window.in_flight
            or self.live
        )

    def has_live(self, until: int) -> bool:
        """Whether any of the first so many live requests is still open."""
        return bool(self.live) and next(iter(self.live)) < until

    # What happens to it

    def block(self, now: float, backoff: Backoff, random: Random, problem: str, awaits: Awaits) -> None:
        """An attempt has failed, or would."""
        self.failures += 1
        self.blocked_until = now + backoff.seconds(self.failures, random)
        self.blocked_since = now if self.blocked_since is None else self.blocked_since
        self.problem, self.awaits, self.trial = problem, awaits, False

    def refuse(self, now: float) -> None:
        """Kafka says that there is no such topic for us."""
        self.refused_since = now if self.refused_since is None else self.refused_since

    def interrupt_refusal(self) -> None:
        """Something else is wrong than that Kafka refuses the topic: how long it has done so is not known any more."""
        self.refused_since = None

    def try_again(self) -> None:
        """It is worth an attempt."""
        self.blocked_until = None
        self.trial = self.blocked_since is not None

    def delivered(self, now: float) -> None:
        """Kafka has taken something, and failed nothing of the same submission."""
        self.last_delivery = now
        if self.blocked_until is None:
            self.blocked_since, self.trial, self.failures, self.problem = None, False, 0, ""
            self.refused_since = None

    def is_given_up(self, now: float, age: float, patience: float) -> bool:
        """Whether a record that was accepted `age` seconds ago has been refused for long enough."""
        return self.refused_since is not None and min(now - self.refused_since, age) >= patience

    # What it has on disk

    def keep(self, head: EntryHead) -> None:
        """An entry is durable."""
        if not self.records:
            self.oldest_ms = head.accepted_ms
        self.records += head.count
        self.nbytes += head.nbytes
        if head.dead_letter is not None:
            self.needs.add(head.dead_letter.profile_hash)

    def drop(self, records: int) -> int:
        """Records are acknowledged; about how many bytes that frees."""
        freed = self.nbytes
        if records >= self.records:
            self.clear()
        else:
            freed = self.nbytes * records // self.records
            self.nbytes -= freed
            self.records -= records
        return freed

    def clear(self) -> None:
        """Nothing of it is on disk. After a restart, records of entries that had been delivered in part were counted too."""
        self.records = self.nbytes = 0
        self.oldest_ms = None
        self.needs.clear()
