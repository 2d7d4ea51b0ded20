"""One repo's rollout as its machine sees it: `Observer.observe` puts an Observation together. Judges and writes nothing.

Called by the keeper for each repo on which there is something to decide. Single sights are in `sights`.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace

from headgate_operator.api.names import canary_name
from headgate_operator.api.repo import EventRepo
from headgate_operator.api.rollout import Rollout
from headgate_operator.reconcile.ledger import Ledger
from headgate_operator.reconcile.sightings import FleetSightings
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
    unresolved,
)
from headgate_operator.reconcile.store import FleetKey
from headgate_operator.render.intent import Intent
from headgate_operator.render.world import RepoKey
from headgate_operator.rollout.causes import build_cause, build_change
from headgate_operator.rollout.commands import parse_command
from headgate_operator.rollout.line import UNDER_WAY
from headgate_operator.rollout.model import (
    CanarySight,
    Cause,
    Change,
    Observation,
    QueryResult,
    RolloutState,
    RunCanary,
    Stage,
)

Queries = Callable[[RepoKey, Rollout, RolloutState, float], Mapping[str, QueryResult]]
"""The newest results of a repo's Prometheus queries; asking happens elsewhere."""


class Observer:
    """Observes the repos of one fleet; remembers only comparisons of intents."""

    def __init__(self, eyes: Eyes, queries: Queries, ledger: Ledger, fleet: FleetKey) -> None:
        self._eyes = eyes
        self._queries = queries
        self._ledger = ledger
        self._fleet = fleet
        self._compared: dict[RepoKey, tuple[str, str, Cause, Change]] = {}
        """By repo: two revisions, and how they differ; thousands of repos may wait in line, and intents are parsed to tell."""

    def observe(self, key: RepoKey, state: RolloutState, sightings: FleetSightings, now: float) -> Observation:
        """A repo that exists."""
        eyes, judged, repo = self._eyes, sightings.judged.repos[key], sightings.repos.get(key)
        pods, desired = sightings.tracks.of(key), judged.desired
        policy = repo.spec.rollout if repo is not None else Rollout()
        cause, change = self._compare(key, state, desired, repo)
        unreadable = f"EventRepos in namespace {key[0]} cannot be read" if self.is_unreadable(key) else ""
        return Observation(
            now=now,
            exists=True,
            desired=desired.revision if desired is not None else None,
            refusal="" if judged.verdict.accepted else f"{judged.verdict.reason}: {judged.verdict.message}",
            unreadable=unreadable,
            policy=policy,
            immediate=is_immediate(sightings.fleet, policy) and not unreadable,
            cause=cause,
            change=change,
            canary=self._see_canary(key, state, sightings),
            stable_confirmed=sightings.confirmed(key, state.stable),
            route_accepted=self._is_routed(key, state),
            gauges_canary=gauges(eyes, key, pods, state.candidate),
            gauges_stable=gauges(eyes, key, still_read(eyes, sightings.tracks.stable), state.stable),
            fresh=is_fresh(eyes, (*sightings.tracks.stable, *pods)),
            canary_fresh=is_canary_fresh(eyes, sightings.tracks.stable, pods),
            live_weight=self._live_weight(key, state),
            unresolved=unresolved(eyes, self._fleet, key, canary_name(self._fleet[1], *key)),
            queries=self._queries(key, policy, state, now),
            command=parse_command(sightings.commands.get(key, "")),
        )

    def is_unreadable(self, key: RepoKey) -> bool:
        """Whether what is known of a repo may be old: its namespace may not be listed any more."""
        return key[0] in self._eyes.store.unreadable

    def observe_gone(self, key: RepoKey, state: RolloutState, sightings: FleetSightings, now: float) -> Observation:
        """A repo that no longer exists."""
        canary = see_canary(self._eyes, self._fleet, key, sightings.tracks.of(key), state.candidate, None)
        return Observation(now=now, exists=False, desired=None, canary=canary)

    def forget_others(self, staying: Collection[RepoKey]) -> None:
        """Drop what is remembered of all repos but these."""
        for gone in [key for key in self._compared if key not in staying]:
            del self._compared[gone]

    def _see_canary(self, key: RepoKey, state: RolloutState, sightings: FleetSightings) -> CanarySight:
        """The canary, measured against the pods that the weight needs: its Deployment may not ask for them yet."""
        pods, plan = sightings.tracks.of(key), sightings.plans.get(key)
        found = see_canary(self._eyes, self._fleet, key, pods, state.candidate, plan)
        trouble, unrendered = sightings.troubles.get(key, ""), sightings.unrendered.get(key, "")
        found = replace(found, trouble=found.trouble or trouble, unrendered=unrendered)
        if state.candidate is None or not found.exists:
            return found
        needed = pods_needed(self._eyes, key, RunCanary(state.candidate, state.size_for), sightings)
        return replace(found, desired=needed)

    def _is_routed(self, key: RepoKey, state: RolloutState) -> bool:
        service = canary_name(self._fleet[1], *key)
        # Before the first weight the ingress has to know the canary's Service: requests would find nothing there.
        starts = state.stage is Stage.STARTING
        return state.phase in UNDER_WAY and is_routed(self._eyes, self._fleet, key, state.weight, service, named=starts)

    def _live_weight(self, key: RepoKey, state: RolloutState) -> int | None:
        """Only of a repo under way: thousands may wait, and each route is parsed."""
        service = canary_name(self._fleet[1], *key)
        return live_weight(self._eyes, self._fleet, key, service) if state.phase in UNDER_WAY else None

    def _compare(
        self, key: RepoKey, state: RolloutState, desired: Intent | None, repo: EventRepo | None
    ) -> tuple[Cause, Change]:
        """Why the wanted revision differs from the stable one, and in what."""
        if desired is None or desired.revision == state.stable:
            return state.cause, Change()
        known = self._compared.get(key)
        if known is None or known[:2] != (state.stable, desired.revision):
            stable = self._ledger.intent(key, state.stable)
            cause = build_cause(stable, desired, own_limits=has_own_limits(repo))
            known = self._compared[key] = state.stable, desired.revision, cause, build_change(stable, desired)
        return known[2:]
