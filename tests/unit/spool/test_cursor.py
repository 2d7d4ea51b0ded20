"""What a cursor knows of the entries of its log, beside what another log has of the same target. No log is read."""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from random import Random
from typing import cast

import msgspec
import pytest

from headgate_gateway.spool import cursor as cursor_module
from headgate_gateway.spool.cursor import COPIED_BYTES, Cursor
from headgate_gateway.spool.entry import Entry
from headgate_gateway.spool.log import Log, OnDone, Stored
from headgate_gateway.spool.sides import Sides
from headgate_gateway.spool.targets import Target, TargetState

from .story import some_entry

LANE, OTHER = 5, 6


async def _take(cursor: Cursor, stored: Stored) -> bool:
    raise AssertionError("nothing is offered here")


def two_logs() -> tuple[TargetState, Cursor, Cursor]:
    """One target, and the cursors of the main log and of its own."""
    state = TargetState(Target("hash", "topic", True), "main")

    def states(targets: Iterable[Target]) -> list[TargetState]:
        return [state for _ in targets]

    executor = ThreadPoolExecutor(1)
    return state, Cursor(executor, _take, states), Cursor(executor, _take, states, is_side=True)


@pytest.mark.parametrize("forgets_main", [True, False], ids=["the main log", "its own log"])
async def test_what_vanishes_from_one_log_leaves_what_the_other_has_of_the_target(forgets_main: bool) -> None:
    state, main, side = two_logs()
    main.add(state, 10, (LANE,))
    side.add(state, 0, (LANE, OTHER))
    (main if forgets_main else side)._forget()
    assert not state.is_free((LANE,))
    assert state.is_free((OTHER,)) is not forgets_main
    assert (state.waiting.entries, state.in_side) == (1, 1 if forgets_main else 0)
    if forgets_main:
        side.remove(state, 0, (LANE, OTHER))
    else:
        main.remove(state, 10, (LANE,))
    assert state.is_free((LANE, OTHER))
    assert state.is_empty
    assert main.is_idle
    assert side.is_idle


async def test_what_is_on_its_way_to_a_log_of_its_own_keeps_its_lanes_when_that_is_damaged() -> None:
    state, _, side = two_logs()
    side.add(state, 0, (LANE,))
    state.waiting.add((OTHER,))
    state.in_side += 1
    side._forget()
    assert (state.is_free((LANE,)), state.is_free((OTHER,)), state.in_side) == (True, False, 1)


class SlowLog:
    """A log whose entries become durable when the test says so."""

    def __init__(self) -> None:
        self.end = self.start = 0
        self.backlog = 1
        self.appended: list[OnDone] = []

    def append(self, entry: Entry, done: OnDone, *, privileged: bool = False) -> None:
        self.appended.append(done)

    def acknowledge(self, first: int, end: int) -> None:
        """Nobody asks for it here."""


@pytest.mark.skipif(
    not str(cursor_module.__file__).endswith(".py"), reason="compiled code takes no log that is one by shape only"
)
async def test_no_more_is_moved_at_once_than_memory_is_for() -> None:
    state, main, side = two_logs()
    slow = cast("Log", SlowLog())
    main.attach(slow)
    side.attach(slow)
    executor = ThreadPoolExecutor(1)
    sides = Sides(lambda *_: slow, lambda _: None, lambda: side, executor)
    entry = msgspec.structs.replace(some_entry(Random(1), 0), nbytes=COPIED_BYTES // 2)
    buckets = entry.buckets()

    def move(first: int) -> bool:
        main.add(state, first, buckets)
        return sides.move(main, side, state, Stored(first, entry), list(range(entry.count)))

    assert [move(100), move(200), move(300)] == [True, True, False]
    cast("SlowLog", slow).appended[0](0, None)
    assert main.moving_bytes == COPIED_BYTES // 2
    assert move(400)
