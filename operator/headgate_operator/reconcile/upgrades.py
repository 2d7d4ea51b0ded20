"""The image upgrade of one fleet, once per reconcile: observe, let the machine decide, store what it decided.

Goes before the rollouts of repos, since a repo that moves to a new image begins no change of its own; and before
rendering, so that nothing follows from a state that is not stored.
"""

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from headgate_operator.api.names import upgrade_name, upgrade_state_name
from headgate_operator.api.rollout import Rollout, Strategy
from headgate_operator.api.routing import RoutingProvider
from headgate_operator.reconcile.apply import Failure
from headgate_operator.reconcile.isolation import Isolation
from headgate_operator.reconcile.rollout_store import stored_form
from headgate_operator.reconcile.rollouts import RolloutParts
from headgate_operator.reconcile.sightings import FleetSightings
from headgate_operator.reconcile.sights import (
    gauges,
    is_canary_fresh,
    is_carried,
    is_fresh,
    is_routed,
    live_weight,
    still_read,
    unresolved,
)
from headgate_operator.reconcile.store import FleetKey
from headgate_operator.reconcile.undecided import Undecided
from headgate_operator.reconcile.upgrade_effects import (
    RESTING,
    build_fleet_upgrade,
    held_repos,
    serving_image,
    shown_moves,
    watched_repos,
)
from headgate_operator.reconcile.upgrade_sights import (
    count_all,
    image_in,
    requests_of,
    see_move,
    see_objections,
    see_upgrade,
)
from headgate_operator.reconcile.workloads import live_workload
from headgate_operator.render.children import DEFAULT_REPLICAS
from headgate_operator.render.revisions import build_upgrade_state_object, read_upgrade_state
from headgate_operator.render.upgrade import image_of
from headgate_operator.render.world import FleetUpgrade, RepoKey
from headgate_operator.rollout.commands import is_unanswered, parse_command
from headgate_operator.rollout.line import UNDER_WAY
from headgate_operator.rollout.machine import step
from headgate_operator.rollout.model import CanarySight, Command, Obeyed, Observation, RolloutState
from headgate_operator.rollout.store_form import BrokenStateError, dump_upgrade, load_upgrade
from headgate_operator.rollout.upgrade import advance_upgrade
from headgate_operator.rollout.upgrade_model import (
    Image,
    UpgradePhase,
    UpgradeSeen,
    UpgradeStage,
    UpgradeState,
    UpgradeStep,
    Waiting,
    key_of,
    name_of,
    names_image,
    weights_of,
)
from headgate_operator.status.observation import Tracks
from headgate_operator.status.rollout import Shown
from headgate_operator.status.transitions import EventNote
from headgate_operator.status.upgrade import ShownUpgrade

logger = logging.getLogger("headgate.upgrades")

SWEEP_SECONDS = 1.5
"""What a sweep that is under way may still take: it asks for what was wanted before."""


@dataclass(slots=True)
class Upgraded:
    """What one pass decided about a fleet's image."""

    upgrade: FleetUpgrade | None = None
    """None: the spec's image is the one that serves."""
    status: ShownUpgrade | None = None
    """None of a fleet that never had an upgrade."""
    commands: Mapping[RepoKey, str] = field(default_factory=dict)
    """Those that are for the repos' own rollouts."""
    held: Mapping[RepoKey, str] = field(default_factory=dict)
    """Repos that begin no change of their own now, and why."""
    shown: dict[RepoKey, Shown] = field(default_factory=dict)
    """Repos that are moving."""
    watched: set[RepoKey] = field(default_factory=set)
    """Repos whose counters are to be read."""
    active: bool = False
    """Whether to look again soon."""
    notes: list[EventNote] = field(default_factory=list)
    """On the fleet."""
    repo_notes: list[tuple[RepoKey, EventNote]] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    ended: list[tuple[RolloutState, RolloutState]] = field(default_factory=list)
    answered: dict[RepoKey, tuple[Obeyed, ...]] = field(default_factory=dict)
    """Commands to repos whose move is over."""


