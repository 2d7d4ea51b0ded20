"""What the parents of an HTTPRoute say of it. Pure: reads a live route's status, which controllers of the edge write."""

from collections.abc import Iterator, Mapping
from typing import Any

_TYPES = ("Accepted", "ResolvedRefs")


def route_trouble(status: Mapping[str, Any]) -> str:
    """The first thing that a parent has against a route; empty where all take it, or none has looked yet.

    Gateway API leaves it open how long a controller may take, so silence is no refusal.
    """
    return next(_troubles(status), "")


def _troubles(status: Mapping[str, Any]) -> Iterator[str]:
    for parent in status.get("parents") or ():
        reference = parent.get("parentRef") or {}
        name = "/".join(str(reference[part]) for part in ("namespace", "name") if reference.get(part))
        for condition in parent.get("conditions") or ():
            if condition.get("type") in _TYPES and condition.get("status") == "False":
                reason, message = condition.get("reason"), condition.get("message", "")
                kind = reference.get("kind", "Gateway")
                yield f"{kind} {name} does not take the HTTPRoute ({reason}): {message}".removesuffix(": ")


def route_accepted(status: Mapping[str, Any], generation: int) -> bool:
    """Whether every parent that has looked takes the route as it is now: at this generation. Silence is no acceptance."""
    parents = status.get("parents") or ()
    return bool(parents) and all(_accepts(parent, generation) for parent in parents)


def route_unresolved(status: Mapping[str, Any], generation: int) -> str:
    """What a parent does not find of what the route names, as it is now; empty where all is found, or nobody has looked.

    A word about an earlier generation says nothing: the route may have named something else then.
    """
    for parent in status.get("parents") or ():
        for condition in parent.get("conditions") or ():
            resolves = condition.get("type") != "ResolvedRefs" or condition.get("status") != "False"
            if not resolves and condition.get("observedGeneration") == generation:
                return f"{condition.get('reason')}: {condition.get('message', '')}".removesuffix(": ")
    return ""


def _accepts(parent: Mapping[str, Any], generation: int) -> bool:
    found = {each.get("type"): each for each in parent.get("conditions") or ()}
    return all(
        type_ in found and found[type_].get("status") == "True" and found[type_].get("observedGeneration") == generation
        for type_ in _TYPES
    )
