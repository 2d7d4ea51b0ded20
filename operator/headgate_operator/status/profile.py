"""The status of a KafkaProducerProfile, and of resources that no fleet takes up. Pure; time is an argument."""

from collections.abc import Mapping
from typing import Any

from headgate_operator.render.world import Verdict
from headgate_operator.status import reasons
from headgate_operator.status.conditions import Fact, build_conditions, ready_facts, truth


def build_profile_status(
    verdict: Verdict, repos: int, generation: int, live: Mapping[str, Any], now: str
) -> dict[str, Any]:
    """The status subresource's content: a profile is ready when repos may use it."""
    accepted = Fact(reasons.ACCEPTED, truth(verdict.accepted), verdict.reason, verdict.message)
    if verdict.accepted:
        ready = ready_facts("True", reasons.IS_READY, verdict.message, stalled=False)
    else:
        ready = ready_facts("False", verdict.reason, verdict.message, stalled=True)
    return {
        "observedGeneration": generation,
        "repos": repos,
        "conditions": build_conditions((*ready, accepted), live.get("conditions") or (), generation, now),
    }


def build_refused_status(verdict: Verdict, generation: int, live: Mapping[str, Any], now: str) -> dict[str, Any]:
    """The status of a fleet whose spec this operator cannot read: what was known of it is left as it is."""
    facts = (
        *ready_facts("False", verdict.reason, verdict.message, stalled=True),
        Fact(reasons.ACCEPTED, "False", verdict.reason, verdict.message),
    )
    conditions = build_conditions(facts, live.get("conditions") or (), generation, now)
    return {**live, "observedGeneration": generation, "conditions": conditions}
