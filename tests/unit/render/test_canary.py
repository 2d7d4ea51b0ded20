"""Canaries: what there is to be beside the stable gateways, and that nothing else changes."""

import base64
from dataclasses import replace
from typing import Any

import pytest
from tests.unit.render.builders import (
    GATEWAY_API,
    SCRAM_SECRETS,
    changed,
    find,
    fleet,
    intent,
    names_of,
    profile,
    render,
    repo,
    scram_profile,
    served,
    world,
)

from headgate_gateway.config import Shard, shard_file_name, shard_of
from headgate_operator.api.names import canary_name
from headgate_operator.render.world import FleetPlan, FleetWorld, RepoRollout

KEY = ("team", "access")
NAME = canary_name("default", *KEY)
STABLE, CANDIDATE = repo(), repo(topic="new")
ROUTED = fleet(routing=GATEWAY_API)
SHARED = fleet(routing=GATEWAY_API | {"routes": "Shared"})


def rollout(weight: int = 10, replicas: int = 1, **rest: Any) -> RepoRollout:
    given = {"stable": intent(STABLE), "candidate": intent(CANDIDATE)} | rest
    return RepoRollout(canary_replicas=replicas, weight=weight, **given)


def canary(of: RepoRollout | None = None, **rest: Any) -> FleetPlan:
    """A fleet of two repos, of which one has a canary."""
    return render(canary_world(of, **rest))


def canary_world(of: RepoRollout | None = None, **rest: Any) -> FleetWorld:
    given: dict[str, Any] = {"fleet": ROUTED} | rest
    return world(CANDIDATE, repo("other"), rollouts={KEY: of or rollout()}, **given)


def steady(**rest: Any) -> FleetPlan:
    given: dict[str, Any] = {"fleet": ROUTED} | rest
    return render(world(CANDIDATE, repo("other"), rollouts={KEY: rollout(replicas=0)}, **given))


def config_name(plan: FleetPlan) -> str:
    found = plan.repos[KEY].canary
    assert found is not None
    return found.config


def test_a_canary_is_four_objects_and_a_weight_and_nothing_else_changes() -> None:
    plan = canary()
    assert changed(steady(), plan) == {
        ("Secret", NAME),
        ("ConfigMap", config_name(plan)),
        ("Service", NAME),
        ("Deployment", NAME),
        ("HTTPRoute", "default.team.access"),
    }


def test_a_canary_serves_its_candidate_alone() -> None:
    plan = canary()
    config = find(plan, "ConfigMap", config_name(plan))
    assert config["immutable"] is True
    ((file, content),) = config["data"].items()
    assert file == shard_file_name(shard_of(*KEY))
    (entry,) = Shard.model_validate_json(content).repos
    assert (entry.name, entry.kafka.topic) == ("access", "new")
    assert b'"topic":"access"' in (plan.repos[KEY].entry or b"")


def test_another_candidate_is_another_config_for_the_same_deployment() -> None:
    one, other = canary(), canary(rollout(candidate=intent(repo(topic="newer"))))
    assert config_name(one) != config_name(other)
    volumes = [find(plan, "Deployment", NAME)["spec"]["template"]["spec"]["volumes"] for plan in (one, other)]
    assert [volume[0]["projected"]["sources"][0]["configMap"]["name"] for volume in volumes] == [
        config_name(one),
        config_name(other),
    ]
    selectors = [find(plan, "Deployment", NAME)["spec"]["selector"] for plan in (one, other)]
    assert selectors[0] == selectors[1]


def test_weight_and_size_restart_no_canary() -> None:
    few, many = canary(rollout(weight=10)), canary(rollout(weight=50, replicas=3))
    assert changed(few, many) == {("Deployment", NAME), ("HTTPRoute", "default.team.access")}
    one, three = (find(plan, "Deployment", NAME)["spec"] for plan in (few, many))
    assert one["template"] == three["template"]
    assert (one["replicas"], three["replicas"]) == (1, 3)


def test_canary_pods_are_stable_pods_but_for_what_they_serve() -> None:
    plan = canary()
    stable, ours = (find(plan, "Deployment", name)["spec"]["template"] for name in ("default-gateway", NAME))
    stable_pod, our_pod = stable["spec"], ours["spec"]
    assert our_pod["containers"][0]["args"] == [*stable_pod["containers"][0]["args"], "--track", "canary"]
    different = {name for name in stable_pod if stable_pod[name] != our_pod[name]}
    assert different == {"containers", "volumes", "topologySpreadConstraints"}
    assert {name for name, value in stable_pod["containers"][0].items() if our_pod["containers"][0][name] != value} == {
        "args"
    }
    assert our_pod["serviceAccountName"] == "default-gateway"


