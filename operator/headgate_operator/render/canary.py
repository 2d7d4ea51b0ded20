"""A repo's canary: the objects that serve its candidate beside the stable gateways, and their names and hashes.

An immutable ConfigMap with one shard file that holds one entry, a Secret with the credential files that this entry
names, a Deployment of the stable pod template, and a Service. No other repo's objects change, and no stable pod's.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from headgate_gateway.config import content_hash, shard_file_name, shard_of
from headgate_gateway.config.status import credentials_hash
from headgate_operator.api import names
from headgate_operator.api.fleet import GatewayFleet
from headgate_operator.render.children import encode_credentials, fleet_context, of_candidate, workload_context
from headgate_operator.render.entries import Entry
from headgate_operator.render.owned import (
    COMPONENT_CONFIG,
    COMPONENT_CREDENTIALS,
    COMPONENT_GATEWAY,
    build_child,
    canary_selector,
    repo_labels,
)
from headgate_operator.render.shards import build_shards
from headgate_operator.render.templates import Templates
from headgate_operator.render.world import CanaryPlan, RenderedObject, RepoKey


@dataclass(frozen=True, slots=True)
class Canary:
    """What a canary is made from."""

    entry: Entry
    """The candidate's."""
    credentials: Mapping[str, bytes]
    """Content of the credential files that the entry names."""
    replicas: int
    weight: int
    contract_version: int


@dataclass(frozen=True, slots=True)
class RenderedCanary:
    """A canary's objects, and how they are recognised."""

    config: tuple[RenderedObject, ...]
    """What its pods mount: Secret and ConfigMap."""
    workload: tuple[RenderedObject, ...]
    """Service and Deployment."""
    plan: CanaryPlan


def build_canary(templates: Templates, fleet: GatewayFleet, key: RepoKey, canary: Canary) -> RenderedCanary:
    """All of one canary. Raises TemplateError."""
    content = _build_shard(key, canary)
    plan = _plan(fleet, key, canary, content)
    labels = repo_labels(key) | {names.LABEL_TRACK: names.TRACK_CANARY}
    revised = labels | {names.LABEL_REVISION: plan.revision}
    fleet = of_candidate(fleet, canary.replicas)
    workload = _context(fleet, key, plan)
    secret = {"name": plan.name, "data": encode_credentials(canary.credentials), "fleet": fleet_context(fleet)}
    config = {
        "name": plan.config,
        "data": {shard_file_name(plan.shard): content.decode()},
        "immutable": True,
        "fleet": fleet_context(fleet),
    }
    return RenderedCanary(
        config=(
            build_child(templates, "credentials.yaml.j2", fleet, COMPONENT_CREDENTIALS, secret, labels),
            build_child(templates, "configmap.yaml.j2", fleet, COMPONENT_CONFIG, config, revised),
        ),
        workload=(
            build_child(templates, "service.yaml.j2", fleet, COMPONENT_GATEWAY, workload, labels),
            build_child(templates, "deployment.yaml.j2", fleet, COMPONENT_GATEWAY, workload, revised),
        ),
        plan=plan,
    )


def _build_shard(key: RepoKey, canary: Canary) -> bytes:
    """The file in which the stable gateways find the repo, with nobody else in it."""
    index = shard_of(*key)
    return build_shards([(index, key, canary.entry.content)], canary.contract_version)[index]


def _plan(fleet: GatewayFleet, key: RepoKey, canary: Canary, content: bytes) -> CanaryPlan:
    name, shard_hash = names.canary_name(fleet.metadata.name, *key), content_hash(content)
    return CanaryPlan(
        name=name,
        config=names.canary_config_name(name, shard_hash),
        revision=canary.entry.revision,
        shard=shard_of(*key),
        shard_hash=shard_hash,
        credentials_hash=credentials_hash(canary.credentials),
        weight=canary.weight,
    )


def _context(fleet: GatewayFleet, key: RepoKey, plan: CanaryPlan) -> dict[str, Any]:
    stable = workload_context(fleet)
    selector = canary_selector(fleet.metadata.name, key)
    return stable | {
        "name": plan.name,
        "selector": selector,
        "pod_labels": stable["pod_labels"] | selector | {names.LABEL_REVISION: plan.revision},
        "args": [*stable["args"], "--track", names.TRACK_CANARY],
        "shards": [plan.config],
        "credentials": plan.name,
    }
