"""Nudges: once at first, again while a gateway lags, ever more rarely."""

from tests.unit.reconcile.fakes import FakeCluster
from tests.unit.reconcile.fleetbed import KEY, Clock

from headgate_operator.api.names import ANNOTATION_CONFIG_HASH
from headgate_operator.reconcile.nudge import Nudger
from headgate_operator.status.observation import PodView


class Bed:
    def __init__(self) -> None:
        self.cluster, self.clock = FakeCluster(), Clock()
        metadata = {"name": "pod", "namespace": "events"}
        self.uid = self.cluster.put({"apiVersion": "v1", "kind": "Pod", "metadata": metadata})["metadata"]["uid"]
        self.nudger = Nudger(self.cluster, self.clock)

    @property
    def annotation(self) -> str:
        annotations = self.cluster.objects["Pod", "events", "pod"]["metadata"].get("annotations") or {}
        return str(annotations.get(ANNOTATION_CONFIG_HASH, ""))

    async def nudge(self, wanted: str = "hash") -> float | None:
        pod = PodView("events", "pod", self.uid, "main", "stable", "10.0.0.1", True, False, self.annotation)
        return await self.nudger.nudge(KEY, [pod], wanted)


async def test_a_pod_that_still_lags_is_nudged_again_and_ever_more_rarely() -> None:
    bed = Bed()
    seen, waits = [], []
    for _ in range(6):
        wait = await bed.nudge()
        assert wait is not None
        seen.append(bed.annotation)
        waits.append(wait)
        bed.clock.now += wait
    assert waits == [5, 10, 20, 40, 60, 60]
    assert len(set(seen)) == 6  # an annotation that stays the same makes no kubelet look


async def test_a_pod_is_not_nudged_twice_at_once() -> None:
    bed = Bed()
    await bed.nudge()
    bed.clock.now += 4.9
    await bed.nudge()
    assert bed.annotation == "hash"
    await bed.nudge("newer")
    assert bed.annotation == "newer"


async def test_a_restart_does_not_nudge_anew_and_goes_on_counting() -> None:
    bed = Bed()
    await bed.nudge()
    bed.clock.now += 5
    await bed.nudge()
    bed.nudger = Nudger(bed.cluster, bed.clock)
    assert await bed.nudge() == 5
    assert bed.annotation == "hash-2"
    bed.clock.now += 5
    await bed.nudge()
    assert bed.annotation == "hash-3"


async def test_nobody_lags_so_nothing_is_awaited() -> None:
    bed = Bed()
    assert await bed.nudger.nudge(KEY, [], "hash") is None