def selects(selector: dict[str, str], plan: FleetPlan, deployment: str) -> bool:
    labels = find(plan, "Deployment", deployment)["spec"]["template"]["metadata"]["labels"]
    return bool(selector.items() <= labels.items())


def test_no_selector_of_one_track_selects_a_pod_of_the_other() -> None:
    plan = render(
        world(
            CANDIDATE,
            repo("other"),
            fleet=fleet(routing=GATEWAY_API, podMetadata={"labels": {"headgate.dev/track": "stable"}}),
            rollouts={KEY: rollout(), ("team", "other"): rollout(candidate=intent(repo("other", topic="x")))},
        )
    )
    other = canary_name("default", "team", "other")
    for name in ("default-gateway", NAME, other):
        selector = find(plan, "Service", name)["spec"]["selector"]
        assert find(plan, "Deployment", name)["spec"]["selector"]["matchLabels"] == selector
        assert [selects(selector, plan, each) for each in ("default-gateway", NAME, other)] == [
            name == each for each in ("default-gateway", NAME, other)
        ]
    budget = find(plan, "PodDisruptionBudget", "default-gateway")["spec"]["selector"]["matchLabels"]
    assert not selects(budget, plan, NAME)


def test_pods_of_a_canary_tell_their_revision() -> None:
    plan = canary()
    labels = find(plan, "Deployment", NAME)["spec"]["template"]["metadata"]["labels"]
    assert labels["headgate.dev/revision"] == intent(CANDIDATE).revision
    told = plan.repos[KEY].canary
    assert told is not None
    assert told.revision == intent(CANDIDATE).revision


def test_the_load_balancer_and_the_autoscaler_are_the_stable_sides_alone() -> None:
    of = fleet(
        routing=GATEWAY_API,
        service={"type": "LoadBalancer", "annotations": {"a": "b"}},
        autoscaling={"minReplicas": 2, "maxReplicas": 5},
    )
    plan = canary(fleet=of)
    service = find(plan, "Service", NAME)
    assert service["spec"]["type"] == "ClusterIP"
    assert "annotations" not in service["metadata"]
    assert names_of(plan, "HorizontalPodAutoscaler") == names_of(plan, "PodDisruptionBudget") == ["default-gateway"]
    assert find(plan, "Deployment", NAME)["spec"]["replicas"] == 1


def rule(plan: FleetPlan) -> dict[str, Any]:
    (found,) = find(plan, "HTTPRoute", "default.team.access")["spec"]["rules"]
    return dict(found)


@pytest.mark.parametrize(("weight", "stable"), [(0, 100), (10, 90), (50, 50), (100, 0)])
def test_a_route_spells_both_weights_out(weight: int, stable: int) -> None:
    backends = rule(canary(rollout(weight=weight)))["backendRefs"]
    assert [(each["name"], each["port"], each["weight"]) for each in backends] == [
        ("default-gateway", 80, stable),
        (NAME, 80, weight),
    ]


def test_a_path_that_only_the_candidate_has_gets_its_route_with_the_promotion() -> None:
    moved = repo(paths=["/log/repo/access", "/new"])
    of = world(moved, fleet=ROUTED, rollouts={KEY: rollout(candidate=intent(moved))})
    assert [match["path"]["value"] for match in rule(render(of))["matches"]] == ["/log/repo/access"]
    promoted = replace(of, rollouts={KEY: RepoRollout(stable=intent(moved))})
    assert [match["path"]["value"] for match in rule(render(promoted))["matches"]] == ["/log/repo/access", "/new"]


@pytest.mark.parametrize(("before", "after"), [("10s", "40s"), ("40s", "10s")], ids=["longer", "shorter"])
def test_the_edge_waits_for_the_slower_of_both(before: str, after: str) -> None:
    of = rollout(
        stable=intent(STABLE, [profile(deliveryTimeout=before)]),
        candidate=intent(CANDIDATE, [profile(deliveryTimeout=after)]),
    )
    assert rule(canary(of, profiles=[profile(deliveryTimeout=after)]))["timeouts"] == {"request": "45s"}


