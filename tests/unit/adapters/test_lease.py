"""Leadership on a Lease: who leads, who waits, and who no longer writes."""

import asyncio
import copy
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from headgate_operator.adapters.guard import GuardedCluster
from headgate_operator.adapters.lease import Lease, LeaseTiming
from headgate_operator.ports import ConflictError, NotFoundError, NotLeaderError, ObjectRef, UnavailableError


def leads(lease: Lease) -> bool:
    return lease.leads


REF = ObjectRef("coordination.k8s.io/v1", "Lease", "ns", "headgate")


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Api:
    """One Lease."""

    def __init__(self) -> None:
        self.before_answer: Callable[[], None] = lambda: None
        self.lease: dict[str, Any] | None = None
        self.away = False
        self.version = 0

    async def get(self, ref: ObjectRef) -> dict[str, Any]:
        self.before_answer()
        if self.away:
            raise UnavailableError("away")
        if self.lease is None:
            raise NotFoundError("none", status=404)
        return copy.deepcopy(self.lease)

    async def create(self, ref: ObjectRef, manifest: Mapping[str, Any]) -> dict[str, Any]:
        if self.lease is not None:
            raise ConflictError("exists", status=409)
        return self._store(manifest)

    async def replace(self, ref: ObjectRef, manifest: Mapping[str, Any]) -> dict[str, Any]:
        if self.away:
            raise UnavailableError("away")
        if self.lease is None or manifest["metadata"]["resourceVersion"] != self.lease["metadata"]["resourceVersion"]:
            raise ConflictError("changed", status=409)
        return self._store(manifest)

    def _store(self, manifest: Mapping[str, Any]) -> dict[str, Any]:
        self.version += 1
        stored = copy.deepcopy(dict(manifest))
        stored["metadata"]["resourceVersion"] = str(self.version)
        self.lease = stored
        return copy.deepcopy(stored)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def api() -> Api:
    return Api()


def build(api: Api, clock: Clock, name: str, timing: LeaseTiming = LeaseTiming()) -> Lease:  # noqa: B008 (frozen)
    return Lease(api, REF, name, timing, clock, lambda: datetime(2026, 1, 1, tzinfo=UTC))


async def test_the_first_leads_and_the_second_follows(api: Api, clock: Clock) -> None:
    first, second = build(api, clock, "a"), build(api, clock, "b")
    await first.step()
    await second.step()
    assert (leads(first), leads(second)) == (True, False)


async def test_a_leader_that_renews_keeps_the_lease(api: Api, clock: Clock) -> None:
    first, second = build(api, clock, "a"), build(api, clock, "b")
    for _ in range(30):
        await first.step()
        await second.step()
        clock.now += 2
    assert (leads(first), leads(second)) == (True, False)


async def test_a_lease_that_nobody_renews_is_taken_after_its_duration(api: Api, clock: Clock) -> None:
    first, second = build(api, clock, "a"), build(api, clock, "b")
    await first.step()
    await second.step()
    clock.now += 14.9
    await second.step()
    assert not leads(second)
    clock.now += 0.2
    await second.step()
    assert leads(second)
    assert not leads(first)
    assert api.lease is not None
    assert api.lease["spec"]["leaseTransitions"] == 1


async def test_a_leader_refuses_its_own_writes_before_anybody_else_may_write(api: Api, clock: Clock) -> None:
    first = build(api, clock, "a")
    await first.step()
    api.away = True
    for _ in range(5):
        clock.now += 2
        await first.step()
    assert not leads(first)
    cluster = GuardedCluster(api, first.remaining)  # type: ignore[arg-type]
    with pytest.raises(NotLeaderError):
        await cluster.delete(REF, "uid")


async def test_a_released_lease_is_taken_at_the_next_look(api: Api, clock: Clock) -> None:
    first, second = build(api, clock, "a"), build(api, clock, "b")
    await first.step()
    await second.step()
    await first.release()
    assert not leads(first)
    await second.step()
    assert leads(second)


async def test_of_two_that_reach_for_it_at_once_one_leads(api: Api, clock: Clock) -> None:
    first, second = build(api, clock, "a"), build(api, clock, "b")
    await first.step()
    await first.release()
    stale = await api.get(REF)
    await second.step()
    with pytest.raises(ConflictError):
        await api.replace(REF, stale)
    await first.step()
    assert (leads(first), leads(second)) == (False, True)


async def test_a_release_never_takes_the_lease_from_its_next_holder(api: Api, clock: Clock) -> None:
    first, second = build(api, clock, "a"), build(api, clock, "b")
    await first.step()
    await second.step()
    clock.now += 16
    await second.step()
    await first.release()
    assert api.lease is not None
    assert api.lease["spec"]["holderIdentity"] == "b"


async def test_an_api_server_that_is_away_is_known_to_be(api: Api, clock: Clock) -> None:
    lease = build(api, clock, "a")
    await lease.step()
    assert lease.reached_since == 0.0
    api.away = True
    await lease.step()
    assert lease.reached_since is None


@pytest.mark.parametrize(
    ("asleep", "asking"), [(9, 3), (11, 0)], ids=["while the API server was slow", "while the process was frozen"]
)
async def test_a_lease_that_ran_out_and_was_renewed_within_one_look_is_heard_as_lost_and_taken(
    api: Api, clock: Clock, asleep: float, asking: float
) -> None:
    lease = build(api, clock, "a", LeaseTiming(15.0, 10.0, retry=0.001))
    heard: list[bool] = []
    heard_all = asyncio.Event()

    async def on_change(leads: bool) -> None:
        heard.append(leads)
        if len(heard) == 3:
            heard_all.set()
        if len(heard) == 1:
            clock.now += asleep
            api.before_answer = answer_late

    def answer_late() -> None:
        clock.now += asking
        api.before_answer = lambda: None

    task = asyncio.create_task(lease.run(on_change))
    try:
        async with asyncio.timeout(5):
            await heard_all.wait()
        await asyncio.sleep(0.02)
    finally:
        task.cancel()
    assert heard == [True, False, True]


async def test_others_are_kept_away_for_no_less_than_the_duration(api: Api, clock: Clock) -> None:
    await build(api, clock, "a", LeaseTiming(duration=2.4, renew_deadline=2.3, retry=0.1)).step()
    assert api.lease is not None
    assert api.lease["spec"]["leaseDurationSeconds"] == 3
