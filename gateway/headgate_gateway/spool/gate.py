"""Which targets there are, and which of them take records now: asks producers, blocks targets and tries them again."""

import asyncio
import logging
from collections.abc import Iterable
from random import Random

from headgate_gateway.spool.handover import Handover
from headgate_gateway.spool.outlets import Outlets
from headgate_gateway.spool.ports import KafkaProducer
from headgate_gateway.spool.targets import Awaits, Backoff, Target, TargetState

log = logging.getLogger(__name__)


class Gate:
    """All targets of one spool."""

    def __init__(self, outlets: Outlets, backoff: Backoff, random: Random) -> None:
        self.outlets = outlets
        self.handover = Handover(backoff, random, self._tell_blocked)
        self.targets: dict[Target, TargetState] = {}
        self._loop = asyncio.get_running_loop()

    def state_of(self, target: Target) -> TargetState:
        """What is known of a target."""
        state = self.targets.get(target)
        if state is None:
            state = self.targets[target] = TargetState(target, self.outlets.name(target.profile_hash))
        return state

    def states_of(self, targets: Iterable[Target]) -> list[TargetState]:
        """Of targets that have records."""
        return [self.targets[target] for target in targets]

    def _tell_blocked(self, state: TargetState) -> None:
        if state.failures == 1:
            where = {"profile": state.profile, "topic": state.target.topic, "reason": state.problem}
            log.warning("a topic takes no records: they wait in the spool", extra=where)

    def producer_for(self, state: TargetState) -> KafkaProducer | None:
        """Who delivers to a target now; None: nobody can, and it is blocked from now on."""
        producer = self.outlets.producer(state.target.profile_hash)
        problem, awaits = self._problem(state, producer)
        if problem:
            self._note_refusal(state, awaits)
            if state.may_try:
                self.handover.block(state, problem, awaits)
            return None
        if state.producer is not producer and producer is not None:
            if state.producer is not None and state.target.keyed:
                self.handover.recall_others(state.target, producer)
            state.producer = producer
        return producer

    def _note_refusal(self, state: TargetState, awaits: Awaits) -> None:
        if awaits is Awaits.TOPIC:
            state.refuse(self._loop.time())
        else:
            state.interrupt_refusal()

    def _problem(self, state: TargetState, producer: KafkaProducer | None) -> tuple[str, Awaits]:
        """Why a target cannot be tried; empty: it can."""
        if state.burial_problem:
            return state.burial_problem, Awaits.TIME
        if producer is None:
            return self.outlets.problem(state.target.profile_hash) or "nobody delivers for it", Awaits.PRODUCER
        if producer.down is not None:
            return producer.down or "its producer is down", Awaits.PRODUCER
        return producer.refusal(state.target.topic) or "", Awaits.TOPIC

    def probe(self, state: TargetState) -> bool:
        """Look whether a blocked target is worth an attempt; whether it has become so."""
        if state.blocked_until is None:
            return False
        now = self._loop.time()
        is_due = now >= state.blocked_until
        producer = self.outlets.producer(state.target.profile_hash)
        problem, awaits = self._problem(state, producer)
        if not problem:
            if is_due or state.awaits is not Awaits.TIME:
                state.try_again()
                return True
            return False
        state.problem, state.awaits = problem, awaits
        self._note_refusal(state, awaits)
        if is_due:
            self.handover.block(state, problem, awaits)
        if producer is not None:
            producer.watch([state.target.topic])
        return False

    def forget_idle(self) -> None:
        """Drop targets that have nothing."""
        for target, state in list(self.targets.items()):
            if state.is_empty and not self.handover.holds(target):
                state.clear()
                if state.may_try:
                    del self.targets[target]

    @property
    def needed(self) -> set[str]:
        """Hashes of the profiles that records need."""
        found = {content for state in self.targets.values() for content in state.needs}
        return found | {target.profile_hash for target in self.targets}
