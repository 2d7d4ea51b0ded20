"""A histogram remembers its last bucket, and nobody can tell."""

from bisect import bisect_left
from math import inf

from hypothesis import given
from hypothesis import strategies as st

from headgate_gateway.kafka.counters import LATENCY_BUCKETS, Histogram

VALUES = st.lists(st.sampled_from([*LATENCY_BUCKETS, 0.0, -1.0, inf, 61.0]) | st.floats(0, 100), max_size=30)


@given(VALUES)
def test_each_value_is_in_the_first_bucket_that_takes_it(values: list[float]) -> None:
    made = Histogram()
    for value in values:
        made.observe(value)
    buckets = [bisect_left(LATENCY_BUCKETS, value) for value in values]
    assert made.counts == [buckets.count(number) for number in range(len(LATENCY_BUCKETS) + 1)]
    assert made.total == sum(values)


@given(VALUES, VALUES)
def test_what_is_added_does_not_move_later_values(mine: list[float], theirs: list[float]) -> None:
    made, other = Histogram(), Histogram()
    for value in theirs:
        other.observe(value)
    for value in mine:
        made.observe(value)
        made.add(other.copy())
        made.observe(value)
    assert sum(made.counts) == 2 * len(mine) + len(mine) * len(theirs)
    assert made.counts[-1] == 2 * sum(v > 60 for v in mine) + len(mine) * sum(v > 60 for v in theirs)
