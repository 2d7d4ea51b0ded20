"""What made a change, and what of it the analysis has to know: a comparison of two intents. Pure."""

from headgate_gateway.config import content_hash
from headgate_operator.render.canonical import canonical_json
from headgate_operator.render.intent import Intent
from headgate_operator.rollout.model import OWN_SPEC, Cause, Change

_DROPS_LINES = ("constraint", "executors")
_MAKES_RECORDS = ("executors", "topics", "deadLetter")


def build_cause(stable: Intent | None, candidate: Intent, *, own_limits: bool) -> Cause:
    """Whether the repo's team made the change, or an edit of something that it shares with others.

    `own_limits`: whether the repo names limits itself; else they are the fleet's, and so is their change.
    """
    if stable is None or (stable.spec, stable.endpoints) != (candidate.spec, candidate.endpoints):
        return OWN_SPEC
    profiles = sorted(name for name, asked in candidate.profiles.items() if stable.profiles.get(name) != asked)
    limits = stable.limits != candidate.limits
    if profiles and not limits:
        name = profiles[0]
        return Cause(kind="Profile", wave=f"Profile/{name}@{_short(candidate.profiles[name])}")
    if limits and not profiles and not own_limits:
        return Cause(kind="Fleet", wave=f"Fleet/limits@{_short(candidate.limits)}")
    return OWN_SPEC


def build_change(stable: Intent | None, candidate: Intent) -> Change:
    """What the candidate alters; everything, where nobody knows what was promoted."""
    if stable is None:
        return Change(constraint=True, topics=True)
    return Change(
        constraint=any(stable.spec.get(name) != candidate.spec.get(name) for name in _DROPS_LINES),
        topics=_topics(stable) != _topics(candidate)
        or any(stable.spec.get(name) != candidate.spec.get(name) for name in _MAKES_RECORDS),
    )


def _topics(intent: Intent) -> object:
    kafka = intent.spec.get("kafka") or {}
    return kafka.get("topic"), kafka.get("topics")


def _short(value: object) -> str:
    return content_hash(canonical_json(value))[:8]
