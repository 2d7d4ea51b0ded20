"""How a list of conditions is made: kstatus rules and transition times. Pure; time is an argument."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from headgate_operator.status import reasons

ORDER = (
    reasons.READY,
    reasons.RECONCILING,
    reasons.STALLED,
    reasons.ACCEPTED,
    reasons.PROGRAMMED,
    reasons.SERVING,
)

MESSAGE_LIMIT = 2_000
"""Characters of a message: enough for people, small enough for thousands of objects."""


@dataclass(frozen=True, slots=True)
class Fact:
    """One condition before it has a time: type, `True`/`False`/`Unknown`, reason, message."""

    type: str
    status: str
    reason: str
    message: str = ""


def truth(value: bool) -> str:
    """Kubernetes' writing of a boolean."""
    return "True" if value else "False"


def ready_facts(ready: str, reason: str, message: str, *, stalled: bool) -> tuple[Fact, ...]:
    """Ready, and beside it Reconciling or Stalled while it is not (kstatus: abnormal conditions exist while true)."""
    facts = (Fact(reasons.READY, ready, reason, message),)
    if ready == "True":
        return facts
    return (*facts, Fact(reasons.STALLED if stalled else reasons.RECONCILING, "True", reason, message))


def find(conditions: Iterable[Mapping[str, Any]], type_: str) -> Mapping[str, Any] | None:
    """The condition of a type in a status, if it is there."""
    return next((condition for condition in conditions if condition.get("type") == type_), None)


def build_conditions(
    facts: Iterable[Fact], earlier: Iterable[Mapping[str, Any]], generation: int, now: str
) -> list[dict[str, Any]]:
    """Conditions in a fixed order; lastTransitionTime is kept where the status is what it was (metav1.Condition)."""
    known = {str(condition.get("type")): condition for condition in earlier}
    return [_build(fact, known.get(fact.type), generation, now) for fact in sorted(facts, key=_position)]


def _position(fact: Fact) -> int:
    return ORDER.index(fact.type)


def _build(fact: Fact, earlier: Mapping[str, Any] | None, generation: int, now: str) -> dict[str, Any]:
    kept = earlier is not None and earlier.get("status") == fact.status and earlier.get("lastTransitionTime")
    return {
        "type": fact.type,
        "status": fact.status,
        "observedGeneration": generation,
        "lastTransitionTime": kept or now,
        "reason": fact.reason,
        "message": fact.message[:MESSAGE_LIMIT],
    }


def build_status_patch(live: Mapping[str, Any], desired: Mapping[str, Any]) -> dict[str, Any]:
    """The merge patch that makes a live status the desired one: fields that nobody wants any more become null, at any
    depth, since a merge patch leaves alone what it does not name (RFC 7396).
    """
    patch: dict[str, Any] = dict.fromkeys(live.keys() - desired.keys())
    for name, value in desired.items():
        known = live.get(name)
        nested = isinstance(value, Mapping) and isinstance(known, Mapping)
        patch[name] = build_status_patch(known, value) if nested else value  # type: ignore[arg-type]
    return patch
