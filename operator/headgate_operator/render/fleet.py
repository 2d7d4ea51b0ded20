"""`render_fleet`: everything that should exist for one fleet, built from its judged world and its rollouts.

Called by reconcile with the live world and by the command line with a world read from files. What is served and no
longer accepted stays served: nothing that a team breaks in its spec changes what its gateways do.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from headgate_gateway.config import content_hash
from headgate_gateway.config.status import credentials_hash
from headgate_operator.api.fleet import GatewayFleet
from headgate_operator.api.names import upgrade_name
from headgate_operator.api.spool import SpoolMode
from headgate_operator.render.canary import Canary, RenderedCanary, build_canary
from headgate_operator.render.children import (
    build_credentials_object,
    build_grants_object,
    build_shard_object,
    build_workload,
)
from headgate_operator.render.credentials import hash_repo_secrets
from headgate_operator.render.entries import Entry
from headgate_operator.render.judge import Content, Judged, candidate_content, intern, judge_fleet, stable_content
from headgate_operator.render.memo import RenderMemo
from headgate_operator.render.profiles import read_credentials
from headgate_operator.render.repo_secrets import Hasher
from headgate_operator.render.routes import Split, build_repo_route, build_shared_route, build_urls
from headgate_operator.render.shards import build_shards
from headgate_operator.render.templates import TemplateError, Templates
from headgate_operator.render.upgrade import build_upgrade, with_stable_image
from headgate_operator.render.world import FleetPlan, FleetWorld, RenderedObject, RepoKey, RepoVerdict


@dataclass(frozen=True, slots=True)
class _Served:
    """What the fleet's gateways are to serve."""

    entries: Mapping[RepoKey, Entry]
    """By the stable gateways."""
    candidates: Mapping[RepoKey, Entry]
    """By the canaries that there are to be."""
    stored: tuple[Content, ...]
    """What of it comes from rollouts: its credentials may be none that a profile still names."""


def render_fleet(
    world: FleetWorld,
    templates: Templates,
    memo: RenderMemo | None = None,
    judged: Judged | None = None,
    hasher: Hasher | None = None,
) -> FleetPlan:
    """The plan for a world. Raises TemplateError; never for what a repo or a profile says.

    `judged` is `judge_fleet` of the same world, where `rollouts` alone may have changed since; with the same memo. `hasher`: of
    passwords; without one all of them are hashed here and now.
    """
    memo = RenderMemo() if memo is None else memo
    judged = judge_fleet(world, memo) if judged is None else judged
    world = with_stable_image(intern(world, memo), memo)
    served = _serve(world, judged, memo)
    version = judged.contract_version
    entries = ((judged.repos[key].shard, key, entry.content) for key, entry in served.entries.items())
    shards = build_shards(entries, version)
    known = _known_credentials(world, judged, served, memo, hasher)
    credentials = _credentials(known, served.entries.values())
    canaries, unrendered = _canaries(world, templates, memo, served, known, version)
    objects = (
        *_credentials_objects(world, templates, memo, credentials),
        *_shard_objects(world, templates, memo, shards),
        *_grants_objects(world, templates, memo),
        *(each for canary in canaries.values() for each in canary.config),
        *_workload_objects(world, templates, memo, judged),
        *(each for canary in canaries.values() for each in canary.workload),
        *_upgrade_objects(world, templates, memo),
        *_route_objects(world, templates, memo, served, canaries),
    )
    memo.forget_unused()
    return FleetPlan(
        objects=objects,
        fleet=judged.fleet,
        repos=_repo_verdicts(world, judged, served, canaries),
        profiles=judged.profiles,
        shard_hashes={index: content_hash(content) for index, content in enumerate(shards)},
        credentials_hash=credentials_hash(credentials),
        contract_version=version,
        unrendered=unrendered,
        spool_grants=world.spool_grants or {},
        unfinished=hasher is not None and hasher.unfinished,
    )


