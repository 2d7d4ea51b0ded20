"""How many pods a canary gets."""

import pytest

from headgate_operator.rollout.sizing import canary_replicas, traffic_share, traffic_shares, upgrade_replicas


@pytest.mark.parametrize(
    ("fleet", "share", "weight", "pods"),
    [
        (10, 0.5, 10, 1), (10, 1.0, 10, 2), (10, 0.01, 10, 1), (10, 0.01, 50, 2), (10, 1.0, 50, 8),
        (10, 1.0, 100, 10), (1, 1.0, 10, 1), (1, 1.0, 50, 2), (2, 1.0, 50, 2), (100, 0.2, 10, 3), (0, 1.0, 10, 1),
    ],
)  # fmt: skip
def test_the_canary_is_sized_for_its_share_with_reserve(fleet: int, share: float, weight: int, pods: int) -> None:
    assert canary_replicas(fleet, share, weight) == pods


TRAFFIC = {("a", "busy"): 900.0, ("a", "calm"): 100.0, ("a", "idle"): 0.0}


@pytest.mark.parametrize(("name", "share"), [("busy", 0.9), ("calm", 0.1), ("idle", 1 / 3), ("new", 1 / 3)])
def test_a_repos_share_is_measured_or_an_average_one(name: str, share: float) -> None:
    assert traffic_share(TRAFFIC, ("a", name)) == pytest.approx(share)


def test_the_only_repo_is_taken_for_all_of_the_traffic() -> None:
    assert traffic_share({}, ("a", "new")) == 1.0


SHARES = {"a/busy": 0.7, "a/calm": 0.2, "a/idle": 0.1}


@pytest.mark.parametrize(
    ("fleet", "weights", "pods"),
    [
        (10, {}, 1), (10, {"a/idle": 10}, 1), (10, {"a/idle": 50}, 2), (10, {"a/idle": 100, "a/calm": 10}, 2),
        (10, {"a/idle": 100, "a/calm": 100}, 5), (10, {"a/idle": 100, "a/calm": 100, "a/busy": 10}, 6),
        (10, dict.fromkeys(SHARES, 100), 10), (1, dict.fromkeys(SHARES, 100), 2), (20, {"a/new": 50}, 4),
    ],
)  # fmt: skip
def test_a_new_image_has_gateways_for_what_has_moved_with_reserve(
    fleet: int, weights: dict[str, int], pods: int
) -> None:
    assert upgrade_replicas(fleet, SHARES, weights) == pods


@pytest.mark.parametrize(
    ("requests", "shares"),
    [
        ({"a/x": 90.0, "a/y": 10.0, "a/z": 0.0}, {"a/x": 0.9, "a/y": 0.1, "a/z": 0.0}),
        ({"a/x": 0.0, "a/y": 0.0}, {"a/x": 0.5, "a/y": 0.5}),
        ({}, {}),
    ],
)
def test_shares_are_of_what_was_counted_and_equal_where_nothing_was(
    requests: dict[str, float], shares: dict[str, float]
) -> None:
    assert traffic_shares(requests) == shares
