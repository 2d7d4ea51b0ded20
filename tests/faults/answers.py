"""What a gateway's answer says of each line of its request. Pure: reads the documented answers, and nothing else."""

import json
from collections.abc import Iterator, Sequence
from enum import StrEnum
from typing import Any


class Fate(StrEnum):
    """What was told about a line."""

    KAFKA = "kafka"
    """Kafka has it."""
    DISK = "disk"
    """The gateway's disk has it."""
    MEMORY = "memory"
    """The gateway's memory has it."""
    FAILED = "failed"
    """Surely not written."""
    UNKNOWN = "unknown"
    """Perhaps written."""
    UNANSWERED = "unanswered"
    """The connection ended before an answer came."""
    OVERDUE = "overdue"
    """No answer came in all the time that there is: a request hangs."""


LISTS = {"acked": Fate.KAFKA, "spooledLines": Fate.DISK, "failed": Fate.FAILED, "unknown": Fate.UNKNOWN}
"""The lists of an answer that is not a receipt."""


class AnswerError(Exception):
    """The answer does not say what becomes of a line, or says it twice."""


def fates_of(status: int, body: bytes, count: int) -> list[Fate]:
    """The fate of lines 1 to `count` of a request. Raises AnswerError."""
    told = json.loads(body) if body else {}
    if status in {200, 207}:
        return _of_receipt(told, count)
    if "acked" in told:
        return _of_lists(told, count)
    # 500 is a defect of the gateway, which knows of nothing then. All other answers say that nothing was sent.
    return [Fate.UNKNOWN if status == 500 else Fate.FAILED] * count


def _of_receipt(told: dict[str, Any], count: int) -> list[Fate]:
    rejected = set(_expand(told.get("rejectedLines", ())))
    if told["accepted"] + told["rejected"] != count or len(rejected) != told["rejected"]:
        raise AnswerError(f"the receipt's counts are not those of {count} lines: {told}")
    durability = Fate(told["durability"])
    if durability is Fate.KAFKA and sum(run["count"] for run in told["partitions"]) != told["accepted"]:
        raise AnswerError(f"the receipt's partitions do not hold all lines: {told}")
    return [Fate.FAILED if line in rejected else durability for line in range(1, count + 1)]


def _of_lists(told: dict[str, Any], count: int) -> list[Fate]:
    fates: dict[int, Fate] = dict.fromkeys(_expand(told.get("rejectedLines", ())), Fate.FAILED)
    for name, fate in LISTS.items():
        for line in _expand(told.get(name, ())):
            if line in fates:
                raise AnswerError(f"line {line} is {fates[line]} and {fate}: {told}")
            fates[line] = fate
    if sorted(fates) != list(range(1, count + 1)):
        raise AnswerError(f"not every one of {count} lines is named: {told}")
    return [fates[line] for line in range(1, count + 1)]


def _expand(ranges: Sequence[str]) -> Iterator[int]:
    for each in ranges:
        first, _, last = each.partition("-")
        yield from range(int(first), int(last or first) + 1)
