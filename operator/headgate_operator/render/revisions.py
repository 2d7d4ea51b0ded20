"""What outlives a reconcile of a repo's rollout: its revisions, as ControllerRevisions, and its state, in a ConfigMap.

Builds and reads these objects and says which revisions to keep; when they are written, reconcile decides.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from headgate_operator.api import names
from headgate_operator.api.fleet import GatewayFleet
from headgate_operator.render.children import fleet_context
from headgate_operator.render.intent import Intent, IntentError, read_intent
from headgate_operator.render.owned import COMPONENT_REVISION, COMPONENT_ROLLOUT, build_child, repo_labels
from headgate_operator.render.templates import Templates
from headgate_operator.render.world import RenderedObject, RepoKey

STATE_FILE = "state.json"
"""The key of the state in its ConfigMap."""


@dataclass(frozen=True, slots=True)
class StoredRevision:
    """One intent of a repo as it is kept."""

    repo: RepoKey
    sequence: int
    """Rises with every revision that is asked for; one that is asked for again rises again."""
    intent: Intent


def build_revision_object(
    templates: Templates, fleet: GatewayFleet, repo: RepoKey, intent: Intent, sequence: int
) -> RenderedObject:
    """The ControllerRevision of one intent. Raises TemplateError."""
    context = {
        "name": names.revision_name(fleet.metadata.name, *repo, intent.revision),
        "sequence": sequence,
        "data": intent.value,
        "fleet": fleet_context(fleet),
    }
    labels = repo_labels(repo) | {names.LABEL_REVISION: intent.revision}
    return build_child(templates, "controllerrevision.yaml.j2", fleet, COMPONENT_REVISION, context, labels)


def read_revision(manifest: Mapping[str, Any]) -> StoredRevision:
    """What a live ControllerRevision of ours holds.

    Raises IntentError where somebody has changed it: then its data is not what its name says.
    """
    labels = manifest["metadata"].get("labels") or {}
    intent = read_intent(manifest.get("data"))
    if intent.revision != labels.get(names.LABEL_REVISION):
        raise IntentError(f"the data makes revision {intent.revision}, not {labels.get(names.LABEL_REVISION)}")
    return StoredRevision(_read_repo(labels), int(manifest.get("revision") or 0), intent)


def build_state_object(templates: Templates, fleet: GatewayFleet, repo: RepoKey, state: str) -> RenderedObject:
    """The ConfigMap with the state of a repo's rollout. Raises TemplateError."""
    context = {
        "name": names.rollout_name(fleet.metadata.name, *repo),
        "data": {STATE_FILE: state},
        "immutable": False,
        "fleet": fleet_context(fleet),
    }
    return build_child(templates, "configmap.yaml.j2", fleet, COMPONENT_ROLLOUT, context, repo_labels(repo))


def build_upgrade_state_object(templates: Templates, fleet: GatewayFleet, state: str) -> RenderedObject:
    """The ConfigMap with the state of a fleet's image upgrade. Raises TemplateError."""
    context = {
        "name": names.upgrade_state_name(fleet.metadata.name),
        "data": {STATE_FILE: state},
        "immutable": False,
        "fleet": fleet_context(fleet),
    }
    return build_child(templates, "configmap.yaml.j2", fleet, COMPONENT_ROLLOUT, context)


def read_upgrade_state(manifest: Mapping[str, Any]) -> str:
    """The state that such a ConfigMap holds; empty where somebody took it away."""
    return str((manifest.get("data") or {}).get(STATE_FILE, ""))


def read_state(manifest: Mapping[str, Any]) -> tuple[RepoKey, str]:
    """The repo and the state that a live ConfigMap of ours holds; the state is empty where somebody took it away.

    Raises IntentError where its labels name no repo.
    """
    labels = manifest["metadata"].get("labels") or {}
    return _read_repo(labels), str((manifest.get("data") or {}).get(STATE_FILE, ""))


def next_sequence(history: Mapping[str, int]) -> int:
    """The sequence of the next revision of a repo, whose revisions so far have these."""
    return max(history.values(), default=0) + 1


def revisions_to_keep(history: Mapping[str, int], stable: str | None, candidate: str | None, limit: int) -> set[str]:
    """Of a repo's revisions (each with its sequence) those to keep: what is in use, and the newest up to `limit` in all."""
    used = {revision for revision in (stable, candidate) if revision is not None and revision in history}
    newest = sorted(history.keys() - used, key=lambda revision: (history[revision], revision), reverse=True)
    return used | set(newest[: max(0, limit - len(used))])


def _read_repo(labels: Mapping[str, str]) -> RepoKey:
    try:
        return labels[names.LABEL_REPO_NAMESPACE], labels[names.LABEL_REPO]
    except KeyError as error:
        raise IntentError(f"the label {error} is missing") from error
