"""Decides what becomes of an entry that a cursor comes to: handed over, given up, moved aside, or waited for.

Live requests come first: what is replayed is held to a window (`window`), and counted with its producer's buffer.
"""

import asyncio
from typing import TYPE_CHECKING

from headgate_gateway.kafka.outcome import FailureReason
from headgate_gateway.spool.cursor import Cursor
from headgate_gateway.spool.load import EntryLoad
from headgate_gateway.spool.log import Stored
from headgate_gateway.spool.ports import KafkaProducer
from headgate_gateway.spool.targets import Target, TargetState

if TYPE_CHECKING:
    from headgate_gateway.spool.courier import Courier


class Replay:
    """The courier's half that reads from disk."""

    def __init__(self, courier: "Courier") -> None:
        self._courier = courier
        self._loop = asyncio.get_running_loop()

    async def offer(self, cursor: Cursor, stored: Stored) -> bool:
        """Take an entry that waits; False: the cursor has to look anew where it goes on."""
        state = self._courier.gate.state_of(Target.of(stored.entry))
        began = self._loop.time()
        while True:
            if state.may_try:
                await cursor.confirm()
                if cursor.goes_back:
                    return False
            positions = cursor.open_positions(stored)
            if not positions or self._take(cursor, state, stored, positions):
                return True
            if self._is_in_the_way(cursor, state, began):
                side = await self._courier.sides.open(state.target)
                if side is not None and self._move(cursor, side, state, stored):
                    return True
            if not await cursor.pause():
                return False

    def _move(self, cursor: Cursor, side: Cursor, state: TargetState, stored: Stored) -> bool:
        # Opening a log takes time, in which earlier ones may have come back.
        if cursor.goes_back or cursor.has_away(state.target):
            return False
        positions = cursor.open_positions(stored)
        return bool(positions) and self._courier.sides.move(cursor, side, state, stored, positions)

    def _take(self, cursor: Cursor, state: TargetState, stored: Stored, positions: list[int]) -> bool:
        courier, entry = self._courier, stored.entry
        gives_up = state.is_given_up(self._loop.time(), courier.age_of(entry), courier.settings.unknown_topic_patience)
        if (gives_up or state.burying) and not cursor.may_bury(entry.nbytes):
            return False
        if gives_up and self._is_refused(state):
            cursor.remove(state, stored.first, entry.buckets())
            why = FailureReason.REFUSED, state.problem
            courier.undertaker.bury(cursor, state, stored, dict.fromkeys(positions, why))
            return True
        if courier.closing or not state.may_try or (state.target.keyed and state.in_side and not cursor.is_side):
            return False
        producer = courier.gate.producer_for(state)
        if producer is None or not self._has_room(state, producer, entry.nbytes):
            return False
        reserved = producer.reserve(entry.nbytes)
        if not reserved and state.window.in_flight:
            return False
        load = EntryLoad(courier, cursor, state, stored, producer, reserved=reserved, replayed=True)
        state.oldest_ms = entry.accepted_ms
        cursor.remove(state, stored.first, entry.buckets())
        courier.hand(load, positions, gives_up=gives_up)
        return True

    def _is_refused(self, state: TargetState) -> bool:
        producer = self._courier.gate.outlets.producer(state.target.profile_hash)
        if producer is None or producer.down is not None:
            return False
        return producer.refusal(state.target.topic) is not None

    def _has_room(self, state: TargetState, producer: KafkaProducer, nbytes: int) -> bool:
        courier = self._courier
        live = producer.pending_records > courier.replaying.get(producer, 0)
        state.window.see(live=live, now=self._loop.time())
        fits = courier.held + nbytes <= courier.settings.cache_bytes or not courier.held
        return fits and state.window.has_room(nbytes, trial=state.trial)

    def _is_in_the_way(self, cursor: Cursor, state: TargetState, began: float) -> bool:
        """Whether an entry that cannot go holds up others that could."""
        courier = self._courier
        if cursor.is_side or courier.closing or cursor.has_away(state.target):
            # What comes back from a producer would find later records in the side log, which goes first.
            return False
        since = began if state.blocked_since is None else min(began, state.blocked_since)
        is_stuck = self._loop.time() - since >= courier.settings.side_after and state.last_delivery <= began
        if not (is_stuck or state.in_side):
            return False
        targets = courier.gate.targets
        others = any(targets[target].may_try for target in cursor.waiting if target != state.target)
        return others or (not state.is_open and self._is_wasteful(cursor))

    def _is_wasteful(self, cursor: Cursor) -> bool:
        """Whether what waits keeps far more on disk than itself: segments with little else that is needed."""
        report = cursor.log.report()
        backlog = sum(state.nbytes for state in self._courier.gate.targets.values())
        return report.segments > 2 and report.nbytes > 4 * backlog
