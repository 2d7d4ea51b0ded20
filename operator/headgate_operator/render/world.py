"""What rendering is given and what it answers: values shared by render, status and reconcile. Decides nothing."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from headgate_operator.api.fleet import GatewayFleet
from headgate_operator.api.profile import KafkaProducerProfile
from headgate_operator.api.repo import EventRepo

RepoKey = tuple[str, str]
"""(namespace, name) of an EventRepo."""


@dataclass(frozen=True, slots=True)
class FleetWorld:
    """Everything that the rendering of one fleet depends on."""

    fleet: GatewayFleet
    repos: tuple[EventRepo, ...]
    """All repos whose fleetRef (or the default fleet) names this fleet, in any order, accepted or not."""
    profiles: Mapping[str, KafkaProducerProfile]
    """The profiles of the fleet's namespace, by name."""
    secrets: Mapping[str, Mapping[str, bytes]]
    """The Secrets of the fleet's namespace that profiles name, by name; one that does not exist is absent."""
    namespace_labels: Mapping[str, Mapping[str, str]]
    """Labels of the repos' namespaces, for `allowedRepos`; empty where nobody selects."""
    served: Mapping[RepoKey, bytes] = field(default_factory=dict)
    """The entries in the fleet's live shards, as canonical JSON: what gateways serve now."""
    served_credentials: Mapping[str, bytes] = field(default_factory=dict)
    """The data of the fleet's live credentials Secret."""
    gateway_contract_versions: tuple[int, ...] = (1,)
    """Contract versions that every gateway of the fleet can read."""
    invalid_repos: Mapping[RepoKey, str] = field(default_factory=dict)
    """EventRepos of this fleet that exist but do not parse (a regular expression that does not compile passes the API
    server), with the message of the InvalidResourceError. They get InvalidSpec and keep what is served."""
    invalid_profiles: Mapping[str, str] = field(default_factory=dict)
    """The same for profiles of the fleet's namespace, by name."""


@dataclass(frozen=True)
class RenderedObject:
    """One finished manifest, kept as canonical JSON so that thousands are cheap to keep and to compare."""

    api_version: str
    kind: str
    namespace: str
    name: str
    body: bytes
    """Canonical JSON: sorted keys, no spaces."""
    digest: str
    """`content_hash` of the body."""

    @property
    def manifest(self) -> dict[str, Any]:
        """The manifest, parsed afresh."""
        parsed: dict[str, Any] = json.loads(self.body)
        return parsed

    @cached_property
    def key(self) -> tuple[str, str, str]:
        """(kind, namespace, name): unique among the objects of a fleet."""
        return self.kind, self.namespace, self.name


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a resource's spec is usable: the content of its `Accepted` condition."""

    accepted: bool
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class RepoVerdict:
    """What rendering decided about one repo."""

    verdict: Verdict
    revision: str | None
    """Hash of the intent; None where the intent cannot be resolved."""
    shard: int
    entry: bytes | None
    """The entry that the shard carries for it, canonical JSON: the new one if accepted, else the one served before; None if it is not served."""
    paths: tuple[str, ...]
    """Request paths of the entry served."""
    urls: tuple[str, ...]
    """Addresses for people, from the fleet's hostnames."""
    profile: str | None = None


@dataclass(frozen=True, slots=True)
class FleetPlan:
    """Everything that should exist for one fleet, and what was decided on the way."""

    objects: tuple[RenderedObject, ...]
    """All children, in the order in which they are to be applied."""
    fleet: Verdict
    repos: Mapping[RepoKey, RepoVerdict]
    profiles: Mapping[str, Verdict]
    shard_hashes: Mapping[int, str]
    """`content_hash` of each shard file's bytes; what gateways report in /status."""
    credentials_hash: str
    contract_version: int
