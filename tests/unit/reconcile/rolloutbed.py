"""A fleet with routes over the fake API server, and what a cluster does to its canaries: pods, reports, counters.

Gateways here obey at once and count what the route's weights would send them: whatever the operator decides, the world
follows. What real gateways, routes and brokers do is tested end to end.
"""

import json
from dataclasses import dataclass
from typing import Any, Self

from tests.unit.reconcile.fakes import FakeCluster
from tests.unit.reconcile.fleetbed import KEY, Bed, fleet, profile, repo

from headgate_gateway.config import content_hash, shard_file_name, shard_of
from headgate_gateway.config.analysis import LATENCY_BOUNDS, AnalysisReport, LineSums, PreflightReport, RepoSample
from headgate_gateway.config.status import credentials_hash
from headgate_operator.api.names import route_name
from headgate_operator.status.observation import GatewayReport, SpoolReport

REPO = ("events", "access")
GATEWAY = {"parentRefs": [{"name": "edge"}]}
ROUTED = {"provider": "GatewayAPI", "gatewayAPI": GATEWAY}
QUICK = {"steps": [{"weight": 10, "hold": "5s"}, {"weight": 50, "hold": "5s"}], "analysis": {"minRequests": 50}}
PER_SECOND = 200
"""Requests to the repo."""


@dataclass
class Behaviour:
    """How a revision's gateways behave."""

    drops: bool = False
    fails: bool = False
    slow: bool = False
    preflight: str = "Passed"
    problem: str = ""
    starts: bool = True
    spool: SpoolReport | None = None