class UpgradeKeeper:
    """Advances the image upgrade of one fleet; remembers only what the next look brings again."""

    def __init__(self, parts: RolloutParts, fleet: FleetKey) -> None:
        self._parts = parts
        self._fleet = fleet
        self._key = "ConfigMap", fleet[0], upgrade_state_name(fleet[1])
        self._read: tuple[str, UpgradeState | None] = "", None
        self._newest: tuple[UpgradeState, UpgradeState] | None = None
        """The state as it is stored, and with what was seen since."""
        self._rendered: Image | None = None
        """What this process had the stable gateways run last: another image on the live Deployment is drift."""
        self._undecided = Undecided()
        self._counting_since: float | None = None
        """Since when all repos are counted, for the order: only once the gateways are ready, since thousands cost."""

    async def advance(self, sightings: FleetSightings) -> Upgraded:
        """Decide and store. Raises NotLeaderError and TemplateError only; all else is collected."""
        stored, asked = self.stored(), _asked(sightings)
        state = self._state(stored, asked)
        commands, apart = _read_commands(sightings, state), Isolation(self._fleet)
        result = Upgraded(commands={key: text for key, text in sightings.commands.items() if key not in commands})
        command = parse_command(sightings.fleet_command) if stored is not None else None
        if _is_at_rest(state, asked, command):
            return self._finish(state, stored, sightings, {}, result)
        try:
            seen = self._observe(state, asked, sightings, command, commands, apart)
            stepped = advance_upgrade(state, seen)
        except Exception as error:
            # The repos' own rollouts and what the fleet serves must not wait for its image.
            logger.exception("the upgrade of %s/%s cannot be decided", *self._fleet)
            told = f"{type(error).__name__}: {error}"
            result.failures.append(Failure(self._key, "decide", told, retryable=False))
            return self._finish(state, stored, sightings, {}, result)
        result.failures += apart.failures.values()
        if _is_due(stepped.state, stored):
            built = build_upgrade_state_object(self._parts.templates, sightings.fleet, _dump(stepped.state))
            written = await self._parts.applier.apply(self._fleet, [built], sightings.versions)
            if written.failures:
                result.failures += written.failures
                return self._finish(state, stored, sightings, seen.moves, result)
            self._newest = _stored_form(stepped.state), stepped.state
        elif stored is not None:
            self._newest = stored, stepped.state
        _tell(stepped, result)
        result.active = stepped.state.entered != state.entered
        return self._finish(stepped.state, stored, sightings, seen.moves, result)

    # Before deciding.

    def stored(self) -> UpgradeState | None:
        """What is stored; None of a fleet that never had an upgrade."""
        child = self._parts.store.child(self._key)
        if child is None or child.owner != self._fleet[1]:
            return None
        if self._read[0] != child.digest:
            self._read = child.digest, _parse(read_upgrade_state(json.loads(child.content)), self._key)
        return self._read[1]

    def _state(self, stored: UpgradeState | None, asked: Image) -> UpgradeState:
        """Without a stored one, what runs counts as stable: an upgrade of the operator alone starts nothing."""
        if stored is not None:
            newest = self._newest
            return newest[1] if newest is not None and newest[0] == stored else stored
        live = image_in(live_workload(self._parts.store, self._fleet), self._fleet[1])
        return UpgradeState(stable=self._rendered or live or asked)

    def _observe(
        self,
        state: UpgradeState,
        asked: Image,
        sightings: FleetSightings,
        command: Command | None,
        commands: Mapping[RepoKey, Command],
        apart: Isolation,
    ) -> UpgradeSeen:
        eyes, tracks, spec = self._parts.eyes, sightings.tracks, sightings.fleet.spec
        workload, now = sightings.workload, self._parts.now()
        repos = _waiting(sightings)
        draining = state.stage is UpgradeStage.DRAINING
        starting = state.phase is UpgradePhase.UPGRADING and state.stage is UpgradeStage.STARTING
        revision = state.candidate.revision if state.candidate is not None else ""
        pods = see_upgrade(eyes, self._fleet, tracks, revision, sightings.is_current)
        self._counting_since = (self._counting_since or eyes.clock()) if starting and pods.loaded else None
        moves = self._see_moves(state, sightings, repos, pods, commands, now, apart) if not starting else {}
        return UpgradeSeen(
            now=now,
            image=asked,
            possible=_is_possible(sightings) and bool(repos),
            alive=workload is not None and (workload.ready > 0 or any(pod.ready for pod in tracks.stable)),
            repos=repos,
            moves=moves,
            lost=self._find_lost(state, repos, tracks, now, apart),
            pods=pods,
            objections=see_objections(eyes, tracks, _revisions(sightings), pods) if starting else {},
            requests=requests_of(eyes, tracks.stable) if starting else {},
            settled=self._is_settled(state, sightings),
            stuck=workload.stuck if workload is not None else "",
            routed=draining and self._are_routed(state),
            carried=draining and is_carried(eyes, self._fleet, upgrade_name(self._fleet[1])),
            counted=count_all(eyes, tracks.upgrade),
            fresh=self._have_counted(tracks) if starting else is_fresh(eyes, (*tracks.stable, *tracks.upgrade)),
            replicas=_fleet_replicas(sightings),
            max_concurrent=spec.rollouts.max_concurrent,
            failure_budget=spec.upgrade.failure_budget,
            progress_deadline=spec.upgrade.progress_deadline / 1_000,
            command=command,
            repo_commands=commands,
        )

    def _have_counted(self, tracks: Tracks) -> bool:
        """Whether every ready gateway has said what it counted of all repos, whenever that was: it is for the order."""
        counted = [self._parts.eyes.counted(pod.uid) for pod in (*tracks.stable, *tracks.upgrade) if pod.ready]
        since = None if self._counting_since is None else self._counting_since + SWEEP_SECONDS
        return since is not None and all(each is not None and each[1] >= since for each in counted)

    def _see_moves(
        self,
        state: UpgradeState,
        sightings: FleetSightings,
        repos: Mapping[RepoKey, Waiting],
        pods: CanarySight,
        commands: Mapping[RepoKey, Command],
        now: float,
        apart: Isolation,
    ) -> dict[RepoKey, Observation]:
        """One that cannot be seen or judged is left out: it stays where it is, and the others go on."""
        found: dict[RepoKey, Observation] = {}
        pods = replace(pods, desired=state.replicas)  # its Deployment may not ask for them yet
        for name, move in state.under_way.items():
            key = key_of(name)
            if key in repos:
                with apart.of(key):
                    seen = self._see_move(key, move, sightings, repos[key], pods, commands.get(key), now)
                    step(move, seen)  # what raises here would stop all moves
                    found[key] = seen
        return found

    def _find_lost(
        self, state: UpgradeState, repos: Mapping[RepoKey, Waiting], tracks: Tracks, now: float, apart: Isolation
    ) -> dict[RepoKey, str]:
        """Moves with weight that cannot be decided any longer, and why."""
        self._undecided.note(apart.failures, now)
        moves = {key: state.under_way[name_of(key)] for key in apart.failures}
        why = {k: self._undecided.why_back(k, moves[k], repos[k].policy, tracks.upgrade, now) for k in moves}
        return {key: f"{told}: {apart.failures[key].message}" for key, told in why.items() if told}

    def _see_move(
        self,
        key: RepoKey,
        move: RolloutState,
        sightings: FleetSightings,
        repo: Waiting,
        pods: CanarySight,
        command: Command | None,
        now: float,
    ) -> Observation:
        """One repo, seen as its machine sees a change: both sides serve its stable content."""
        eyes, tracks = self._parts.eyes, sightings.tracks
        revision = sightings.judged.served[key].revision
        return Observation(
            now=now,
            exists=True,
            desired=move.candidate,
            policy=repo.policy,
            immediate=repo.immediate,
            cause=move.cause,
            canary=see_move(eyes, tracks, key, revision, pods),
            route_accepted=is_routed(eyes, self._fleet, key, move.weight, upgrade_name(self._fleet[1])),
            gauges_canary=gauges(eyes, key, tracks.upgrade, revision),
            gauges_stable=gauges(eyes, key, still_read(eyes, tracks.stable), revision),
            fresh=is_fresh(eyes, (*tracks.stable, *tracks.upgrade)),
            canary_fresh=is_canary_fresh(eyes, tracks.stable, tracks.upgrade),
            live_weight=live_weight(eyes, self._fleet, key, upgrade_name(self._fleet[1])),
            unresolved=unresolved(eyes, self._fleet, key, upgrade_name(self._fleet[1])),
            queries=self._parts.queries(key, repo.policy, move, now),
            command=command,
            few_suffice=True,
        )

    def _are_routed(self, state: UpgradeState) -> bool:
        weights, service = weights_of(state), upgrade_name(self._fleet[1])
        return all(is_routed(self._parts.eyes, self._fleet, key, weight, service) for key, weight in weights.items())

    def _is_settled(self, state: UpgradeState, sightings: FleetSightings) -> bool:
        """Whether every stable gateway runs the new image and serves the newest config."""
        if state.stage is not UpgradeStage.CONFIRMING or sightings.workload is None or state.candidate is None:
            return False
        live = image_in(live_workload(self._parts.store, self._fleet), self._fleet[1])
        reports = [self._parts.eyes.reports(pod.uid) for pod in sightings.tracks.stable if pod.ready]
        serve = all(report is not None and sightings.is_current(report) for report in reports)
        # A fleet that is asked to have none has nobody to wait for.
        return live is not None and live.name == state.candidate.name and sightings.workload.complete and serve

    # What follows.

    def _finish(
        self,
        state: UpgradeState,
        stored: UpgradeState | None,
        sightings: FleetSightings,
        moves: Mapping[RepoKey, Observation],
        result: Upgraded,
    ) -> Upgraded:
        result.answered = {key_of(name): answers for name, answers in state.answered.items()}
        result.upgrade = build_fleet_upgrade(state, sightings)
        self._rendered = serving_image(state) if result.upgrade is not None else _asked(sightings)
        if stored is not None or state.phase is not UpgradePhase.STABLE:
            served = sum(key in sightings.judged.repos for key in sightings.judged.served)
            result.status = ShownUpgrade(state, served)
        if state.phase in RESTING:
            return result
        result.active = True
        result.held = held_repos(state)
        result.shown = shown_moves(state, moves)
        result.watched = watched_repos(state, sightings, all_repos=self._counting_since is not None)
        return result


