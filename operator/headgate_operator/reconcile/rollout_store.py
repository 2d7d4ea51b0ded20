"""Stores what rollouts decided: revisions, then states; and drops what has had its time. Decides nothing about rollouts.

Called by the keeper between deciding and rendering, so that nothing follows from a state that is not stored.
"""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace

from headgate_operator.api.fleet import GatewayFleet
from headgate_operator.api.names import rollout_name
from headgate_operator.reconcile.apply import Applier, Failure, ObjectKey
from headgate_operator.reconcile.isolation import Isolation
from headgate_operator.reconcile.ledger import Ledger, Stored
from headgate_operator.reconcile.store import FleetKey
from headgate_operator.render.intent import Intent
from headgate_operator.render.revisions import (
    build_revision_object,
    build_state_object,
    next_sequence,
    revisions_to_keep,
)
from headgate_operator.render.templates import Templates
from headgate_operator.render.world import RenderedObject, RepoKey
from headgate_operator.rollout.model import Phase, RolloutState, Step
from headgate_operator.rollout.store_form import dump_state

RESTING = (Phase.STABLE, Phase.ROLLED_BACK)

UNSTORED = {"measurements": (), "written": ()}
"""What changes with every look: stored along with the next change of anything else, since a write a second is none of
the API server's business. A process that begins anew measures it again."""

KEPT_SECONDS = 86_400.0
"""How long revisions and state outlive their repo."""


@dataclass(frozen=True, slots=True)
class Decided:
    """What one pass decided for a fleet."""

    fleet: GatewayFleet
    desired: Mapping[RepoKey, Intent]
    """What accepted specs ask for."""
    stored: Stored
    versions: Mapping[ObjectKey, str]
    """resourceVersions that it was decided from."""
    steps: Mapping[RepoKey, Step]
    now: float


@dataclass(frozen=True, slots=True)
class Written:
    """What became of storing it."""

    failed: frozenset[RepoKey]
    """Repos of which something could not be written: for them nothing was decided."""
    states: frozenset[RepoKey]
    """Repos whose state is stored now as it was decided."""
    failures: tuple[Failure, ...]


def stored_form(state: RolloutState) -> RolloutState:
    """The state as it is stored: without what changes with every look, or with every other repo in line."""
    if state.phase in RESTING:
        return state
    # Each admission moves the whole line: thousands of states would be written for a place in it.
    waits = {"message": ""} if state.phase is Phase.WAITING else {}
    return state.model_copy(update=UNSTORED | waits)


def is_due(state: RolloutState, known: RolloutState | None) -> bool:
    """Whether a state has to be written over the one that is stored. A repo that never changed needs none."""
    if known is None:
        return state != RolloutState(stable=state.stable)
    return stored_form(state) != stored_form(known)


class RolloutStore:
    """Writes the rollouts of one fleet."""

    def __init__(self, applier: Applier, templates: Templates, ledger: Ledger, fleet: FleetKey) -> None:
        self._applier = applier
        self._templates = templates
        self._ledger = ledger
        self._fleet = fleet

    async def write(self, decided: Decided) -> Written:
        """Write revisions, then states. Raises NotLeaderError only."""
        apart = Isolation(self._fleet)
        revisions = self._due_revisions(decided, apart)
        first = await self._applier.apply(self._fleet, [*revisions.values()], decided.versions)
        owners = {each.key: key for (key, _), each in revisions.items()}
        # A state whose revision is not kept would name what nobody can render.
        unkept = {owners[failure.key] for failure in first.failures} | apart.failures.keys()
        states = self._due_states(decided, unkept, apart)
        second = await self._applier.apply(self._fleet, [*states.values()], decided.versions)
        owners |= {each.key: key for key, each in states.items()}
        dropped = await self._applier.delete(self._expired(decided, apart))
        failures = [replace(each, repo=owners.get(each.key)) for each in (*first.failures, *second.failures)]
        failures += apart.failures.values()
        failed = frozenset(each.repo for each in failures if each.repo is not None)
        return Written(failed, frozenset(states.keys() - failed), (*failures, *dropped.failures))

    def _key(self, repo: RepoKey) -> ObjectKey:
        return "ConfigMap", self._fleet[0], rollout_name(self._fleet[1], *repo)

    def _due_revisions(self, decided: Decided, apart: Isolation) -> dict[tuple[RepoKey, str], RenderedObject]:
        """Intents that are asked for and not kept yet; one that is asked for again becomes the newest."""
        found: dict[tuple[RepoKey, str], RenderedObject] = {}
        for key, intent in decided.desired.items():
            with apart.of(key, "store"):
                kept = decided.stored.revisions.get(key, frozenset())
                started = key in decided.steps and decided.steps[key].state.candidate == intent.revision
                if intent.revision not in kept or (started and self._is_older(key, intent, kept)):
                    sequence = next_sequence(self._ledger.sequences(key, kept))
                    built = build_revision_object(self._templates, decided.fleet, key, intent, sequence)
                    found[key, intent.revision] = built
        return found

    def _due_states(
        self, decided: Decided, unkept: AbstractSet[RepoKey], apart: Isolation
    ) -> dict[RepoKey, RenderedObject]:
        found: dict[RepoKey, RenderedObject] = {}
        for key, each in decided.steps.items():
            with apart.of(key, "store"):
                if key not in unkept and is_due(each.state, decided.stored.states.get(key)):
                    found[key] = self._state_object(decided.fleet, key, each.state)
        return found

    def _is_older(self, key: RepoKey, intent: Intent, kept: frozenset[str]) -> bool:
        sequences = self._ledger.sequences(key, kept)
        return sequences.get(intent.revision, 0) < max(sequences.values(), default=0)

    def _state_object(self, fleet: GatewayFleet, key: RepoKey, state: RolloutState) -> RenderedObject:
        return build_state_object(self._templates, fleet, key, dump_state(stored_form(state)).decode())

    def _expired(self, decided: Decided, apart: Isolation) -> list[ObjectKey]:
        """What has outlived its repo for a day, and revisions beyond the limit."""
        due: list[ObjectKey] = []
        for key, stepped in decided.steps.items():
            with apart.of(key, "store"):
                due += self._expired_of(key, stepped.state, decided)
        return due

    def _expired_of(self, key: RepoKey, state: RolloutState, decided: Decided) -> list[ObjectKey]:
        limit, kept = decided.fleet.spec.rollouts.revision_history_limit, decided.stored.revisions.get(key, frozenset())
        if state.gone_since is not None and decided.now - state.gone_since > KEPT_SECONDS:
            return [*self._ledger.keys_of(key, kept), self._key(key)]
        if len(kept) <= limit:
            return []
        staying = revisions_to_keep(self._ledger.sequences(key, kept), state.stable, state.candidate, limit)
        return self._ledger.keys_of(key, kept - staying)
