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
