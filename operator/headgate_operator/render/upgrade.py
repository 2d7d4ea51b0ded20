"""A fleet's image upgrade: the gateways of a new image beside the stable ones, and which image is whose.

A Deployment of the stable pod template that mounts the whole stable config, a Service, and a
PodDisruptionBudget, since in the end it carries all of the fleet's requests. Nothing stable changes for it.
"""

from dataclasses import replace

from headgate_operator.api import names
from headgate_operator.api.fleet import GatewayFleet, ImagePullPolicy
from headgate_operator.render.children import build_workload_child, of_candidate, workload_context
from headgate_operator.render.memo import RenderMemo
from headgate_operator.render.owned import upgrade_selector
from headgate_operator.render.templates import Templates
from headgate_operator.render.world import FleetUpgrade, FleetWorld, GatewayImage, RenderedObject


def with_stable_image(world: FleetWorld, memo: RenderMemo) -> FleetWorld:
    """The world whose fleet asks for the image that its stable gateways are to run. One object for equal content."""
    upgrade = world.upgrade
    if upgrade is None or upgrade.stable == image_of(world.fleet):
        return world
    inputs = (world.fleet.spec, world.fleet.metadata.uid, world.fleet.key, upgrade.stable)
    fleet = memo.recall("stable image", inputs, lambda: _with_image(world.fleet, upgrade.stable))
    return replace(world, fleet=fleet)


def image_of(fleet: GatewayFleet) -> GatewayImage:
    """What the spec asks for."""
    return GatewayImage(fleet.spec.image, fleet.spec.image_pull_policy.value)


def build_upgrade(templates: Templates, fleet: GatewayFleet, upgrade: FleetUpgrade) -> list[RenderedObject]:
    """Service, PodDisruptionBudget and Deployment of the new image; nothing where there is to be none. Raises TemplateError."""
    if upgrade.candidate is None or upgrade.replicas < 1:
        return []
    new = of_candidate(_with_image(fleet, upgrade.candidate), upgrade.replicas)
    stable, selector = workload_context(new), upgrade_selector(fleet.metadata.name)
    revised = {names.LABEL_REVISION: upgrade.revision}
    context = stable | {
        "name": names.upgrade_name(fleet.metadata.name),
        "selector": selector,
        "pod_labels": stable["pod_labels"] | selector | revised,
        "args": [*stable["args"], "--track", names.TRACK_CANARY],
    }
    labels = {name: selector[name] for name in (names.LABEL_TRACK, names.LABEL_UPGRADE)} | revised
    return [
        build_workload_child(templates, kind, new, context, labels)
        for kind in ("service", "poddisruptionbudget", "deployment")
    ]


def _with_image(fleet: GatewayFleet, image: GatewayImage) -> GatewayFleet:
    wanted = {"image": image.name, "image_pull_policy": ImagePullPolicy(image.pull_policy)}
    return fleet.model_copy(update={"spec": fleet.spec.model_copy(update=wanted)})