def test_on_shared_routes_a_repo_has_its_own_while_it_has_a_canary() -> None:
    without, with_canary = steady(fleet=SHARED), canary(rollout(weight=0), fleet=SHARED)
    assert names_of(without, "HTTPRoute") == ["default-shared"]
    assert names_of(with_canary, "HTTPRoute") == ["default-shared", "default.team.access"]


def test_on_shared_routes_a_repos_own_takes_no_request_while_its_canary_has_no_weight() -> None:
    exact = {"type": "Exact", "value": "/log/repo/access"}
    (idle,) = rule(canary(rollout(weight=0), fleet=SHARED))["matches"]
    assert idle["path"] == exact
    assert [each["name"] for each in idle["headers"]] == ["headgate-idle"]
    assert rule(canary(rollout(weight=10), fleet=SHARED))["matches"] == [{"path": exact}]
    assert rule(canary(rollout(weight=0)))["matches"] == [{"path": exact}]


def secret(plan: FleetPlan, name: str) -> dict[str, bytes]:
    return {file: base64.b64decode(text) for file, text in find(plan, "Secret", name)["data"].items()}


def test_a_canary_has_its_own_credentials_and_stable_pods_see_no_change() -> None:
    of = rollout(candidate=intent(CANDIDATE, [scram_profile()]))
    given: dict[str, Any] = {"profiles": [scram_profile()], "secrets": SCRAM_SECRETS}
    with_canary = render(world(CANDIDATE, fleet=ROUTED, rollouts={KEY: of}, **given))
    without = render(world(CANDIDATE, fleet=ROUTED, rollouts={KEY: replace(of, canary_replicas=0)}, **given))
    assert sorted(secret(with_canary, NAME).values()) == [b"p", b"pem", b"u"]
    assert secret(with_canary, "default-credentials") == secret(without, "default-credentials") == {}
    assert with_canary.credentials_hash == without.credentials_hash


def test_a_rotated_password_reaches_the_canary_without_a_restart() -> None:
    of = rollout(candidate=intent(CANDIDATE, [scram_profile()]))
    rotated = SCRAM_SECRETS | {"kafka": {"username": b"u", "password": b"new"}}
    before, after = (
        render(world(CANDIDATE, fleet=ROUTED, profiles=[scram_profile()], secrets=secrets, rollouts={KEY: of}))
        for secrets in (SCRAM_SECRETS, rotated)
    )
    assert changed(before, after) == {("Secret", NAME)}


def test_without_a_candidate_that_can_be_rendered_there_is_no_canary() -> None:
    plan = canary(rollout(candidate=None, candidate_revision="0" * 16))
    assert plan.repos[KEY].canary is None
    assert names_of(plan, "Deployment") == ["default-gateway"]


def test_a_candidate_may_be_named_by_its_revision_while_the_spec_asks_for_it() -> None:
    named = rollout(candidate=None, candidate_revision=intent(CANDIDATE).revision)
    assert canary(named) == canary()


def test_a_canary_goes_on_though_the_spec_asks_for_something_else_by_now() -> None:
    newer = world(repo(topic="newer"), repo("other"), fleet=ROUTED, rollouts={KEY: rollout()})
    assert changed(canary(), render(newer)) == set()


def test_the_canary_of_a_deleted_repo_goes() -> None:
    plan = render(world(repo("other"), fleet=ROUTED, rollouts={KEY: rollout()}, served=served(canary())))
    assert names_of(plan, "Deployment") == ["default-gateway"]
    assert KEY not in plan.repos


AUTOSCALED = fleet(routing=GATEWAY_API, autoscaling={"minReplicas": 2, "maxReplicas": 6})


@pytest.mark.parametrize(
    ("held", "floor", "minimum"),
    [(False, 5, 2), (True, 5, 5), (True, 1, 2), (True, 9, 6)],
    ids=["not held", "held", "below the fleet's own", "above the fleet's maximum"],
)
def test_the_autoscaler_keeps_the_stable_side_while_it_is_held(held: bool, floor: int, minimum: int) -> None:
    plan = canary(rollout(hold_stable=held, stable_floor=floor), fleet=AUTOSCALED)
    assert find(plan, "HorizontalPodAutoscaler", "default-gateway")["spec"]["minReplicas"] == minimum
    assert changed(canary(fleet=AUTOSCALED), plan) <= {("HorizontalPodAutoscaler", "default-gateway")}
