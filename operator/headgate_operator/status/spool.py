"""What a fleet's status says of its gateways' spools, all together. Pure: figures come from gateways' reports."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from headgate_gateway.config.status import SpoolState
from headgate_operator.api.spool import LeftReason
from headgate_operator.status.observation import HELD_SECONDS, Directories, SpoolReport

UNKNOWN = "Unknown"
"""No gateway has said anything of its spool."""
NAMED = 100
"""So many claims are named at most."""

_BY_GRAVITY = (SpoolState.FAILED, SpoolState.FULL)


@dataclass(frozen=True, slots=True)
class Backlog:
    """What a spool held."""

    records: int
    bytes: int
    parked: int = 0
    """Records that Kafka refuses for good, which only a person takes away."""

    @property
    def is_empty(self) -> bool:
        """Whether nobody misses it."""
        return self.records == 0 and self.parked == 0


@dataclass(frozen=True, slots=True)
class SpoolSight:
    """The spools of one fleet."""

    gateways: Mapping[str, SpoolReport]
    """By pod."""
    left: Mapping[str, Backlog | None]
    """Claims without a gateway, and what they held last; None where nobody knows."""
    away: Mapping[str, Backlog] = field(default_factory=dict)
    """Claims whose gateway is about to come back, and what they held last."""
    directories: Mapping[LeftReason, Directories] = field(default_factory=dict)
    """Of a claim that gateways share, those that none of them delivers."""

    @property
    def records(self) -> int:
        """Records that Kafka is still to get, of gateways and of claims without one."""
        away = sum(held.records for held in self.away.values())
        return self.left_records + away + sum(each.backlog_records for each in self.gateways.values())

    @property
    def left_records(self) -> int:
        """Records on claims without a gateway, as far as they are known."""
        return sum(held.records for held in self.left.values() if held is not None)

    @property
    def left_parked(self) -> int:
        """Parked records on the same claims."""
        return sum(held.parked for held in self.left.values() if held is not None)

    @property
    def parked(self) -> int:
        """Parked records, of gateways and of claims without one."""
        away = sum(held.parked for held in self.away.values())
        return self.left_parked + away + sum(each.parked for each in self.gateways.values())

    @property
    def bytes(self) -> int:
        """Their bytes."""
        left = sum(held.bytes for held in (*self.left.values(), *self.away.values()) if held is not None)
        return left + sum(each.backlog_bytes for each in self.gateways.values())

    @property
    def oldest(self) -> float:
        """Seconds since the oldest record that a gateway holds was accepted."""
        return max((each.oldest_seconds for each in self.gateways.values()), default=0.0)

    @property
    def left_with_events(self) -> tuple[str, ...]:
        """Claims without a gateway that held events last, parked ones included."""
        return tuple(sorted(name for name, held in self.left.items() if held is not None and not held.is_empty))

    @property
    def undelivered(self) -> tuple[str, ...]:
        """Claims without a running gateway that would deliver something if it ran."""
        held = {**self.left, **self.away}
        return tuple(sorted(name for name, each in held.items() if each is not None and each.records > 0))


def build_spool_status(sight: SpoolSight) -> dict[str, Any]:
    """`status.spool`."""
    state, message = _state(sight)
    told = {"message": message} if message else {}
    left = [_claim(name, held) for name, held in sorted(sight.left.items())[:NAMED]]
    return told | {
        "state": state,
        "backlogRecords": sight.records,
        "backlogBytes": sight.bytes,
        "oldestSeconds": int(sight.oldest),
        "parked": sight.parked,
        "damaged": sum(each.damaged for each in sight.gateways.values()),
        "leftClaims": left,
        "leftDirectories": [
            {"reason": reason.value, "count": found.count, "bytes": found.bytes}
            for reason, found in sorted(sight.directories.items())
        ],
    }


def is_news(before: Mapping[str, Any] | None, after: Mapping[str, Any]) -> bool:
    """Whether something differs that does not with every event."""
    return before is None or _mood(before) != _mood(after)


def left_before(live: Mapping[str, Any]) -> dict[str, Backlog | None]:
    """The claims without a gateway that a live status of a fleet names."""
    claims = (live.get("spool") or {}).get("leftClaims") or ()
    return {
        str(each["name"]): Backlog(
            int(each["backlogRecords"]), int(each.get("backlogBytes", 0)), int(each.get("parked", 0))
        )
        if "backlogRecords" in each
        else None
        for each in claims
    }


def directories_before(live: Mapping[str, Any]) -> dict[LeftReason, Directories]:
    """The directories without a gateway that a live status of a fleet tells of."""
    told = (live.get("spool") or {}).get("leftDirectories") or ()
    known = set(LeftReason)
    return {
        LeftReason(each["reason"]): Directories(int(each["count"]), int(each["bytes"]))
        for each in told
        if each["reason"] in known
    }


def _mood(status: Mapping[str, Any]) -> tuple[object, ...]:
    told = (status[name] for name in ("state", "parked", "damaged", "leftClaims"))
    holds = status["backlogRecords"] > 0 and status["oldestSeconds"] >= HELD_SECONDS
    counts = [(each["reason"], each["count"]) for each in status["leftDirectories"]]
    return status.get("message"), holds, counts, *told


def _claim(name: str, held: Backlog | None) -> dict[str, Any]:
    if held is None:
        return {"name": name}
    parked = {"parked": held.parked} if held.parked else {}
    return {"name": name, "backlogRecords": held.records, "backlogBytes": held.bytes} | parked


def _state(sight: SpoolSight) -> tuple[str, str]:
    for state in _BY_GRAVITY:
        named = {pod: each.problem for pod, each in sorted(sight.gateways.items()) if each.state == state}
        if named:
            shown = "; ".join(f"{pod}: {problem}" if problem else pod for pod, problem in list(named.items())[:3])
            return state.value, shown + (f" (and {len(named) - 3} more)" if len(named) > 3 else "")
    return (SpoolState.READY.value if sight.gateways else UNKNOWN), ""
