"""The conservation oracle: from what was sent, what was told and what is in Kafka, whether a promise was broken. Pure.

promised (kafka, disk)      -> in Kafka
in Kafka                    -> sent, byte for byte, and not told to be surely unwritten
per key and process         -> first occurrences in the order of acceptance, all in one partition
in Kafka more than once     -> at most as often as the gateway counted records that may be
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice
from typing import NamedTuple

from .answers import Fate
from .lines import Sent, number_of

SHOWN = 5
"""Lines that a violation names at most."""
Lane = tuple[bytes, int, int]
"""Key, sender and process: lines of one lane have an order."""


class Found(NamedTuple):
    """A record in Kafka."""

    partition: int
    offset: int
    key: bytes | None
    value: bytes


class Kind(StrEnum):
    """How a promise can be broken."""

    LOST = "lost"
    STRANGE = "strange"
    ALTERED = "altered"
    DENIED = "denied"
    DISORDERED = "disordered"
    SCATTERED = "scattered"
    DOUBLED = "doubled"
    OVERDUE = "overdue"
    UNANSWERED = "unanswered"


class Violation(NamedTuple):
    """One broken promise, or several of a kind."""

    kind: Kind
    text: str


@dataclass(frozen=True)
class Terms:
    """What the faults of a run allow, as docs/guarantees.md states it."""

    promised: Collection[Fate] = frozenset({Fate.KAFKA, Fate.DISK})
    """Fates whose lines have to be in Kafka."""
    doubled: int = 0
    """How many copies beyond the first there may be, of all lines together."""
    may_be_lost: Collection[int] = frozenset()
    """Lines in what the run damaged on disk, of which the gateway said that they are damaged."""
    may_be_unanswered: bool = False
    """Whether a gateway was ended, so that connections broke."""
    promises_order: bool = True
    set_aside: Collection[int] = frozenset()
    """Lines that Kafka refused for good, and somebody sent again by hand: they have lost their place."""
    one_partition_a_key: bool = True


@dataclass(frozen=True)
class Verdict:
    """What the oracle found."""

    violations: tuple[Violation, ...]
    sent: int
    told: Mapping[str, int]
    found: int
    doubled: int
    late: int
    """Lines of unknown fate that arrived after later lines of their key: allowed, and counted."""

    def __str__(self) -> str:
        told = ", ".join(f"{count} {fate}" for fate, count in sorted(self.told.items()))
        return f"{self.sent} lines sent ({told}); {self.found} records in Kafka, {self.doubled} of them copies"


def judge(sent: Sequence[Sent], told: Mapping[int, Fate], found: Sequence[Found], terms: Terms) -> Verdict:
    """Hold what is in Kafka against what was sent and told. `sent` is in the order of each sender's sending."""
    lines = {line.number: line for line in sent}
    copies: dict[int, list[Found]] = defaultdict(list)
    violations: list[Violation] = []
    for record in sorted(found):
        number = number_of(record.value)
        line = lines.get(number) if number is not None else None
        if line is None:
            violations.append(Violation(Kind.STRANGE, f"{_at(record)} was never sent: {record.value[:80]!r}"))
        elif (line.key, line.value) != (record.key, record.value):
            violations.append(Violation(Kind.ALTERED, f"{_at(record)} is not what was sent as line {number}"))
        else:
            copies[line.number].append(record)
    doubled = sum(len(each) - 1 for each in copies.values())
    violations += [
        *_lost(told, copies, terms),
        *_denied(told, copies),
        *_untold(told, terms),
        *(_disorder(sent, told, copies, terms) if terms.promises_order else ()),
        *(_scattered(lines, copies) if terms.one_partition_a_key else ()),
    ]
    late = len(list(_late(sent, told, copies, terms)))
    if doubled > terms.doubled:
        violations.append(_too_many(copies, doubled, terms))
    return Verdict(tuple(violations), len(sent), Counter(told.values()), len(found), doubled, late)


