"""The rollouts of one fleet, once per reconcile: observe, let the machine decide, store what it decided.

Between judging and rendering: what is stored goes before what follows from it, so that an operator killed anywhere goes
on from there. Where a state cannot be stored, the repo stays where it was, and the others go on.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace

from headgate_operator.api.rollout import Rollout
from headgate_operator.ports import Cluster
from headgate_operator.reconcile.apply import Applier
from headgate_operator.reconcile.isolation import Isolation
from headgate_operator.reconcile.ledger import Ledger, Stored
from headgate_operator.reconcile.rollout_sights import Observer, Queries
from headgate_operator.reconcile.rollout_store import RESTING, Decided, RolloutStore, is_due, stored_form
from headgate_operator.reconcile.sightings import Advanced, FleetSightings
from headgate_operator.reconcile.sights import Eyes, pods_needed
from headgate_operator.reconcile.store import FleetKey, Store
from headgate_operator.reconcile.undecided import Undecided
from headgate_operator.render.intent import Intent, IntentError
from headgate_operator.render.judge import JudgedRepo
from headgate_operator.render.profiles import secrets_of
from headgate_operator.render.repo_secrets import read_repo_secrets
from headgate_operator.render.templates import Templates
from headgate_operator.render.world import RepoKey, RepoRollout, SecretKey
from headgate_operator.rollout import reasons
from headgate_operator.rollout.actions import actions_of, announcements
from headgate_operator.rollout.commands import is_retry, is_unanswered, parse_command
from headgate_operator.rollout.line import Admission, Entry, admit, wants_rollout
from headgate_operator.rollout.machine import step
from headgate_operator.rollout.model import (
    Announce,
    Observation,
    Phase,
    RolloutState,
    RouteWeight,
    RunCanary,
    ServeStable,
    Step,
)
from headgate_operator.rollout.retreat import retreat
from headgate_operator.rollout.samples import count_split
from headgate_operator.status.rollout import Shown, Split
from headgate_operator.status.transitions import EventNote


@dataclass(frozen=True, slots=True)
class RolloutParts:
    """What a keeper works with."""

    store: Store
    cluster: Cluster
    applier: Applier
    eyes: Eyes
    templates: Templates
    queries: Queries
    now: Callable[[], float]
    """Seconds since the epoch: what is stored outlives processes."""


class RolloutKeeper:
    """Advances the rollouts of one fleet; remembers only what the next look brings again."""

    def __init__(self, parts: RolloutParts, fleet: FleetKey) -> None:
        self._parts = parts
        self._fleet = fleet
        self.ledger = Ledger(parts.store, fleet)
        self._records = RolloutStore(parts.applier, parts.templates, self.ledger, fleet)
        self._observer = Observer(parts.eyes, parts.queries, self.ledger, fleet)
        self._newest: dict[RepoKey, tuple[RolloutState, RolloutState]] = {}
        """By repo: the state as it is stored, and with what was seen since."""
        self._undecided = Undecided()

    # Before judging.

    def promoted(self, stored: Stored, served: Mapping[RepoKey, object]) -> dict[RepoKey, RepoRollout]:
        """What is known to be promoted, of repos that once changed or were served before they were deleted."""
        found = {key: self._serve(key, state.stable) for key, state in stored.states.items()}
        for key in stored.revisions.keys() - found.keys() - served.keys():
            if (revision := self._newest_of(key, stored)) is not None:
                found[key] = self._serve(key, revision)
        return found

    def _serve(self, key: RepoKey, revision: str) -> RepoRollout:
        return RepoRollout(stable=self.ledger.intent(key, revision), stable_revision=revision)

    def _newest_of(self, key: RepoKey, stored: Stored) -> str | None:
        sequences = self.ledger.sequences(key, stored.revisions.get(key, ()))
        return max(sequences, key=lambda revision: (sequences[revision], revision), default=None)

    def secrets(self, stored: Stored) -> set[SecretKey]:
        """The Secrets that stored intents name which are served, or may be, although no spec asks for them."""
        found: set[SecretKey] = set()
        for key, state in stored.states.items():
            if state.phase is not Phase.STABLE:
                for revision in (state.stable, state.candidate):
                    found |= self._secrets_of(key, self.ledger.intent(key, revision))
        return found

    def _secrets_of(self, key: RepoKey, intent: Intent | None) -> set[SecretKey]:
        if intent is None:
            return set()
        try:
            beside = {named.key for named in read_repo_secrets(key[0], intent.spec)}
            return beside | {(self._fleet[0], name) for name in secrets_of(intent)}
        except IntentError:
            return set()  # none that this operator can render: what is served stays

    # After judging.

    async def advance(self, sightings: FleetSightings) -> Advanced:
        """Decide and store. Raises NotLeaderError only; all else is collected."""
        now, result, apart = self._parts.now(), Advanced(), Isolation(self._fleet)
        states, seen = self._look(sightings, now, apart)
        seen = self._admitted(states, seen, sightings, apart)
        steps = self._steps(states, seen, apart)
        back = self._backs(apart, seen, sightings, now)
        for key, step_back in back.items():
            states[key], steps[key] = sightings.stored.states[key], step_back
            seen[key] = Observation(now, True, step_back.state.candidate, policy=_policy(key, seen, sightings))
        desired = {key: repo.desired for key, repo in sightings.judged.repos.items() if repo.desired is not None}
        decided = Decided(sightings.fleet, desired, sightings.stored, sightings.versions, steps, now)
        written = await self._records.write(decided)
        self._forget_others(states.keys() | apart.failures.keys())
        for key in written.states:
            self._newest[key] = stored_form(steps[key].state), steps[key].state
        for key in steps.keys() - written.failed:
            with apart.of(key, "carry out"):
                self._take(key, states[key], steps[key], seen[key], sightings, result)
        failing = apart.failures.keys() | written.failed
        self._undecided.note(failing, now)
        for key in failing - (back.keys() & result.rollouts.keys()):
            self._keep(key, _policy(key, seen, sightings), sightings, result)
        result.failures += [*apart.failures.values(), *written.failures]
        self._show_resting(sightings, result)
        return result

    def _forget_others(self, staying: AbstractSet[RepoKey]) -> None:
        self._observer.forget_others(staying)
        for gone in self._newest.keys() - staying:
            del self._newest[gone]

    def _look(
        self, sightings: FleetSightings, now: float, apart: Isolation
    ) -> tuple[dict[RepoKey, RolloutState], dict[RepoKey, Observation]]:
        """The repos on which there is something to decide, and what is seen of them."""
        states: dict[RepoKey, RolloutState] = {}
        seen: dict[RepoKey, Observation] = {}
        for key, repo in sightings.judged.repos.items():
            with apart.of(key):
                if state := self._state(key, repo, sightings):
                    seen[key] = self._observer.observe(key, state, sightings, now)
                    states[key] = state
        for key in self._gone(sightings):
            with apart.of(key):
                if state := self._gone_state(key, sightings.stored):
                    seen[key] = self._observer.observe_gone(key, state, sightings, now)
                    states[key] = state
        return states, seen

    def _steps(
        self, states: Mapping[RepoKey, RolloutState], seen: Mapping[RepoKey, Observation], apart: Isolation
    ) -> dict[RepoKey, Step]:
        found: dict[RepoKey, Step] = {}
        for key in seen:
            with apart.of(key):
                found[key] = step(states[key], seen[key])
        return found

    def _backs(
        self, apart: Isolation, seen: Mapping[RepoKey, Observation], sightings: FleetSightings, now: float
    ) -> dict[RepoKey, Step]:
        """Steps of those that have weight, and cannot be decided any longer."""
        found: dict[RepoKey, Step] = {}
        for key, failure in apart.failures.items():
            before = sightings.stored.states.get(key)
            after = self._back(key, _policy(key, seen, sightings), sightings, now, failure.message)
            if before is not None and after is not None:
                found[key] = Step(after, (*actions_of(after), *announcements(before, after)))
        return found

    def _back(
        self, key: RepoKey, policy: Rollout, sightings: FleetSightings, now: float, told: str = ""
    ) -> RolloutState | None:
        """The stored state without its weight, where that may not stay; needs nothing that can fail."""
        stored = sightings.stored.states.get(key)
        if stored is None or key not in sightings.judged.repos:
            return None
        why = self._undecided.why_back(key, stored, policy, sightings.tracks.of(key), now)
        return retreat(stored, now, f"{why}: {told}", reasons.NOT_DECIDED) if why else None

    def _state(self, key: RepoKey, repo: JudgedRepo, sightings: FleetSightings) -> RolloutState | None:
        """The state of a repo on which there is something to decide; None of one that is served as its spec says."""
        stored, desired = sightings.stored, repo.desired
        asked = sightings.commands.get(key, "")
        state = self._known_state(key, stored)
        if state is None:
            promoted = self._promoted_revision(key, sightings)
            at_rest = promoted is None or desired is None or desired.revision == promoted
            if promoted is None or (at_rest and not asked):
                return None
            return RolloutState(stable=promoted)
        at_rest = state.phase is Phase.STABLE and desired is not None and desired.revision == state.stable
        return (
            None
            if at_rest and state.gone_since is None and not is_unanswered(state.obeyed, parse_command(asked))
            else state
        )

    def _known_state(self, key: RepoKey, stored: Stored) -> RolloutState | None:
        state = stored.states.get(key)
        if state is None:
            return None
        newest = self._newest.get(key)
        # What this process saw since it stored the state; a state that somebody else stored begins anew.
        return newest[1] if newest is not None and newest[0] == state else state

    def _promoted_revision(self, key: RepoKey, sightings: FleetSightings) -> str | None:
        served = sightings.judged.served.get(key)
        return served.revision if served is not None else self._newest_of(key, sightings.stored)

    def _gone(self, sightings: FleetSightings) -> Iterator[RepoKey]:
        """Repos that no longer exist: what was promoted of them is remembered for a day."""
        stored = sightings.stored.states.keys() | sightings.stored.revisions.keys()
        # To be refused a look is not to see that something has gone.
        yield from (key for key in stored - sightings.judged.repos.keys() if not self._observer.is_unreadable(key))

    def _gone_state(self, key: RepoKey, stored: Stored) -> RolloutState | None:
        state = self._known_state(key, stored)
        if state is None and (revision := self._newest_of(key, stored)) is not None:
            state = RolloutState(stable=revision)
        return state

    def _admitted(
        self,
        states: Mapping[RepoKey, RolloutState],
        seen: Mapping[RepoKey, Observation],
        sightings: FleetSightings,
        apart: Isolation,
    ) -> dict[RepoKey, Observation]:
        # One that cannot be decided keeps the slot that it holds.
        stuck = {key: sightings.stored.states[key] for key in apart.failures if key in sightings.stored.states}
        entries = [Entry(key, state, wants=False, cause=state.cause) for key, state in stuck.items()]
        for key, state in states.items():
            with apart.of(key):
                entries.append(_entry(key, state, seen[key], held=key in sightings.held))
        rules = sightings.fleet.spec.rollouts
        answers = dict(admit(entries, rules.max_concurrent, rules.failure_budget))
        answers |= {key: Admission(False, each.unreadable) for key, each in seen.items() if each.unreadable}
        answers |= {key: Admission(False, why) for key, why in sightings.held.items()}
        return {
            key: replace(each, may_start=answers[key].may_start, line=answers[key].line)
            for key, each in seen.items()
            if key not in apart.failures
        }

    # What follows.

    def _take(
        self,
        key: RepoKey,
        before: RolloutState,
        stepped: Step,
        seen: Observation,
        sightings: FleetSightings,
        result: Advanced,
    ) -> None:
        state, stored = stepped.state, sightings.stored.states.get(key)
        if stored is not None and not is_due(state, stored):
            self._newest[key] = stored, state
        result.notes += [
            (key, EventNote(each.type, each.reason, each.message))
            for each in stepped.actions
            if isinstance(each, Announce)
        ]
        if state.phase in RESTING and before.phase not in RESTING:
            result.ended.append((before, state))
        if key not in sightings.judged.repos:
            return
        result.rollouts[key] = self._rollout(key, state, stepped.actions, sightings)
        result.shown[key] = Shown(state, seen.policy, self._split(state, seen))
        if state.phase not in RESTING and state.phase is not Phase.WAITING:
            result.active.add(key)

    def _keep(self, key: RepoKey, policy: Rollout, sightings: FleetSightings, result: Advanced) -> None:
        """A repo whose state could not be decided, stored or carried out: all is done as if nothing had been decided.

        Its weight goes, stored or not, once that has lasted: no request is safe where nobody can act.
        """
        if key not in sightings.judged.repos:
            return
        again = Isolation(self._fleet)
        with again.of(key, "keep"):
            self._show_unchanged(key, policy, sightings, result)
        if again.failures:
            # Without this it would be served from its spec, as a new one is. What is served stays, with no canary.
            result.rollouts[key] = RepoRollout()

    def _show_unchanged(self, key: RepoKey, policy: Rollout, sightings: FleetSightings, result: Advanced) -> None:
        stored = self._back(key, policy, sightings, self._parts.now()) or sightings.stored.states.get(key)
        before = stored or _at_rest(self._promoted_revision(key, sightings))
        if before is not None:
            actions: Sequence[object] = actions_of(stored) if stored is not None else ()
            result.shown[key] = Shown(before, policy)
            result.rollouts[key] = self._rollout(key, before, actions, sightings)
            if before.phase not in RESTING and before.phase is not Phase.WAITING:
                result.active.add(key)

    def _rollout(
        self, key: RepoKey, state: RolloutState, actions: Sequence[object], sightings: FleetSightings
    ) -> RepoRollout:
        judged = sightings.judged.repos[key]
        served = next((each.revision for each in actions if isinstance(each, ServeStable)), state.stable)
        canary = next((each for each in actions if isinstance(each, RunCanary)), None)
        weight = next((each.weight for each in actions if isinstance(each, RouteWeight)), 0)
        stable = self._intent(key, served, judged)
        if canary is None:
            return RepoRollout(stable=stable, stable_revision=served)
        return RepoRollout(
            stable=stable,
            stable_revision=served,
            candidate=self._intent(key, canary.revision, judged),
            candidate_revision=canary.revision,
            canary_replicas=pods_needed(self._parts.eyes, key, canary, sightings),
            weight=weight,
            hold_stable=True,
            stable_floor=sightings.workload.desired if sightings.workload is not None else 0,
        )

    def _intent(self, key: RepoKey, revision: str | None, judged: JudgedRepo) -> Intent | None:
        if revision is None:
            return None
        if judged.asked is not None and judged.asked.revision == revision:
            return judged.asked
        return self.ledger.intent(key, revision)

    def _split(self, state: RolloutState, seen: Observation) -> Split | None:
        if state.marks is None or not seen.fresh:
            return None
        found = count_split(seen, state.marks)
        return Split(found.canary, found.stable)

    def _show_resting(self, sightings: FleetSightings, result: Advanced) -> None:
        for key, judged in sightings.judged.repos.items():
            if key in result.shown:
                continue
            state = sightings.stored.states.get(key)
            if state is None:
                served = sightings.judged.served.get(key)
                content = judged.desired or served
                state = _at_rest(content.revision if content is not None else None)
            if state is not None:
                repo = sightings.repos.get(key)
                result.shown[key] = Shown(state, repo.spec.rollout if repo is not None else Rollout())


def _policy(key: RepoKey, seen: Mapping[RepoKey, Observation], sightings: FleetSightings) -> Rollout:
    if key in seen:
        return seen[key].policy
    repo = sightings.repos.get(key)
    return repo.spec.rollout if repo is not None else Rollout()


def _entry(key: RepoKey, state: RolloutState, seen: Observation, *, held: bool) -> Entry:
    """One repo in line, or beside it."""
    retries = _retries(state, seen)
    wants = seen.exists and not held and not seen.unreadable
    wants = wants and wants_rollout(state, seen.desired, immediate=seen.immediate, retries=retries)
    return Entry(key, state, wants=wants, cause=seen.cause, retries=retries)


def _at_rest(revision: str | None) -> RolloutState | None:
    return RolloutState(stable=revision) if revision is not None else None


def _retries(state: RolloutState, seen: Observation) -> bool:
    return is_retry(state, seen.command, seen.desired)