def _serve(world: FleetWorld, judged: Judged, memo: RenderMemo) -> _Served:
    entries: dict[RepoKey, Entry] = {}
    candidates: dict[RepoKey, Entry] = {}
    stored: list[Content] = []
    for key, repo in judged.repos.items():
        rollout = world.rollouts.get(key)
        if rollout is None:
            wanted = repo.wanted if repo.verdict.accepted else None
            entry = wanted.entry if wanted else judged.served.get(key)
        else:
            stable = stable_content(key, rollout, repo, memo)
            candidate = candidate_content(key, rollout, repo, memo) if rollout.canary_replicas > 0 else None
            entry = stable.entry if stable else judged.served.get(key)
            stored += [each for each in (stable, candidate) if each]
            if candidate:
                candidates[key] = candidate.entry
        if entry:
            entries[key] = entry
    return _Served(entries, candidates, tuple(stored))


def _repo_verdicts(
    world: FleetWorld, judged: Judged, served: _Served, canaries: Mapping[RepoKey, RenderedCanary]
) -> dict[RepoKey, RepoVerdict]:
    found: dict[RepoKey, RepoVerdict] = {}
    for key, repo in judged.repos.items():
        entry = served.entries.get(key)
        paths = entry.paths if entry else ()
        found[key] = RepoVerdict(
            verdict=repo.verdict,
            revision=repo.asked.revision if repo.asked else None,
            shard=repo.shard,
            entry=entry.content if entry else None,
            paths=paths,
            urls=build_urls(world.fleet, paths),
            profiles=repo.profiles,
            desired=repo.desired,
            served_revision=entry.revision if entry else None,
            canary=canaries[key].plan if key in canaries else None,
        )
    return found


def _known_credentials(
    world: FleetWorld, judged: Judged, served: _Served, memo: RenderMemo, hasher: Hasher | None
) -> dict[str, bytes]:
    """Every credential file whose content is known: what Secrets hold, else what is served already."""
    known = dict(world.served_credentials)
    for sources in {each for content in served.stored for each in content.sources}:
        known |= read_credentials(sources, world.secrets)
    for profile in judged.resolved.values():
        known |= profile.credentials
    entries = (*served.entries.values(), *served.candidates.values())
    return known | hash_repo_secrets(world, entries, judged.overflow, memo, hasher)


def _credentials(known: Mapping[str, bytes], entries: Iterable[Entry]) -> dict[str, bytes]:
    """Content of the credential files that entries name."""
    named = frozenset().union(*{entry.credential_files for entry in entries})
    return {file: known[file] for file in sorted(named) if file in known}


def _canaries(
    world: FleetWorld,
    templates: Templates,
    memo: RenderMemo,
    served: _Served,
    known: Mapping[str, bytes],
    version: int,
) -> tuple[dict[RepoKey, RenderedCanary], dict[RepoKey, str]]:
    """The canaries, and those that cannot be rendered: a candidate must not stop what other repos serve."""
    fleet = world.fleet
    found: dict[RepoKey, RenderedCanary] = {}
    broken: dict[RepoKey, str] = {}
    for key, entry in sorted(served.candidates.items()):
        rollout = world.rollouts[key]
        canary = Canary(entry, _credentials(known, [entry]), rollout.canary_replicas, rollout.weight, version)
        try:
            found[key] = memo.recall(
                ("canary", key),
                (templates, fleet.spec, fleet.key, fleet.metadata.uid, canary),
                lambda key=key, canary=canary: build_canary(templates, fleet, key, canary),  # type: ignore[misc]
            )
        except TemplateError as error:
            broken[key] = str(error)
    return found, broken


def _credentials_objects(
    world: FleetWorld, templates: Templates, memo: RenderMemo, credentials: dict[str, bytes]
) -> Iterator[RenderedObject]:
    fleet = world.fleet
    inputs = (templates, fleet.spec, fleet.key, fleet.metadata.uid, credentials)
    yield memo.recall("credentials", inputs, lambda: build_credentials_object(templates, fleet, credentials))


