"""Running tasks that depend on each other, side by side where they do not.

Owns order and failure. Never knows what a task does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass

from .errors import TestbedError
from .progress import Progress

WORKERS = 2


@dataclass(frozen=True)
class Task:
    """Something to make once. `expected` is in seconds, on two cores, with cold caches."""

    name: str
    run: Callable[[], None]
    done: Callable[[], bool]
    needs: tuple[str, ...] = ()
    expected: float = 0


def run_tasks(tasks: Iterable[Task], progress: Progress, workers: int = WORKERS) -> int:
    """Run what is not done, each after what it needs; on a failure start nothing more, then raise the first.

    Returns how many there were to run.
    """
    waiting = order_by_length(task for task in tasks if not task.done())
    count = len(waiting)
    unfinished = {task.name for task in waiting}
    running: dict[Future[None], Task] = {}
    failure: BaseException | None = None
    with ThreadPoolExecutor(workers, thread_name_prefix="testbed-build") as pool:
        while (waiting and failure is None) or running:
            if failure is None:
                for task in ready(waiting, unfinished, workers - len(running)):
                    waiting.remove(task)
                    running[pool.submit(_run_one, task, progress)] = task
            if not running:
                raise TestbedError(f"tasks need each other in a circle: {sorted(task.name for task in waiting)}")
            finished, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in finished:
                unfinished.discard(running.pop(future).name)
                failure = failure or future.exception()
    if failure is not None:
        raise failure
    return count


def ready(waiting: list[Task], unfinished: set[str], free: int) -> list[Task]:
    """The first `free` tasks that nothing unfinished holds back."""
    return [task for task in waiting if unfinished.isdisjoint(task.needs)][:free]


def order_by_length(tasks: Iterable[Task]) -> list[Task]:
    """Longest first: what the rest waits for starts early."""
    return sorted(tasks, key=lambda task: -task.expected)


def _run_one(task: Task, progress: Progress) -> None:
    with progress.step(task.name, task.expected):
        task.run()
