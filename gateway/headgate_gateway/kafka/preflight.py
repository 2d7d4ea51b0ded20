"""Whether a revision could be delivered, from what its brokers say. Pure; `preflights` asks and remembers.

nobody answers, no leader, no link          -> Pending: waiting may help
credentials refused, no right to see the topic
or to write, the topic is missing           -> Pending, Failed once that is not news any more
no legal name                               -> Failed
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from headgate_gateway.kafka.access import TopicAccess
from headgate_gateway.kafka.errors import MISSING_TOPIC, NONE, TOPIC_REFUSALS, code_of
from headgate_gateway.kafka.lanes import NO_LEADER

REFUSED_AFTER = 5.0
"""Seconds for which brokers must have refused: one sync may make user, right, topic and repo at the same moment."""

TOPIC_AUTHORIZATION_FAILED = 29


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


def worst_of(states: Iterable[PreflightState]) -> PreflightState:
    """What several topics come to: a revision passes once all of them do."""
    found = set(states)
    if PreflightState.FAILED in found:
        return PreflightState.FAILED
    return PreflightState.PENDING if PreflightState.PENDING in found else PreflightState.PASSED


def problem_of(name: str, code: int, leaders: list[int]) -> str:
    """What speaks against writing to a topic, by metadata alone; empty: nothing."""
    if code == MISSING_TOPIC:
        return f"topic {name} does not exist (UNKNOWN_TOPIC_OR_PARTITION); Headgate never creates topics"
    if code != NONE:
        return f"topic {name}: {code_of(code).name}"
    leaderless = [index for index, leader in enumerate(leaders) if leader == NO_LEADER]
    return f"topic {name}: no leader for partition {', '.join(map(str, leaderless))}" if leaderless else ""


def find_refusal(topic: str, findings: Findings) -> str:
    """What brokers refuse that somebody may be about to grant; empty: nothing."""
    access = findings.access
    if findings.refused:
        return findings.error
    if access is None:
        return ""
    if problem := problem_of(topic, access.code, access.leaders):
        return problem if access.code in (MISSING_TOPIC, TOPIC_AUTHORIZATION_FAILED) else ""
    return "" if access.may_write else f"topic {topic}: these credentials may not write to it"


def decide_preflight(topic: str, findings: Findings, refused_for: float, patience: float = REFUSED_AFTER) -> Verdict:
    """Judge one topic; `refused_for` is for how many seconds brokers have refused it, for whatever reason."""
    access = findings.access
    if refusal := find_refusal(topic, findings):
        return (PreflightState.FAILED if refused_for >= patience else PreflightState.PENDING), refusal
    if findings.error or access is None:
        return PreflightState.PENDING, findings.error or f"no broker speaks of topic {topic}"
    problem = problem_of(topic, access.code, access.leaders)
    if problem:
        return (PreflightState.FAILED if access.code in TOPIC_REFUSALS else PreflightState.PENDING), problem
    if findings.trouble:
        return PreflightState.PENDING, f"topic {topic}: {findings.trouble}"
    return PreflightState.PASSED, ""
