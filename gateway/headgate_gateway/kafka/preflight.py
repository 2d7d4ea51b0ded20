"""Whether a revision could be delivered, from what its brokers say. Pure; `preflights` asks and remembers.

nobody answers, no leader, a link that is not up -> Pending: waiting may help
credentials refused, no right to write          -> Failed
the topic is missing                            -> Pending, Failed once that is not news any more
"""

from dataclasses import dataclass
from enum import StrEnum

from headgate_gateway.kafka.access import TopicAccess
from headgate_gateway.kafka.errors import MISSING_TOPIC, NONE, TOPIC_REFUSALS, code_of
from headgate_gateway.kafka.lanes import NO_LEADER

MISSING_AFTER = 3.0
"""Seconds for which brokers must have said that a topic is missing: it may just have been made."""


class PreflightState(StrEnum):
    """The contract's words."""

    PENDING = "Pending"
    PASSED = "Passed"
    FAILED = "Failed"


@dataclass(frozen=True, slots=True)
class Findings:
    """What asking brought for one topic."""

    access: TopicAccess | None = None
    """None: no broker answered, or not about this topic."""
    error: str = ""
    """Why no broker answered."""
    refused: bool = False
    """Whether that was for our credentials."""
    trouble: str = ""
    """Why the leaders cannot be reached; empty: they are."""


Verdict = tuple[PreflightState, str]
"""With what is wrong or waited for; empty where nothing is."""


def problem_of(name: str, code: int, leaders: list[int]) -> str:
    """What speaks against writing to a topic, by metadata alone; empty: nothing."""
    if code == MISSING_TOPIC:
        return f"topic {name} does not exist (UNKNOWN_TOPIC_OR_PARTITION); Headgate never creates topics"
    if code != NONE:
        return f"topic {name}: {code_of(code).name}"
    leaderless = [index for index, leader in enumerate(leaders) if leader == NO_LEADER]
    return f"topic {name}: no leader for partition {', '.join(map(str, leaderless))}" if leaderless else ""


def decide_preflight(topic: str, findings: Findings, missing_for: float) -> Verdict:
    """Judge one topic; `missing_for` is for how many seconds brokers have said that it is missing."""
    access = findings.access
    if findings.refused:
        return PreflightState.FAILED, findings.error
    if findings.error or access is None:
        return PreflightState.PENDING, findings.error or f"no broker speaks of topic {topic}"
    problem = problem_of(topic, access.code, access.leaders)
    if problem:
        for_good = access.code in TOPIC_REFUSALS or (access.code == MISSING_TOPIC and missing_for >= MISSING_AFTER)
        return (PreflightState.FAILED if for_good else PreflightState.PENDING), problem
    if not access.may_write:
        return PreflightState.FAILED, f"topic {topic}: these credentials may not write to it"
    if findings.trouble:
        return PreflightState.PENDING, f"topic {topic}: {findings.trouble}"
    return PreflightState.PASSED, ""
