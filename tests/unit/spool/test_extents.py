"""Sets of numbers as ranges, against Python's own."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from headgate_gateway.spool.extents import Extents

ranges = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 12)).map(lambda pair: (pair[0], sum(pair))), max_size=20)
windows = st.tuples(st.integers(0, 80), st.integers(0, 80))


@given(added=ranges, window=windows)
def test_it_is_the_set_of_what_was_added(added: list[tuple[int, int]], window: tuple[int, int]) -> None:
    extents, model = Extents(), set[int]()
    for first, end in added:
        assert extents.add(first, end) == len(set(range(first, end)) - model)
        model |= set(range(first, end))
    wanted = set(range(*window))
    missing = {number for first, end in extents.missing(*window) for number in range(first, end)}
    assert missing == wanted - model
    assert extents.is_missing(*window) == bool(wanted - model)
    assert extents.count(*window) == len(wanted & model)
    assert extents.watermark == min(set(range(100)) - model)
    assert extents.end == max(model, default=-1) + 1
    assert extents.next_missing(window[0]) == min(set(range(window[0], 200)) - model)
    assert (window[0] in extents) == (window[0] in model)


@given(added=ranges)
def test_its_ranges_are_few_and_say_all(added: list[tuple[int, int]]) -> None:
    extents = Extents()
    for first, end in added:
        extents.add(first, end)
    found = list(extents.ranges())
    assert all(end < first for (_, end), (first, _) in pairwise(found))
    assert all(extents.watermark < first < end for first, end in found)
    copied = Extents(extents.watermark, found)
    assert (copied.watermark, list(copied.ranges())) == (extents.watermark, found)
