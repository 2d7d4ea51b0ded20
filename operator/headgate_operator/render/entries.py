"""Entries: one repo as its gateways will see it, resolved from its spec, its profile and its fleet's limits."""

import json
from dataclasses import dataclass
from typing import Any

from headgate_gateway.config import (
    CONTRACT_VERSIONS,
    Endpoint,
    Limits,
    ProducerConfig,
    RepoConfig,
    parse_duration,
    required_contract_version,
)
from headgate_operator.api.fleet import FleetLimits
from headgate_operator.api.names import default_path
from headgate_operator.api.repo import EventRepo
from headgate_operator.render.canonical import canonical_json
from headgate_operator.render.profiles import ResolvedProfile
from headgate_operator.render.revision import repo_revision

_DEFAULT_DELIVERY_TIMEOUT: int = ProducerConfig.model_fields["delivery_timeout"].default


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of a shard, and what else is rendered from it. Made from its bytes, so a served one is as good."""

    content: bytes
    """Canonical JSON."""
    revision: str
    paths: tuple[str, ...]
    delivery_timeout: int
    """The longest of its producers', in milliseconds."""
    credential_files: frozenset[str]
    required_version: int = CONTRACT_VERSIONS[0]


def resolve_endpoints(repo: EventRepo) -> tuple[Endpoint, ...]:
    """The repo's endpoints; one at `/log/repo/{name}` if it names none."""
    return repo.spec.endpoints or (Endpoint(path=default_path(repo.metadata.name)),)


def resolve_limits(repo: EventRepo, fleet: FleetLimits) -> Limits:
    """The repo's limits; the fleet's where it is silent."""
    own = repo.spec.limits
    return Limits(
        body_bytes=fleet.body_bytes if own.body_bytes is None else own.body_bytes,
        line_bytes=fleet.line_bytes if own.line_bytes is None else own.line_bytes,
    )


def build_entry(repo: EventRepo, profile: ResolvedProfile, fleet: FleetLimits) -> Entry:
    """The entry that this repo asks for."""
    endpoints = _dump_endpoints(resolve_endpoints(repo))
    limits = resolve_limits(repo, fleet)
    revision = repo_revision(
        repo.spec,
        [] if endpoints == [{"path": default_path(repo.metadata.name)}] else endpoints,
        limits,
        {profile.name: profile.intent},
    )
    # Only fields that differ from their defaults are set: an older gateway must not meet a field that nobody uses.
    config = RepoConfig.model_validate(
        _dump_spec(repo)
        | {
            "name": repo.metadata.name,
            "namespace": repo.metadata.namespace,
            "revision": revision,
            "endpoints": endpoints,
            "limits": limits.model_dump(by_alias=True, exclude_defaults=True),
            "producers": {profile.name: profile.config},
        }
    )
    dumped = config.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    return _entry_of(dumped, canonical_json(dumped), required_contract_version(config))


def read_entry(content: bytes) -> Entry | None:
    """What a served entry holds; None if somebody has broken it, for then nobody serves it.

    It may be another version's, so only what rendering needs is looked at.
    """
    try:
        return _entry_of(json.loads(content), content, CONTRACT_VERSIONS[0])
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def _dump_endpoints(endpoints: tuple[Endpoint, ...]) -> list[dict[str, Any]]:
    return [endpoint.model_dump(mode="json", by_alias=True, exclude_defaults=True) for endpoint in endpoints]


def _dump_spec(repo: EventRepo) -> dict[str, Any]:
    return repo.spec.model_dump(
        mode="json", by_alias=True, exclude_defaults=True, exclude={"fleet_ref", "endpoints", "limits", "rollout"}
    )


def _entry_of(dumped: dict[str, Any], content: bytes, required_version: int) -> Entry:
    producers: list[dict[str, Any]] = list(dumped.get("producers", {}).values())
    return Entry(
        content=content,
        revision=dumped["revision"],
        paths=tuple(endpoint["path"] for endpoint in dumped["endpoints"]),
        delivery_timeout=max(
            (_delivery_timeout(producer) for producer in producers), default=_DEFAULT_DELIVERY_TIMEOUT
        ),
        credential_files=frozenset(
            file
            for producer in producers
            for block in (producer.get("tls") or {}, producer.get("sasl") or {})
            for field, file in block.items()
            if field.endswith("File") and file
        ),
        required_version=required_version,
    )


def _delivery_timeout(producer: dict[str, Any]) -> int:
    written = producer.get("deliveryTimeout")
    return _DEFAULT_DELIVERY_TIMEOUT if written is None else parse_duration(written)
