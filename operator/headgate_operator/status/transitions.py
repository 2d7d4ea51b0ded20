"""Which changes of conditions are worth a Kubernetes Event. Pure: compares a live status with the one to be written."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from headgate_operator.status import reasons
from headgate_operator.status.conditions import find


@dataclass(frozen=True, slots=True)
class EventNote:
    """What an Event says: Normal or Warning, a reason, and a note for people."""

    type: str
    reason: str
    note: str


def repo_notes(live: Mapping[str, Any], status: Mapping[str, Any]) -> tuple[EventNote, ...]:
    """Events of a repo: accepted or refused (with the reason), programmed or refused by a gateway, its route by a parent.

    What is programmed was accepted: thousands of repos at once are worth one Event each, not two.
    """
    programmed = _programmed(live, status)
    taken_up = programmed is not None and programmed.type == "Normal"
    notes = (
        None if taken_up else _accepted(live, status),
        programmed,
        _not_serving(live, status),
        _route_refused(live, status),
    )
    return tuple(note for note in notes if note is not None)


def fleet_notes(live: Mapping[str, Any], status: Mapping[str, Any]) -> tuple[EventNote, ...]:
    """Events of a fleet: accepted or refused, ready or degraded."""
    return tuple(note for note in (_accepted(live, status), _ready(live, status)) if note is not None)


def profile_notes(live: Mapping[str, Any], status: Mapping[str, Any]) -> tuple[EventNote, ...]:
    """Events of a profile: accepted or refused."""
    note = _accepted(live, status)
    return () if note is None else (note,)


def _pair(
    live: Mapping[str, Any], status: Mapping[str, Any], type_: str
) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    return find(live.get("conditions") or (), type_) or {}, find(status.get("conditions") or (), type_) or {}


def _accepted(live: Mapping[str, Any], status: Mapping[str, Any]) -> EventNote | None:
    before, after = _pair(live, status, reasons.ACCEPTED)
    if (before.get("status"), before.get("reason")) == (after.get("status"), after.get("reason")):
        return None
    kind = "Normal" if after.get("status") == "True" else "Warning"
    return EventNote(kind, str(after.get("reason")), str(after.get("message")) or "the spec is accepted")


def _programmed(live: Mapping[str, Any], status: Mapping[str, Any]) -> EventNote | None:
    before, after = _pair(live, status, reasons.PROGRAMMED)
    if after.get("status") == "True":
        renewed = before.get("status") != "True" or live.get("revision") != status.get("revision")
        return EventNote("Normal", reasons.IS_PROGRAMMED, str(after.get("message"))) if renewed else None
    alarming = after.get("reason") in (reasons.REFUSED, reasons.APPLY_FAILED, reasons.UNREACHABLE)
    if not alarming or before.get("reason") == after.get("reason"):
        return None
    return EventNote("Warning", str(after.get("reason")), str(after.get("message")))


def _not_serving(live: Mapping[str, Any], status: Mapping[str, Any]) -> EventNote | None:
    before, after = _pair(live, status, reasons.SERVING)
    if before.get("status") != "True" or after.get("status") != "False":
        return None
    return EventNote("Warning", reasons.NOT_SERVED, str(after.get("message")))


def _route_refused(live: Mapping[str, Any], status: Mapping[str, Any]) -> EventNote | None:
    before, after = _pair(live, status, reasons.READY)
    if after.get("reason") != reasons.ROUTE_NOT_ACCEPTED or before.get("reason") == after.get("reason"):
        return None
    return EventNote("Warning", reasons.ROUTE_NOT_ACCEPTED, str(after.get("message")))


def _ready(live: Mapping[str, Any], status: Mapping[str, Any]) -> EventNote | None:
    before, after = _pair(live, status, reasons.READY)
    if (before.get("status"), before.get("reason")) == (after.get("status"), after.get("reason")):
        return None
    if after.get("status") == "True":
        return EventNote("Normal", reasons.IS_READY, str(after.get("message")))
    if after.get("reason") in (reasons.DEGRADED, reasons.PROGRESS_DEADLINE_EXCEEDED, reasons.APPLY_FAILED):
        return EventNote("Warning", str(after.get("reason")), str(after.get("message")))
    return None
