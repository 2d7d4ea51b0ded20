"""Who takes over the spools of pods that are gone, on a claim that all gateways of a fleet share.

A Pod object that exists, in whatever phase and with whatever labels, is not gone: its gateway may run. That is decided
on a read of all pods that is begun after a gateway has told of the spool, never on what was watched. Uids do not come
again, so who is gone once stays so. Called once a pass by the fleet's reconcile; writes nothing.
"""

import json
import logging
from collections import Counter
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

from headgate_gateway.config.grants import SPOOL_GRANTS_FILE, parse_grants
from headgate_gateway.config.status import SpoolState
from headgate_operator.api.fleet import GatewayFleet
from headgate_operator.api.names import TRACK_STABLE, grants_name
from headgate_operator.api.spool import SpoolMode
from headgate_operator.ports import Clock, Cluster, ClusterError, NotLeaderError
from headgate_operator.reconcile.holders import Reports
from headgate_operator.reconcile.records import build_pod_view
from headgate_operator.reconcile.store import FleetKey, Store
from headgate_operator.status.observation import PodView, SpoolReport

logger = logging.getLogger(__name__)

LOOK_AGAIN = 10.0
"""Seconds until pods are listed again for spools whose pods are not among the fleet's, and are there all the same."""


def decide_grants(gone: AbstractSet[str], adopters: Mapping[str, int], before: Mapping[str, str]) -> dict[str, str]:
    """By pod that is gone, who takes over. `adopters`: pods that may, and how many spools they have taken over.

    Who was granted one keeps it for as long as it may: it may have begun.
    """
    grants = {uid: before[uid] for uid in gone if before.get(uid) in adopters}
    load = Counter(adopters) + Counter(grants.values())
    for uid in sorted(gone - grants.keys()):
        if adopters:
            grants[uid] = min(adopters, key=lambda each: (load[each], each))
            load[grants[uid]] += 1
    return dict(sorted(grants.items()))


@dataclass(frozen=True, slots=True)
class _Seen:
    """What gateways tell."""

    foreign: frozenset[str]
    adopters: Mapping[str, int]


@dataclass(slots=True)
class Adoptions:
    """Of one fleet."""

    cluster: Cluster
    clock: Clock
    _gone: set[str] = field(default_factory=set)
    _listed: float | None = None
    """When all pods were listed last, for spools whose owners are not known to be gone."""
    waiting: bool = False
    """Whether such are left, so that it is to be looked again."""
    strays: Mapping[str, bool] = field(default_factory=dict)
    """By uid, of those that were there then: whether nothing runs in the pod any more."""
    has_adopters: bool = False
    """Whether any gateway may take something over."""

    async def grants(self, store: Store, reports: Reports, fleet: GatewayFleet) -> Mapping[str, str] | None:
        """What is granted now; None: no gateway is on such a claim, by the spec or by what they say."""
        self.waiting = False
        pods = store.all_pods_of(fleet.key)
        if fleet.spec.spool.mode is not SpoolMode.SHARED_CLAIM and not _any_is_on_it(store, fleet.key, pods, reports):
            return None
        seen = _see(pods, reports)
        self._gone &= seen.foreign
        self.has_adopters = bool(seen.adopters)
        await self._look_for(seen.foreign - self._gone, store, fleet.key)
        before = _granted_before(store, fleet.key)
        grants = decide_grants(self._gone, seen.adopters, before)
        for gone, adopter in grants.items() - before.items():
            logger.info(
                "pod %s of fleet %s/%s takes over the spool of pod %s, which is gone", adopter, *fleet.key, gone
            )
        return grants

    async def _look_for(self, owners: AbstractSet[str], store: Store, fleet: FleetKey) -> None:
        unknown = owners - {pod.uid for pod in store.pods() if pod.namespace == fleet[0]}
        if not unknown:
            return
        self.waiting = True
        if self._listed is not None and self.clock() - self._listed < LOOK_AGAIN:
            return
        self._listed = self.clock()
        try:
            # Without a selector: a pod that has lost its labels runs on. Without a resourceVersion: not from a cache.
            listed = self.cluster.list("v1", "Pod", fleet[0], "")
            alive = {pod["metadata"]["uid"]: build_pod_view(pod).finished async for pod in listed}
        except NotLeaderError:
            raise
        except ClusterError as error:
            logger.warning("cannot list pods of %s, to see whose spools are left: %s", fleet[0], error)
            return
        self._gone |= unknown - alive.keys()
        self.strays = {uid: alive[uid] for uid in unknown & alive.keys()}
        self.waiting = bool(self.strays)

    @property
    def gone(self) -> AbstractSet[str]:
        """Pods that are gone, by their uids, and have spools on the claim still."""
        return self._gone

    @property
    def again(self) -> float | None:
        """In how many seconds to look again, where nothing else brings a look."""
        return LOOK_AGAIN if self.waiting else None


def _see(pods: Iterable[PodView], reports: Reports) -> _Seen:
    said = [
        (pod, report.spool) for pod in pods if (report := reports(pod.uid)) is not None and report.spool is not None
    ]
    return _Seen(
        frozenset(owner for _, spool in said for owner in spool.foreign),
        {pod.uid: spool.adopted for pod, spool in said if _may_adopt(pod, spool)},
    )


def _may_adopt(pod: PodView, spool: SpoolReport) -> bool:
    """Those of a canary or a new image may go any time."""
    is_well = pod.ready and not pod.leaving and spool.state != SpoolState.FAILED
    return is_well and pod.track == TRACK_STABLE and spool.owner == pod.uid


def _any_is_on_it(store: Store, fleet: FleetKey, pods: Iterable[PodView], reports: Reports) -> bool:
    """Whether a gateway is on a shared claim, though the spec does not say so any more; one that is silent may be."""
    was_granted = store.child(("ConfigMap", fleet[0], grants_name(fleet[1]))) is not None
    said = [(pod, reports(pod.uid)) for pod in pods]
    spools = [report.spool for _, report in said if report is not None]
    silent = any(report is None for _, report in said)
    return any(spool is not None and spool.owner for spool in spools) or (was_granted and silent)


def _granted_before(store: Store, fleet: FleetKey) -> dict[str, str]:
    child = store.child(("ConfigMap", fleet[0], grants_name(fleet[1])))
    if child is None or child.owner != fleet[1]:
        return {}
    try:
        return parse_grants(str((json.loads(child.content).get("data") or {}).get(SPOOL_GRANTS_FILE, "{}")).encode())
    except ValueError:
        return {}