def _shard_objects(
    world: FleetWorld, templates: Templates, memo: RenderMemo, shards: list[bytes]
) -> Iterator[RenderedObject]:
    fleet = world.fleet
    for index, content in enumerate(shards):
        inputs = (templates, fleet.spec, fleet.key, fleet.metadata.uid, content)
        yield memo.recall(
            ("shard", index),
            inputs,
            lambda index=index, content=content: build_shard_object(templates, fleet, index, content),  # type: ignore[misc]
        )


def _grants_objects(world: FleetWorld, templates: Templates, memo: RenderMemo) -> Iterator[RenderedObject]:
    fleet, grants = world.fleet, world.spool_grants or {}
    # Gateways of a mode that was left read them as long as they are there.
    if fleet.spec.spool.mode is SpoolMode.SHARED_CLAIM or world.spool_grants is not None:
        inputs = (templates, fleet.spec, fleet.key, fleet.metadata.uid, tuple(sorted(grants.items())))
        yield memo.recall("grants", inputs, lambda: build_grants_object(templates, fleet, grants))


def _workload_objects(
    world: FleetWorld, templates: Templates, memo: RenderMemo, judged: Judged
) -> list[RenderedObject]:
    fleet = _hold_stable(world, judged)
    inputs = (templates, fleet.spec, fleet.key, fleet.metadata.uid)
    return memo.recall("workload", inputs, lambda: build_workload(templates, fleet))


def _upgrade_objects(world: FleetWorld, templates: Templates, memo: RenderMemo) -> list[RenderedObject]:
    fleet, upgrade = world.fleet, world.upgrade
    if upgrade is None:
        return []
    inputs = (templates, fleet.spec, fleet.key, fleet.metadata.uid, upgrade.candidate, upgrade.replicas)
    return memo.recall("upgrade", inputs, lambda: build_upgrade(templates, fleet, upgrade))


def _hold_stable(world: FleetWorld, judged: Judged) -> GatewayFleet:
    """The fleet with its autoscaler's minimum raised, so that no stable gateway goes while others take its requests, or
    while it has events to deliver."""
    fleet, autoscaling = world.fleet, world.fleet.spec.autoscaling
    held = (
        rollout.stable_floor for key, rollout in world.rollouts.items() if rollout.hold_stable and key in judged.repos
    )
    floor = max((*held, world.upgrade.stable_floor if world.upgrade is not None else 0, world.spool_floor))
    if autoscaling is None or floor <= autoscaling.min_replicas:
        return fleet
    raised = autoscaling.model_copy(update={"min_replicas": min(floor, autoscaling.max_replicas)})
    return fleet.model_copy(update={"spec": fleet.spec.model_copy(update={"autoscaling": raised})})


def _route_objects(
    world: FleetWorld,
    templates: Templates,
    memo: RenderMemo,
    served: _Served,
    canaries: Mapping[RepoKey, RenderedCanary],
) -> Iterator[RenderedObject]:
    fleet = world.fleet
    common = (templates, fleet.spec, fleet.key, fleet.metadata.uid)
    if shared := memo.recall("shared route", common, lambda: build_shared_route(templates, fleet)):
        yield shared
    for key, entry in sorted(served.entries.items()):
        split = _split(canaries[key], served.candidates[key]) if key in canaries else _upgrade_split(world, key, entry)
        route = memo.recall(
            ("route", key),
            (*common, entry.paths, entry.delivery_timeout, split),
            lambda key=key, entry=entry, split=split: build_repo_route(templates, fleet, key, entry, split),  # type: ignore[misc]
        )
        if route:
            yield route


def _upgrade_split(world: FleetWorld, key: RepoKey, entry: Entry) -> Split | None:
    if world.upgrade is None or world.upgrade.replicas < 1 or key not in world.upgrade.weights:
        return None
    service = upgrade_name(world.fleet.metadata.name)
    return Split(service, world.upgrade.weights[key], entry.delivery_timeout)


def _split(canary: RenderedCanary, candidate: Entry) -> Split:
    return Split(canary.plan.name, canary.plan.weight, candidate.delivery_timeout)
