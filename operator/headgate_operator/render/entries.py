"""Entries: one repo as its gateways will see it, made from its intent and nothing else."""

import json
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from headgate_gateway.config import (
    CONTRACT_VERSIONS,
    ProducerConfig,
    RepoConfig,
    parse_duration,
    required_contract_version,
)
from headgate_operator.render.canonical import canonical_json
from headgate_operator.render.intent import Intent, IntentError, default_endpoints
from headgate_operator.render.profiles import producers_of
from headgate_operator.render.repo_secrets import RepoSecret, read_repo_secrets
from headgate_operator.render.world import RepoKey

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
    """Those of its producers, and those of its own Secrets."""
    repo_secrets: tuple[RepoSecret, ...] = ()
    """What it takes from Secrets of its namespace."""
    required_version: int = CONTRACT_VERSIONS[0]


def build_entry(key: RepoKey, intent: Intent) -> Entry:
    """The entry of a repo, whether its intent is new or was promoted long ago. Raises IntentError for a stored one."""
    asked = intent.value
    # Only fields that differ from their defaults are set: an older gateway must not meet a field that nobody uses.
    written = asked["spec"] | {
        "name": key[1],
        "namespace": key[0],
        "revision": intent.revision,
        "endpoints": asked["endpoints"] or default_endpoints(key[1]),
        "limits": asked["limits"],
        "producers": {name: producer.config for name, producer in producers_of(intent).items()},
    }
    try:
        config = RepoConfig.model_validate(written)
    except ValidationError as error:
        raise IntentError(f"revision {intent.revision} is none that this operator can render: {error}") from error
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


def _entry_of(dumped: dict[str, Any], content: bytes, required_version: int) -> Entry:
    producers: list[dict[str, Any]] = list(dumped.get("producers", {}).values())
    repo_secrets = read_repo_secrets(dumped["namespace"], dumped)
    files = (
        file
        for producer in producers
        for block in (producer.get("tls") or {}, producer.get("sasl") or {})
        for field, file in block.items()
        if field.endswith("File") and file
    )
    return Entry(
        content=content,
        revision=dumped["revision"],
        paths=tuple(endpoint["path"] for endpoint in dumped["endpoints"]),
        delivery_timeout=max(
            (_delivery_timeout(producer) for producer in producers), default=_DEFAULT_DELIVERY_TIMEOUT
        ),
        credential_files=frozenset((*files, *(named.file for named in repo_secrets))),
        repo_secrets=repo_secrets,
        required_version=required_version,
    )


def _delivery_timeout(producer: dict[str, Any]) -> int:
    written = producer.get("deliveryTimeout")
    return _DEFAULT_DELIVERY_TIMEOUT if written is None else parse_duration(written)
