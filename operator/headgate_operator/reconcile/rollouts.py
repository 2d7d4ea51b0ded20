"""The rollouts of one fleet, once per reconcile: observe, let the machine decide, store what it decided.

Between judging and rendering: what is stored goes before what follows from it, so that an operator killed anywhere goes
on from there. Where a state cannot be stored, the repo stays where it was, and the others go on.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from headgate_operator.api.names import canary_name, rollout_name
from headgate_operator.api.repo import EventRepo
from headgate_operator.api.rollout import Rollout
from headgate_operator.ports import Cluster
from headgate_operator.reconcile.apply import Applier, Failure
from headgate_operator.reconcile.ledger import Ledger, Stored
from headgate_operator.reconcile.rollout_store import RESTING, Decided, RolloutStore, is_due, stored_form
from headgate_operator.reconcile.sightings import Advanced, FleetSightings
from headgate_operator.reconcile.sights import (
    Eyes,
    gauges,
    has_own_limits,
    is_canary_fresh,
    is_fresh,
    is_immediate,
    is_routed,
    live_weight,
    pods_needed,
    see_canary,
    still_read,
)
from headgate_operator.reconcile.store import FleetKey, Store
from headgate_operator.render.intent import Intent
from headgate_operator.render.judge import JudgedRepo
from headgate_operator.render.profiles import secrets_of
from headgate_operator.render.repo_secrets import read_repo_secrets
from headgate_operator.render.templates import Templates
from headgate_operator.render.world import RepoKey, RepoRollout, SecretKey
from headgate_operator.rollout.actions import actions_of
from headgate_operator.rollout.causes import build_cause, build_change
from headgate_operator.rollout.commands import is_retry, is_unanswered, parse_command
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
    Stage,
    Step,
)
from headgate_operator.rollout.samples import count_split
from headgate_operator.status.rollout import Shown, Split
from headgate_operator.status.transitions import EventNote

logger = logging.getLogger("headgate.rollouts")

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


class RolloutKeeper:
    """Advances the rollouts of one fleet; remembers only what the next look brings again."""

    def __init__(self, parts: RolloutParts, fleet: FleetKey) -> None:
        self._parts = parts
        self._fleet = fleet
        self.ledger = Ledger(parts.store, fleet)
        self._records = RolloutStore(parts.applier, parts.templates, self.ledger, fleet)
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

    def secrets(self, stored: Stored) -> set[SecretKey]:
        """The Secrets that stored intents name which are served, or may be, although no spec asks for them."""
        away = ((key, state) for key, state in stored.states.items() if state.phase is not Phase.STABLE)
        intents = ((key, self.ledger.intent(key, each)) for key, of in away for each in (of.stable, of.candidate))
        known = [(key, intent) for key, intent in intents if intent is not None]
        beside = {named.key for key, intent in known for named in read_repo_secrets(key[0], intent.spec)}
        return beside | {(self._fleet[0], name) for _, intent in known for name in secrets_of(intent)}

    # After judging.

    async def advance(self, sightings: FleetSightings) -> Advanced:
        """Decide and store. Raises NotLeaderError only; all else is collected."""
        now = self._parts.now()
        result, broken = Advanced(), dict[RepoKey, Failure]()
        states, seen = self._look(sightings, now, broken)
        self._add_gone(states, seen, sightings, now)
        seen = self._admitted(states, seen, sightings)
        steps = {key: found for key in states if (found := self._step(key, states[key], seen[key], broken))}
        result.failures += broken.values()
        desired = {key: repo.desired for key, repo in sightings.judged.repos.items() if repo.desired is not None}
        decided = Decided(sightings.fleet, desired, sightings.stored, sightings.versions, steps, now)
        written = await self._records.write(decided)
        result.failures += written.failures
        for table in (self._newest, self._compared):
            for gone in table.keys() - states.keys() - broken.keys():
                del table[gone]
        for key in written.states:
            self._newest[key] = stored_form(steps[key].state), steps[key].state
        for key in broken:
            self._show_unchanged(key, seen[key].policy if key in seen else None, sightings, result)
        for key, stepped in steps.items():
            if key in written.failed:
                self._show_unchanged(key, seen[key].policy, sightings, result)
            else:
                self._take(key, states[key], stepped, seen[key], sightings, result)
        self._show_resting(sightings, result)
        return result

    def _look(
        self, sightings: FleetSightings, now: float, broken: dict[RepoKey, Failure]
    ) -> tuple[dict[RepoKey, RolloutState], dict[RepoKey, Observation]]:
        """The repos on which there is something to decide, and what is seen of them."""
        states: dict[RepoKey, RolloutState] = {}
        seen: dict[RepoKey, Observation] = {}
        for key, repo in sightings.judged.repos.items():
            try:
                if state := self._state(key, repo, sightings):
                    seen[key] = self._observe(key, state, sightings, now)
                    states[key] = state
            except Exception as error:  # noqa: BLE001 - one repo's broken object must not stop all others
                broken[key] = self._broken(key, error)
        return states, seen

    def _step(
        self, key: RepoKey, state: RolloutState, seen: Observation, broken: dict[RepoKey, Failure]
    ) -> Step | None:
        try:
            return step(state, seen)
        except Exception as error:  # noqa: BLE001 - as above: the others' canaries have to be watched
            broken[key] = self._broken(key, error)
            return None

    def _broken(self, key: RepoKey, error: Exception) -> Failure:
        logger.error("the rollout of %s/%s cannot be decided", *key, exc_info=error)
        name = rollout_name(self._fleet[1], *key)
        return Failure(("ConfigMap", self._fleet[0], name), "decide", f"{type(error).__name__}: {error}", False)

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
            immediate=is_immediate(sightings.fleet, policy),
            cause=cause,
            change=change,
            canary=self._see_canary(key, state, sightings),
            stable_confirmed=sightings.confirmed(key, state.stable),
            route_accepted=self._is_routed(key, state),
            gauges_canary=gauges(eyes, key, pods, candidate),
            gauges_stable=gauges(eyes, key, still_read(eyes, sightings.tracks.stable), state.stable),
            fresh=is_fresh(eyes, (*sightings.tracks.stable, *pods)),
            canary_fresh=is_canary_fresh(eyes, sightings.tracks.stable, pods),
            live_weight=self._live_weight(key, state),
            queries=self._parts.queries(key, policy, state, now),
            command=parse_command(asked),
        )

    def _see_canary(self, key: RepoKey, state: RolloutState, sightings: FleetSightings) -> CanarySight:
        """The canary, measured against the pods that the weight needs: its Deployment may not ask for them yet."""
        pods, plan = sightings.tracks.of(key), sightings.plans.get(key)
        found = see_canary(self._parts.eyes, self._fleet, key, pods, state.candidate, plan)
        if state.candidate is None or not found.exists:
            return found
        needed = pods_needed(self._parts.eyes, key, RunCanary(state.candidate, state.size_for), sightings)
        return replace(found, desired=needed)

    def _is_routed(self, key: RepoKey, state: RolloutState) -> bool:
        service = canary_name(self._fleet[1], *key)
        # Before the first weight the ingress has to know the canary's Service: requests would find nothing there.
        starts = state.stage is Stage.STARTING
        return state.phase in UNDER_WAY and is_routed(
            self._parts.eyes, self._fleet, key, state.weight, service, named=starts
        )

    def _live_weight(self, key: RepoKey, state: RolloutState) -> int | None:
        """Only of a repo under way: thousands may wait, and each route is parsed."""
        service = canary_name(self._fleet[1], *key)
        return live_weight(self._parts.eyes, self._fleet, key, service) if state.phase in UNDER_WAY else None

    def _compare(
        self, key: RepoKey, state: RolloutState, desired: Intent | None, repo: EventRepo | None
    ) -> tuple[Cause, Change]:
        """Why the wanted revision differs from the stable one, and in what."""
        if desired is None or desired.revision == state.stable:
            return state.cause, Change()
        known = self._compared.get(key)
        if known is None or known[:2] != (state.stable, desired.revision):
            stable = self.ledger.intent(key, state.stable)
            cause = build_cause(stable, desired, own_limits=has_own_limits(repo))
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
                and wants_rollout(
                    state, seen[key].desired, immediate=seen[key].immediate, retries=_retries(state, seen[key])
                ),
                cause=seen[key].cause,
                retries=_retries(state, seen[key]),
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
        self, key: RepoKey, policy: Rollout | None, sightings: FleetSightings, result: Advanced
    ) -> None:
        """A repo whose state could not be decided or stored: everything is done as if nothing had been decided."""
        stored = sightings.stored.states.get(key)
        before = stored or _at_rest(self._promoted_revision(key, sightings))
        if before is not None and key in sightings.judged.repos:
            actions: Sequence[object] = actions_of(stored) if stored is not None else ()
            result.rollouts[key] = self._rollout(key, before, actions, sightings)
            result.shown[key] = Shown(before, policy or Rollout())

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


def _at_rest(revision: str | None) -> RolloutState | None:
    return RolloutState(stable=revision) if revision is not None else None


def _retries(state: RolloutState, seen: Observation) -> bool:
    return is_retry(state, seen.command, seen.desired)
