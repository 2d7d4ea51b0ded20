"""What is seen of counters and of live routes."""

from typing import Any

import pytest
from tests.unit.reconcile.fleetbed import repo

from headgate_gateway.config.analysis import AnalysisReport
from headgate_operator.api.names import canary_name, route_name
from headgate_operator.api.repo import EventRepo
from headgate_operator.reconcile.holders import Holders
from headgate_operator.reconcile.sights import (
    FRESH_SECONDS,
    Eyes,
    has_own_limits,
    is_canary_fresh,
    is_carried,
    is_fresh,
    live_weight,
    still_read,
    unresolved,
)
from headgate_operator.reconcile.store import Store
from headgate_operator.status.observation import PodView

FLEET, REPO = ("events", "main"), ("team", "access")
CANARY = canary_name("main", *REPO)
NOW = 100.0
OLD = NOW - FRESH_SECONDS - 0.1


def pod(name: str, *, ready: bool = True) -> PodView:
    return PodView("events", name, name, "main", "stable", "10.0.0.1", ready, leaving=False, config_hash="", trouble="")


def eyes(store: Store | None = None, read: dict[str, float] | None = None) -> Eyes:
    """`read`: when each pod was read."""
    empty = AnalysisReport(track="", started="1", uptime_seconds=1.0, requests=0, repos=())
    counted = {name: (empty, at) for name, at in (read or {}).items()}
    silent = Holders(lambda _: None, lambda: NOW)
    return Eyes(store or Store(None, lambda _: None), lambda _: None, silent, counted.get, lambda: NOW)


@pytest.mark.parametrize(
    ("limits", "own"),
    [
        ({}, False),
        ({"perGateway": {"requestsPerSecond": 5}}, False),
        ({"bodyBytes": "1Mi"}, True),
        ({"lineBytes": 512}, True),
    ],
)
def test_only_a_size_of_its_own_takes_a_repo_out_of_its_fleets_wave(limits: dict[str, Any], own: bool) -> None:
    assert has_own_limits(EventRepo.from_object(repo("access", limits=limits))) is own


FRESH: dict[str, tuple[dict[str, float], bool, bool]] = {
    "all were read": ({"c1": NOW, "s1": NOW, "s2": NOW}, True, True),
    "one stable was not": ({"c1": NOW, "s1": NOW, "s2": OLD}, True, False),
    "a stable one never was": ({"c1": NOW, "s2": NOW}, True, False),
    "no stable was": ({"c1": NOW, "s1": OLD, "s2": OLD}, False, False),
    "the canary was not": ({"c1": OLD, "s1": NOW, "s2": NOW}, False, False),
    "the canary never was": ({"s1": NOW, "s2": NOW}, False, False),
    "just in time": ({"c1": NOW - FRESH_SECONDS, "s1": NOW - FRESH_SECONDS, "s2": NOW}, True, True),
}


@pytest.mark.parametrize(("read", "canary_fresh", "fresh"), FRESH.values(), ids=FRESH)
def test_a_canary_can_be_judged_when_it_and_one_stable_gateway_were_read(
    read: dict[str, float], canary_fresh: bool, fresh: bool
) -> None:
    stable, canary = (pod("s1"), pod("s2")), (pod("c1"),)
    assert is_canary_fresh(eyes(read=read), stable, canary) is canary_fresh
    assert is_fresh(eyes(read=read), (*stable, *canary)) is fresh


def test_all_ready_pods_of_the_canary_have_to_be_read() -> None:
    stable = (pod("s1"),)
    both = (pod("c1"), pod("c2"))
    assert not is_canary_fresh(eyes(read={"s1": NOW, "c1": NOW, "c2": OLD}), stable, both)
    assert is_canary_fresh(eyes(read={"s1": NOW, "c1": NOW}), stable, (pod("c1"), pod("c2", ready=False)))


