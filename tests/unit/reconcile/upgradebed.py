"""A fleet of several repos over the fake API server, and what a cluster does when its image changes.

As in rolloutbed, gateways obey at once: pods are of the image that their Deployment names, the ingress follows weights,
and the operator's poller reads only what it was told to watch.
"""

import json
from dataclasses import dataclass, field
from typing import Any

from tests.unit.reconcile.fakes import FakeCluster
from tests.unit.reconcile.fleetbed import KEY, fleet, profile, repo
from tests.unit.reconcile.rolloutbed import QUICK, ROUTED, Behaviour, RolloutBed, more

from headgate_gateway.config import content_hash, shard_file_name, shard_of
from headgate_gateway.config.analysis import AnalysisReport, PreflightReport, RepoSample
from headgate_gateway.config.status import credentials_hash
from headgate_operator.api.names import route_name
from headgate_operator.status.observation import GatewayReport, Refusal

OLD, NEW, NEWER = "gateway:1", "gateway:2", "gateway:3"
HASH = content_hash(NEW.encode())
STATE = ("ConfigMap", "events", "main.upgrade")
ONE_BY_ONE = {"maxConcurrent": 1}
RATES = {"quiet": 40, "busy": 400, "middle": 120}
"""Requests a second of each repo."""

Key = tuple[str, str]


@dataclass
class ImageBehaviour:
    """How gateways of an image behave."""

    starts: bool = True
    crashes: bool = False
    fails: set[str] = field(default_factory=set)
    """Repos whose requests are answered 500."""
    slow: set[str] = field(default_factory=set)
    refuses: set[str] = field(default_factory=set)
    """Repos whose config it does not take."""
    undeliverable: set[str] = field(default_factory=set)
    """Repos whose preflight fails."""


