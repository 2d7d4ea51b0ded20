"""`render_fleet`: everything that should exist for one fleet. Gathers verdicts, settles claims, builds the objects.

Called by reconcile with the live world and by the command line with a world read from files. What is served and no
longer accepted stays served: nothing that a team breaks in its spec changes what its gateways do.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from headgate_gateway.config import CONTRACT_VERSIONS, content_hash, shard_of
from headgate_gateway.config.status import credentials_hash
from headgate_operator.api import reasons
from headgate_operator.api.repo import EventRepo
from headgate_operator.render.accept import Candidate, first_objection
from headgate_operator.render.children import build_credentials_object, build_shard_object, build_workload
from headgate_operator.render.claims import Claim, arbitrate
from headgate_operator.render.entries import Entry, build_entry, read_entry
from headgate_operator.render.memo import RenderMemo
from headgate_operator.render.profiles import ACCEPTED, ResolvedProfile, profile_verdicts, resolve_profiles
from headgate_operator.render.routes import build_repo_route, build_shared_route, build_urls
from headgate_operator.render.shards import build_shards
from headgate_operator.render.templates import Templates
from headgate_operator.render.world import FleetPlan, FleetWorld, RenderedObject, RepoKey, RepoVerdict, Verdict

Served = Mapping[RepoKey, tuple[int, Entry]]


@dataclass(frozen=True, slots=True)
class _Judged:
    """A repo after the checks that look at it alone."""

    objection: Verdict | None
    wanted: Entry | None
    """What its spec asks for; None where that cannot be resolved."""


def render_fleet(world: FleetWorld, templates: Templates, memo: RenderMemo | None = None) -> FleetPlan:
    """The plan for a world. Raises TemplateError; never for what a repo or a profile says."""
    memo = RenderMemo() if memo is None else memo
    world = _intern(world, memo)
    profiles = resolve_profiles(world)
    verdicts = profile_verdicts(world, profiles)
    version, fleet_verdict = _negotiate(world.gateway_contract_versions)
    served = _read_served(world, memo)
    judged = {repo.key: _judge(world, repo, profiles, verdicts, version, memo) for repo in world.repos}
    repos = _decide(world, judged, served)
    entries = {key: entry for key in repos if (entry := _entry_served(key, repos[key], judged, served))}
    shards = build_shards(((repos[key].shard, key, entry.content) for key, entry in entries.items()), version)
    credentials = _credentials(world, profiles, entries)
    objects = (
        *_credentials_objects(world, templates, memo, credentials),
        *_shard_objects(world, templates, memo, shards),
        *_workload_objects(world, templates, memo),
        *_route_objects(world, templates, memo, entries),
    )
    memo.forget_unused()
    return FleetPlan(
        objects=objects,
        fleet=fleet_verdict,
        repos=repos,
        profiles=verdicts,
        shard_hashes={index: content_hash(content) for index, content in enumerate(shards)},
        credentials_hash=credentials_hash(credentials),
        contract_version=version,
    )


def _intern(world: FleetWorld, memo: RenderMemo) -> FleetWorld:
    """The same world with equal specs replaced by those of the last rendering.

    Comparing a thing with itself is free, and everything below compares the fleet and the profiles once for each repo.
    """
    fleet = memo.recall("fleet", (world.fleet.spec, world.fleet.metadata.uid, world.fleet.key), lambda: world.fleet)
    profiles = {
        name: memo.recall(("profile", name), (profile.spec, profile.key), lambda profile=profile: profile)  # type: ignore[misc]
        for name, profile in world.profiles.items()
    }
    return replace(world, fleet=fleet, profiles=profiles)


def _negotiate(gateways: tuple[int, ...]) -> tuple[int, Verdict]:
    """The highest version of the contract that both sides know."""
    common = set(CONTRACT_VERSIONS) & set(gateways)
    if common:
        return max(common), ACCEPTED
    # Gateways keep their last good config; the oldest version is what most of them could ever read.
    return CONTRACT_VERSIONS[0], Verdict(
        False,
        reasons.GATEWAY_TOO_OLD,
        f"the fleet's gateways read versions {_versions(gateways)} of the config contract, and this operator writes "
        f"{_versions(CONTRACT_VERSIONS)}: set spec.image to a gateway of the operator's release",
    )


def _versions(versions: tuple[int, ...]) -> str:
    return ", ".join(str(version) for version in versions) or "none"


def _read_served(world: FleetWorld, memo: RenderMemo) -> dict[RepoKey, tuple[int, Entry]]:
    """What is served now of repos that still exist; the entry of a deleted repo is nobody's."""
    present = {repo.key for repo in world.repos} | set(world.invalid_repos)
    entries = {
        key: memo.recall(("served", key), (content,), lambda content=content: read_entry(content))  # type: ignore[misc]
        for key, content in world.served.items()
        if key in present
    }
    return {key: (shard_of(*key), entry) for key, entry in entries.items() if entry is not None}


