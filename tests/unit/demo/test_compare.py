"""The demo's comparison fails for a line too few, a line too many, and a line twice."""

import pytest
from tests.demo.shipping import DifferenceError, compare
from tests.e2e.records import Record


def in_kafka(*values: bytes) -> list[Record]:
    """Records with these values."""
    return [Record(partition=0, offset=offset, key=None, value=value) for offset, value in enumerate(values)]


def test_the_same_lines_in_any_order_are_the_same() -> None:
    assert compare([b"a", b"b", b"b"], in_kafka(b"b", b"a", b"b")) == 3


@pytest.mark.parametrize(
    ("found", "message"),
    [
        pytest.param(in_kafka(b"a"), "1 lines are missing and 0", id="lost"),
        pytest.param(in_kafka(b"a", b"b", b"b"), "0 lines are missing and 1", id="doubled"),
        pytest.param(in_kafka(b"a", b"b", b"c"), "0 lines are missing and 1", id="uninvited"),
        pytest.param(in_kafka(b"a", b"c"), "1 lines are missing and 1", id="changed"),
    ],
)
def test_a_difference_is_told(found: list[Record], message: str) -> None:
    with pytest.raises(DifferenceError, match=message):
        compare([b"a", b"b"], found)
