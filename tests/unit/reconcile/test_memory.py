"""Repos come and go for years: a process remembers nothing of those that are gone."""

import dataclasses
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest
from prometheus_client import generate_latest
from tests.unit.reconcile.fakes import FakeCluster
from tests.unit.reconcile.fleetbed import KEY, fleet, repo
from tests.unit.reconcile.rolloutbed import QUICK, ROUTED, RolloutBed
from tests.unit.reconcile.upgradebed import NEW, UpgradeBed

from headgate_operator.reconcile.rollout_store import KEPT_SECONDS

AFTER = {"matchExpressions": [{"field": "status", "operator": "Ge", "values": [400]}]}
GONE = "vanished"
OUTSIDE = (FakeCluster, RolloutBed, ModuleType, type)
BOUNDED = ("_tombstones", "writes")
"""Rings of a fixed length, and the fake's own diary."""


def mentions(root: object, name: str) -> list[str]:
    """Where, from this object on, anything names this repo."""
    seen: set[int] = set()
    found: list[str] = []
    waiting: list[tuple[str, object]] = [("", root)]
    while waiting:
        path, each = waiting.pop()
        if isinstance(each, str | bytes):
            text = each if isinstance(each, str) else each.decode(errors="replace")
            found += [path] if name in text else []
        elif id(each) not in seen and not isinstance(each, OUTSIDE):
            seen.add(id(each))
            waiting += [(f"{path}.{step}", part) for step, part in _parts(each) if step not in BOUNDED]
    return found


def _parts(each: object) -> Iterator[tuple[str, object]]:
    if isinstance(each, dict):
        for key, value in each.items():
            yield from (("key", key), (str(key)[:40], value))
    elif isinstance(each, list | tuple | set | frozenset):
        yield from (("item", part) for part in each)
    elif dataclasses.is_dataclass(each):
        yield from ((field.name, getattr(each, field.name)) for field in dataclasses.fields(each))
    if hasattr(each, "__dict__"):
        yield from vars(each).items()


async def with_rollouts(name: str = GONE) -> RolloutBed:
    """Two repos at rest."""
    bed = RolloutBed()
    await bed.settle()
    bed.put(fleet(routing=ROUTED, replicas=1, rollouts={"maxConcurrent": 1}), repo(name, topic=name, rollout=QUICK))
    await bed.tick()
    bed.key = "events", name
    await bed.tick()
    return bed


async def at_rest(bed: RolloutBed) -> None:
    """Promoted some time ago."""
    bed.put(repo(GONE, topic=GONE, rollout=QUICK, constraint=AFTER))
    await bed.until("Stable")


async def under_way(bed: RolloutBed) -> None:
    bed.put(repo(GONE, topic=GONE, rollout=QUICK, constraint=AFTER))
    while bed.weight() != 10:
        await bed.tick()


async def rolled_back(bed: RolloutBed) -> None:
    bed.behaviour.fails = True
    bed.put(repo(GONE, topic=GONE, rollout=QUICK, constraint=AFTER))
    await bed.until("RolledBack")


async def in_line(bed: RolloutBed) -> None:
    bed.behaviour.starts = False
    bed.put(repo("access", rollout=QUICK, constraint=AFTER))
    await bed.tick()
    bed.put(repo(GONE, topic=GONE, rollout=QUICK, constraint=AFTER))
    await bed.until("Waiting")


async def in_trouble(bed: RolloutBed) -> None:
    bed.put(repo(GONE, topic=GONE, rollout=QUICK, constraint=[{"broken": True}]))
    for _ in range(3):
        await bed.tick()


async def look(bed: RolloutBed, seconds: float = 1.0) -> None:
    await bed.relister.relist()
    await bed.reconciler.reconcile(KEY)
    await bed.profiles.reconcile("events", "2026-01-01T00:00:00Z")
    bed.publisher.sweep()
    bed.clock.now += seconds


@pytest.mark.parametrize(
    "before", [at_rest, under_way, rolled_back, in_line, in_trouble], ids=lambda each: each.__name__
)
async def test_a_day_after_a_repo_has_gone_nothing_names_it(before: Any) -> None:
    bed = await with_rollouts()
    await before(bed)
    assert len(mentions(bed.reconciler, GONE)) > 10
    del bed.cluster.objects["EventRepo", "events", GONE]
    for _ in range(3):
        await look(bed)
    bed.clock.now += KEPT_SECONDS
    for _ in range(4):
        bed._end_orphans()
        await look(bed)
    left = [key for key in bed.cluster.objects if GONE in key[2]]
    assert left == []
    assert mentions(bed.reconciler, GONE) == []
    assert GONE not in generate_latest(bed.metrics.registry).decode()


async def test_a_repo_that_was_deleted_while_it_moved_to_a_new_image_is_named_nowhere() -> None:
    bed = UpgradeBed()
    bed.rates = {GONE: 40, "busy": 400}
    await bed.begin()
    bed.upgrade_to(NEW)
    while not 0 < bed.weights()[GONE] < 100:
        await bed.tick()
    del bed.cluster.objects["EventRepo", "events", GONE]
    del bed.rates[GONE]
    await bed.until_upgrade("Stable")
    bed.clock.now += KEPT_SECONDS
    for _ in range(4):
        await look(bed, KEPT_SECONDS / 3)
    assert mentions(bed.reconciler, GONE) == []


async def test_a_fleet_that_has_gone_is_named_nowhere_in_what_reconciles_it() -> None:
    bed = await with_rollouts()
    await under_way(bed)
    del bed.cluster.objects["GatewayFleet", *KEY]
    await look(bed)
    assert bed.reconciler._states == {}