def _parse(text: str, key: tuple[str, str, str]) -> UpgradeState | None:
    try:
        return load_upgrade(text.encode())
    except BrokenStateError as error:
        logger.warning("ConfigMap %s/%s: %s; the image that runs counts as the stable one", key[1], key[2], error)
        return None


def _asked(sightings: FleetSightings) -> Image:
    found = image_of(sightings.fleet)
    return Image(name=found.name, pull_policy=found.pull_policy)


def _read_commands(sightings: FleetSightings, state: UpgradeState) -> dict[RepoKey, Command]:
    """Commands to repos that name an image."""
    parsed = ((key, parse_command(text)) for key, text in sightings.commands.items())
    return {key: command for key, command in parsed if command is not None and names_image(command, state)}


def _is_at_rest(state: UpgradeState, asked: Image, command: Command | None) -> bool:
    settled = state.phase is UpgradePhase.STABLE and state.stable == asked
    return settled and not is_unanswered(state.obeyed, command)


def _is_possible(sightings: FleetSightings) -> bool:
    spec, workload = sightings.fleet.spec, sightings.workload
    wanted = spec.upgrade.strategy is Strategy.CANARY and spec.routing.provider is not RoutingProvider.NONE
    return wanted and (workload is None or workload.desired > 0)


def _waiting(sightings: FleetSightings) -> dict[RepoKey, Waiting]:
    found: dict[RepoKey, Waiting] = {}
    for key in sightings.judged.served.keys() & sightings.judged.repos.keys():
        repo, state = sightings.repos.get(key), sightings.stored.states.get(key)
        policy = repo.spec.rollout if repo is not None else Rollout()
        busy = state is not None and state.phase in UNDER_WAY
        found[key] = Waiting(policy, busy, policy.strategy is Strategy.IMMEDIATE)
    return found


