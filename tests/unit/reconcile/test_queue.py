"""The work queue: each key once, one worker a key, retries that grow."""

import asyncio

import pytest
from tests.unit.reconcile.fleetbed import Clock

from headgate_operator.reconcile.queue import QueueTiming, WorkQueue

TIMING = QueueTiming(coalesce=0.05, first_retry=1.0, longest_retry=8.0, jitter=0.0)


def build(timing: QueueTiming = TIMING) -> tuple[WorkQueue[str], Clock]:
    clock = Clock()
    return WorkQueue(clock, lambda: 0.5, timing), clock


def test_notices_of_one_key_become_one_piece_of_work() -> None:
    queue, clock = build()
    for _ in range(5):
        queue.add("a")
    assert queue.take() is None
    clock.now += 0.05
    assert queue.take() == "a"
    assert queue.take() is None


def test_a_key_that_is_worked_on_is_not_given_out_again_until_done() -> None:
    queue, clock = build()
    queue.add("a")
    clock.now += 1
    assert queue.take() == "a"
    queue.add("a")
    clock.now += 1
    assert queue.take() is None
    queue.done("a", failed=False)
    assert queue.take() == "a"


def test_retries_wait_longer_each_time_and_success_forgets_them() -> None:
    queue, clock = build()
    queue.add("a")
    waits = []
    for _ in range(5):
        clock.now += 100
        assert queue.take() == "a"
        queue.done("a", failed=True)
        waits.append(queue.delay())
    assert waits == [1, 2, 4, 8, 8]
    clock.now += 100
    queue.take()
    queue.done("a", failed=False)
    queue.add("a")
    clock.now += 1
    queue.take()
    queue.done("a", failed=True)
    assert queue.delay() == 1


def test_a_notice_comes_before_a_retry() -> None:
    queue, clock = build()
    queue.add("a")
    clock.now += 1
    queue.take()
    queue.done("a", failed=True)
    queue.add("a")
    assert queue.delay() == pytest.approx(0.05)


def test_depth_and_age_tell_what_waits() -> None:
    queue, clock = build()
    queue.add("a")
    clock.now += 3
    queue.add("b")
    assert (queue.depth, queue.oldest_age) == (2, 3)
    queue.clear()
    assert (queue.depth, queue.oldest_age) == (0, 0)


async def test_workers_run_side_by_side_and_never_two_on_one_key() -> None:
    loop = asyncio.get_running_loop()
    queue: WorkQueue[str] = WorkQueue(loop.time, lambda: 0.5, QueueTiming(coalesce=0.0))
    running: set[str] = set()
    seen: list[int] = []
    finished = asyncio.Event()

    async def work(key: str) -> bool:
        assert key not in running
        running.add(key)
        seen.append(len(running))
        await asyncio.sleep(0.02)
        running.remove(key)
        if len(seen) == 5:  # "c" was still waiting when it was noticed again
            finished.set()
        return True

    task = asyncio.create_task(queue.run(work, 2))
    for key in "abc":
        queue.add(key)
    await asyncio.sleep(0.01)
    for key in "abc":
        queue.add(key)
    await asyncio.wait_for(finished.wait(), 5)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert max(seen) == 2


def test_what_was_put_off_on_purpose_is_not_late() -> None:
    queue, clock = build()
    queue.add_later("a", 60)
    clock.now += 59
    assert queue.oldest_age == 0
    clock.now += 3
    assert queue.oldest_age == 2
    queue.add("b")
    queue.add("a")
    assert queue.oldest_age == 2
