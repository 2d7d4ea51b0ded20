"""Image upgrades: what there is to be beside the stable gateways, and that nothing stable changes for it."""

from dataclasses import replace
from typing import Any

import pytest
from tests.unit.render.builders import (
    GATEWAY_API,
    changed,
    find,
    fleet,
    intent,
    names_of,
    render,
    repo,
    world,
)

from headgate_operator.api.names import FLEET_NAME_MAX, canary_name, upgrade_name, upgrade_state_name
from headgate_operator.render.memo import RenderMemo
from headgate_operator.render.world import FleetPlan, FleetUpgrade, FleetWorld, GatewayImage, RepoRollout

OLD, NEW = "gateway:1", "gateway:2"
STABLE, CANDIDATE = GatewayImage(OLD, "IfNotPresent"), GatewayImage(NEW, "Always")
NAME = upgrade_name("default")
KEY = ("team", "access")
SHARED = GATEWAY_API | {"routes": "Shared"}


def of(
    upgrade: FleetUpgrade | None, image: str = NEW, routing: dict[str, Any] = GATEWAY_API, **rest: Any
) -> FleetWorld:
    policy = "Always" if image == NEW else "IfNotPresent"
    spec = {"image": image, "imagePullPolicy": policy, "routing": routing} | rest.pop("spec", {})
    return world(repo(), repo("other"), fleet=fleet(**spec), upgrade=upgrade, **rest)


def steady(**rest: Any) -> FleetPlan:
    return render(of(None, image=OLD, **rest))


def upgrading(replicas: int = 2, weight: int = 10, **rest: Any) -> FleetUpgrade:
    return FleetUpgrade(
        STABLE, CANDIDATE, revision="0123456789abcdef", replicas=replicas, weights={KEY: weight}, **rest
    )


def test_an_upgrade_is_three_objects_and_a_weight_and_nothing_stable_changes() -> None:
    assert changed(steady(), render(of(upgrading()))) == {
        ("Service", NAME),
        ("PodDisruptionBudget", NAME),
        ("Deployment", NAME),
        ("HTTPRoute", "default.team.access"),
    }


def test_before_anything_moves_and_after_it_moved_back_the_old_image_serves() -> None:
    assert changed(steady(), render(of(FleetUpgrade(STABLE)))) == set()


def test_without_an_upgrade_the_specs_image_serves() -> None:
    template = find(render(of(None)), "Deployment", "default-gateway")["spec"]["template"]["spec"]
    assert template["containers"][0]["image"] == NEW


def test_gateways_of_a_new_image_are_stable_pods_but_for_the_image_and_the_track() -> None:
    plan = render(of(upgrading()))
    stable, ours = (find(plan, "Deployment", name)["spec"]["template"]["spec"] for name in ("default-gateway", NAME))
    assert {name for name in stable if stable[name] != ours[name]} == {"containers", "topologySpreadConstraints"}
    before, after = stable["containers"][0], ours["containers"][0]
    assert {name for name in before if before[name] != after[name]} == {"image", "imagePullPolicy", "args"}
    assert (after["image"], after["imagePullPolicy"]) == (NEW, "Always")
    assert after["args"] == [*before["args"], "--track", "canary"]


def labels(plan: FleetPlan, deployment: str) -> dict[str, str]:
    found: dict[str, str] = find(plan, "Deployment", deployment)["spec"]["template"]["metadata"]["labels"]
    return found


def test_no_selector_of_one_kind_of_gateway_selects_a_pod_of_another() -> None:
    rollout = RepoRollout(stable=intent(repo()), candidate=intent(repo(topic="x")), canary_replicas=1, weight=10)
    plan = render(of(upgrading(), rollouts={("team", "other"): rollout}))
    names = ("default-gateway", NAME, canary_name("default", "team", "other"))
    for name in names:
        selector = find(plan, "Service", name)["spec"]["selector"]
        assert [selector.items() <= labels(plan, each).items() for each in names] == [name == each for each in names]


def test_pods_of_a_new_image_name_no_repo_and_tell_their_image() -> None:
    found = labels(render(of(upgrading())), NAME)
    assert "headgate.dev/repo" not in found
    assert (found["headgate.dev/track"], found["headgate.dev/revision"]) == ("canary", "0123456789abcdef")


@pytest.mark.parametrize(("weight", "stable"), [(0, 100), (10, 90), (100, 0)])
def test_a_route_that_knows_the_upgrade_spells_both_weights_out(weight: int, stable: int) -> None:
    plan = render(of(upgrading(weight=weight)))
    backends = find(plan, "HTTPRoute", "default.team.access")["spec"]["rules"][0]["backendRefs"]
    assert [(each["name"], each["weight"]) for each in backends] == [("default-gateway", stable), (NAME, weight)]
    other = find(plan, "HTTPRoute", "default.team.other")["spec"]["rules"][0]["backendRefs"]
    assert [each["name"] for each in other] == ["default-gateway"]


def test_on_shared_routes_a_repo_has_its_own_while_the_upgrade_has_it() -> None:
    assert names_of(render(of(upgrading(), routing=SHARED)), "HTTPRoute") == ["default-shared", "default.team.access"]
    assert names_of(render(of(FleetUpgrade(STABLE), routing=SHARED)), "HTTPRoute") == ["default-shared"]


def test_a_repo_with_a_canary_of_its_own_keeps_that_and_it_has_the_old_image() -> None:
    rollout = RepoRollout(stable=intent(repo()), candidate=intent(repo(topic="x")), canary_replicas=1, weight=10)
    plan, canary = render(of(upgrading(), rollouts={KEY: rollout})), canary_name("default", *KEY)
    backends = find(plan, "HTTPRoute", "default.team.access")["spec"]["rules"][0]["backendRefs"]
    assert [each["name"] for each in backends] == ["default-gateway", canary]
    assert find(plan, "Deployment", canary)["spec"]["template"]["spec"]["containers"][0]["image"] == OLD


def test_more_gateways_restart_none() -> None:
    two, three = render(of(upgrading(2))), render(of(upgrading(3)))
    assert changed(two, three) == {("Deployment", NAME)}
    assert labels(two, NAME) == labels(three, NAME)


def test_the_load_balancer_and_the_autoscaler_are_the_stable_sides_alone_and_keep_its_size() -> None:
    spec = {
        "service": {"type": "LoadBalancer", "annotations": {"a": "b"}},
        "autoscaling": {"minReplicas": 2, "maxReplicas": 6},
    }
    plan = render(of(upgrading(stable_floor=5), spec=spec))
    service = find(plan, "Service", NAME)
    assert (service["spec"]["type"], "annotations" in service["metadata"]) == ("ClusterIP", False)
    assert names_of(plan, "HorizontalPodAutoscaler") == ["default-gateway"]
    assert find(plan, "HorizontalPodAutoscaler", "default-gateway")["spec"]["minReplicas"] == 5
    assert find(plan, "Deployment", NAME)["spec"]["replicas"] == 2


def test_an_unchanged_upgrade_is_rendered_from_memory() -> None:
    memo, upgrade = RenderMemo(), of(upgrading())
    first = render(upgrade, memo)
    again = render(replace(upgrade, upgrade=upgrading()), memo)
    assert all(one is other for one, other in zip(first.objects, again.objects, strict=True))


def test_names_fit_a_service_and_are_no_repos() -> None:
    assert len(upgrade_name("f" * FLEET_NAME_MAX)) <= 63
    assert not upgrade_state_name("f").endswith(".rollout")
