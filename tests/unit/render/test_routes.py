"""Routes and addresses: exact paths, whole objects, timeouts above the gateway's own."""

from typing import Any

import pytest
from tests.unit.render.builders import GATEWAY_API, find, fleet, names_of, profile, render, repo, world

from headgate_operator.render.routes import with_all_on

SHARED = GATEWAY_API | {"routes": "Shared"}


def test_a_repo_has_one_route_with_every_field_spelled_out() -> None:
    plan = render(world(repo(), fleet=fleet(routing=GATEWAY_API)))
    route = find(plan, "HTTPRoute", "default.team.access")
    assert route["metadata"]["labels"]["headgate.dev/repo"] == "access"
    assert route["spec"] == {
        "parentRefs": [
            {"group": "gateway.networking.k8s.io", "kind": "Gateway", "namespace": "headgate", "name": "edge"}
        ],
        "hostnames": ["events.example.com"],
        "rules": [
            {
                "matches": [{"path": {"type": "Exact", "value": "/log/repo/access"}}],
                "backendRefs": [{"group": "", "kind": "Service", "name": "default-gateway", "port": 80, "weight": 1}],
                "timeouts": {"request": "35s"},
            }
        ],
    }


def test_parent_refs_are_passed_on() -> None:
    parent = {"name": "edge", "namespace": "edges", "sectionName": "https", "port": 8443}
    plan = render(world(repo(), fleet=fleet(routing=GATEWAY_API | {"gatewayAPI": {"parentRefs": [parent]}})))
    (ref,) = find(plan, "HTTPRoute", "default.team.access")["spec"]["parentRefs"]
    assert ref == parent | {"group": "gateway.networking.k8s.io", "kind": "Gateway"}


@pytest.mark.parametrize(("delivery", "edge"), [("100ms", "5100ms"), ("30s", "35s"), ("40500ms", "45500ms")])
def test_the_edge_waits_longer_than_the_gateway(delivery: str, edge: str) -> None:
    plan = render(world(repo(), fleet=fleet(routing=GATEWAY_API), profiles=[profile(deliveryTimeout=delivery)]))
    assert find(plan, "HTTPRoute", "default.team.access")["spec"]["rules"][0]["timeouts"] == {"request": edge}


def test_without_a_provider_there_is_no_route() -> None:
    plan = render(world(repo()))
    assert names_of(plan, "HTTPRoute") == []
    assert plan.repos["team", "access"].urls == ("http://default-gateway.headgate.svc/log/repo/access",)


def test_shared_has_one_prefix_route_and_routes_only_for_endpoints_elsewhere() -> None:
    repos = [repo("a"), repo("b", paths=["/log/repo/b", "/events"]), repo("c", paths=["/log/repo/other"])]
    plan = render(world(*repos, fleet=fleet(routing=SHARED)))
    assert names_of(plan, "HTTPRoute") == ["default-shared", "default.team.b"]
    (rule,) = find(plan, "HTTPRoute", "default-shared")["spec"]["rules"]
    assert rule["matches"] == [{"path": {"type": "PathPrefix", "value": "/log/repo"}}]
    # The longest deliveryTimeout that any accepted profile may have is the grace period less the drain.
    assert rule["timeouts"] == {"request": "57s"}
    (rule,) = find(plan, "HTTPRoute", "default.team.b")["spec"]["rules"]
    assert rule["matches"] == [{"path": {"type": "Exact", "value": "/events"}}]


def test_a_thousand_repos_do_not_touch_the_shared_route() -> None:
    few, many = (
        render(world(*(repo(f"r{i}") for i in range(number)), fleet=fleet(routing=SHARED))) for number in (1, 100)
    )
    assert find(few, "HTTPRoute", "default-shared") == find(many, "HTTPRoute", "default-shared")


@pytest.mark.parametrize(
    ("routing", "urls"),
    [
        ({}, ("http://events.example.com/log/repo/access",)),
        ({"hostnames": []}, ("/log/repo/access",)),
        ({"hostnames": ["a.b", "c.d"]}, ("http://a.b/log/repo/access", "http://c.d/log/repo/access")),
        (
            {"gatewayAPI": {"parentRefs": [{"name": "edge", "sectionName": "https"}]}},
            ("https://events.example.com/log/repo/access",),
        ),
    ],
    ids=["one host", "no host", "two hosts", "https listener"],
)
def test_urls_are_for_people(routing: dict[str, Any], urls: tuple[str, ...]) -> None:
    plan = render(world(repo(), fleet=fleet(routing=GATEWAY_API | routing)))
    assert plan.repos["team", "access"].urls == urls


def test_a_refused_change_leaves_the_route_of_what_is_served() -> None:
    before = render(world(repo(paths=["/old"]), fleet=fleet(routing=GATEWAY_API)))
    kept = {key: one.entry for key, one in before.repos.items() if one.entry}
    after = render(world(repo(paths=["/new"]), fleet=fleet(routing=GATEWAY_API), profiles=(), served=kept))
    assert find(after, "HTTPRoute", "default.team.access") == find(before, "HTTPRoute", "default.team.access")


def rule(**weights: int) -> dict[str, Any]:
    return {
        "matches": ["x"],
        "backendRefs": [{"name": name, "port": 80, "weight": each} for name, each in weights.items()],
    }


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (rule(stable=90, canary=10), rule(stable=100, canary=0)),
        (rule(stable=0, canary=100), rule(stable=100, canary=0)),
        (rule(stable=1), rule(stable=100)),
        (rule(canary=10), rule(canary=10)),
        ({"matches": ["x"]}, {"matches": ["x"]}),
    ],
    ids=["a split", "a step of 100", "no split", "a rule without the stable gateways", "no backends"],
)
def test_all_requests_of_a_live_route_for_the_stable_gateways(before: dict[str, Any], after: dict[str, Any]) -> None:
    assert with_all_on("stable", {"hostnames": ["a"], "rules": [before]}) == {"hostnames": ["a"], "rules": [after]}
