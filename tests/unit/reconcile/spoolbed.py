"""A fleet whose gateways keep events on disk, and what they say of their spools. Tests of fleets with spools use it."""

from typing import Any

from tests.unit.reconcile.fleetbed import Bed, fleet, profile, repo

from headgate_operator.status.observation import GatewayReport, SpoolReport

CLAIMED = {"mode": "VolumeClaim", "size": "1Gi"}
ON_NODE = {"mode": "EmptyDir", "size": "1Gi"}
DEPLOYMENT, STATEFUL_SET = ("Deployment", "events", "main-gateway"), ("StatefulSet", "events", "main-gateway")
LABELS = {"headgate.dev/fleet": "main", "headgate.dev/component": "gateway", "headgate.dev/track": "stable"}
HELD = {"backlog_records": 7, "backlog_bytes": 700, "oldest_seconds": 60.0}


class SpoolBed(Bed):
    """A bed whose pods have spools."""

    def pod(self, name: str, maker: str = "StatefulSet", track: str = "stable", **spool: Any) -> None:
        """A ready gateway, and what it says of its spool."""
        owner = {"apiVersion": "apps/v1", "kind": maker, "name": "m", "uid": "m", "controller": True}
        labels = LABELS | {"headgate.dev/track": track}
        metadata = {"name": name, "namespace": "events", "labels": labels, "ownerReferences": [owner]}
        status = {
            "podIP": "10.0.0.1",
            "conditions": [{"type": "Ready", "status": "True"}],
            "containerStatuses": [{"name": "gateway", "state": {"running": {}}}],
        }
        spec = {"volumes": [{"name": "spool"}]}
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec, "status": status}
        found = self.cluster.put(pod)
        self.load(found["metadata"]["uid"])
        self.say(name, **spool)

    def say(self, name: str, **spool: Any) -> None:
        uid = self.cluster.objects["Pod", "events", name]["metadata"]["uid"]
        known = self.reports[uid]
        report = SpoolReport(**{"state": "Ready"} | spool)
        self.reports[uid] = GatewayReport(
            known.contract_versions, known.shards, known.credentials_hash, spool=report, spool_news=report.news
        )

    def fall_silent(self, name: str) -> None:
        """Its gateway is out of reach, or nobody has asked it yet."""
        self.reports.pop(self.cluster.objects["Pod", "events", name]["metadata"]["uid"], None)

    def claim(self, name: str) -> None:
        """As the StatefulSet's controller makes it."""
        labels = LABELS | {"app.kubernetes.io/managed-by": "headgate-operator"}
        metadata = {"name": name, "namespace": "events", "labels": labels}
        self.put({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata, "spec": {}})

    def remove(self, kind: str, name: str) -> None:
        del self.cluster.objects[kind, "events", name]

    async def scale_down(self) -> None:
        """From two gateways with claims to one."""
        self.put(fleet(spool=CLAIMED, replicas=1))
        await self.reconcile()
        self.remove("Pod", "main-gateway-1")
        await self.reconcile()

    def complete(self, key: tuple[str, str, str], replicas: int = 2) -> None:
        """All pods of this workload are ready."""
        counts = dict.fromkeys(("replicas", "readyReplicas", "updatedReplicas"), replicas)
        generation = {"observedGeneration": self.cluster.objects[key]["metadata"]["generation"]}
        self.cluster.put(
            {"kind": key[0], "metadata": {"namespace": key[1], "name": key[2]}, "status": counts | generation}
        )

    @property
    def spool(self) -> dict[str, Any]:
        found: dict[str, Any] = self.cluster.objects["GatewayFleet", "events", "main"]["status"]["spool"]
        return found

    @property
    def minimum(self) -> int:
        """Gateways below which the autoscaler does not go."""
        scaler = self.cluster.objects["HorizontalPodAutoscaler", "events", "main-gateway"]
        return int(scaler["spec"]["minReplicas"])

    def has(self, *keys: tuple[str, str, str]) -> bool:
        return set(keys) <= self.cluster.objects.keys()


async def claimed(**spec: Any) -> SpoolBed:
    """A fleet of two gateways with claims."""
    bed = SpoolBed()
    bed.put(fleet(spool=CLAIMED, **spec), profile(), repo("access"))
    await bed.reconcile()
    for name in ("main-gateway-0", "main-gateway-1"):
        bed.claim(f"spool-{name}")
        bed.pod(name)
    bed.complete(STATEFUL_SET)
    await bed.reconcile()
    return bed


async def deployed(**spec: Any) -> SpoolBed:
    """A fleet of two gateways with spools on their nodes."""
    bed = SpoolBed()
    bed.put(fleet(spool=ON_NODE, **spec), profile(), repo("access"))
    await bed.reconcile()
    for name in ("main-gateway-x", "main-gateway-y"):
        bed.pod(name, "ReplicaSet")
    bed.complete(DEPLOYMENT)
    await bed.reconcile()
    return bed
