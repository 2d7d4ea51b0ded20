"""What a process has counted is known although its counters go with their producers."""

from dataclasses import replace

from tests.faults.gateway import Process
from tests.unit.gateway.test_admin import NO_GAUGES
from tests.unit.gateway.test_admin_spool import METRICS

from headgate_gateway.admin.metrics import snapshot_metrics
from headgate_gateway.http.counters import TrafficCounters
from headgate_gateway.kafka.counters import Histogram


def test_counters_that_begin_anew_are_added_to_what_they_said_before() -> None:
    process = Process()
    for second, value in enumerate([0, 3, 5, 5, 2, 4]):
        process.note(value, float(second))
    assert (process.counted, process.asked_at) == (9, 5.0)


def metrics(fast: int, slow: int, *, full: bool = False) -> str:
    """What the gateway itself would tell of its spool."""
    histogram = Histogram((0.1, 0.25, 1.0), [fast, 0, slow, 0], 0.0)
    spool = replace(METRICS, commit_seconds=histogram, state="Full" if full else "Ready")
    return snapshot_metrics(TrafficCounters(), NO_GAUGES, [], "stable", spool)().decode()


def test_slow_commits_are_counted_although_logs_go_with_their_numbers() -> None:
    process = Process()
    for fast, slow in [(3, 0), (9, 0), (9, 2), (4, 1), (5, 2)]:
        process.note_spool(metrics(fast, slow), 1.0)
    assert process.slow_commits == 3


def test_a_spool_that_was_full_is_remembered() -> None:
    process = Process()
    for second, full in enumerate([False, True, False]):
        process.note_spool(metrics(0, 0, full=full), float(second))
    assert process.full_at == 1.0
