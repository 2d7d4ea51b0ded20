"""Revisions: the short name of a repo's intent. Never a hash of rendered bytes.

The intent is the spec, the resolved profiles without credentials' values, and the limits in force, each with the
fields at their defaults left out: so an operator with a new defaulted field, or another template, changes no revision.
"""

from collections.abc import Mapping
from typing import Any

from headgate_gateway.config import Limits, content_hash
from headgate_operator.api.profile import KafkaProducerProfile
from headgate_operator.api.repo import RepoSpec
from headgate_operator.render.canonical import canonical_json

# Where a repo is served, how its changes are taken and who may use a profile say nothing about what becomes of a line.
_NOT_INTENT_OF_REPO = {"fleet_ref", "limits", "endpoints", "rollout"}
_NOT_INTENT_OF_PROFILE = {"allowed_namespaces", "allowed_topics"}


def profile_intent(profile: KafkaProducerProfile) -> dict[str, Any]:
    """What a profile asks for, as JSON: its settings and the names of its Secrets."""
    return profile.spec.model_dump(mode="json", by_alias=True, exclude_defaults=True, exclude=_NOT_INTENT_OF_PROFILE)


def repo_revision(spec: RepoSpec, endpoints: list[Any], limits: Limits, profiles: Mapping[str, dict[str, Any]]) -> str:
    """16 hex digits. `endpoints` are those that differ from the default one."""
    intent = {
        "spec": spec.model_dump(mode="json", by_alias=True, exclude_defaults=True, exclude=_NOT_INTENT_OF_REPO),
        "endpoints": endpoints,
        "limits": limits.model_dump(mode="json", by_alias=True, exclude_defaults=True),
        "profiles": dict(profiles),
    }
    return content_hash(canonical_json(intent))
