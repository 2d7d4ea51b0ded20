"""What the publisher and the event poster keep and send."""

import asyncio
from datetime import UTC, datetime

from tests.unit.reconcile.fakes import FakeCluster
from tests.unit.reconcile.fleetbed import Bed, fleet, profile, repo

from headgate_operator.metrics import Metrics
from headgate_operator.reconcile.events import NOTE_LIMIT, EventPoster
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
    poster = EventPoster(cluster, Metrics(), lambda: datetime(2026, 1, 1, tzinfo=UTC), "test")
    poster.post(record, EventNote("Normal", "Ready", "x" + "ä" * NOTE_LIMIT))
    task = asyncio.create_task(poster.run())
    await asyncio.sleep(0.01)
    task.cancel()
    (event,) = cluster.objects.values()
    assert len(event["note"].encode()) == NOTE_LIMIT - 1
