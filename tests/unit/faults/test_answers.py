"""What answers say of lines, read from bodies as docs/api.md has them."""

import json
from typing import Any

import pytest
from tests.faults.answers import AnswerError, Fate, fates_of


def read(status: int, count: int, **body: Any) -> list[Fate]:
    return fates_of(status, json.dumps(body).encode(), count)


def receipt(accepted: int, rejected: int = 0, durability: str = "kafka", **more: Any) -> dict[str, Any]:
    partitions = [{"topic": "t", "partition": 0, "baseOffset": 4, "count": accepted}]
    return {"accepted": accepted, "rejected": rejected, "durability": durability, "partitions": partitions, **more}


@pytest.mark.parametrize("durability", ["kafka", "disk", "memory"])
def test_a_receipt_gives_every_line_its_durability(durability: str) -> None:
    assert read(200, 2, **receipt(2, durability=durability)) == [Fate(durability)] * 2


def test_refused_lines_of_a_207_are_not_written() -> None:
    told = read(207, 3, **receipt(2, 1, rejectedLines=["2"]))
    assert told == [Fate.KAFKA, Fate.FAILED, Fate.KAFKA]


def test_a_503_names_every_line() -> None:
    told = read(503, 5, acked=["1-2"], failed=["4"], unknown=["3"], spooledLines=["5"])
    assert told == [Fate.KAFKA, Fate.KAFKA, Fate.UNKNOWN, Fate.FAILED, Fate.DISK]


@pytest.mark.parametrize("status", [400, 413, 429, 503])
def test_an_answer_without_lists_has_sent_nothing(status: int) -> None:
    assert read(status, 2, reason="ProducerDown") == [Fate.FAILED] * 2


def test_a_defect_of_the_gateway_leaves_all_unknown() -> None:
    assert read(500, 2, reason="InternalError") == [Fate.UNKNOWN] * 2


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, receipt(1)),
        (200, {**receipt(2), "partitions": []}),
        (207, receipt(1, 1)),
        (503, {"acked": ["1"], "failed": [], "unknown": []}),
        (503, {"acked": ["1-2"], "failed": ["2"], "unknown": []}),
        (503, {"acked": ["1-3"], "failed": [], "unknown": []}),
    ],
    ids=["too few", "partitions hold less", "nobody refused", "one left out", "one named twice", "one too many"],
)
def test_an_answer_that_does_not_add_up_is_an_error(status: int, body: dict[str, Any]) -> None:
    with pytest.raises(AnswerError):
        read(status, 2, **body)
