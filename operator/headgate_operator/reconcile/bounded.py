"""Doing one thing with many items, a bounded number at a time: thousands of tasks at once would only fill memory."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

T = TypeVar("T")


async def for_each(items: Iterable[T], limit: int, work: Callable[[T], Awaitable[None]]) -> None:
    """Await `work` for every item. The first exception is raised once nothing is under way any more; no item follows it."""
    waiting = iter(items)
    failed: list[BaseException] = []

    async def worker() -> None:
        for item in waiting:
            if failed:
                return
            try:
                await work(item)
            except BaseException as error:
                failed.append(error)
                raise

    results = await asyncio.gather(*(worker() for _ in range(limit)), return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
