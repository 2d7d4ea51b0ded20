"""What statuses are built from after a pass: which failures last, what changed, how many gateways have it. Writes nothing.

Called by the fleet's reconcile. Keeps nothing but what it is given to keep.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from headgate_gateway.config import SHARD_COUNT, shard_file_name
from headgate_operator.api.names import LABEL_REPO, LABEL_REPO_NAMESPACE, LABEL_TRACK, TRACK_CANARY
from headgate_operator.reconcile.apply import Failure, ObjectKey
from headgate_operator.reconcile.gather import Gateways
from headgate_operator.reconcile.records import ResourceRecord, digest_of
from headgate_operator.render.canonical import canonical_json
from headgate_operator.render.world import FleetPlan, RenderedObject, RepoKey, Verdict
from headgate_operator.status.delivery import Tally, behind
from headgate_operator.status.fleet import FleetSight
from headgate_operator.status.repo import RepoSight, build_repo_status
from headgate_operator.status.upgrade import ShownUpgrade

PATIENCE = 3
"""Attempts in a row after which a failure that may pass by itself is told to users."""

NOBODY = Tally(ready=0, newest=0, serving=0, unknown=0, unreachable=(), refusals=())

_SHARD_FILES = {shard_file_name(index): index for index in range(SHARD_COUNT)}

Told = tuple[ObjectKey, str, str]
"""What failed, the verb, and the kind of error: the message up to its first colon."""

Status = tuple[ResourceRecord, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Settled:
    """A repo's status as it is live, and what it was built from: while both stay, there is nothing to build or write."""

    sight: RepoSight
    live: str
    """Digest: the status itself is in the store."""
    truths: tuple[tuple[str, str], ...]
    """(condition, status), for metrics."""


def truths_of(status: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """(condition, status) of a status, for metrics."""
    return tuple((each["type"], each["status"]) for each in status["conditions"])


def build_repo_statuses(
    sights: Iterable[tuple[ResourceRecord, RepoSight]], settled: dict[RepoKey, Settled], now: str
) -> tuple[list[Status], list[tuple[str, str]]]:
    """The statuses that may differ from the live ones, and (condition, status) of all repos."""
    statuses: list[Status] = []
    truths: list[tuple[str, str]] = []
    kept: dict[RepoKey, Settled] = {}
    for record, sight in sights:
        known = settled.get(record.key)
        if known is None or known.live != digest_of(record.status) or known.sight != sight:
            status = build_repo_status(sight, json.loads(record.status), now)
            statuses.append((record, status))
            known = Settled(sight, digest_of(canonical_json(status)), truths_of(status))
        kept[record.key] = known
        truths += known.truths
    settled.clear()
    settled.update(kept)
    return statuses, truths


def entry_digests(plan: FleetPlan, known: dict[RepoKey, tuple[bytes, str]]) -> dict[RepoKey, tuple[int, str]]:
    """Shard and entry digest of every served repo; equal bytes are not hashed again."""
    for key in known.keys() - plan.repos.keys():
        del known[key]
    found: dict[RepoKey, tuple[int, str]] = {}
    for key, verdict in plan.repos.items():
        if verdict.entry is None:
            continue
        before = known.get(key)
        if before is None or before[0] != verdict.entry:
            before = known[key] = verdict.entry, digest_of(verdict.entry)
        found[key] = verdict.shard, before[1]
    return found


def lasting_failures(failures: list[Failure], failing: dict[ObjectKey, int]) -> list[Failure]:
    """Failures that users should hear of: a conflict that the next attempt settles is none."""
    counts = {failure.key: failing.get(failure.key, 0) + 1 for failure in failures}
    failing.clear()
    failing.update(counts)
    return [each for each in failures if not each.retryable or counts[each.key] >= PATIENCE]


def keep_words(failures: Iterable[Failure], told: dict[Told, Failure]) -> list[Failure]:
    """The same, in the words in which each was told first: a count or a time in them is no news, and would be an Event
    and a status write at every pass. What is news is another object, verb or kind of error."""
    kept = {(each.key, each.verb, each.message.partition(":")[0]): each for each in failures}
    kept = {what: told.get(what, each) for what, each in kept.items()}
    told.clear()
    told.update(kept)
    return list(kept.values())


def troubles_of(objects: tuple[RenderedObject, ...], failures: list[Failure]) -> dict[RepoKey | int, str]:
    """What failed, by the repo whose own object it is, or by the shard."""
    failed = {failure.key: str(failure) for failure in failures}
    found: dict[RepoKey | int, str] = {each.repo: str(each) for each in failures if each.repo is not None}
    for each in objects:
        if each.key in failed:
            manifest = each.manifest
            labels = manifest["metadata"].get("labels") or {}
            if LABEL_REPO in labels:
                found[labels[LABEL_REPO_NAMESPACE], labels[LABEL_REPO]] = failed[each.key]
            found |= dict.fromkeys(_shards_in(manifest), failed[each.key])
    return found


def _shards_in(manifest: Mapping[str, Any]) -> list[int]:
    labels = manifest["metadata"].get("labels") or {}
    # A canary's ConfigMap has a shard's file too, of its one repo.
    shard = manifest.get("kind") == "ConfigMap" and labels.get(LABEL_TRACK) != TRACK_CANARY
    data = manifest.get("data") if shard else None
    return [_SHARD_FILES[name] for name in data or {} if name in _SHARD_FILES]


def build_fleet_sight(
    record: ResourceRecord,
    plan: FleetPlan,
    gateways: Gateways,
    failures: list[Failure],
    upgrade: ShownUpgrade | None,
    spool: Mapping[str, Any] | None,
) -> FleetSight:
    """Everything that the fleet's status depends on."""
    reports = [view.report for view in gateways.ready if view.report is not None]
    current = [each for each in reports if not behind(each, plan.shard_hashes, plan.credentials_hash)]
    return FleetSight(
        generation=record.generation,
        verdict=plan.fleet,
        workload=gateways.workload,
        ready_gateways=len(gateways.ready),
        current_gateways=len(current),
        unreachable=tuple(view.name for view in gateways.ready if view.report is None),
        repos=sum(verdict.entry is not None for verdict in plan.repos.values()),
        contract_version=plan.contract_version,
        failures=tuple(str(failure) for failure in failures),
        pod_trouble=gateways.too_old or gateways.trouble,
        too_old=bool(gateways.too_old),
        upgrade=upgrade,
        spool=spool,
    )


def build_unserved_sight(record: ResourceRecord, verdict: Verdict, fleet: str) -> RepoSight:
    """A repo that no fleet serves."""
    return RepoSight(record.generation, verdict, None, fleet, (), False, NOBODY)
