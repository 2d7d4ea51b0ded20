"""The demo's comparison fails for a line too few, a line too many, and a line twice."""

from collections import Counter

import pytest
from tests.demo.shipping import DifferenceError, compare
from tests.demo.up import check_mixture
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


def line(status: int) -> bytes:
    """A line of the access log."""
    return f'{{"status": {status}}}'.encode()


SENT = Counter({line(200): 9, line(404): 5, line(503): 3})


@pytest.mark.parametrize("former", [0, 2, 5], ids=["none by the former", "some", "all"])
def test_while_two_revisions_serve_a_line_that_one_of_them_keeps_may_be_there(former: int) -> None:
    check_mixture(SENT, Counter({line(404): former, line(503): 3}))


@pytest.mark.parametrize(
    "found",
    [
        Counter({line(503): 2}),
        Counter({line(503): 4}),
        Counter({line(503): 3, line(404): 6}),
        Counter({line(503): 3, line(200): 1}),
    ],
    ids=["lost", "doubled", "too many of the former", "kept by neither"],
)
def test_a_mixture_that_no_two_revisions_make_is_told(found: Counter[bytes]) -> None:
    with pytest.raises(DifferenceError):
        check_mixture(SENT, found)