def _lost(told: Mapping[int, Fate], copies: Mapping[int, object], terms: Terms) -> Iterable[Violation]:
    for number, fate in told.items():
        if fate in terms.promised and number not in copies and number not in terms.may_be_lost:
            yield Violation(Kind.LOST, f"line {number} was told to be in {fate}, and is not in Kafka")


def _denied(told: Mapping[int, Fate], copies: Mapping[int, Sequence[Found]]) -> Iterable[Violation]:
    for number, fate in told.items():
        if fate is Fate.FAILED and number in copies:
            where = ", ".join(map(_at, copies[number]))
            yield Violation(Kind.DENIED, f"line {number} was told to be surely not written, and is at {where}")


def _untold(told: Mapping[int, Fate], terms: Terms) -> Iterable[Violation]:
    for number, fate in told.items():
        if fate is Fate.OVERDUE:
            yield Violation(Kind.OVERDUE, f"the request of line {number} was never answered")
        elif fate is Fate.UNANSWERED and not terms.may_be_unanswered:
            yield Violation(Kind.UNANSWERED, f"the connection of line {number} broke, and nobody ended the gateway")


def _disorder(
    sent: Sequence[Sent], told: Mapping[int, Fate], copies: Mapping[int, Sequence[Found]], terms: Terms
) -> Iterable[Violation]:
    """Lines whose first occurrence comes before that of an earlier line of their lane, of which that was promised."""
    latest: dict[Lane, tuple[Found, int]] = {}
    for line, lane, first in _in_lanes(sent, copies):
        if line.number in terms.set_aside:
            continue
        before = latest.get(lane)
        if before is not None and before[0].partition == first.partition and first < before[0]:
            text = (
                f"line {line.number} ({told.get(line.number)}) of sender {line.sender} at {_at(first)} is before"
                f" line {before[1]} ({told.get(before[1])}) of its key at {_at(before[0])}"
            )
            yield Violation(Kind.DISORDERED, text)
        elif told.get(line.number) in terms.promised:
            latest[lane] = first, line.number


def _late(
    sent: Sequence[Sent], told: Mapping[int, Fate], copies: Mapping[int, Sequence[Found]], terms: Terms
) -> Iterable[int]:
    """Lines without a promise that arrived after a later one: what was given up may be on the wire still."""
    earliest: dict[Lane, Found] = {}
    for line, lane, first in reversed(list(_in_lanes(sent, copies))):
        if told.get(line.number) in terms.promised:
            earliest[lane] = min(first, earliest.get(lane, first))
        elif lane in earliest and earliest[lane].partition == first.partition and first > earliest[lane]:
            yield line.number


def _in_lanes(sent: Sequence[Sent], copies: Mapping[int, Sequence[Found]]) -> Iterable[tuple[Sent, Lane, Found]]:
    """Lines that have an order, each with whose order it is and where it stands first."""
    for line in sent:
        if line.key is not None and line.number in copies:
            yield line, (line.key, line.sender, line.process), copies[line.number][0]


def _scattered(lines: Mapping[int, Sent], copies: Mapping[int, Sequence[Found]]) -> Iterable[Violation]:
    partitions: dict[bytes, set[int]] = defaultdict(set)
    for number, records in copies.items():
        key = lines[number].key
        if key is not None:
            partitions[key].update(record.partition for record in records)
    for key, numbers in partitions.items():
        if len(numbers) > 1:
            yield Violation(Kind.SCATTERED, f"key {key!r} is in partitions {sorted(numbers)}")


def _too_many(copies: Mapping[int, Sequence[Found]], doubled: int, terms: Terms) -> Violation:
    named = islice((f"{n} ({len(each)})" for n, each in copies.items() if len(each) > 1), SHOWN)
    text = f"{doubled} copies where {terms.doubled} can be explained; lines {', '.join(named)} ..."
    return Violation(Kind.DOUBLED, text)


def _at(record: Found) -> str:
    return f"{record.partition}:{record.offset}"
