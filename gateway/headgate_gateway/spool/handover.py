"""Hands records to producers, and takes them back when a target fails, so that order per key holds.

The argument, for one lane (records of one target whose keys share a bucket):
1. Records get to the producer in order of acceptance: what is live is handed over only while none of its lane waits on
   disk or is being written, and what is on disk is handed over in the order of its log.
2. The producer sends a key's records in the order of the calls, one unresolved batch a partition.
3. When it fails one, not for good, every submission of the target that it still has is taken back, within the same
   call, in the order in which they were handed over, before it can send any of them after the one that failed. They get
   back to their log, where they have their place, or to its end in that order; their lanes are busy from then on.
   Records that were on their way at that moment are in the failed one's batch or in other partitions; they are sent no
   second time by the producer, and should they arrive, then in order; `late` tells, and saves a second delivery.
4. So a record is first delivered after all that were accepted before it in its lane, but for those refused for good.

Owns what is handed over; knows nothing of disk. The courier, and producers with a disk behind them, give it `Load`s.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import Protocol

from headgate_gateway.kafka.outcome import FailureReason, Outcome
from headgate_gateway.pipeline.records import Records
from headgate_gateway.spool.ports import KafkaProducer, Submission
from headgate_gateway.spool.targets import Awaits, Backoff, Target, TargetState

Refused = dict[int, tuple[FailureReason, str]]


@dataclass(frozen=True, slots=True)
class Fates:
    """What became of the records of one submission, by line: each is in exactly one of these."""

    acked: Sequence[int]
    again: Sequence[int]
    """To be sent again, ascending: failed or unknown."""
    refused: Refused
    """Refused for good."""


class Load(Protocol):
    """Records that are handed over, on behalf of whoever wants to know their fate."""

    def settle(self, outcome: Outcome, fates: Fates) -> None:
        """Their fate. What is to be sent again waits, from within this call on, in order."""
        ...

    def late(self, lines: Sequence[int]) -> None:
        """Lines that were unknown are in Kafka after all."""
        ...


class Handed:
    """One submission that a producer has."""

    __slots__ = ("gives_up", "load", "producer", "state", "submission")

    def __init__(self, state: TargetState, producer: KafkaProducer, load: Load, *, gives_up: bool) -> None:
        self.state = state
        self.producer = producer
        self.load = load
        self.gives_up = gives_up
        """Whether a topic that Kafka refuses is final for it."""
        self.submission: Submission | None = None


def decide_fates(outcome: Outcome, *, gives_up: bool) -> Fates:
    """What is to be sent again, and what never will be taken."""
    refused = {
        line: why for line, why in (outcome.refused or {}).items() if gives_up or why[0] is not FailureReason.REFUSED
    }
    if outcome.complete:
        return Fates(outcome.acked, (), refused)
    again = sorted(line for line in (*outcome.failed, *outcome.unknown) if line not in refused)
    return Fates(outcome.acked, again, refused)


def is_trouble(outcome: Outcome, fates: Fates) -> bool:
    """Whether it says something about the target, rather than about records or about us."""
    return bool(fates.again) and outcome.reasons != {FailureReason.RECALLED}


def is_alive(fates: Fates) -> bool:
    """Whether Kafka has looked at records of the target one by one."""
    return bool(fates.acked) or any(why is not FailureReason.REFUSED for why, _ in fates.refused.values())


class Handover:
    """What all producers have of ours, by target, in order."""

    def __init__(self, backoff: Backoff, random: Random, blocked: Callable[[TargetState], None]) -> None:
        self._backoff = backoff
        self._random = random
        self._blocked = blocked
        """Told of each target that has just been blocked."""
        self._loop = asyncio.get_running_loop()
        self._handed: dict[Target, dict[Handed, None]] = {}
        self._recalling: set[Target] = set()
        self.records = 0
        """Handed over, their fate open."""

    def holds(self, target: Target) -> bool:
        """Whether a producer has anything of a target."""
        return target in self._handed

    def hand(
        self,
        state: TargetState,
        producer: KafkaProducer,
        records: Records,
        now_ms: int,
        load: Load,
        *,
        gives_up: bool = False,
    ) -> None:
        """Submit records. `settle` is never called from within."""
        handed = Handed(state, producer, load, gives_up=gives_up)
        self._handed.setdefault(state.target, {})[handed] = None
        self.records += len(records.values)
        handed.submission = producer.submit(records, now_ms, partial(self._settle, handed), load.late)

    def block(self, state: TargetState, problem: str, awaits: Awaits) -> None:
        """An attempt on a target has failed, or would."""
        state.block(self._loop.time(), self._backoff, self._random, problem, awaits)
        self._blocked(state)

    def recall(self, target: Target) -> None:
        """Take back all of a target, in order."""
        self._recall(target, list(self._handed.get(target, ())))

    def recall_others(self, target: Target, producer: KafkaProducer) -> None:
        """Take back what another producer of the same profile has: it and this one would not keep an order."""
        self._recall(target, [handed for handed in self._handed.get(target, ()) if handed.producer is not producer])

    def recall_all(self) -> None:
        """Take back everything."""
        for target in list(self._handed):
            self.recall(target)

    def _recall(self, target: Target, taken: Iterable[Handed]) -> None:
        self._recalling.add(target)
        try:
            for handed in taken:
                handed.producer.recall([handed.submission])
        finally:
            self._recalling.discard(target)

    def _settle(self, handed: Handed, submission: Submission) -> None:
        state, outcome = handed.state, submission.outcome
        fates = decide_fates(outcome, gives_up=handed.gives_up)
        self.records -= len(outcome.acked) + len(outcome.failed) + len(outcome.unknown)
        target = state.target
        recalled = target in self._recalling
        if not is_trouble(outcome, fates) or recalled:
            self._remove(handed)
            if not fates.again and not recalled and is_alive(fates):
                state.delivered(self._loop.time())
            handed.load.settle(outcome, fates)
            return
        self._fail(handed, outcome, fates)

    def _fail(self, handed: Handed, outcome: Outcome, fates: Fates) -> None:
        """A target fails: it is left alone for a while, and what its producer has of it comes back in order."""
        state, target = handed.state, handed.state.target
        order = list(self._handed[target])
        at = order.index(handed)
        self._remove(handed)
        if FailureReason.REFUSED in outcome.reasons:
            state.refuse(self._loop.time())
        else:
            state.interrupt_refusal()
        if state.may_try:
            awaits = Awaits.TIME if handed.producer.down is None else Awaits.PRODUCER
            self.block(state, outcome.message or str(outcome.reason or ""), awaits)
        # Keyless records do not wait for each other: each has its own time.
        order = order if target.keyed else []
        self._recall(target, order[:at])
        handed.load.settle(outcome, fates)
        self._recall(target, order[at + 1 :])

    def _remove(self, handed: Handed) -> None:
        mine = self._handed[handed.state.target]
        del mine[handed]
        if not mine:
            del self._handed[handed.state.target]
