"""Which directories of a claim that gateways share are delivered by none of them, and why. Writes nothing.

Gateways tell of each other's directories. Once none speaks, what they said last counts, and in a new process what the
fleet's status says. Called once a pass by the fleet's reconcile, after it was decided who takes over whose.
"""

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Any

from headgate_operator.api.fleet import GatewayFleet
from headgate_operator.api.spool import LeftReason, SpoolMode
from headgate_operator.reconcile.adoptions import Adoptions
from headgate_operator.reconcile.holders import Holders
from headgate_operator.reconcile.store import Store
from headgate_operator.status.observation import Directories, PodView, SpoolReport
from headgate_operator.status.spool import directories_before

FOR_PEOPLE = frozenset({LeftReason.POD_FINISHED, LeftReason.CANNOT_BE_OPENED})
"""Reasons that do not end by themselves."""

Said = list[tuple[PodView, SpoolReport]]


@dataclass(frozen=True, slots=True)
class SeenDirectories:
    """What one pass sees."""

    left: Mapping[LeftReason, Directories] = field(default_factory=dict)
    news: AbstractSet[LeftReason] = frozenset()
    """Reasons for people, of which nobody was told."""


@dataclass(slots=True)
class LeftDirectories:
    """Of one fleet."""

    _others: dict[str, Directories] | None = None
    """By uid: what pods that do not speak have on the claim; None: no gateway has ever told this process."""
    _own: dict[str, Directories] = field(default_factory=dict)
    """By uid: what each pod said last that it holds itself."""
    _announced: AbstractSet[LeftReason] = frozenset()

    def look(
        self, store: Store, holders: Holders, fleet: GatewayFleet, adoptions: Adoptions, live: Mapping[str, Any]
    ) -> SeenDirectories:
        """See all of it now. `live`: the fleet's status."""
        pods = store.all_pods_of(fleet.key)
        said = [(pod, spool) for pod in pods if (spool := holders.spool(pod)) is not None and spool.owner]
        known = {pod.uid: pod.finished for pod in store.pods() if pod.namespace == fleet.key[0]}
        before = directories_before(live)
        if said:
            self._listen(said)
            left = _sum_up([*self._spoken(known, adoptions), *_taken_over(said)])
        elif fleet.spec.spool.mode is not SpoolMode.SHARED_CLAIM:
            self._others, self._own, left = None, {}, {}
        else:
            left = before if self._others is None else _sum_up(self._unspoken(self._others, known))
        news = (left.keys() & FOR_PEOPLE) - before.keys() - self._announced
        self._announced = frozenset(left)
        return SeenDirectories(left, news)

    def _listen(self, said: Said) -> None:
        speaking = {pod.uid for pod, _ in said}
        others: dict[str, Directories] = {}
        for _, spool in said:
            for owner in set(spool.foreign) - speaking:
                nbytes = max(spool.foreign_bytes.get(owner, 0), others.get(owner, Directories()).bytes)
                others[owner] = Directories(1, nbytes)
        own = self._own | {pod.uid: _held(spool) for pod, spool in said}
        self._others, self._own = others, {uid: held for uid, held in own.items() if uid in speaking | others.keys()}

    def _spoken(self, known: Mapping[str, bool], adoptions: Adoptions) -> Iterable[tuple[LeftReason, Directories]]:
        known = {**adoptions.strays, **known}
        for uid, directories in (self._others or {}).items():
            if (reason := _reason(uid, known, adoptions)) is not None:
                yield reason, directories

    def _unspoken(
        self, others: Mapping[str, Directories], known: Mapping[str, bool]
    ) -> Iterable[tuple[LeftReason, Directories]]:
        # What a pod says of itself is newer than what others have seen of it.
        for uid, directories in {**others, **self._own}.items():
            if uid not in known:
                yield LeftReason.NOBODY_READY, directories
            elif known[uid]:
                yield LeftReason.POD_FINISHED, directories


def _reason(uid: str, known: Mapping[str, bool], adoptions: Adoptions) -> LeftReason | None:
    """`known`: whether pods that are there are finished. None: it runs."""
    if uid in adoptions.gone:
        return LeftReason.WAITING if adoptions.has_adopters else LeftReason.NOBODY_READY
    if uid in known:
        return LeftReason.POD_FINISHED if known[uid] else None
    return LeftReason.WAITING


def _held(spool: SpoolReport) -> Directories:
    """What a gateway would leave, going now: its own directory, and what it has taken over."""
    if not spool.holds and not spool.parked:
        return Directories()
    return Directories(max(1, spool.adopted), spool.backlog_bytes + spool.waiting.bytes + spool.unopened.bytes)


def _taken_over(said: Said) -> Iterable[tuple[LeftReason, Directories]]:
    for _, spool in said:
        yield LeftReason.WAITING, spool.waiting
        yield LeftReason.CANNOT_BE_OPENED, spool.unopened


def _sum_up(found: Iterable[tuple[LeftReason, Directories]]) -> dict[LeftReason, Directories]:
    sums: dict[LeftReason, Directories] = {}
    for reason, directories in found:
        if directories.count:
            sums[reason] = sums.get(reason, Directories()) + directories
    return sums
