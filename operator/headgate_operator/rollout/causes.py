"""What made a change, and what of it the analysis has to know: a comparison of two intents. Pure."""

from headgate_gateway.config import content_hash
from headgate_operator.render.canonical import canonical_json
from headgate_operator.render.intent import Intent
from headgate_operator.rollout.model import OWN_SPEC, Cause, Change

_DROPS_LINES = ("constraint", "executors")
_CUTS_BODIES = ("format", "envelope", "topicHeader")
_ROUTES_RECORDS = ("topic", "topics", "deadLetter")
_FLEETS_LIMITS = ("bodyBytes", "lineBytes")
"""Those that a fleet sets for its repos; rates are always a repo's own."""


def build_cause(stable: Intent | None, candidate: Intent, *, own_limits: bool) -> Cause:
    """Whether the repo's team made the change, or an edit of something that it shares with others.

    `own_limits`: whether the repo names a size itself; else they are the fleet's, and so is their change. Several
    profiles at once are a wave of their own: nobody can tell which of them is to blame.
    """
    if stable is None or (stable.spec, stable.endpoints) != (candidate.spec, candidate.endpoints):
        return OWN_SPEC
    profiles = sorted(name for name, asked in candidate.profiles.items() if stable.profiles.get(name) != asked)
    limits = stable.limits != candidate.limits
    if profiles and not limits:
        edited = [candidate.profiles[name] for name in profiles]
        content = _short(edited[0] if len(edited) == 1 else edited)
        return Cause(kind="Profile", wave=f"Profile/{'+'.join(profiles)}@{content}")
    if limits and not profiles and not own_limits and _rates(stable) == _rates(candidate):
        return Cause(kind="Fleet", wave=f"Fleet/limits@{_short(_sizes(candidate))}")
    return OWN_SPEC


def build_change(stable: Intent | None, candidate: Intent) -> Change:
    """What the candidate alters; everything, where nobody knows what was promoted."""
    if stable is None:
        return Change(constraint=True, topics=True, dead_letter=True)
    before, after = stable.spec, candidate.spec
    kafka = before.get("kafka") or {}, after.get("kafka") or {}
    return Change(
        constraint=any(before.get(name) != after.get(name) for name in _DROPS_LINES),
        # Executors may explode; a format cuts bodies into other events; a header of the request may name topics.
        topics=before.get("executors") != after.get("executors")
        or _cutting(stable) != _cutting(candidate)
        or any(kafka[0].get(name) != kafka[1].get(name) for name in _ROUTES_RECORDS),
        dead_letter=bool(kafka[0].get("deadLetter")) != bool(kafka[1].get("deadLetter")),
    )


def _cutting(intent: Intent) -> set[bytes]:
    endpoints = intent.endpoints or [{}]
    return {canonical_json({name: each[name] for name in _CUTS_BODIES if name in each}) for each in endpoints}


def _sizes(intent: Intent) -> dict[str, object]:
    return {name: value for name, value in intent.limits.items() if name in _FLEETS_LIMITS}


def _rates(intent: Intent) -> dict[str, object]:
    return {name: value for name, value in intent.limits.items() if name not in _FLEETS_LIMITS}


def _short(value: object) -> str:
    return content_hash(canonical_json(value))[:8]