def _revisions(sightings: FleetSightings) -> dict[RepoKey, str]:
    return {key: entry.revision for key, entry in sightings.judged.served.items()}


def _fleet_replicas(sightings: FleetSightings) -> int:
    desired = sightings.workload.desired if sightings.workload is not None else 0
    return desired or sightings.fleet.spec.replicas or DEFAULT_REPLICAS


def _is_due(state: UpgradeState, stored: UpgradeState | None) -> bool:
    """Whether a state has to be written. A fleet whose image never moved repos needs none."""
    if stored is None:
        return state.phase is not UpgradePhase.STABLE
    return _stored_form(state) != _stored_form(stored)


def _stored_form(state: UpgradeState) -> UpgradeState:
    """The state as it is stored: without what changes with every look."""
    moving = {name: stored_form(move) for name, move in state.under_way.items()}
    return state.model_copy(update={"under_way": moving})


def _dump(state: UpgradeState) -> str:
    return dump_upgrade(_stored_form(state)).decode()


def _tell(stepped: UpgradeStep, result: Upgraded) -> None:
    result.notes += [EventNote(each.type, each.reason, each.message) for each in stepped.announcements]
    result.repo_notes += [
        (key, EventNote(each.type, each.reason, each.message)) for key, each in stepped.repo_announcements
    ]
    result.ended += stepped.ended
