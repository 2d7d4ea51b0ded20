"""One reconcile of one fleet: gather, decide, apply, publish. Holds only memos; all truth is in the cluster.

Called by the runner with a fleet's key, one at a time per fleet.
"""

import asyncio
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial

from headgate_operator.api.fleet import GatewayFleet
from headgate_operator.api.names import route_name, shared_route_name
from headgate_operator.api.reasons import INVALID_SPEC
from headgate_operator.api.repo import EventRepo
from headgate_operator.reconcile.adoptions import Adoptions
from headgate_operator.reconcile.apply import ApplyResult, Failure
from headgate_operator.reconcile.gather import Gateways
from headgate_operator.reconcile.hashing import FleetHasher
from headgate_operator.reconcile.holds import Holds
from headgate_operator.reconcile.isolation import ISOLATED
from headgate_operator.reconcile.ledger import Stored
from headgate_operator.reconcile.nudge import adopting, config_hash, lagging
from headgate_operator.reconcile.passes import (
    TICK_SECONDS,
    Begun,
    Decided,
    FleetState,
    Outcome,
    Parts,
    count_truths,
    is_hurried,
    pace,
    take_together,
)
from headgate_operator.reconcile.records import ResourceRecord
from headgate_operator.reconcile.refusal import Refusals
from headgate_operator.reconcile.rollouts import RolloutKeeper
from headgate_operator.reconcile.shown import keep_shown, new_troubles, with_trouble
from headgate_operator.reconcile.sightings import FleetSightings
from headgate_operator.reconcile.spools import SeenSpools, notes_of, refresh_in, spool_figures
from headgate_operator.reconcile.statuses import (
    Status,
    build_fleet_sight,
    build_repo_statuses,
    build_unserved_sight,
    entry_digests,
    keep_words,
    lasting_failures,
    troubles_of,
    truths_of,
)
from headgate_operator.reconcile.store import FleetKey
from headgate_operator.reconcile.traffic_guard import ROUTE, TrafficGuard
from headgate_operator.reconcile.upgrades import UpgradeKeeper
from headgate_operator.render.accept import fleet_not_found
from headgate_operator.render.fleet import render_fleet
from headgate_operator.render.judge import Judged, judge_fleet
from headgate_operator.render.templates import TemplateError
from headgate_operator.render.world import FleetPlan, FleetWorld, RepoKey, Verdict
from headgate_operator.status import reasons
from headgate_operator.status.delivery import behind, build_tally
from headgate_operator.status.fleet import build_fleet_status
from headgate_operator.status.observation import split_tracks
from headgate_operator.status.repo import RepoSight, build_repo_status, is_passing
from headgate_operator.status.rollout import Shown
from headgate_operator.status.transitions import EventNote

CONFIG_KINDS = frozenset({"Secret", "ConfigMap"})
"""What gateways mount: applied first, and kubelets told, before anything that takes longer."""