class UpgradeBed(RolloutBed):
    """A bed whose images differ."""

    def __init__(
        self, cluster: FakeCluster | None = None, counted: dict[str, dict[str, RepoSample]] | None = None
    ) -> None:
        super().__init__(cluster, counted)
        self.images: dict[str, ImageBehaviour] = {}
        self.rates = dict(RATES)
        self.served: dict[tuple[str, str], int] = {}
        """Requests by (image, repo)."""
        self.lost = 0
        """Requests that found no ready gateway."""

    async def begin(self, **spec: Any) -> None:
        """A served fleet at rest."""
        repos = [repo(name, rollout=QUICK) for name in self.rates]
        self.put(fleet(**{"routing": ROUTED, "replicas": 4, "image": OLD} | spec), profile(), *repos)
        await self.reconcile()
        for _ in range(3):
            await self.tick()

    def upgrade_to(self, image: str, **spec: Any) -> None:
        """What the platform team does."""
        self.put(fleet(**{"routing": ROUTED, "replicas": 4, "image": image} | spec))

    def restarted(self) -> "UpgradeBed":
        """Another operator on the same world."""
        bed = UpgradeBed(self.cluster, self.samples)
        bed.clock.now, bed.images, bed.rates = self.clock.now, self.images, self.rates
        bed.served, bed.behaviour = self.served, self.behaviour
        return bed

    def block(self) -> dict[str, Any]:
        """The fleet's upgrade as users see it; empty where there never was one."""
        status = self.cluster.objects["GatewayFleet", *KEY].get("status") or {}
        found: dict[str, Any] = status.get("upgrade") or {}
        return found

    def rollout(self, name: str) -> dict[str, Any]:
        """What a repo's status says of its rollout."""
        found: dict[str, Any] = self.cluster.objects["EventRepo", "events", name]["status"]["rollout"]
        return found

    def weights(self) -> dict[str, int]:
        """Per cent of each repo's requests that go to the new image."""
        return {name: self._weight(name) for name in self.rates}

    def _weight(self, name: str) -> int:
        return next((each["weight"] for each in self._backends(name) if each["name"] == "main-upgrade"), 0)

    def _backends(self, name: str) -> list[dict[str, Any]]:
        route = self.cluster.objects.get(("HTTPRoute", "events", route_name("main", "events", name)))
        found: list[dict[str, Any]] = route["spec"]["rules"][0]["backendRefs"] if route else []
        return found

    def image_of(self, deployment: str) -> str | None:
        """What a Deployment's pods run; None where there is none."""
        found = self.cluster.objects.get(("Deployment", "events", deployment))
        return _image(found) if found is not None else None

    async def until_upgrade(self, *phases: str, seconds: int = 900) -> list[tuple[int, ...]]:
        """Tick until the upgrade is in one of the phases; answers the weights that there were, in RATES' order."""
        seen: list[tuple[int, ...]] = []
        for _ in range(seconds):
            await self.tick()
            now = tuple(self.weights().values())
            if not seen or seen[-1] != now:
                seen.append(now)
            if self.block().get("phase") in phases:
                return seen
        raise AssertionError(f"still {self.block()} after {seconds} s")

    # The world.

    def live(self) -> None:
        self._accept_routes()
        for key in [key for key in self.cluster.objects if key[0] == "Deployment"]:
            self._replace(key[2], self.cluster.objects[key])
        self._end_orphans()

    def _replace(self, name: str, deployment: dict[str, Any]) -> None:
        template, image = deployment["spec"]["template"], _image(deployment)
        behaves, replicas = self.images.get(image, ImageBehaviour()), deployment["spec"].get("replicas", 1)
        ready = behaves.starts and not behaves.crashes
        labels = template["metadata"]["labels"]
        for index in range(replicas):
            self._renew(f"{name}-{index}", image, labels, behaves, ready=ready)
        for key in [key for key in self.cluster.objects if key[0] == "Pod" and key[2].rpartition("-")[0] == name]:
            if int(key[2].rpartition("-")[2]) >= replicas:
                del self.cluster.objects[key]
        counted = {"replicas": replicas, "updatedReplicas": replicas, "readyReplicas": replicas if ready else 0}
        observed = {"observedGeneration": deployment["metadata"]["generation"]}
        metadata = {"namespace": "events", "name": name}
        self.cluster.put({"kind": "Deployment", "metadata": metadata, "status": counted | observed})

    def _renew(self, pod: str, image: str, labels: dict[str, str], behaves: ImageBehaviour, *, ready: bool) -> None:
        known = self.cluster.objects.get(("Pod", "events", pod))
        if known is not None and known["spec"]["image"] != image:
            del self.cluster.objects["Pod", "events", pod]
            known = None
        restarts = 0
        if behaves.crashes:
            restarts = 1 + (known["status"]["containerStatuses"][0]["restartCount"] if known is not None else 0)
        waiting = {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off"}} if behaves.crashes else {}
        status = {
            "podIP": "10.0.0.1",
            "conditions": [{"type": "Ready", "status": "True" if ready else "False"}],
            "containerStatuses": [{"restartCount": restarts, "state": waiting}],
        }
        metadata = {"name": pod, "namespace": "events", "labels": labels}
        manifest = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"image": image}, "status": status}
        uid = self.cluster.put(manifest)["metadata"]["uid"]
        if not ready:
            self.reports.pop(uid, None)
        elif "headgate.dev/repo" in labels:
            deployment = self.cluster.objects["Deployment", "events", pod.rpartition("-")[0]]
            self._report_of_canary(uid, deployment, labels["headgate.dev/repo"])
        else:
            self._report_all(uid, behaves, track=labels["headgate.dev/track"])

    def _report_of_canary(self, uid: str, deployment: dict[str, Any], name: str) -> None:
        sources = deployment["spec"]["template"]["spec"]["volumes"][0]["projected"]["sources"]
        ((_, text),) = self.cluster.objects["ConfigMap", "events", sources[0]["configMap"]["name"]]["data"].items()
        revision = json.loads(text)["repos"][0]["revision"]
        preflight = PreflightReport(namespace="events", name=name, revision=revision, state="Passed")
        shards = {shard_of("events", name): content_hash(text.encode())}
        self.reports[uid] = GatewayReport((1,), shards, credentials_hash({}), preflights={("events", name): preflight})

    def _report_all(self, uid: str, behaves: ImageBehaviour, track: str) -> None:
        refused = {("events", name): Refusal("too new a field", "", serving=False) for name in behaves.refuses}
        self.load(uid, refused)
        if track == "canary":
            found = self.reports[uid]
            preflights = {
                ("events", name): PreflightReport(
                    namespace="events",
                    name=name,
                    revision=self.revision(name),
                    state="Failed" if name in behaves.undeliverable else "Passed",
                )
                for name in self.rates
            }
            self.reports[uid] = GatewayReport(
                found.contract_versions, found.shards, found.credentials_hash, refused, preflights=preflights
            )

    def revision(self, name: str) -> str:
        """The revision of a repo that the shards carry."""
        index = shard_of("events", name)
        shard = self.cluster.objects["ConfigMap", "events", f"main-shard-{index:02d}"]
        entries = json.loads(shard["data"][shard_file_name(index)])["repos"]
        return next((str(each["revision"]) for each in entries if each["name"] == name), "")

    # Requests.

    def count(self, seconds: float) -> None:
        for name, rate in self.rates.items():
            for backend in self._backends(name):
                total = sum(each["weight"] for each in self._backends(name))
                share = int(rate * seconds * backend["weight"]) // max(1, total)
                self._serve(name, backend["name"], share)

    def _serve(self, name: str, service: str, requests: int) -> None:
        pods = [
            pod
            for key, pod in sorted(self.cluster.objects.items())
            if key[0] == "Pod" and key[2].rpartition("-")[0] == service and _is_ready(pod)
        ]
        if not pods:
            self.lost += requests
            return
        for index, pod in enumerate(pods):
            share = requests // len(pods) + (1 if index < requests % len(pods) else 0)
            image = pod["spec"]["image"]
            behaves = self.images.get(image, ImageBehaviour())
            revision = pod["metadata"]["labels"].get("headgate.dev/revision", "")
            revision = revision if "headgate.dev/repo" in pod["metadata"]["labels"] else self.revision(name)
            known = self.samples.setdefault(pod["metadata"]["uid"], {})
            before = known.get(f"{name}@{revision}") or RepoSample(namespace="events", name=name, revision=revision)
            did = Behaviour(fails=name in behaves.fails, slow=name in behaves.slow)
            known[f"{name}@{revision}"] = more(before, share, did)
            self.served[image, name] = self.served.get((image, name), 0) + share

    def read(self) -> None:
        """The operator's poller sweeps: only gateways of a watched fleet, and only the repos that it was told."""
        self.counted.clear()
        watched = set(self.watched.get(KEY, ()))
        for key, pod in self.cluster.objects.items():
            if key[0] != "Pod" or not watched or not _is_ready(pod):
                continue
            known = self.samples.get(pod["metadata"]["uid"], {})
            total = sum(each.requests for each in known.values())
            asked = tuple(each for each in known.values() if (each.namespace, each.name) in watched)
            report = AnalysisReport(track="", started="1", uptime_seconds=1.0, requests=total, repos=asked)
            self.counted[pod["metadata"]["uid"]] = report, self.clock.now


def _image(deployment: dict[str, Any]) -> str:
    image: str = deployment["spec"]["template"]["spec"]["containers"][0]["image"]
    return image


def _is_ready(pod: dict[str, Any]) -> bool:
    return any(each["type"] == "Ready" and each["status"] == "True" for each in pod["status"]["conditions"])


async def upgrading(**spec: Any) -> UpgradeBed:
    """A fleet at rest whose image has just been changed."""
    bed = UpgradeBed()
    await bed.begin(**spec)
    bed.upgrade_to(NEW, **spec)
    return bed


def no_leftovers(bed: UpgradeBed) -> bool:
    left = [key for key in bed.cluster.objects if key[0] in ("Deployment", "Service", "Pod") and "upgrade" in key[2]]
    return not left and not any("upgrade" in each["name"] for name in RATES for each in bed._backends(name))
