"""Takes entries to the disk and from there to Kafka, each in its turn, and forgets them once Kafka has acknowledged them.

    append -> durable -> straight from memory, if its lanes are free, its target open and there is room
                      -> else it waits; a cursor comes to it in the order of its log (`replay`)
    handed over -> acknowledged | refused for good: dead letter or parked | back to its place in the log
    in the way of others for long -> copied to a log of its target's own (`sides`), acknowledged in the main one

Order per key: `handover` has the argument; what is added here is that a lane's records get to the log in order of
acceptance (what comes while an earlier request is live waits for its outcome, since it may have to go before), that logs
are read in order, that a target's side log goes before what it has in the main one, and that lanes are busy from
`append` until the hand-over.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial

from headgate_gateway.kafka.outcome import Outcome
from headgate_gateway.spool.cursor import Cursor
from headgate_gateway.spool.entry import Entry, EntryHead, records_of
from headgate_gateway.spool.errors import NO_SPACE, SpoolError, SpoolFailedError, SpoolFullError
from headgate_gateway.spool.gate import Gate
from headgate_gateway.spool.handover import Fates
from headgate_gateway.spool.load import EntryLoad, Kept, runs_of
from headgate_gateway.spool.log import Log, OnDone, Stored
from headgate_gateway.spool.ports import KafkaProducer
from headgate_gateway.spool.replay import Replay
from headgate_gateway.spool.sides import OpenLog, Sides
from headgate_gateway.spool.targets import Target, TargetState
from headgate_gateway.spool.undertaker import Undertaker


@dataclass(frozen=True, slots=True)
class CourierSettings:
    """How patient it is, and how much it holds. Times in seconds."""

    side_after: float = 1.0
    """How long a target that takes nothing may hold up others before it gets a log of its own."""
    unknown_topic_patience: float = 600.0
    parked_bytes: int = 256 * 2**20
    """What may be parked: beyond it, targets whose records Kafka refuses for good are blocked."""
    cache_bytes: int = 32 * 2**20
    """Of entries that producers have: beyond it, what comes waits on disk."""


@dataclass(slots=True)
class CourierCounters:
    """Totals of records."""

    appended: int = 0
    delivered: int = 0
    replayed: int = 0
    freed: int = 0
    """Bytes, about, of all that is done with."""


@dataclass(slots=True)
class _Appending:
    """An entry on its way to the disk."""

    state: TargetState
    entry: Entry
    done: OnDone
    kept: Kept | None
    privileged: bool
    behind: int
    """How many live requests of its target were before it."""


class Courier:
    """One spool's. Used within one event loop."""

    def __init__(
        self,
        gate: Gate,
        parked: Log,
        open_side: OpenLog,
        remove_side: Callable[[str], None],
        executors: tuple[Executor, Executor],
        settings: CourierSettings,
        now_ms: Callable[[], int],
    ) -> None:
        """`executors`: for reading, and one of a single thread for what changes directories."""
        self.gate = gate
        self.settings = settings
        self.counters = CourierCounters()
        self.handed_records = 0
        """Durable records that producers have."""
        self.held = 0
        """Bytes of entries that producers have."""
        self.replaying: dict[KafkaProducer, int] = {}
        """Records read from disk that a producer has."""
        self.closing = False
        self._held_back: dict[Target, deque[_Appending]] = {}
        self._now_ms = now_ms
        self._loop = asyncio.get_running_loop()
        self._readers = executors[0]
        self._replay = Replay(self)
        self.main = self._make_cursor()
        self.sides = Sides(open_side, remove_side, partial(self._make_cursor, is_side=True), executors[1])
        self.undertaker = Undertaker(self, gate, parked, settings.parked_bytes)

    def _make_cursor(self, *, is_side: bool = False) -> Cursor:
        return Cursor(self._readers, self._replay.offer, self.gate.states_of, is_side=is_side)

    def find(self, cursor: Cursor, first: int, head: EntryHead) -> None:
        """An entry was found on disk when its log was opened."""
        state = self.gate.state_of(Target.of(head))
        state.keep(head)
        cursor.add(state, first, head.buckets())

    def age_of(self, entry: Entry) -> float:
        """Seconds since it was accepted."""
        return (self._now_ms() - entry.accepted_ms) / 1000

    # To the disk

    def append(self, entry: Entry, done: OnDone) -> None:
        """Make an entry durable, and deliver it some time. `done` is called once, never from within this call.

        Its profile, and that of its dead letter, must be bound.
        """
        state = self.gate.state_of(Target.of(entry))
        item = _Appending(state, entry, done, None, privileged=False, behind=state.live_count)
        state.appending.add(entry.buckets())
        queue = self._held_back.get(state.target)
        if queue is not None:
            queue.append(item)
        elif state.has_live(item.behind):
            self._held_back[state.target] = deque([item])
        else:
            self._begin(item)

    def put(self, entry: Entry, done: OnDone, kept: Kept | None = None, *, privileged: bool = False) -> None:
        """The same, in front of those that `append` holds back."""
        state = self.gate.state_of(Target.of(entry))
        state.appending.add(entry.buckets())
        self._begin(_Appending(state, entry, done, kept, privileged, behind=0))

    def follow(self, state: TargetState) -> None:
        """A live request has its outcome: go on with what was accepted after it."""
        queue = self._held_back.get(state.target)
        while queue and not state.has_live(queue[0].behind):
            self._begin(queue.popleft())
        if queue is not None and not queue:
            del self._held_back[state.target]

    def _begin(self, item: _Appending) -> None:
        entry, write = item.entry, partial(self._write, item)
        letter = entry.dead_letter
        if letter is not None and self.gate.outlets.knows(letter.profile_hash):
            write = partial(self._keep_profile, letter.profile_hash, write)
        self.gate.outlets.when_kept(entry.profile_hash, write)

    def _keep_profile(self, content: str, write: Callable[[OSError | None], None], failure: OSError | None) -> None:
        if failure is None:
            self.gate.outlets.when_kept(content, write)
        else:
            write(failure)

    def _write(self, item: _Appending, failure: OSError | None) -> None:
        error: SpoolError | None = None if failure is None else _no_profile(failure)
        if error is None:
            try:
                self.main.log.append(item.entry, partial(self._written, item), privileged=item.privileged)
                return
            except SpoolError as refused:
                error = refused
        self._loop.call_soon(self._written, item, -1, error)

    def _written(self, item: _Appending, first: int, error: SpoolError | None) -> None:
        state, entry = item.state, item.entry
        buckets = entry.buckets()
        state.appending.remove(buckets)
        if error is None:
            self.main.known_end = first + entry.count
            self.counters.appended += entry.count
            state.keep(entry)
            if not self._go_live(state, Stored(first, entry), buckets):
                self.main.add(state, first, buckets)
            if item.kept is not None:
                self._remember(item.kept, first, entry, buckets)
        item.done(first, error)

    def _remember(self, kept: Kept, first: int, entry: Entry, buckets: tuple[int, ...]) -> None:
        kept.first, kept.count = first, entry.count
        if first not in self.main.away:
            self.main.returned[first] = kept.state, buckets, first + entry.count
        if kept.early:
            self.late(kept, kept.early)

    def late(self, kept: Kept, positions: Sequence[int]) -> None:
        """Records of an appended entry are in Kafka already."""
        if kept.first < 0:
            kept.early += positions
        else:
            self.acknowledge(self.main, kept.state, kept.first, kept.count, positions)

    # To Kafka

    def _go_live(self, state: TargetState, stored: Stored, buckets: tuple[int, ...]) -> bool:
        """Hand an entry over from memory, if nothing is before it."""
        nbytes = stored.entry.nbytes
        if self.closing or not self.may_go_live(state) or self.held + nbytes > self.settings.cache_bytes:
            return False
        if state.burying and not self.main.may_bury(nbytes):
            return False
        producer = self.gate.producer_for(state)
        if producer is None or not state.is_free(buckets) or not producer.reserve(nbytes):
            return False
        self.hand(EntryLoad(self, self.main, state, stored, producer, reserved=True, replayed=False), None)
        return True

    def may_go_live(self, state: TargetState) -> bool:
        """Whether the target takes what is new, as far as is known."""
        return state.is_open or (state.takes_live and not self.gate.handover.holds(state.target))

    def hand(self, load: EntryLoad, positions: list[int] | None, *, gives_up: bool = False) -> None:
        """Give an entry, or some of its records, to its producer."""
        entry = load.stored.entry
        load.cursor.away[load.stored.first] = load.state.target
        self.held += load.nbytes
        records = records_of(entry, positions)
        self.handed_records += len(records.values)
        if load.replayed:
            load.state.window.take(load.nbytes)
            self.replaying[load.producer] = self.replaying.get(load.producer, 0) + len(records.values)
        self.gate.handover.hand(load.state, load.producer, records, entry.accepted_ms, load, gives_up=gives_up)

    def settle(self, load: EntryLoad, outcome: Outcome, fates: Fates) -> None:
        """An entry's submission has its outcome."""
        cursor, state, stored = load.cursor, load.state, load.stored
        del cursor.away[stored.first]
        count = len(outcome.acked) + len(outcome.failed) + len(outcome.unknown)
        self.handed_records -= count
        self.held -= load.nbytes
        if load.reserved:
            load.producer.release(load.nbytes)
        if load.replayed:
            self._count_replayed(load, outcome, count)
        if fates.acked:
            self.acknowledge(cursor, state, stored.first, stored.entry.count, fates.acked)
        if fates.refused:
            self.undertaker.bury(cursor, state, stored, fates.refused)
        if fates.again and cursor.open_positions(stored):
            buckets = stored.entry.buckets()
            cursor.add(state, stored.first, buckets)
            cursor.returned[stored.first] = state, buckets, stored.end
        self.wake()

    def _count_replayed(self, load: EntryLoad, outcome: Outcome, count: int) -> None:
        load.state.window.give(load.nbytes, delivered=bool(outcome.acked), now=self._loop.time())
        self.counters.replayed += len(outcome.acked)
        left = self.replaying[load.producer] - count
        if left:
            self.replaying[load.producer] = left
        else:
            del self.replaying[load.producer]

    def acknowledge(self, cursor: Cursor, state: TargetState, first: int, count: int, positions: Sequence[int]) -> None:
        """Records of an entry are in Kafka."""
        self.counters.delivered += self.release(cursor, state, first, count, positions)

    def release(self, cursor: Cursor, state: TargetState, first: int, count: int, positions: Sequence[int]) -> int:
        """Records of an entry are done with; how many were not before."""
        end = first + count
        before = cursor.count(first, end)
        if len(positions) == count:
            cursor.log.acknowledge(first, end)
        else:
            for start, stop in runs_of(sorted(positions)):
                cursor.log.acknowledge(first + start, first + stop)
        after = cursor.count(first, end)
        self.counters.freed += state.drop(before - after)
        if not after and first in cursor.returned:
            cursor.remove(state, first, cursor.returned[first][1])
        return before - after

    # All of it

    def wake(self) -> None:
        """Something may go now that could not before."""
        self.main.wake()
        for side in self.sides.cursors:
            side.wake()

    def probe(self) -> None:
        """Try again what is worth it."""
        worth_it = [state for state in list(self.gate.targets.values()) if self.gate.probe(state)]
        if worth_it:
            self.wake()

    def start(self) -> None:
        """Begin to deliver what is on disk."""
        self.main.start()
        self.sides.start()

    async def stop(self) -> None:
        """Hand over nothing more, and take back what producers have."""
        self.closing = self.undertaker.closing = True
        for cursor in (self.main, *self.sides.cursors):
            await cursor.stop()
        self.gate.handover.recall_all()

    @property
    def backlog(self) -> int:
        """Durable records that are to be delivered still."""
        return self.main.log.backlog + sum(side.log.backlog for side in self.sides.cursors)


def _no_profile(failure: OSError) -> SpoolError:
    """Why an entry was not written at all: its profile could not be."""
    return SpoolFullError(str(failure)) if failure.errno in NO_SPACE else SpoolFailedError(str(failure))