class FleetReconciler:
    """Brings fleets and their repos to what is wanted."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._refusals = Refusals(parts)
        self._states: dict[FleetKey, FleetState] = {}

    async def reconcile(self, key: FleetKey) -> Outcome:
        """Do all that one fleet needs now. Raises ClusterError where nothing could be decided or written."""
        if self._parts.store.is_leaving(key[0]):
            await self._forget(key)
            self._parts.metrics.drop_fleet(key)
            return Outcome(succeeded=True)  # all of it goes: every write would be refused, or for nothing
        record = self._parts.store.resource(GatewayFleet.KIND, key)
        if record is None or record.deleting:
            return await self._without_fleet(key)
        if not isinstance(record.parsed, GatewayFleet):
            return await self._refusals.refuse(
                record, self._state_of(record.key), Verdict(False, INVALID_SPEC, record.problem)
            )
        state = self._state_of(key)
        begun = Begun(
            fleet=record,
            state=state,
            repos={each.key: each.intent for each in self._parts.store.repos_of(key)},
            profiles=self._parts.profiles.intents(key[0]),
            versions={each.key: each.resource_version for each in self._parts.store.children_of(key)},
            commands={each.key: each.command for each in self._parts.store.repos_of(key) if each.command},
            spools=state.spools.look(
                self._parts.store, self._parts.holders, record, record.parsed, self._parts.clock()
            ),
        )
        stored = state.keeper.ledger.read()
        world = await self._parts.gatherer.gather(record.parsed, state.served, state.keeper.secrets(stored))
        grants = await state.adoptions.grants(self._parts.store, self._parts.reports, record.parsed)
        world = replace(world, spool_grants=grants)
        left = state.directories.look(
            self._parts.store, self._parts.holders, record.parsed, state.adoptions, json.loads(record.status)
        )
        begun = replace(begun, spools=begun.spools.with_directories(left))
        try:
            decided = await self._decide(begun, world, stored)
        except TemplateError as error:
            return await self._refusals.refuse(
                record, self._state_of(record.key), Verdict(False, reasons.TEMPLATE_FAILED, str(error))
            )
        return await self._carry_out(begun, decided)

    def _state_of(self, key: FleetKey) -> FleetState:
        known = self._states.get(key)
        if known is None:
            rollouts, holds = self._parts.rollouts, Holds(self._parts.holding)
            parts = self._parts
            guard = TrafficGuard(parts.store, rollouts.cluster, parts.applier, parts.clock, parts.holders, key)
            hasher, adoptions = FleetHasher(parts.hashing), Adoptions(rollouts.cluster, parts.clock)
            keepers = RolloutKeeper(rollouts, key), UpgradeKeeper(rollouts, key)
            known = FleetState(holds, *keepers, guard, hasher, adoptions)
            self._states[key] = known
        return known

    async def _decide(self, begun: Begun, world: FleetWorld, stored: Stored) -> Decided:
        """Judge, let the upgrade and rollouts go on, render. Raises TemplateError."""
        state, templates = begun.state, self._parts.templates
        rollouts = state.keeper.promoted(stored, world.served)
        world = replace(world, rollouts=rollouts, accepted_before=stored.revisions, spool_floor=begun.spools.floor)
        # In threads: thousands of repos take seconds at first, and the lease and the watches must go on.
        judged = await asyncio.to_thread(judge_fleet, world, state.memo)
        sightings = self._sightings(begun, world, judged, stored)
        upgraded = await state.upgrades.advance(sightings)
        advanced = await state.keeper.advance(replace(sightings, commands=upgraded.commands, held=upgraded.held))
        world = replace(world, rollouts=advanced.rollouts, upgrade=upgraded.upgrade)
        state.hasher.begin_pass()
        render = partial(render_fleet, world, templates, state.memo, judged, state.hasher)
        plan = await asyncio.to_thread(render)
        if plan.unfinished and await state.hasher.is_soon_done():
            plan = await asyncio.to_thread(render)
        return Decided(upgraded, take_together(advanced, upgraded), plan, plan.unfinished or world.unasked_secrets)

    def _sightings(self, begun: Begun, world: FleetWorld, judged: Judged, stored: Stored) -> FleetSightings:
        key, last = begun.fleet.key, begun.state.plan
        verdicts = last.repos if last is not None else {}
        gateways = self._parts.gatherer.gateways(key)

        def confirmed(repo: RepoKey, revision: str) -> bool:
            verdict = verdicts.get(repo)
            if verdict is None or verdict.served_revision != revision:
                return False
            tally = build_tally(begun.state.history, repo, verdict.shard, revision, gateways.ready)
            return 0 < tally.ready == tally.newest

        return FleetSightings(
            key=key,
            fleet=world.fleet,
            repos={repo.key: repo for repo in world.repos},
            commands=begun.commands,
            judged=judged,
            stored=stored,
            tracks=split_tracks(self._parts.store.pods_of(key)),
            workload=begun.state.progress.judge(gateways.workload, self._parts.clock()),
            versions=begun.versions,
            plans={repo: verdict.canary for repo, verdict in verdicts.items() if verdict.canary is not None},
            troubles=begun.state.troubles,
            unrendered=last.unrendered if last is not None else {},
            confirmed=confirmed,
            is_current=lambda report: last is not None and not behind(report, last.shard_hashes, last.credentials_hash),
            fleet_command=begun.fleet.command,
        )

    async def _carry_out(self, begun: Begun, decided: Decided) -> Outcome:
        key, parts, state = begun.fleet.key, self._parts, begun.state
        advanced, plan = decided.advanced, decided.plan
        state.plan = plan
        parts.watch(key, advanced.active | decided.upgraded.watched)
        state.history.record(plan.shard_hashes, entry_digests(plan, state.entry_digests))
        config = [each for each in plan.objects if each.kind in CONFIG_KINDS]
        others = [each for each in plan.objects if each.kind not in CONFIG_KINDS and each.kind != ROUTE]
        routes = [each for each in plan.objects if each.kind == ROUTE]
        await state.guard.look_at_secrets(config)
        first = await parts.applier.apply(key, config, begun.versions)
        again = await self._nudge(key, plan)
        second = await parts.applier.apply(key, others, begun.versions)
        passable = state.guard.passable(routes, [*first.failures, *second.failures])
        third = await parts.applier.apply(key, passable, begun.versions)
        pruned = ApplyResult()
        if plan.fleet.accepted:
            pruned = await state.guard.prune(plan.objects, plan.unrendered)
        failures = [*advanced.failures, *first.failures, *second.failures, *third.failures, *pruned.failures]
        failures += self._unrendered(begun.fleet.key, plan)
        self._count_errors(failures)
        self._note_pruned(begun.fleet, pruned)
        self._announce(begun.fleet, decided, begun.spools)
        outcome = await self._publish(begun, decided, failures)
        soon = TICK_SECONDS if decided.unfinished else pace(advanced, decided.upgraded)
        return replace(
            outcome,
            awaiting=outcome.awaiting or is_hurried(advanced, decided.upgraded),
            again=_sooner(_sooner(again, soon), outcome.again),
        )

    def _announce(self, fleet: ResourceRecord, decided: Decided, spools: SeenSpools) -> None:
        advanced = decided.advanced
        for told in (*decided.upgraded.notes, *notes_of(spools)):
            self._parts.publisher.note(fleet, told)
        for repo, note in advanced.notes:
            record = self._parts.store.resource(EventRepo.KIND, repo)
            if record is not None:
                self._parts.publisher.note(record, note)
        for before, after in advanced.ended:
            took = self._parts.rollouts.now() - before.began
            self._parts.metrics.rollout_ended(str(after.phase), after.reason, max(0.0, took))

    async def _nudge(self, key: FleetKey, plan: FleetPlan) -> float | None:
        gateways = self._parts.gatherer.gateways(key)
        pods = lagging(gateways, self._parts.reports, plan.shard_hashes, plan.credentials_hash)
        pods += [pod for pod in adopting(gateways, plan.spool_grants) if pod not in pods]
        wanted = config_hash(plan.shard_hashes, plan.credentials_hash, plan.spool_grants)
        return await self._parts.nudger.nudge(key, pods, wanted)

    def _unrendered(self, fleet: FleetKey, plan: FleetPlan) -> list[Failure]:
        return [
            Failure((ISOLATED, fleet[0], "/".join(repo)), "render", why, retryable=False, repo=repo)
            for repo, why in plan.unrendered.items()
        ]

    def _count_errors(self, failures: list[Failure]) -> None:
        for failure in failures:
            if failure.key[0] == ISOLATED:
                self._parts.metrics.rollout_errors.labels(failure.verb).inc()

    def _note_troubles(self, begun: Begun, troubles: dict[RepoKey, str], shown: Mapping[RepoKey, Shown]) -> None:
        for repo in new_troubles(begun.state.troubles, troubles, shown):
            record = self._parts.store.resource(EventRepo.KIND, repo)
            if record is not None:
                self._parts.publisher.note(record, EventNote("Warning", reasons.APPLY_FAILED, troubles[repo]))
        begun.state.troubles = troubles

    def _note_pruned(self, record: ResourceRecord, result: ApplyResult) -> None:
        if result.deleted:
            names = ", ".join(f"{kind} {name}" for kind, _, name in result.deleted[:5])
            more = f" and {len(result.deleted) - 5} more" if len(result.deleted) > 5 else ""
            self._parts.publisher.note(record, EventNote("Normal", reasons.PRUNED, f"deleted {names}{more}"))

    async def _publish(self, begun: Begun, decided: Decided, failures: list[Failure]) -> Outcome:
        parts, key = self._parts, begun.fleet.key
        advanced, plan = decided.advanced, decided.plan
        gateways, now = parts.gatherer.gateways(key), parts.now()
        gateways = replace(gateways, workload=begun.state.progress.judge(gateways.workload, parts.clock()))
        lasting = keep_words(lasting_failures(failures, begun.state.failing), begun.state.told)
        troubles = troubles_of(plan.objects, lasting)
        begun.state.shown = keep_shown(begun.state.shown, advanced.shown, parts.clock())
        own = {key: told for key, told in troubles.items() if isinstance(key, tuple)}
        self._note_troubles(begun, own, advanced.shown)
        sights = list(self._repo_sights(begun, decided, gateways, troubles))
        repos, truths = build_repo_statuses(sights, begun.state.settled, now)
        told = self._without_held(repos, begun.state.holds)
        spool = begun.state.spools.tell(begun.spools, json.loads(begun.fleet.status), parts.clock())
        sight = build_fleet_sight(begun.fleet, plan, gateways, lasting, decided.upgraded.status, spool)
        newest = parts.store.resource(GatewayFleet.KIND, key) or begun.fleet
        fleet = (newest, build_fleet_status(sight, json.loads(newest.status), now))
        count_truths(parts, key, truths, len(gateways.ready))
        parts.metrics.set_spool(key, spool_figures(begun.spools))
        parts.metrics.set_rollouts(
            key,
            Counter(str(each.state.phase) for each in advanced.shown.values()),
            {repo: advanced.shown[repo].state.weight for repo in advanced.active & advanced.shown.keys()},
        )
        parts.profiles.report(key, plan, begun.profiles)
        published = await parts.publisher.publish([*told, fleet])
        retryable = any(failure.retryable for failure in failures)
        return Outcome(
            succeeded=published and not retryable,
            awaiting=sight.current_gateways < sight.ready_gateways,
            again=_sooner(
                begun.state.holds.delay(parts.clock()), _sooner(refresh_in(begun.spools), begun.state.adoptions.again)
            ),
        )

    def _without_held(self, statuses: list[Status], holds: Holds) -> list[Status]:
        """The statuses to write now. What is held back differs from the live status still, so it comes up again."""
        passing = [record.key for record, status in statuses if is_passing(json.loads(record.status), status)]
        held = holds.hold(passing, self._parts.clock())
        return [each for each in statuses if each[0].key not in held]

    def _repo_sights(
        self, begun: Begun, decided: Decided, gateways: Gateways, troubles: Mapping[RepoKey | int, str]
    ) -> Iterator[tuple[ResourceRecord, RepoSight]]:
        key, history, plan = begun.fleet.key, begun.state.history, decided.plan
        moved = decided.upgraded.upgrade.weights if decided.upgraded.upgrade is not None else {}
        for record in self._parts.store.repos_of(key):
            found = plan.repos.get(record.key)
            if found is None or begun.repos.get(record.key) != record.intent:
                continue  # it came, or changed, while we worked: its own notice brings us back
            shown = begun.state.shown.get(record.key)
            ready = (*gateways.ready, *gateways.newer_ready) if record.key in moved else gateways.ready
            tally = build_tally(history, record.key, found.shard, found.served_revision, ready)
            trouble = troubles.get(record.key) or troubles.get(found.shard) or ""
            sight = RepoSight(
                generation=record.generation,
                verdict=found.verdict,
                revision=found.revision,
                fleet=f"{key[0]}/{key[1]}",
                urls=found.urls,
                served=found.entry is not None,
                tally=tally,
                trouble=trouble,
                route_trouble=self._route_trouble(key, record.key),
                rollout=with_trouble(shown[1], trouble) if shown is not None else None,
            )
            yield record, sight

    def _route_trouble(self, fleet: FleetKey, repo: RepoKey) -> str:
        names = route_name(fleet[1], *repo), shared_route_name(fleet[1])
        routes = (self._parts.store.child(("HTTPRoute", fleet[0], name)) for name in names)
        return next((route.trouble for route in routes if route is not None), "")

    async def _without_fleet(self, key: FleetKey) -> Outcome:
        """The children go by their ownerReferences; the repos are told."""
        await self._forget(key)
        published = await self.publish_unserved(key, fleet_not_found(key))
        return Outcome(published)

    async def publish_unserved(self, fleet: FleetKey | None, verdict: Verdict) -> bool:
        """Tell the repos of a fleet that does not exist (None: of no fleet) that nobody serves them."""
        parts, now = self._parts, self._parts.now()
        name = f"{fleet[0]}/{fleet[1]}" if fleet is not None else ""
        statuses = [
            (record, build_repo_status(build_unserved_sight(record, verdict, name), json.loads(record.status), now))
            for record in parts.store.repos_of(fleet)
        ]
        if fleet is not None:
            count_truths(parts, fleet, [truth for _, status in statuses for truth in truths_of(status)], 0)
            if not statuses:
                parts.metrics.drop_fleet(fleet)
        return await parts.publisher.publish(statuses)

    async def _forget(self, key: FleetKey) -> None:
        state = self._states.pop(key, None)
        if state is not None:
            state.hasher.forget()
        self._parts.secrets.forget(key)
        self._parts.profiles.forget(key)
        self._parts.applier.forget(key)
        self._parts.nudger.forget(key)
        self._parts.watch(key, ())


def _sooner(one: float | None, other: float | None) -> float | None:
    return min((each for each in (one, other) if each is not None), default=None)
