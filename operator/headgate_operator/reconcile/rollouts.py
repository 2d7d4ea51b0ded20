"""The rollouts of one fleet, once per reconcile: observe, let the machine decide, store what it decided.

Between judging and rendering: what is stored goes before what follows from it, so that an operator killed anywhere goes
on from there. Where a state cannot be stored, the repo stays where it was, and the others go on.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from headgate_operator.api.fleet import GatewayFleet, RoutingProvider
from headgate_operator.api.names import canary_name
from headgate_operator.api.repo import EventRepo
from headgate_operator.api.rollout import Rollout, Strategy
from headgate_operator.ports import Cluster
from headgate_operator.reconcile.apply import Applier, Failure
from headgate_operator.reconcile.ledger import Ledger, Stored
from headgate_operator.reconcile.rollout_store import RESTING, Decided, RolloutStore, is_due, stored_form
from headgate_operator.reconcile.sightings import FleetSightings
from headgate_operator.reconcile.sights import Eyes, gauges, is_fresh, is_routed, see_canary, traffic
from headgate_operator.reconcile.store import FleetKey, Store
from headgate_operator.render.children import DEFAULT_REPLICAS
from headgate_operator.render.intent import Intent
from headgate_operator.render.judge import JudgedRepo
from headgate_operator.render.profiles import secrets_of
from headgate_operator.render.templates import Templates
from headgate_operator.render.world import RepoKey, RepoRollout
from headgate_operator.rollout.actions import actions_of
from headgate_operator.rollout.causes import build_cause, build_change
from headgate_operator.rollout.commands import parse_command
from headgate_operator.rollout.line import UNDER_WAY, Admission, Entry, admit, wants_rollout
from headgate_operator.rollout.machine import step
from headgate_operator.rollout.model import (
    Announce,
    CanarySight,
    Cause,
    Change,
    Observation,
    Phase,
    QueryResult,
    RolloutState,
    RouteWeight,
    RunCanary,
    ServeStable,
    Step,
)
from headgate_operator.rollout.samples import count_split
from headgate_operator.rollout.sizing import canary_replicas, traffic_share
from headgate_operator.status.rollout import Shown, Split
from headgate_operator.status.transitions import EventNote

Queries = Callable[[RepoKey, Rollout, RolloutState, float], Mapping[str, QueryResult]]
"""The newest results of a repo's Prometheus queries; asking happens elsewhere."""


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


@dataclass(slots=True)
class Advanced:
    """What one pass decided."""

    rollouts: dict[RepoKey, RepoRollout] = field(default_factory=dict)
    shown: dict[RepoKey, Shown] = field(default_factory=dict)
    active: set[RepoKey] = field(default_factory=set)
    """Repos whose counters are to be read."""
    notes: list[tuple[RepoKey, EventNote]] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    ended: list[tuple[RolloutState, RolloutState]] = field(default_factory=list)
    """(before, after) of rollouts that ended, for metrics."""


