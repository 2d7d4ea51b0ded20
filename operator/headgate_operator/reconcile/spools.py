"""The spools of one fleet as they are seen: its gateways' and those on claims that no gateway has. Writes nothing.

Called once a pass by the fleet's reconcile. Remembers what each claim held when its gateway was last asked; the fleet's
status holds that for the next operator.
"""

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self

from headgate_operator.api.fleet import GatewayFleet
from headgate_operator.api.names import claim_name, gateway_name
from headgate_operator.api.spool import LeftReason, SpoolMode
from headgate_operator.metrics import SpoolFigures
from headgate_operator.reconcile.directories import SeenDirectories
from headgate_operator.reconcile.holders import Holders
from headgate_operator.reconcile.records import ResourceRecord
from headgate_operator.reconcile.store import FleetKey, Store
from headgate_operator.render.children import STATEFUL_SET
from headgate_operator.status import reasons
from headgate_operator.status.spool import Backlog, SpoolSight, build_spool_status, is_news, left_before
from headgate_operator.status.transitions import EventNote

REFRESH_SECONDS = 10.0
"""Between two writes of figures alone."""
SETTLE_SECONDS = 15.0
"""How long a new process may take to hear all gateways: three polls of one that does not answer, and some time beside."""
_STUCK = {
    LeftReason.POD_FINISHED: "pods that have ended have spools on the shared claim, which nobody takes over while their Pod"
    " objects are there: delete those",
    LeftReason.CANNOT_BE_OPENED: "spools on the shared claim cannot be opened by the gateways that have taken them over:"
    " /status on their admin port says why, under adopted",
}
CLAIM = "PersistentVolumeClaim"
AUTOSCALER = "HorizontalPodAutoscaler"


@dataclass(frozen=True, slots=True)
class SeenSpools:
    """What one pass sees."""

    sight: SpoolSight
    enabled: bool = False
    """Whether the fleet has a spool by its spec."""
    floor: int = 0
    """Gateways below which the autoscaler must not shrink the fleet: one of those above holds events."""
    unheard: bool = False
    """Whether a gateway with a spool has never told this process of it."""
    settled: bool = True
    """False while a process that has only just begun has yet to hear of gateways: what an earlier one wrote stands then."""
    newly_left: tuple[str, ...] = ()
    """Claims that held events when they lost their gateway, and of which the status does not tell yet."""

    newly_stuck: tuple[LeftReason, ...] = ()
    """Why directories of a shared claim wait for people, as far as nobody was told."""

    @property
    def is_shown(self) -> bool:
        """Whether status speaks of spools at all."""
        return self.enabled or bool(self.sight.gateways or self.sight.left)

    def with_directories(self, seen: SeenDirectories) -> Self:
        """The same, with what is on a claim that gateways share."""
        sight = replace(self.sight, directories=seen.left)
        return replace(self, sight=sight, newly_stuck=tuple(sorted(seen.news)))