class RolloutBed(Bed):
    """A bed whose canaries live."""

    key = REPO
    """The repo that is looked at."""

    def __init__(
        self, cluster: FakeCluster | None = None, counted: dict[str, dict[str, RepoSample]] | None = None
    ) -> None:
        super().__init__(cluster)
        self.behaviour = Behaviour()
        """Of candidates."""
        self.per_second = PER_SECOND
        self.samples = counted if counted is not None else {}
        """By pod uid and revision: they live as long as the pods do, not as the operator."""
        self.clock.now = 1_795_176_000.0

    async def settle(self, **spec: Any) -> None:
        """One repo, served by one ready gateway."""
        self.put(fleet(routing=ROUTED, replicas=1), profile(), repo("access", rollout=QUICK, **spec))
        await self.reconcile()
        self.live()
        await self.tick()
        await self.tick()

    def status(self) -> dict[str, Any]:
        """The repo's rollout as users see it."""
        block: dict[str, Any] = self.cluster.objects["EventRepo", *self.key]["status"]["rollout"]
        return block

    def weight(self) -> int:
        """Per cent that the route gives to the canary."""
        route = self.cluster.objects["HTTPRoute", "events", route_name("main", *self.key)]
        backends = route["spec"]["rules"][0]["backendRefs"]
        return sum(each["weight"] for each in backends if "canary" in each["name"])

    def canary(self) -> str | None:
        """The name of the canary's Deployment; None where there is none."""
        found = [key[2] for key in self.cluster.objects if key[0] == "Deployment" and "canary" in key[2]]
        return found[0] if found else None

    def restarted(self) -> Self:
        """Another operator on the same world."""
        bed = type(self)(self.cluster, self.samples)
        bed.clock.now, bed.behaviour, bed.per_second = self.clock.now, self.behaviour, self.per_second
        return bed

    async def tick(self, seconds: float = 1.0) -> None:
        """Time passes, requests come, the world follows, the operator looks."""
        self.live()
        self.count(seconds)
        self.clock.now += seconds
        self.read()
        await self.relister.relist()
        await self.reconciler.reconcile(KEY)
        await self.profiles.reconcile("events", "2026-01-01T00:00:00Z")

    async def until(self, *phases: str, seconds: int = 300) -> list[int]:
        """Tick until the rollout is in one of the phases; answers the weights that the route had."""
        weights: list[int] = []
        for _ in range(seconds):
            await self.tick()
            if not weights or weights[-1] != self.weight():
                weights.append(self.weight())
            if self.status()["phase"] in phases:
                return weights
        raise AssertionError(f"still {self.status()} after {seconds} s")

    # The world.

    def live(self) -> None:
        """What controllers, kubelets and the ingress do."""
        self._accept_routes()
        self._run("main-gateway", "stable", {}, ready=True)
        for key in [key for key in self.cluster.objects if key[0] == "Deployment" and "canary" in key[2]]:
            labels = self.cluster.objects[key]["spec"]["template"]["metadata"]["labels"]
            self._run(key[2], "canary", labels, ready=self.behaviour.starts)
        self._end_orphans()

    def _accept_routes(self) -> None:
        for key, route in list(self.cluster.objects.items()):
            if key[0] == "HTTPRoute":
                told = {"observedGeneration": route["metadata"]["generation"], "reason": "x"}
                found = "True" if self._are_there(route) else "False"
                conditions = [
                    {"type": "Accepted", "status": "True", "message": "", **told},
                    {"type": "ResolvedRefs", "status": found, "message": "no such Service", **told},
                ]
                self.cluster.put(
                    {
                        "kind": "HTTPRoute",
                        "metadata": {"namespace": key[1], "name": key[2]},
                        "status": {"parents": [{"parentRef": {"name": "edge"}, "conditions": conditions}]},
                    }
                )

    def _are_there(self, route: dict[str, Any]) -> bool:
        named = {each["name"] for rule in route["spec"]["rules"] for each in rule["backendRefs"]}
        return all(("Service", "events", name) in self.cluster.objects for name in named)

    def _run(self, deployment: str, track: str, labels: dict[str, str], *, ready: bool) -> None:
        found = self.cluster.objects.get(("Deployment", "events", deployment))
        if found is None:
            return
        replicas = found["spec"].get("replicas", 1)
        counted = {"replicas": replicas, "updatedReplicas": replicas, "readyReplicas": replicas if ready else 0}
        generation = {"observedGeneration": found["metadata"]["generation"]}
        self.cluster.put(
            {
                "kind": "Deployment",
                "metadata": {"namespace": "events", "name": deployment},
                "status": counted | generation,
            }
        )
        common = {"headgate.dev/fleet": "main", "headgate.dev/component": "gateway", "headgate.dev/track": track}
        for index in range(replicas):
            status = {
                "podIP": "10.0.0.1",
                "conditions": [{"type": "Ready", "status": "True" if ready else "False"}],
            }
            metadata = {"name": f"{deployment}-{index}", "namespace": "events", "labels": {**labels, **common}}
            pod = self.cluster.put({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "status": status})
            self._report(pod["metadata"]["uid"], found, track)

    def _end_orphans(self) -> None:
        deployments = {key[2] for key in self.cluster.objects if key[0] == "Deployment"}
        for key in [key for key in self.cluster.objects if key[0] == "Pod"]:
            if key[2].rpartition("-")[0] not in deployments:
                del self.cluster.objects[key]

    def _report(self, uid: str, deployment: dict[str, Any], track: str) -> None:
        if track == "stable":
            self.load(uid)
            return
        sources = deployment["spec"]["template"]["spec"]["volumes"][0]["projected"]["sources"]
        config = self.cluster.objects["ConfigMap", "events", sources[0]["configMap"]["name"]]
        ((name, text),) = config["data"].items()
        entry = json.loads(text)["repos"][0]
        served = entry["namespace"], entry["name"]
        assert name == shard_file_name(shard_of(*served))
        preflight = PreflightReport(
            namespace=served[0],
            name=served[1],
            revision=entry["revision"],
            state=self.behaviour.preflight,
            problems=(self.behaviour.problem,) if self.behaviour.problem else (),
        )
        self.reports[uid] = GatewayReport(
            (1,),
            {shard_of(*served): content_hash(text.encode())},
            credentials_hash({}),
            preflights={served: preflight},
            spool=self.behaviour.spool,
        )

    # Requests.

    def count(self, seconds: float) -> None:
        """Requests go where the route's weights send them."""
        pods = {key[2]: pod for key, pod in self.cluster.objects.items() if key[0] == "Pod"}
        canaries = [pod for name, pod in pods.items() if "canary" in name]
        stable = [pod for name, pod in pods.items() if "canary" not in name]
        total = int(self.per_second * seconds)
        to_canary = total * self.weight() // 100 if canaries else 0
        self._count(canaries, to_canary, self.behaviour)
        self._count(stable, total - to_canary, Behaviour())

    def _count(self, pods: list[dict[str, Any]], requests: int, behaviour: Behaviour) -> None:
        for index, pod in enumerate(pods):
            share = requests // len(pods) + (1 if index < requests % len(pods) else 0)
            uid, revision = pod["metadata"]["uid"], self._serves(pod)
            known = self.samples.setdefault(uid, {})
            before = known.get(revision) or RepoSample(namespace=self.key[0], name=self.key[1], revision=revision)
            known[revision] = more(before, share, behaviour)

    def _serves(self, pod: dict[str, Any]) -> str:
        revision = pod["metadata"]["labels"].get("headgate.dev/revision")
        if revision:
            return str(revision)
        shard = self.cluster.objects["ConfigMap", "events", f"main-shard-{shard_of(*self.key):02d}"]
        entries = json.loads(shard["data"][shard_file_name(shard_of(*self.key))])["repos"]
        return next(str(each["revision"]) for each in entries if (each["namespace"], each["name"]) == self.key)

    def read(self) -> None:
        """The operator's poller sweeps."""
        self.counted.clear()
        for uid, known in self.samples.items():
            total = sum(each.requests for each in known.values())
            report = AnalysisReport(
                track="", started="1", uptime_seconds=1.0, requests=total, repos=tuple(known.values())
            )
            self.counted[uid] = report, self.clock.now


def more(before: RepoSample, requests: int, behaviour: Behaviour) -> RepoSample:
    """The counters after so many more requests."""
    latency = list(before.latency) or [0] * (len(LATENCY_BOUNDS) + 1)
    latency[15 if behaviour.slow else 3] += requests
    dropped = requests if behaviour.drops else 0
    failed = requests if behaviour.fails else 0
    return before.model_copy(
        update={
            "requests": before.requests + requests,
            "server_errors": before.server_errors + failed,
            "received": before.received + requests,
            "received_squares": before.received_squares + requests,
            "dropped": LineSums(
                total=before.dropped.total + dropped,
                squares=before.dropped.squares + dropped,
                products=before.dropped.products + dropped,
            ),
            "latency": tuple(latency),
        }
    )