class RolloutKeeper:
    """Advances the rollouts of one fleet; remembers only what the next look brings again."""

    def __init__(self, parts: RolloutParts, fleet: FleetKey) -> None:
        self._parts = parts
        self._fleet = fleet
        self.ledger = Ledger(parts.store, fleet)
        self._records = RolloutStore(parts.store, parts.cluster, parts.applier, parts.templates, self.ledger, fleet)
        self._compared: dict[RepoKey, tuple[str, str, Cause, Change]] = {}
        """By repo: two revisions, and how they differ; thousands of repos may wait in line, and intents are parsed to tell."""
        self._newest: dict[RepoKey, tuple[RolloutState, RolloutState]] = {}
        """By repo: the state as it is stored, and with what was seen since."""

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

    def secrets(self, stored: Stored) -> set[str]:
        """The Secrets that stored intents name which are served, or may be, although no spec asks for them."""
        away = ((key, state) for key, state in stored.states.items() if state.phase is not Phase.STABLE)
        intents = (self.ledger.intent(key, each) for key, state in away for each in (state.stable, state.candidate))
        return {name for intent in intents if intent is not None for name in secrets_of(intent)}

    # After judging.

    async def advance(self, sightings: FleetSightings) -> Advanced:
        """Decide and store. Raises NotLeaderError only; all else is collected."""
        now = self._parts.now()
        states = {
            key: state for key, repo in sightings.judged.repos.items() if (state := self._state(key, repo, sightings))
        }
        seen = {key: self._observe(key, state, sightings, now) for key, state in states.items()}
        self._add_gone(states, seen, sightings, now)
        seen = self._admitted(states, seen, sightings)
        steps = {key: step(states[key], seen[key]) for key in states}
        result = Advanced()
        desired = {key: repo.desired for key, repo in sightings.judged.repos.items() if repo.desired is not None}
        decided = Decided(sightings.fleet, desired, sightings.stored, sightings.versions, steps, now)
        written = await self._records.write(decided)
        await self._records.remove_secrets(steps)
        result.failures += written.failures
        for key in written.states:
            self._newest[key] = stored_form(steps[key].state), steps[key].state
        for key, stepped in steps.items():
            if key in written.failed:
                self._show_unchanged(key, states[key], seen[key], sightings, result)
            else:
                self._take(key, states[key], stepped, seen[key], sightings, result)
        self._show_resting(sightings, result)
        return result

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
        return None if at_rest and state.gone_since is None and not _is_unanswered(asked, state) else state

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

    def _observe(self, key: RepoKey, state: RolloutState, sightings: FleetSightings, now: float) -> Observation:
        eyes, judged, repo = self._parts.eyes, sightings.judged.repos[key], sightings.repos.get(key)
        pods, desired = sightings.tracks.of(key), judged.desired
        candidate = state.candidate
        policy = repo.spec.rollout if repo is not None else Rollout()
        cause, change = self._compare(key, state, desired, repo)
        asked = sightings.commands.get(key, "")
        return Observation(
            now=now,
            exists=True,
            desired=desired.revision if desired is not None else None,
            refusal="" if judged.verdict.accepted else f"{judged.verdict.reason}: {judged.verdict.message}",
            policy=policy,
            immediate=_is_immediate(sightings.fleet, policy),
            cause=cause,
            change=change,
            canary=self._see_canary(key, state, sightings),
            stable_confirmed=sightings.confirmed(key, state.stable),
            route_accepted=self._is_routed(key, state),
            gauges_canary=gauges(eyes, key, pods, candidate),
            gauges_stable=gauges(eyes, key, sightings.tracks.stable, state.stable),
            fresh=is_fresh(eyes, (*sightings.tracks.stable, *pods)),
            queries=self._parts.queries(key, policy, state, now),
            command=parse_command(asked),
        )

    def _see_canary(self, key: RepoKey, state: RolloutState, sightings: FleetSightings) -> CanarySight:
        """The canary, measured against the pods that the weight needs: its Deployment may not ask for them yet."""
        pods, plan = sightings.tracks.of(key), sightings.plans.get(key)
        found = see_canary(self._parts.eyes, self._fleet, key, pods, state.candidate, plan)
        if state.candidate is None or not found.exists:
            return found
        needed = self._replicas(key, RunCanary(state.candidate, state.size_for), sightings)
        return replace(found, desired=needed)

    def _is_routed(self, key: RepoKey, state: RolloutState) -> bool:
        service = canary_name(self._fleet[1], *key)
        return state.phase in UNDER_WAY and is_routed(self._parts.eyes, self._fleet, key, state.weight, service)

    def _compare(
        self, key: RepoKey, state: RolloutState, desired: Intent | None, repo: EventRepo | None
    ) -> tuple[Cause, Change]:
        """Why the wanted revision differs from the stable one, and in what."""
        if desired is None or desired.revision == state.stable:
            return state.cause, Change()
        known = self._compared.get(key)
        if known is None or known[:2] != (state.stable, desired.revision):
            stable = self.ledger.intent(key, state.stable)
            cause = build_cause(stable, desired, own_limits=_has_own_limits(repo))
            known = self._compared[key] = state.stable, desired.revision, cause, build_change(stable, desired)
        return known[2:]

    def _add_gone(
        self,
        states: dict[RepoKey, RolloutState],
        seen: dict[RepoKey, Observation],
        sightings: FleetSightings,
        now: float,
    ) -> None:
        """Repos that no longer exist: what was promoted of them is remembered for a day."""
        stored = sightings.stored
        for key in (stored.states.keys() | stored.revisions.keys()) - sightings.judged.repos.keys():
            state = self._known_state(key, stored)
            if state is None and (revision := self._newest_of(key, stored)) is not None:
                state = RolloutState(stable=revision)
            if state is not None:
                states[key] = state
                canary = see_canary(self._parts.eyes, self._fleet, key, sightings.tracks.of(key), state.candidate, None)
                seen[key] = Observation(now=now, exists=False, desired=None, canary=canary)

    def _admitted(
        self, states: Mapping[RepoKey, RolloutState], seen: Mapping[RepoKey, Observation], sightings: FleetSightings
    ) -> dict[RepoKey, Observation]:
        entries = [
            Entry(
                key,
                state,
                wants=seen[key].exists
                and key not in sightings.held
                and wants_rollout(state, seen[key].desired, immediate=seen[key].immediate),
                cause=seen[key].cause,
            )
            for key, state in states.items()
        ]
        rules = sightings.fleet.spec.rollouts
        answers = dict(admit(entries, rules.max_concurrent, rules.failure_budget))
        answers |= {key: Admission(False, why) for key, why in sightings.held.items()}
        return {
            key: replace(each, may_start=answers[key].may_start, line=answers[key].line) for key, each in seen.items()
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

    def _show_unchanged(
        self, key: RepoKey, before: RolloutState, seen: Observation, sightings: FleetSightings, result: Advanced
    ) -> None:
        """A repo whose state could not be stored: everything is done as if nothing had been decided."""
        if key in sightings.judged.repos:
            stored = sightings.stored.states.get(key)
            actions: Sequence[object] = actions_of(stored) if stored is not None else ()
            result.rollouts[key] = self._rollout(key, before, actions, sightings)
            result.shown[key] = Shown(before, seen.policy)

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
            canary_replicas=self._replicas(key, canary, sightings),
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

    def _replicas(self, key: RepoKey, canary: RunCanary, sightings: FleetSightings) -> int:
        """Pods for the weight; never fewer than there are for this very candidate, since shares waver."""
        desired = sightings.workload.desired if sightings.workload is not None else 0
        fleet = desired or sightings.fleet.spec.replicas or DEFAULT_REPLICAS
        share = traffic_share(
            traffic(self._parts.eyes, key, (*sightings.tracks.stable, *sightings.tracks.upgrade)), key
        )
        wanted = canary_replicas(fleet, share, canary.weight)
        plan = sightings.plans.get(key)
        child = self._parts.store.child(("Deployment", self._fleet[0], canary_name(self._fleet[1], *key)))
        if plan is None or plan.revision != canary.revision or child is None or child.progress is None:
            return wanted
        return max(wanted, child.progress.desired)

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
                revision = (
                    judged.desired.revision if judged.desired is not None else served.revision if served else None
                )
                state = RolloutState(stable=revision) if revision is not None else None
            if state is not None:
                repo = sightings.repos.get(key)
                result.shown[key] = Shown(state, repo.spec.rollout if repo is not None else Rollout())


def _is_unanswered(text: str, state: RolloutState) -> bool:
    command = parse_command(text)
    return command is not None and command.token not in {each.token for each in state.obeyed}


def _is_immediate(fleet: GatewayFleet, policy: Rollout) -> bool:
    """Whether changes go to all traffic at once: without routes nothing can be split."""
    return policy.strategy is Strategy.IMMEDIATE or fleet.spec.routing.provider is RoutingProvider.NONE


def _has_own_limits(repo: EventRepo | None) -> bool:
    return repo is not None and repo.spec.limits != type(repo.spec.limits)()
