"""Takes all requests back from canaries and new images of a fleet that cannot be rendered: nobody could watch them.

Templates or the spec may be what is broken, so nothing is rendered here: live objects of ours are written again with one
thing changed, by the same apply under the same field manager. Called by the fleet's reconcile where it refuses a fleet.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from headgate_operator.api.names import gateway_name, rollout_name, upgrade_state_name
from headgate_operator.reconcile.apply import ANNOTATION_APPLIED, Failure, ObjectKey
from headgate_operator.reconcile.ledger import Stored
from headgate_operator.reconcile.records import ChildRecord
from headgate_operator.reconcile.rollout_store import stored_form
from headgate_operator.reconcile.rollouts import RolloutParts
from headgate_operator.reconcile.sights import weights_in
from headgate_operator.reconcile.store import FleetKey
from headgate_operator.render.owned import freeze
from headgate_operator.render.revisions import STATE_FILE
from headgate_operator.render.routes import with_all_on
from headgate_operator.render.world import RenderedObject, RepoKey
from headgate_operator.rollout.actions import announcements
from headgate_operator.rollout.model import Announce, RolloutState
from headgate_operator.rollout.retreat import retreat, retreat_upgrade
from headgate_operator.rollout.store_form import dump_state, dump_upgrade
from headgate_operator.rollout.upgrade_model import UpgradeState

ROUTE = "HTTPRoute"
KEPT_METADATA = ("name", "namespace", "labels", "annotations", "ownerReferences")


@dataclass(slots=True)
class Retreated:
    """What a retreat decided and did."""

    states: dict[RepoKey, RolloutState] = field(default_factory=dict)
    """All rollouts of the fleet as they are now."""
    upgrade: UpgradeState | None = None
    notes: list[tuple[RepoKey, Announce]] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)


async def take_back(
    parts: RolloutParts, fleet: FleetKey, stored: Stored, upgrade: UpgradeState | None, why: str
) -> Retreated:
    """Store that everything goes back, then take the weights. Raises NotLeaderError only."""
    now, result = parts.now(), Retreated()
    records: list[RenderedObject] = []
    for key, before in stored.states.items():
        after = result.states[key] = retreat(before, now, why)
        if after != before:
            name = rollout_name(fleet[1], *key)
            records += _revised_state(parts, fleet, name, dump_state(stored_form(after)))
            result.notes += [(key, each) for each in announcements(before, after)]
    if upgrade is not None:
        result.upgrade = retreat_upgrade(upgrade, now, why)
        if result.upgrade != upgrade:
            records += _revised_state(parts, fleet, upgrade_state_name(fleet[1]), dump_upgrade(result.upgrade))
    versions = {each.key: _version(parts, each.key) for each in records}
    first = await parts.applier.apply(fleet, records, versions)
    # Whether or not that could be stored: no request is safe where nobody watches.
    second = await parts.applier.apply(fleet, _routes_back(parts, fleet), {})
    result.failures = [*first.failures, *second.failures]
    return result


def _version(parts: RolloutParts, key: ObjectKey) -> str:
    child = parts.store.child(key)
    return child.resource_version if child is not None else ""


def _revised_state(parts: RolloutParts, fleet: FleetKey, name: str, state: bytes) -> list[RenderedObject]:
    child = parts.store.child(("ConfigMap", fleet[0], name))
    return [] if child is None else [_revise(child, {"data": {STATE_FILE: state.decode()}})]


def _routes_back(parts: RolloutParts, fleet: FleetKey) -> list[RenderedObject]:
    """The live routes that give requests to anything but the stable gateways, with all of them there."""
    found: list[RenderedObject] = []
    stable = gateway_name(fleet[1])
    for child in parts.store.children_of(fleet):
        if child.kind != ROUTE or child.owner != fleet[1]:
            continue
        live = json.loads(child.content)
        if any(weight > 0 for service, weight in weights_in(live).items() if service != stable):
            found.append(_revise(child, {"spec": with_all_on(stable, live["spec"])}))
    return found


def _revise(child: ChildRecord, change: Mapping[str, Any]) -> RenderedObject:
    """A live object of ours with this part changed: what others own of it besides, they own still."""
    live = json.loads(child.content)
    metadata = {name: live["metadata"][name] for name in KEPT_METADATA if name in live["metadata"]}
    annotations = {k: v for k, v in (metadata.get("annotations") or {}).items() if k != ANNOTATION_APPLIED}
    return freeze({**live, **change, "metadata": {**metadata, "annotations": annotations}})