def _judge(
    world: FleetWorld,
    repo: EventRepo,
    profiles: Mapping[str, ResolvedProfile],
    verdicts: Mapping[str, Verdict],
    version: int,
    memo: RenderMemo,
) -> _Judged:
    name = repo.spec.kafka.producer_profile
    labels = world.namespace_labels.get(repo.metadata.namespace, {})
    profile, verdict = profiles.get(name), verdicts.get(name)
    fleet = world.fleet

    def judge() -> _Judged:
        wanted = build_entry(repo, profile, fleet.spec.limits) if profile is not None else None
        objection = first_objection(Candidate(repo, fleet, labels, profile, verdict))
        return _Judged(objection or _check_version(wanted, version), wanted)

    # Credentials' values decide nothing here beyond the verdict, so a rotated password judges no repo again.
    rest = (profile.profile.spec if profile else None, verdict, fleet.spec, fleet.key, labels, version)
    return memo.recall(("judged", repo.key), (repo.spec, *rest), judge)


def _check_version(wanted: Entry | None, version: int) -> Verdict | None:
    if wanted is None or wanted.required_version <= version:
        return None
    return Verdict(
        False,
        reasons.GATEWAY_TOO_OLD,
        f"the spec uses a field of contract version {wanted.required_version}, and the fleet's gateways read "
        f"{version} at most: upgrade the fleet's spec.image, or leave the field out",
    )


def _decide(world: FleetWorld, judged: Mapping[RepoKey, _Judged], served: Served) -> dict[RepoKey, RepoVerdict]:
    created = {repo.key: repo.metadata.creation_timestamp for repo in world.repos}
    claims = [
        Claim(key, created[key], shard_of(*key), one.wanted)
        for key, one in judged.items()
        if one.objection is None and one.wanted is not None
    ]
    objections = arbitrate(claims, served)
    decided = {
        repo.key: _repo_verdict(world, repo, judged[repo.key], objections.get(repo.key), served) for repo in world.repos
    }
    invalid = {key: _invalid_verdict(world, key, message, served) for key, message in world.invalid_repos.items()}
    return dict(sorted((invalid | decided).items()))


def _repo_verdict(
    world: FleetWorld, repo: EventRepo, judged: _Judged, contended: Verdict | None, served: Served
) -> RepoVerdict:
    objection = judged.objection or contended
    entry = judged.wanted if objection is None else _kept(repo.key, served)
    paths = entry.paths if entry else ()
    return RepoVerdict(
        verdict=objection or ACCEPTED,
        revision=judged.wanted.revision if judged.wanted else None,
        shard=shard_of(*repo.key),
        entry=entry.content if entry else None,
        paths=paths,
        urls=build_urls(world.fleet, paths),
        profile=repo.spec.kafka.producer_profile,
    )


def _invalid_verdict(world: FleetWorld, key: RepoKey, message: str, served: Served) -> RepoVerdict:
    entry = _kept(key, served)
    paths = entry.paths if entry else ()
    return RepoVerdict(
        verdict=Verdict(False, reasons.INVALID_SPEC, message),
        revision=None,
        shard=shard_of(*key),
        entry=entry.content if entry else None,
        paths=paths,
        urls=build_urls(world.fleet, paths),
    )


def _kept(key: RepoKey, served: Served) -> Entry | None:
    return served[key][1] if key in served else None


def _entry_served(
    key: RepoKey, verdict: RepoVerdict, judged: Mapping[RepoKey, _Judged], served: Served
) -> Entry | None:
    return judged[key].wanted if verdict.verdict.accepted else _kept(key, served)


def _credentials(
    world: FleetWorld, profiles: Mapping[str, ResolvedProfile], entries: Mapping[RepoKey, Entry]
) -> dict[str, bytes]:
    """Content of the credential files that entries name: what profiles resolve to, else what is served already."""
    resolved = {file: content for profile in profiles.values() for file, content in profile.credentials.items()}
    known = dict(world.served_credentials) | resolved
    named = frozenset().union(*{entry.credential_files for entry in entries.values()})
    return {file: known[file] for file in sorted(named) if file in known}


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


def _workload_objects(world: FleetWorld, templates: Templates, memo: RenderMemo) -> list[RenderedObject]:
    fleet = world.fleet
    inputs = (templates, fleet.spec, fleet.key, fleet.metadata.uid)
    return memo.recall("workload", inputs, lambda: build_workload(templates, fleet))


def _route_objects(
    world: FleetWorld, templates: Templates, memo: RenderMemo, entries: Mapping[RepoKey, Entry]
) -> Iterator[RenderedObject]:
    fleet = world.fleet
    common = (templates, fleet.spec, fleet.key, fleet.metadata.uid)
    if shared := memo.recall("shared route", common, lambda: build_shared_route(templates, fleet)):
        yield shared
    for key, entry in sorted(entries.items()):
        route = memo.recall(
            ("route", key),
            (*common, entry.paths, entry.delivery_timeout),
            lambda key=key, entry=entry: build_repo_route(templates, fleet, key, entry),  # type: ignore[misc]
        )
        if route:
            yield route