@pytest.mark.parametrize("canary", [(), (pod("c1", ready=False),)], ids=["no pods", "none ready"])
def test_a_canary_without_ready_pods_says_nothing(canary: tuple[PodView, ...]) -> None:
    assert not is_canary_fresh(eyes(read={"s1": NOW, "c1": NOW}), (pod("s1"),), canary)


def test_a_stable_gateway_that_is_not_ready_is_none_to_compare_with() -> None:
    assert not is_canary_fresh(eyes(read={"s1": NOW, "c1": NOW}), (pod("s1", ready=False),), (pod("c1"),))


def test_gateways_that_are_not_ready_keep_their_counters_and_unread_ones_lose_them() -> None:
    pods = pod("read"), pod("unread"), pod("waits", ready=False)
    assert [each.name for each in still_read(eyes(read={"read": NOW, "unread": OLD}), pods)] == ["read", "waits"]


# Live routes


def routed(*rules: dict[str, int], repo: str = "access", status: dict[str, Any] | None = None) -> Store:
    """A store that knows one repo's route with these rules: weight by Service, None for a weight that is not written."""
    store = Store(None, lambda _: None)
    add_route(store, *rules, repo=repo, status=status)
    return store


def add_route(store: Store, *rules: dict[str, Any], repo: str = "access", status: dict[str, Any] | None = None) -> None:
    backends = [
        [{"name": name} if each is None else {"name": name, "weight": each} for name, each in rule.items()]
        for rule in rules
    ]
    metadata = {
        "namespace": "events", "name": route_name("main", "team", repo), "uid": repo, "resourceVersion": "7", "generation": 3,
        "labels": {"headgate.dev/fleet": "main", "app.kubernetes.io/managed-by": "headgate-operator"},
    }  # fmt: skip
    spec = {"rules": [{"backendRefs": each} for each in backends]}
    api = "gateway.networking.k8s.io/v1"
    store.upsert({"apiVersion": api, "kind": "HTTPRoute", "metadata": metadata, "spec": spec, "status": status or {}})


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ([{"main-gateway": 90, CANARY: 10}], 10),
        ([{"main-gateway": 100, CANARY: 0}], 0),
        ([{"main-gateway": 1}], 0),
        ([{"main-gateway": 90, CANARY: 10}, {"main-gateway": 50, CANARY: 50}], 50),
        ([{CANARY: None}], 1),
        ([], 0),
    ],
    ids=["a tenth", "none", "not named", "the largest of its rules", "the API's default", "no rules"],
)
def test_the_live_weight_is_what_the_route_object_says_accepted_or_not(
    rules: list[dict[str, int]], expected: int
) -> None:
    assert live_weight(eyes(routed(*rules)), FLEET, REPO, CANARY) == expected


def test_without_a_route_no_weight_is_known() -> None:
    assert live_weight(eyes(), FLEET, REPO, CANARY) is None
    assert live_weight(eyes(routed({CANARY: 10}, repo="other")), FLEET, REPO, CANARY) is None


def test_a_new_image_is_carried_while_any_route_gives_it_a_weight() -> None:
    store = routed({"main-gateway": 100, "main-upgrade": 0})
    assert not is_carried(eyes(store), FLEET, "main-upgrade")
    add_route(store, {"main-gateway": 0, "main-upgrade": 100}, repo="other")
    assert is_carried(eyes(store), FLEET, "main-upgrade")


LOST = {
    "parents": [
        {
            "parentRef": {"name": "edge"},
            "conditions": [
                {"type": "ResolvedRefs", "status": "False", "reason": "BackendNotFound", "observedGeneration": 3}
            ],
        }
    ]
}


@pytest.mark.parametrize(("weight", "expected"), [(10, "BackendNotFound"), (0, "")])
def test_what_is_not_found_counts_where_requests_go_there(weight: int, expected: str) -> None:
    store = routed({"main-gateway": 100 - weight, CANARY: weight}, status=LOST)
    assert unresolved(eyes(store), FLEET, REPO, CANARY) == expected
