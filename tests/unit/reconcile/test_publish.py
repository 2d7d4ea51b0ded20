"""What the publisher and the event poster keep and send."""

import asyncio
from datetime import UTC, datetime

from tests.unit.reconcile.fakes import FakeCluster
from tests.unit.reconcile.fleetbed import Bed, Clock, fleet, profile, repo

from headgate_operator.metrics import Metrics
from headgate_operator.reconcile.events import NOTE_LIMIT, EventPoster, TokenBucket
from headgate_operator.status.transitions import EventNote


async def test_what_is_remembered_of_resources_that_are_gone_is_dropped() -> None:
    bed = Bed()
    bed.put(fleet(), profile(), repo("access"), repo("audit"))
    await bed.reconcile()
    assert bed.publisher.remembered == 4
    del bed.cluster.objects["EventRepo", "events", "audit"]
    await bed.reconcile()
    bed.publisher.sweep()
    assert bed.publisher.remembered == 3


async def test_a_note_is_cut_at_the_api_servers_bytes_and_never_within_a_character() -> None:
    bed = Bed()
    bed.put(fleet())
    await bed.relister.relist()
    (record,) = bed.store.resources("GatewayFleet")
    cluster = FakeCluster()
    poster = EventPoster(
        cluster, Metrics(), lambda: datetime(2026, 1, 1, tzinfo=UTC), "test", TokenBucket(bed.clock, 1, 1.0)
    )
    poster.post(record, EventNote("Normal", "Ready", "x" + "ä" * NOTE_LIMIT))
    task = asyncio.create_task(poster.run())
    await asyncio.sleep(0.01)
    task.cancel()
    (event,) = cluster.objects.values()
    assert len(event["note"].encode()) == NOTE_LIMIT - 1


async def test_events_come_at_a_bounded_rate_and_warnings_first() -> None:
    bed = Bed()
    bed.put(fleet())
    await bed.relister.relist()
    (record,) = bed.store.resources("GatewayFleet")
    cluster, clock = FakeCluster(), Clock()
    bucket = TokenBucket(clock, 2, 1.0)
    poster = EventPoster(cluster, Metrics(), lambda: datetime(2026, 1, 1, tzinfo=UTC), "test", bucket)
    for kind in ("Normal", "Normal", "Normal", "Warning"):
        poster.post(record, EventNote(kind, kind, "x"))
    task = asyncio.create_task(poster.run())
    await asyncio.sleep(0.01)
    task.cancel()
    assert [event["type"] for event in cluster.objects.values()] == ["Warning", "Normal"]


def test_a_bucket_lets_a_burst_pass_and_a_steady_rate_after_it() -> None:
    clock = Clock()
    bucket = TokenBucket(clock, burst=2, rate=4.0)
    assert [bucket.take() for _ in range(4)] == [0.0, 0.0, 0.25, 0.5]
    clock.now += 10.0
    assert [bucket.take() for _ in range(3)] == [0.0, 0.0, 0.25]
