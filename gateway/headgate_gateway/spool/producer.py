"""A producer with the disk behind it: the HTTP side's port, for repos that spool.

    Async:                                        append -> durable: `outcome.spooled`
    Sync, its lanes free, its target not blocked: Kafka; what fails or is unknown is appended
    Sync otherwise:                               append

What Kafka refuses for the records' own sake (too large, invalid) is not appended: the client is there to be told.
"""

import asyncio
import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from secrets import token_bytes
from typing import Protocol

from headgate_gateway.config.repo import RepoConfig
from headgate_gateway.kafka.outcome import FailureReason, Outcome
from headgate_gateway.kafka.pool import profile_hash
from headgate_gateway.pipeline.records import Records
from headgate_gateway.spool.courier import Courier
from headgate_gateway.spool.entry import Destination, Entry, Origin, entry_of, lanes_of, part_of
from headgate_gateway.spool.errors import SpoolClosedError, SpoolError, SpoolFailedError, SpoolFullError
from headgate_gateway.spool.handover import Fates
from headgate_gateway.spool.load import Kept
from headgate_gateway.spool.ports import KafkaProducer, ProducerLease
from headgate_gateway.spool.targets import Target, TargetState

IDS_DRAWN = 256
"""At a time."""


class Refusal(Protocol):
    """Why the spool takes no records now."""

    @property
    def message(self) -> str:
        """For people."""
        ...

    @property
    def retry_after(self) -> int:
        """Seconds."""
        ...


class SpoolSubmission:
    """Records handed in, until each is in Kafka, on disk, or refused by both."""

    __slots__ = ("outcome",)

    def __init__(self) -> None:
        self.outcome = Outcome()


OnDone = Callable[[SpoolSubmission], None]


def make_ids() -> Iterator[bytes]:
    """Ids of entries, 16 random bytes each: asking the kernel for each one costs a system call, and the interpreter's lock."""
    while True:
        drawn = token_bytes(16 * IDS_DRAWN)
        yield from (drawn[at : at + 16] for at in range(0, len(drawn), 16))


_ids = make_ids()


@dataclass(frozen=True, slots=True)
class Binding:
    """What all requests of one repo on one of its profiles share."""

    courier: Courier
    origin: Origin
    is_async: bool
    refusal: Callable[[], Refusal | None]


def build_origin(config: RepoConfig, content: str, track: str) -> Origin:
    """What entries of a repo on the profile of this hash say of where they come from."""
    letter = config.kafka.dead_letter
    if letter is None:
        dead_letter = None
    else:
        profile = letter.producer_profile or config.kafka.producer_profile
        dead_letter = Destination(profile, profile_hash(config.producers[profile]), letter.topic)
    repo = f"{config.namespace}/{config.name}"
    return Origin(repo, config.revision, track, profile_hash=content, dead_letter=dead_letter)


class SpoolingProducer:
    """The http port `Producer`. One for each real producer that a lease gives, so that bytes go back where they came from."""

    __slots__ = ("_binding", "_kafka")

    def __init__(self, binding: Binding, real: KafkaProducer) -> None:
        self._binding = binding
        self._kafka = real

    @property
    def down(self) -> str | None:
        """Why neither Kafka nor the disk takes records; None: one of them may."""
        refusal = self._binding.refusal()
        if refusal is None:
            return None
        return refusal.message if self._binding.is_async else self._kafka.down

    def refusal(self, name: str) -> str | None:
        """Why neither Kafka nor the disk takes records for a topic; None: let them come."""
        refusal = self._binding.refusal()
        if refusal is None:
            return None
        return refusal.message if self._binding.is_async else self._kafka.refusal(name)

    def reserve(self, nbytes: int) -> bool:
        """Take bytes of the profile's `maxBufferBytes`."""
        return self._kafka.reserve(nbytes)

    def release(self, nbytes: int) -> None:
        """Give them back."""
        self._kafka.release(nbytes)

    def watch(self, topics: Iterable[str]) -> None:
        """Learn about topics before their first record comes."""
        self._kafka.watch(topics)

    def submit(self, records: Records, now_ms: int, on_done: OnDone) -> SpoolSubmission:
        """Hand in records; `on_done` is called once, later, within the profile's deliveryTimeout and a commit.

        Its outcome's `spooled` are lines that are durable. Nobody may change the lists of `records` afterwards.
        """
        load = LiveLoad(self._binding, records, now_ms, on_done)
        load.begin()
        return load.submission


