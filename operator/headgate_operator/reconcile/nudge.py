"""Makes kubelets refresh a gateway's mounted config at once, instead of within 90 seconds: a change of any annotation of
the pod does it (measured: 0.7 s). Only pods whose gateway does not report the newest config are touched.
"""

import asyncio
import hashlib
from collections.abc import Mapping
from typing import Any

from headgate_operator.api.names import ANNOTATION_CONFIG_HASH
from headgate_operator.ports import Cluster, ClusterError, NotLeaderError, ObjectRef
from headgate_operator.reconcile.gather import Gateways, Reports
from headgate_operator.status.delivery import behind
from headgate_operator.status.observation import PodView

IN_FLIGHT = 20


def config_hash(shard_hashes: Mapping[int, str], credentials_hash: str) -> str:
    """One hash over all that is mounted; 16 hex digits."""
    text = ",".join((*(f"{index}:{shard_hashes[index]}" for index in sorted(shard_hashes)), credentials_hash))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def lagging(gateways: Gateways, reports: Reports, shards: Mapping[int, str], credentials: str) -> list[PodView]:
    """Pods that have said what they hold, and hold something older."""
    said = ((pod, reports(pod.uid)) for pod in gateways.pods)
    return [pod for pod, report in said if report is not None and behind(report, shards, credentials)]


class Nudger:
    """Patches the annotation of lagging pods."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._slots = asyncio.Semaphore(IN_FLIGHT)
        self._nudged: dict[str, str] = {}

    async def nudge(self, pods: list[PodView], wanted: str) -> None:
        """Patch each pod once per hash. A pod that cannot be patched refreshes by itself, later. Raises NotLeaderError."""
        due = [pod for pod in pods if wanted not in (pod.config_hash, self._nudged.get(pod.uid))]
        await asyncio.gather(*(self._patch(pod, wanted) for pod in due))

    def forget_except(self, uids: set[str]) -> None:
        """Drop what is remembered of pods that are gone."""
        for uid in self._nudged.keys() - uids:
            del self._nudged[uid]

    async def _patch(self, pod: PodView, wanted: str) -> None:
        patch: dict[str, Any] = {"metadata": {"uid": pod.uid, "annotations": {ANNOTATION_CONFIG_HASH: wanted}}}
        try:
            async with self._slots:
                await self._cluster.patch(ObjectRef("v1", "Pod", pod.namespace, pod.name), patch)
        except NotLeaderError:
            raise
        except ClusterError:
            return
        self._nudged[pod.uid] = wanted
