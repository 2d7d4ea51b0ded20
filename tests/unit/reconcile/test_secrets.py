"""The slow poll of Secrets: rotations are noticed, whatever comes and goes meanwhile."""

from collections.abc import Callable
from typing import Any

from tests.unit.reconcile.fakes import FakeCluster
from tests.unit.reconcile.fleetbed import KEY, Clock

from headgate_operator.ports import ObjectRef, UnavailableError
from headgate_operator.reconcile.secrets import SecretReader


class Interrupted(FakeCluster):
    """Something happens while a Secret is being read."""

    def __init__(self) -> None:
        super().__init__()
        self.meanwhile: Callable[[], None] = lambda: None

    async def get(self, ref: ObjectRef) -> dict[str, Any]:
        found = await super().get(ref)
        self.meanwhile()
        return found


OTHER = ("events", "other")
USER, SECOND = ("events", "user"), ("events", "second")


def build() -> tuple[Interrupted, SecretReader, list[tuple[str, str]]]:
    cluster, clock = Interrupted(), Clock()
    noticed: list[tuple[str, str]] = []
    write(cluster, "user", "b2xk")

    def moving() -> float:
        clock.now += 10  # nothing that was read is fresh
        return clock.now

    return cluster, SecretReader(cluster, moving, noticed.append), noticed


def write(cluster: FakeCluster, name: str, password: str) -> None:
    metadata = {"name": name, "namespace": "events"}
    cluster.put({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": {"password": password}})


async def test_a_fleet_that_is_deleted_during_a_poll_ends_nothing() -> None:
    cluster, reader, noticed = build()
    await reader.read(KEY, [USER])
    write(cluster, "user", "bmV3")
    cluster.meanwhile = lambda: reader.forget(KEY)
    await reader.poll()
    assert noticed == []


async def test_every_fleet_that_uses_a_rotated_secret_hears_of_it() -> None:
    cluster, reader, noticed = build()
    for fleet in (KEY, OTHER):
        await reader.read(fleet, [USER])
    write(cluster, "user", "bmV3")
    await reader.poll()
    assert noticed == [KEY, OTHER]


async def test_a_rotation_that_one_fleets_reconcile_sees_first_is_told_to_the_others() -> None:
    cluster, reader, noticed = build()
    for fleet in (KEY, OTHER):
        await reader.read(fleet, [USER])
    write(cluster, "user", "bmV3")
    await reader.read(KEY, [USER])
    await reader.poll()
    assert OTHER in noticed


async def test_a_secret_that_nobody_names_any_more_is_not_kept() -> None:
    cluster, reader, noticed = build()
    write(cluster, "second", "b2xk")
    await reader.read(KEY, [USER, SECOND])
    await reader.read(KEY, [SECOND])
    write(cluster, "user", "bmV3")
    await reader.poll()
    await reader.read(KEY, [USER, SECOND])
    assert noticed == []
    assert (await reader.read(KEY, [USER])).data == {USER: {"password": b"new"}}


async def test_one_secret_that_cannot_be_read_hides_no_other() -> None:
    cluster, reader, noticed = build()
    write(cluster, "second", "b2xk")
    await reader.read(KEY, [SECOND, USER])
    write(cluster, "user", "bmV3")
    cluster.failing["Secret", "events", "second"] = UnavailableError("away")
    await reader.poll()
    assert noticed == [KEY]