class LiveLoad:
    """One request's records: with a producer, on their way to the disk, or both one after the other."""

    __slots__ = ("_again", "_binding", "_kept", "_now_ms", "_on_done", "_outcome", "_records", "_serial", "submission")

    def __init__(self, binding: Binding, records: Records, now_ms: int, on_done: OnDone) -> None:
        self.submission = SpoolSubmission()
        self._binding = binding
        self._records = records
        self._now_ms = now_ms
        self._on_done = on_done
        self._outcome = Outcome()
        """Kafka's, by position."""
        self._again: Sequence[int] = ()
        """Positions of records that are appended, ascending."""
        self._kept: Kept | None = None
        self._serial = -1

    def begin(self) -> None:
        """Send them where they may go now."""
        binding, records = self._binding, self._records
        if not records.values:
            asyncio.get_running_loop().call_soon(self._on_done, self.submission)
            return
        if not binding.is_async and not binding.courier.closing:
            state = self._state()
            producer = self._producer(state)
            if producer is not None:
                self._send(state, producer)
                return
        self._again = range(len(records.values))
        binding.courier.append(self._entry(self._again), self._appended)

    def _send(self, state: TargetState, producer: KafkaProducer) -> None:
        if state.target.keyed:
            self._serial = state.live_count
            state.live_count += 1
            state.live[self._serial] = None
        # Outcomes name records, not lines: a line may have become several.
        sent = replace(self._records, lines=list(range(len(self._records.values))))
        self._binding.courier.gate.handover.hand(state, producer, sent, self._now_ms, self)

    def _state(self) -> TargetState:
        """Of the target: it is kept for as long as they are live."""
        records, content = self._records, self._binding.origin.profile_hash
        return self._binding.courier.gate.state_of(Target(content, records.topic, records.keys is not None))

    def _producer(self, state: TargetState) -> KafkaProducer | None:
        """Who takes them live; None: their place is on disk."""
        courier = self._binding.courier
        if not courier.may_go_live(state):
            return None
        producer = courier.gate.producer_for(state)
        return producer if producer is not None and self._is_free(state) else None

    def _is_free(self, state: TargetState) -> bool:
        keys = self._records.keys
        if keys is None or not (state.waiting.entries or state.appending.entries):
            return True
        lanes = lanes_of(keys)
        return state.is_untouched(struct.unpack(f"<{len(lanes) // 2}H", lanes))

    def settle(self, outcome: Outcome, fates: Fates) -> None:
        """Kafka's word, or the lack of it."""
        self._outcome = outcome
        if fates.again:
            self._put(fates.again)
        if self._serial >= 0:
            state = self._state()
            del state.live[self._serial]
            self._binding.courier.follow(state)
        if not fates.again:
            self._finish(None)

    def late(self, lines: Sequence[int]) -> None:
        """Records that were unknown are in Kafka: what is on disk of them need not be sent."""
        if self._kept is not None:
            index_of = {position: index for index, position in enumerate(self._again)}
            self._binding.courier.late(self._kept, [index_of[line] for line in lines if line in index_of])

    # To the disk

    def _put(self, positions: Sequence[int]) -> None:
        self._again = positions
        courier, entry = self._binding.courier, self._entry(positions)
        if self._outcome.unknown:
            self._kept = Kept(courier.gate.state_of(Target.of(entry)))
        courier.put(entry, self._appended, self._kept)

    def _entry(self, positions: Sequence[int]) -> Entry:
        entry = entry_of(self._records, self._binding.origin, self._now_ms, next(_ids))
        return entry if len(positions) == entry.count else part_of(entry, positions)

    def _appended(self, _: int, error: SpoolError | None) -> None:
        self._finish(error)

    # Told

    def _finish(self, error: SpoolError | None) -> None:
        told, kafkas, lines = self.submission.outcome, self._outcome, self._records.lines
        told.acks = kafkas.acks
        told.acked = self._lines(kafkas.acked)
        if kafkas.failed or kafkas.unknown:
            appended = set(self._again)
            told.failed = [lines[at] for at in kafkas.failed if at not in appended]
            told.unknown = [lines[at] for at in kafkas.unknown if at not in appended]
        if told.failed or told.unknown:
            told.reason, told.message, told.reasons = kafkas.reason, kafkas.message, kafkas.reasons
        if error is None:
            told.spooled = self._lines(self._again)
        else:
            self._tell_lost(told, error)
        self._on_done(self.submission)

    def _lines(self, positions: Sequence[int]) -> list[int]:
        lines = self._records.lines
        return lines if len(positions) == len(lines) else [lines[position] for position in positions]

    def _tell_lost(self, told: Outcome, error: SpoolError) -> None:
        """The disk has not taken what Kafka has not: as far as Kafka goes, its own word stands."""
        lines, unknown = self._records.lines, set(self._outcome.unknown)
        if isinstance(error, SpoolFailedError):
            unknown.update(self._again)  # the next process may find them on the disk all the same, and deliver them
        told.unknown += [lines[at] for at in self._again if at in unknown]
        told.failed += [lines[at] for at in self._again if at not in unknown]
        refusal = self._binding.refusal()
        told.reason, told.message = _reason(error), str(error)
        told.reasons = {*told.reasons, told.reason}
        told.retry_after = refusal.retry_after if refusal is not None else 0


def _reason(error: SpoolError) -> FailureReason:
    match error:
        case SpoolFullError():
            return FailureReason.SPOOL_FULL
        case SpoolClosedError():
            return FailureReason.STOPPING
        case _:
            return FailureReason.SPOOL_FAILED


class SpoolingLease:
    """The http port `Lease`."""

    __slots__ = ("_binding", "_kafka", "_lease", "_producer", "_released")

    def __init__(self, binding: Binding, lease: ProducerLease) -> None:
        self._binding = binding
        self._lease = lease
        self._kafka = lease.producer
        self._producer = SpoolingProducer(binding, self._kafka)
        self._released = False

    @property
    def producer(self) -> SpoolingProducer:
        """The producer that serves now, with the disk behind it: take it once a request, and stay with it."""
        real = self._lease.producer
        if real is not self._kafka:
            self._kafka, self._producer = real, SpoolingProducer(self._binding, real)
        return self._producer

    def release(self) -> None:
        """No longer used by its repo. The spool keeps the profile for as long as it holds records for it."""
        if not self._released:
            self._released = True
            self._binding.courier.gate.outlets.unbind(self._binding.origin.profile_hash, self._lease)
