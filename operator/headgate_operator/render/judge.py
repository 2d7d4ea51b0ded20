"""`judge_fleet`: what every repo of a fleet asks for, and whether it may. Settles claims; decides nothing about rollouts.

The first of rendering's two halves: between them, reconcile decides how far each repo's change has come. Pure.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from headgate_gateway.config import CONTRACT_VERSIONS, shard_of
from headgate_operator.api import reasons
from headgate_operator.api.repo import EventRepo
from headgate_operator.render.accept import Candidate, first_objection
from headgate_operator.render.claims import Claim, arbitrate
from headgate_operator.render.credentials import find_overflow, no_room
from headgate_operator.render.entries import Entry, build_entry, read_entry
from headgate_operator.render.intent import Intent, IntentError, intent_of
from headgate_operator.render.memo import RenderMemo
from headgate_operator.render.profiles import (
    ACCEPTED,
    CredentialSource,
    ResolvedProfile,
    producers_of,
    profile_verdicts,
    resolve_profiles,
)
from headgate_operator.render.repo_secrets import objection_to_secrets, secrets_of_repo, unread_secret
from headgate_operator.render.world import FleetWorld, RepoKey, RepoRollout, Verdict


@dataclass(frozen=True, slots=True)
class Content:
    """An intent as gateways serve it."""

    entry: Entry
    sources: tuple[tuple[CredentialSource, ...], ...]
    """Where the credentials of each of its profiles come from."""


@dataclass(frozen=True, slots=True)
class JudgedRepo:
    """What one repo's spec asks for, and what was said to it."""

    verdict: Verdict
    shard: int
    asked: Intent | None = None
    """What its spec asks for, accepted or not; None where that cannot be resolved."""
    wanted: Content | None = None
    """`asked`, as it would be served."""
    profiles: tuple[str, ...] = ()
    """Names of all profiles that its spec names."""

    @property
    def desired(self) -> Intent | None:
        """What its accepted spec asks for; None while that is not accepted."""
        return self.asked if self.verdict.accepted else None


@dataclass(frozen=True, slots=True)
class Judged:
    """A fleet's world, judged."""

    repos: Mapping[RepoKey, JudgedRepo]
    """Every repo that exists, in order, those that do not parse included."""
    served: Mapping[RepoKey, Entry]
    """What each of them serves now: what is promoted, else what the live shards hold."""
    fleet: Verdict
    profiles: Mapping[str, Verdict]
    resolved: Mapping[str, ResolvedProfile]
    contract_version: int
    overflow: frozenset[str] = frozenset()
    """Credential files whose present content there is no room for."""


def judge_fleet(world: FleetWorld, memo: RenderMemo | None = None) -> Judged:
    """Verdicts and what is asked for. `world.rollouts` are those of before this reconcile's decisions."""
    memo = RenderMemo() if memo is None else memo
    world = intern(world, memo)
    resolved = resolve_profiles(world)
    profiles = profile_verdicts(world, resolved)
    version, fleet = _negotiate(world.gateway_contract_versions)
    alone = {key: _judge(world, key, repo, resolved, profiles, version, memo) for key, repo in _keyed(world)}
    served = _read_served(world, alone, memo)
    overflow = find_overflow(world, _to_carry(alone, served), resolved.values(), memo)
    fitting = {key: _check_room(world, one, overflow) for key, one in alone.items()} if overflow else alone
    contended = _arbitrate(world, fitting, served)
    judged = {key: replace(one, verdict=contended[key]) if key in contended else one for key, one in fitting.items()}
    invalid = {
        key: JudgedRepo(Verdict(False, reasons.INVALID_SPEC, message), shard_of(*key))
        for key, message in world.invalid_repos.items()
    }
    return Judged(dict(sorted((invalid | judged).items())), served, fleet, profiles, resolved, version, overflow)


def _to_carry(judged: Mapping[RepoKey, JudgedRepo], served: Mapping[RepoKey, Entry]) -> Iterator[Entry]:
    """Every entry whose credentials gateways have, or are to have."""
    yield from served.values()
    yield from (one.wanted.entry for one in judged.values() if one.verdict.accepted and one.wanted is not None)


def _check_room(world: FleetWorld, one: JudgedRepo, overflow: frozenset[str]) -> JudgedRepo:
    objection = no_room(world, one.wanted.entry, overflow) if one.verdict.accepted and one.wanted else None
    return one if objection is None else replace(one, verdict=objection)


def intern(world: FleetWorld, memo: RenderMemo) -> FleetWorld:
    """The same world with equal specs replaced by those of the last rendering.

    Comparing a thing with itself is free, and everything below compares the fleet and the profiles once for each repo.
    """
    fleet = memo.recall("fleet", (world.fleet.spec, world.fleet.metadata.uid, world.fleet.key), lambda: world.fleet)
    profiles = {
        name: memo.recall(("profile", name), (profile.spec, profile.key), lambda profile=profile: profile)  # type: ignore[misc]
        for name, profile in world.profiles.items()
    }
    return replace(world, fleet=fleet, profiles=profiles)


def stable_content(key: RepoKey, rollout: RepoRollout, judged: JudgedRepo | None, memo: RenderMemo) -> Content | None:
    """What is promoted; None where it is not known, or is none that this operator can render."""
    return _stored_content(("stable", key), rollout.stable, rollout.stable_revision, judged, memo)


def candidate_content(
    key: RepoKey, rollout: RepoRollout, judged: JudgedRepo | None, memo: RenderMemo
) -> Content | None:
    """What the canary serves; None as above."""
    return _stored_content(("candidate", key), rollout.candidate, rollout.candidate_revision, judged, memo)


