"""Makes kubelets refresh a gateway's mounted config at once, instead of within 90 seconds: a change of any annotation of
the pod does it (measured: 0.7 s). Only pods whose gateway does not report the newest config are touched.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from headgate_operator.api.names import ANNOTATION_CONFIG_HASH
from headgate_operator.ports import Clock, Cluster, ClusterError, NotLeaderError, ObjectRef
from headgate_operator.reconcile.bounded import for_each
from headgate_operator.reconcile.gather import Gateways
from headgate_operator.reconcile.holders import Reports
from headgate_operator.reconcile.store import FleetKey
from headgate_operator.status.delivery import behind
from headgate_operator.status.observation import PodView

IN_FLIGHT = 20

FIRST_WAIT, LONGEST_WAIT = 5.0, 60.0
"""Seconds after which a pod that still lags is nudged again; they double each time."""

SEPARATOR = "-"
"""Before the count of a repeated nudge: only a changed annotation makes a kubelet look."""


def config_hash(shard_hashes: Mapping[int, str], credentials_hash: str, grants: Mapping[str, str] | None = None) -> str:
    """One hash over all that is mounted; 16 hex digits."""
    granted = (f"{gone}:{adopter}" for gone, adopter in sorted((grants or {}).items()))
    shards = (f"{index}:{shard_hashes[index]}" for index in sorted(shard_hashes))
    text = ",".join((*shards, credentials_hash, *granted))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def lagging(gateways: Gateways, reports: Reports, shards: Mapping[int, str], credentials: str) -> list[PodView]:
    """Pods that have said what they hold, and hold something older."""
    said = ((pod, reports(pod.uid)) for pod in (*gateways.pods, *gateways.newer))
    return [pod for pod, report in said if report is not None and behind(report, shards, credentials)]


def adopting(gateways: Gateways, grants: Mapping[str, str]) -> list[PodView]:
    """Pods that are to take over spools which are seen under another's name still."""
    adopters = set(grants.values())
    return [pod for pod in gateways.pods if pod.uid in adopters]


@dataclass(slots=True)
class _Sent:
    wanted: str
    times: int
    due: float
    """When the pod is nudged (again) if it still lags."""


class Nudger:
    """Patches the annotation of lagging pods."""

    def __init__(self, cluster: Cluster, clock: Clock) -> None:
        self._cluster = cluster
        self._clock = clock
        self._sent: dict[FleetKey, dict[str, _Sent]] = {}

    async def nudge(self, fleet: FleetKey, pods: list[PodView], wanted: str) -> float | None:
        """Patch each pod, and again, ever more rarely, while it lags; answers in how many seconds to look again.

        A kubelet may have read the ConfigMaps just before they changed, and a pod that cannot be patched refreshes by
        itself, later. Raises NotLeaderError.
        """
        now, known = self._clock(), self._sent.get(fleet, {})
        # What is not lagging any more is forgotten.
        sent = self._sent[fleet] = {pod.uid: self._last(pod, wanted, known.get(pod.uid)) for pod in pods}
        due = [pod for pod in pods if sent[pod.uid].due <= now]
        await for_each(due, IN_FLIGHT, lambda pod: self._patch(pod, sent[pod.uid]))
        return min((each.due for each in sent.values()), default=now) - now if sent else None

    def forget(self, fleet: FleetKey) -> None:
        """Drop what is remembered of a fleet that is gone."""
        self._sent.pop(fleet, None)

    def _last(self, pod: PodView, wanted: str, known: _Sent | None) -> _Sent:
        if known is not None and known.wanted == wanted:
            return known
        # Before a restart of the operator it may have been nudged already: the annotation says so.
        before, _, times = pod.config_hash.partition(SEPARATOR)
        if known is None and before == wanted:
            return _Sent(wanted, int(times) if times.isdecimal() else 1, self._clock() + FIRST_WAIT)
        return _Sent(wanted, 0, self._clock())

    async def _patch(self, pod: PodView, sent: _Sent) -> None:
        value = sent.wanted if sent.times == 0 else f"{sent.wanted}{SEPARATOR}{sent.times + 1}"
        patch: dict[str, Any] = {"metadata": {"uid": pod.uid, "annotations": {ANNOTATION_CONFIG_HASH: value}}}
        try:
            await self._cluster.patch(ObjectRef("v1", "Pod", pod.namespace, pod.name), patch)
        except NotLeaderError:
            raise
        except ClusterError:
            pass  # it refreshes by itself, or is tried again
        sent.due = self._clock() + min(LONGEST_WAIT, FIRST_WAIT * 2.0 ** min(sent.times, 10))
        sent.times += 1
