"""Intents: all that a repo asks for, normalised; a revision is the short name of one. Never rendered bytes.

An intent holds the spec, the resolved profiles without credentials' values, and the limits in force, each with the
fields at their defaults left out: so an operator with a new defaulted field, or another template, changes no revision.
What is promoted is kept as an intent and rendered from it, whatever becomes of the spec and the profiles.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from headgate_gateway.config import Endpoint, Limits, content_hash
from headgate_operator.api.fleet import FleetLimits
from headgate_operator.api.names import default_path
from headgate_operator.api.profile import KafkaProducerProfile
from headgate_operator.api.repo import EventRepo
from headgate_operator.render.canonical import canonical_json

Json = dict[str, Any]

# Where a repo is served, how its changes are taken and who may use a profile say nothing about what becomes of a line.
_NOT_INTENT_OF_REPO = {"fleet_ref", "limits", "endpoints", "rollout"}
_NOT_INTENT_OF_PROFILE = {"allowed_namespaces", "allowed_topics"}

_PARTS: Mapping[str, type] = {"spec": dict, "endpoints": list, "limits": dict, "profiles": dict}


class IntentError(ValueError):
    """A stored intent is none that this operator can render: somebody changed it, or a newer operator wrote it."""

    retryable = False


@dataclass(frozen=True)
class Intent:
    """What a revision was made from. Equal content, equal intent, equal revision."""

    content: bytes
    """Canonical JSON of an object: `spec`, `endpoints` (those that differ from the default one), `limits` and `profiles`."""

    @cached_property
    def revision(self) -> str:
        """16 hex digits: the hash of the content, and of nothing else."""
        return content_hash(self.content)

    @property
    def value(self) -> Json:
        """The content, parsed afresh: kept, it would be most of what thousands of repos cost in memory.

        This is what a ControllerRevision holds as its data.
        """
        parsed: Json = json.loads(self.content)
        return parsed

    @property
    def spec(self) -> Json:
        """The spec, without fleetRef, endpoints, limits and rollout."""
        found: Json = self.value["spec"]
        return found

    @property
    def endpoints(self) -> list[Json]:
        """The endpoints; none where the repo has the default one alone."""
        found: list[Json] = self.value["endpoints"]
        return found

    @property
    def limits(self) -> Json:
        """The limits in force."""
        found: Json = self.value["limits"]
        return found

    @property
    def profiles(self) -> dict[str, Json]:
        """What each profile asked for (`profile_intent`), by name."""
        found: dict[str, Json] = self.value["profiles"]
        return found


def profile_intent(profile: KafkaProducerProfile) -> Json:
    """What a profile asks for, as JSON: its settings and the names of its Secrets."""
    return profile.spec.model_dump(mode="json", by_alias=True, exclude_defaults=True, exclude=_NOT_INTENT_OF_PROFILE)


def intent_of(repo: EventRepo, profiles: Mapping[str, Json], fleet: FleetLimits) -> Intent:
    """What a repo asks for, with the `profile_intent` of each profile that it names and its fleet's limits."""
    endpoints = [_dump(endpoint) for endpoint in resolve_endpoints(repo)]
    asked = {
        "spec": repo.spec.model_dump(mode="json", by_alias=True, exclude_defaults=True, exclude=_NOT_INTENT_OF_REPO),
        "endpoints": [] if endpoints == default_endpoints(repo.metadata.name) else endpoints,
        "limits": _dump(resolve_limits(repo, fleet)),
        "profiles": dict(profiles),
    }
    return Intent(canonical_json(asked))


def read_intent(value: object) -> Intent:
    """The intent that was stored as this JSON value. Raises IntentError where it has not the shape of one.

    A part that this operator does not know would be left out of what it renders, so it is refused.
    """
    if not isinstance(value, dict) or value.keys() != _PARTS.keys():
        raise IntentError(f"is no intent of this operator: an object with {', '.join(_PARTS)} and nothing else")
    for name, kind in _PARTS.items():
        if not isinstance(value[name], kind):
            raise IntentError(f"{name} is no {kind.__name__}")
    return Intent(canonical_json(value))


def default_endpoints(repo: str) -> list[Json]:
    """The endpoints of a repo that names none, as JSON without defaults."""
    return [{"path": default_path(repo)}]


def resolve_endpoints(repo: EventRepo) -> tuple[Endpoint, ...]:
    """The repo's endpoints; one at `/log/repo/{name}` if it names none."""
    return repo.spec.endpoints or (Endpoint(path=default_path(repo.metadata.name)),)


def resolve_limits(repo: EventRepo, fleet: FleetLimits) -> Limits:
    """The repo's limits; the fleet's where it is silent."""
    own = repo.spec.limits
    return Limits(
        body_bytes=fleet.body_bytes if own.body_bytes is None else own.body_bytes,
        line_bytes=fleet.line_bytes if own.line_bytes is None else own.line_bytes,
        per_gateway=own.per_gateway,
    )


def _dump(value: Endpoint | Limits) -> Json:
    return value.model_dump(mode="json", by_alias=True, exclude_defaults=True)
