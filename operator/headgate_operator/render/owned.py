"""What every child of a fleet has in common: its namespace, its labels, its owner. Stamped here, not in templates.

So an override of a template cannot make a child that nobody would find, prune or collect.
"""

from collections.abc import Mapping
from typing import Any

from headgate_gateway.config import content_hash
from headgate_operator.api import names
from headgate_operator.api.fleet import GatewayFleet
from headgate_operator.render.canonical import canonical_json
from headgate_operator.render.templates import Templates
from headgate_operator.render.world import RenderedObject, RepoKey

COMPONENT_GATEWAY = "gateway"
COMPONENT_CONFIG = "config"
COMPONENT_CREDENTIALS = "credentials"
COMPONENT_ROUTE = "route"
COMPONENT_REVISION = "revision"
"""A ControllerRevision: one intent of a repo."""
COMPONENT_ROLLOUT = "rollout"
"""A ConfigMap: the state of a repo's rollout, or of the fleet's upgrade."""


def fleet_labels(fleet: str, component: str) -> dict[str, str]:
    """Labels of a child. No version among them: an upgrade of the operator alone changes no object."""
    return {
        names.LABEL_NAME: "headgate-gateway",
        names.LABEL_INSTANCE: fleet,
        names.LABEL_MANAGED_BY: names.FIELD_MANAGER,
        names.LABEL_FLEET: fleet,
        names.LABEL_COMPONENT: component,
    }


def pod_selector(fleet: str) -> dict[str, str]:
    """What selects the stable gateway pods of a fleet; immutable in a Deployment, so it never changes."""
    return {
        names.LABEL_FLEET: fleet,
        names.LABEL_COMPONENT: COMPONENT_GATEWAY,
        names.LABEL_TRACK: names.TRACK_STABLE,
    }


def canary_selector(fleet: str, repo: RepoKey) -> dict[str, str]:
    """What selects the pods of one repo's canary, and nothing that `pod_selector` selects."""
    return pod_selector(fleet) | {names.LABEL_TRACK: names.TRACK_CANARY} | repo_labels(repo)


def upgrade_selector(fleet: str) -> dict[str, str]:
    """What selects the pods of an image upgrade, and neither stable pods nor those of a repo's canary."""
    return pod_selector(fleet) | {names.LABEL_TRACK: names.TRACK_CANARY, names.LABEL_UPGRADE: "image"}


def repo_labels(repo: RepoKey) -> dict[str, str]:
    """Labels of what belongs to one repo."""
    return {names.LABEL_REPO_NAMESPACE: repo[0], names.LABEL_REPO: repo[1]}


def owner_references(fleet: GatewayFleet) -> list[dict[str, Any]]:
    """The fleet as controller; none where the fleet has no uid, as in files that were never applied."""
    if not fleet.metadata.uid:
        return []
    return [
        {
            "apiVersion": names.API_VERSION,
            "kind": fleet.KIND,
            "name": fleet.metadata.name,
            "uid": fleet.metadata.uid,
            "controller": True,
            "blockOwnerDeletion": True,
        }
    ]


def build_child(
    templates: Templates,
    template: str,
    fleet: GatewayFleet,
    component: str,
    context: Mapping[str, Any],
    labels: Mapping[str, str] | None = None,
) -> RenderedObject:
    """Render a template and stamp the result. Raises TemplateError."""
    manifest = templates.render(template, context)
    metadata = manifest["metadata"]
    metadata["name"] = context["name"]
    metadata["namespace"] = fleet.metadata.namespace
    metadata["labels"] = (
        (metadata.get("labels") or {}) | dict(labels or {}) | fleet_labels(fleet.metadata.name, component)
    )
    if owners := owner_references(fleet):
        metadata["ownerReferences"] = owners
    return freeze(manifest)


def freeze(manifest: dict[str, Any]) -> RenderedObject:
    """A finished manifest as it is kept."""
    body = canonical_json(manifest)
    return RenderedObject(
        api_version=manifest["apiVersion"],
        kind=manifest["kind"],
        namespace=manifest["metadata"]["namespace"],
        name=manifest["metadata"]["name"],
        body=body,
        digest=content_hash(body),
    )