def _stored_content(
    what: tuple[str, RepoKey],
    intent: Intent | None,
    revision: str | None,
    judged: JudgedRepo | None,
    memo: RenderMemo,
) -> Content | None:
    asked = judged.asked if judged is not None else None
    if (
        judged is not None
        and asked is not None
        and (intent == asked or (intent is None and revision == asked.revision))
    ):
        # Nearly always what is promoted is what is asked for: thousands of entries need not be there twice.
        return judged.wanted
    return memo.recall(what, (intent,), lambda: _read_content(what[1], intent)) if intent is not None else None


def _read_content(key: RepoKey, intent: Intent) -> Content | None:
    try:
        return _build_content(key, intent)
    except IntentError:
        return None


def _try_content(key: RepoKey, asked: Intent) -> tuple[Content | None, Verdict | None]:
    """The content, or why this repo alone has none: what no check of the API knew."""
    try:
        return _build_content(key, asked), None
    except IntentError as error:
        return None, Verdict(False, reasons.INVALID_SPEC, str(error))


def _build_content(key: RepoKey, intent: Intent) -> Content:
    sources = tuple(producer.sources for producer in producers_of(intent).values() if producer.sources)
    return Content(build_entry(key, intent), sources)


def _keyed(world: FleetWorld) -> Iterator[tuple[RepoKey, EventRepo]]:
    return ((repo.key, repo) for repo in world.repos)


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


def _read_served(world: FleetWorld, judged: Mapping[RepoKey, JudgedRepo], memo: RenderMemo) -> dict[RepoKey, Entry]:
    """What is served now of repos that still exist; the entry of a deleted repo is nobody's."""
    present = judged.keys() | world.invalid_repos.keys()
    entries = {
        key: memo.recall(("served", key), (content,), lambda content=content: read_entry(content))  # type: ignore[misc]
        for key, content in world.served.items()
        if key in present
    }
    found = {key: entry for key, entry in entries.items() if entry is not None}
    for key, rollout in world.rollouts.items():
        if key in present and (stable := stable_content(key, rollout, judged.get(key), memo)):
            found[key] = stable.entry
    return found


def _judge(
    world: FleetWorld,
    key: RepoKey,
    repo: EventRepo,
    profiles: Mapping[str, ResolvedProfile],
    verdicts: Mapping[str, Verdict],
    version: int,
    memo: RenderMemo,
) -> JudgedRepo:
    names, fleet = repo.spec.kafka.profiles, world.fleet
    labels = world.namespace_labels.get(key[0], {})
    named = {name: profiles[name] for name in names if name in profiles}
    said = {name: verdicts[name] for name in names if name in verdicts}
    secrets, unread = _judge_secrets(world, repo, memo)
    before = world.accepted_before.get(key, frozenset()) if unread else frozenset()

    def judge() -> JudgedRepo:
        intents = {name: profile.intent for name, profile in named.items()}
        asked = intent_of(repo, intents, fleet.spec.limits) if len(named) == len(names) else None
        wanted, invalid = _try_content(key, asked) if asked is not None else (None, None)
        # What was accepted once stays so: an API server that is away must end no rollout.
        against = secrets if asked is not None and asked.revision in before else unread or secrets
        objection = first_objection(Candidate(repo, fleet, labels, named, said, against))
        objection = objection or invalid or _check_version(wanted.entry if wanted else None, version)
        return JudgedRepo(objection or ACCEPTED, shard_of(*key), asked, wanted, names)

    # Credentials' values decide nothing here beyond the verdict, so a rotated password judges no repo again.
    specs = tuple(profile.profile.spec for profile in named.values())
    rest = (specs, said, secrets, unread, before, fleet.spec, fleet.key, labels, version)
    return memo.recall(("judged", key), (repo.spec, *rest), judge)


def _judge_secrets(world: FleetWorld, repo: EventRepo, memo: RenderMemo) -> tuple[Verdict | None, Verdict | None]:
    """The objections to its Secrets, and to that they are not read."""
    named = secrets_of_repo(repo)
    if not named:
        return None, None
    held = [(world.repo_secrets.get(one.key), world.secret_notes.get(one.key)) for one in named]
    inputs = (named, held, [one.file in world.served_credentials for one in named])
    judge = lambda: (objection_to_secrets(named, world), unread_secret(named, world))  # noqa: E731
    return memo.recall(("secrets", repo.key), inputs, judge)


def _check_version(wanted: Entry | None, version: int) -> Verdict | None:
    if wanted is None or wanted.required_version <= version:
        return None
    return Verdict(
        False,
        reasons.GATEWAY_TOO_OLD,
        f"the spec uses a field of contract version {wanted.required_version}, and the fleet's gateways read "
        f"{version} at most: upgrade the fleet's spec.image, or leave the field out",
    )


def _arbitrate(
    world: FleetWorld, judged: Mapping[RepoKey, JudgedRepo], served: Mapping[RepoKey, Entry]
) -> dict[RepoKey, Verdict]:
    created = {key: repo.metadata.creation_timestamp for key, repo in _keyed(world)}
    claims = [
        Claim(key, created[key], one.shard, one.wanted.entry, keeps=key in world.rollouts)
        for key, one in judged.items()
        if one.verdict.accepted and one.wanted is not None
    ]
    held = {key: (judged[key].shard if key in judged else shard_of(*key), entry) for key, entry in served.items()}
    return arbitrate(claims, held)