@dataclass(slots=True)
class SpoolLedger:
    """Looks at the spools of one fleet."""

    _held: dict[str, Backlog] = field(default_factory=dict)
    """By claim: what its gateway said last."""
    _told: tuple[float, dict[str, Any]] | None = None
    _announced: set[str] = field(default_factory=set)
    """Claims whose events an Event has told of, or an earlier process."""
    _settles: float | None = None
    """When patience with gateways that this process has not heard of ends."""

    def look(
        self, store: Store, holders: Holders, record: ResourceRecord, fleet: GatewayFleet, now: float
    ) -> SeenSpools:
        """See all of it now."""
        key, pods = record.key, store.all_pods_of(record.key)
        holders.see(key, pods)
        said = [(pod, spool) for pod in pods if (spool := holders.spool(pod)) is not None]
        claims = _claims(store, key)
        for pod, spool in said:
            if claim_name(pod.name) in claims:
                self._held[claim_name(pod.name)] = Backlog(spool.backlog_records, spool.backlog_bytes, spool.parked)
        self._held = {name: held for name, held in self._held.items() if name in claims}
        before = left_before(json.loads(record.status))
        alone = {
            name: self._held.get(name, before.get(name)) for name in claims - {claim_name(pod.name) for pod in pods}
        }
        left = {name: held for name, held in alone.items() if not _comes_back(store, key, name)}
        away = {name: held for name, held in alone.items() if name not in left and held is not None}
        sight = SpoolSight({pod.name: spool for pod, spool in said}, left, away)
        claimed = fleet.spec.spool.mode is SpoolMode.VOLUME_CLAIM
        holding = [claim_name(pod.name) for pod, spool in said if spool.holds]
        floor = _floor(key, (*sight.undelivered, *holding))
        unheard = any(holders.is_unheard(pod) for pod in pods)
        settled = self._settle(unheard, now)
        return SeenSpools(
            sight=sight,
            enabled=fleet.spec.spool.mode is not SpoolMode.DISABLED,
            floor=(floor if settled else max(floor, _live_floor(store, key))) if claimed else 0,
            unheard=unheard,
            settled=settled,
            newly_left=self._announce(sight.left_with_events, before),
        )

    def _announce(self, left: tuple[str, ...], before: Collection[str]) -> tuple[str, ...]:
        """Those of these claims that nobody was told of: the status, which outlives the process, names some of them only."""
        found = tuple(name for name in left if name not in before and name not in self._announced)
        self._announced = set(left)
        return found

    def _settle(self, unheard: bool, now: float) -> bool:
        """Whether this process has heard all gateways, or waited for them long enough. It begins once."""
        if self._settles is None:
            self._settles = now + SETTLE_SECONDS
        if not unheard:
            self._settles = now
        return now >= self._settles

    def tell(self, seen: SeenSpools, live: Mapping[str, Any], now: float) -> dict[str, Any] | None:
        """`status.spool` as it is to be written: figures that merely move are written every few seconds.

        `live`: the fleet's status.
        """
        if not seen.settled and "spool" in live:
            told: dict[str, Any] = live["spool"]
            return told
        if not seen.is_shown:
            self._told = None
            return None
        status = build_spool_status(seen.sight)
        if self._told is None or now - self._told[0] >= REFRESH_SECONDS or is_news(self._told[1], status):
            self._told = now, status
        return self._told[1]


def refresh_in(seen: SeenSpools) -> float | None:
    """In how many seconds to look again, where figures move, or patience ends, and nothing else brings a look."""
    moves = any(each.backlog_records for each in seen.sight.gateways.values())
    return REFRESH_SECONDS if moves or seen.unheard else None


def notes_of(seen: SeenSpools) -> list[EventNote]:
    """What a fleet is told of claims that have just lost their gateway."""
    told = "has no gateway any more and held events when it was last asked: bring it back, or replay its directory, then delete the claim"
    claims = [f"PersistentVolumeClaim {name} {told}" for name in seen.newly_left]
    stuck = [_STUCK[reason] for reason in seen.newly_stuck]
    return [EventNote("Warning", reasons.EVENTS_LEFT, each) for each in (*claims, *stuck)]


def spool_figures(seen: SeenSpools) -> SpoolFigures | None:
    """What metrics say; None of a fleet without spools, or of whose nobody knows yet."""
    if not seen.is_shown or not seen.settled:
        return None
    sight = seen.sight
    return SpoolFigures(
        sight.records,
        sight.bytes,
        sight.oldest,
        len(sight.left),
        sight.left_records + sight.left_parked,
        {reason.value: (found.count, found.bytes) for reason, found in sight.directories.items()},
    )


def _claims(store: Store, fleet: FleetKey) -> set[str]:
    """Claims of the fleet's own StatefulSet, by their names: others may bear its labels."""
    start = claim_name(gateway_name(fleet[1])) + "-"
    found = (each for each in store.children_of(fleet) if each.kind == CLAIM and each.namespace == fleet[0])
    return {each.name for each in found if each.name.startswith(start) and each.name[len(start) :].isdecimal()}


def _comes_back(store: Store, fleet: FleetKey, claim: str) -> bool:
    """Whether the live StatefulSet is to make this claim's gateway again, as in the midst of an update of its pods."""
    live = store.child((STATEFUL_SET, fleet[0], gateway_name(fleet[1])))
    return live is not None and live.progress is not None and int(claim.rsplit("-", 1)[1]) < live.progress.desired


def _live_floor(store: Store, fleet: FleetKey) -> int:
    """The minimum that an earlier process has given the autoscaler."""
    live = store.child((AUTOSCALER, fleet[0], gateway_name(fleet[1])))
    return int(json.loads(live.content)["spec"].get("minReplicas") or 0) if live is not None else 0


def _floor(fleet: FleetKey, claims: Iterable[str]) -> int:
    start = claim_name(gateway_name(fleet[1])) + "-"
    ordinals = (name.removeprefix(start) for name in claims if name.startswith(start))
    return max((int(each) + 1 for each in ordinals if each.isdecimal()), default=0)
