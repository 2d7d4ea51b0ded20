"""Ships a log through the edge in bodies of some hundred lines, and compares with what Kafka holds, exactly."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import httpx
from tests.e2e.records import Record

BODY_LINES = 300


class DifferenceError(Exception):
    """Kafka does not hold what it should."""


@dataclass(frozen=True)
class Shipped:
    """What the gateways said about all bodies together."""

    bodies: int
    accepted: int
    dropped: int


def ship(url: str, lines: list[bytes]) -> Shipped:
    """POST the lines, body by body. Raises DifferenceError for any answer but 200."""
    answers = []
    with httpx.Client(timeout=30, trust_env=False) as client:
        for start in range(0, len(lines), BODY_LINES):
            answer = client.post(url, content=b"\n".join(lines[start : start + BODY_LINES]) + b"\n")
            if answer.status_code != httpx.codes.OK:
                raise DifferenceError(f"a body was answered {answer.status_code}: {answer.text[:500]}")
            answers.append(answer.json())
    return Shipped(
        bodies=len(answers),
        accepted=sum(answer["accepted"] for answer in answers),
        dropped=sum(answer["dropped"] for answer in answers),
    )


def compare(wanted: Iterable[bytes], found: Iterable[Record]) -> int:
    """How many lines are in Kafka, each once, and no other. Raises DifferenceError naming the first that differ."""
    wanted_counts, found_counts = Counter(wanted), Counter(record.value for record in found)
    missing, surplus = wanted_counts - found_counts, found_counts - wanted_counts
    if missing or surplus:
        raise DifferenceError(
            f"{missing.total()} lines are missing and {surplus.total()} are doubled or should not be there\n"
            f"missing: {list(missing)[:3]}\nsurplus: {list(surplus)[:3]}"
        )
    return found_counts.total()
