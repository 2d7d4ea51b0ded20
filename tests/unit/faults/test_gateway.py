"""What a process has counted is known although its counters go with their producers."""

from tests.faults.gateway import Process


def test_counters_that_begin_anew_are_added_to_what_they_said_before() -> None:
    process = Process()
    for second, value in enumerate([0, 3, 5, 5, 2, 4]):
        process.note(value, float(second))
    assert (process.counted, process.asked_at) == (9, 5.0)
