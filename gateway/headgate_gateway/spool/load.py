"""An entry with a producer, and an entry that was appended for a request which Kafka failed. Hold data, decide nothing."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from headgate_gateway.kafka.outcome import Outcome
from headgate_gateway.spool.cursor import Cursor
from headgate_gateway.spool.handover import Fates
from headgate_gateway.spool.log import Stored
from headgate_gateway.spool.ports import KafkaProducer
from headgate_gateway.spool.targets import TargetState


class Owner(Protocol):
    """The courier."""

    def settle(self, load: "EntryLoad", outcome: Outcome, fates: Fates) -> None:
        """An entry's submission has its outcome."""
        ...

    def acknowledge(self, cursor: Cursor, state: TargetState, first: int, count: int, positions: Sequence[int]) -> None:
        """Records of an entry are done with."""
        ...


class EntryLoad:
    """An entry, or what is left of it, with a producer."""

    __slots__ = ("_owner", "cursor", "producer", "replayed", "reserved", "state", "stored")

    def __init__(
        self,
        owner: Owner,
        cursor: Cursor,
        state: TargetState,
        stored: Stored,
        producer: KafkaProducer,
        *,
        reserved: bool,
        replayed: bool,
    ) -> None:
        self._owner = owner
        self.cursor = cursor
        self.state = state
        self.stored = stored
        self.producer = producer
        self.reserved = reserved
        """Whether its bytes are counted with the producer."""
        self.replayed = replayed
        """Whether it was read from disk."""

    @property
    def nbytes(self) -> int:
        """What it takes."""
        return self.stored.entry.nbytes

    def settle(self, outcome: Outcome, fates: Fates) -> None:
        """Its fate."""
        self._owner.settle(self, outcome, fates)

    def late(self, lines: Sequence[int]) -> None:
        """Some of it is in Kafka after all."""
        self._owner.acknowledge(self.cursor, self.state, self.stored.first, self.stored.entry.count, lines)


@dataclass(slots=True)
class Kept:
    """An appended entry of which some may be in Kafka already."""

    state: TargetState
    first: int = -1
    """-1: not durable yet."""
    count: int = 0
    early: list[int] = field(default_factory=list)
    """Positions acknowledged before it was durable."""


def runs_of(positions: Iterable[int]) -> list[tuple[int, int]]:
    """Ascending positions as ranges: the first, and the one after the last."""
    runs: list[tuple[int, int]] = []
    for position in positions:
        if runs and runs[-1][1] == position:
            runs[-1] = runs[-1][0], position + 1
        else:
            runs.append((position, position + 1))
    return runs
