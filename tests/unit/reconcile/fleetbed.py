"""A whole reconciler over the fake API server, and the few resources that tests begin with."""

from typing import Any

from tests.unit.reconcile.fakes import FakeCluster

from headgate_gateway.config import content_hash, shard_file_name
from headgate_gateway.config.analysis import AnalysisReport
from headgate_gateway.config.status import credentials_hash
from headgate_operator.api.names import shard_name
from headgate_operator.metrics import Metrics
from headgate_operator.reconcile.apply import Applier
from headgate_operator.reconcile.events import BURST, RATE, EventPoster, TokenBucket
from headgate_operator.reconcile.fleet import FleetReconciler
from headgate_operator.reconcile.gather import Gatherer
from headgate_operator.reconcile.hashing import PasswordHashing
from headgate_operator.reconcile.holders import Holders
from headgate_operator.reconcile.holds import HoldTiming
from headgate_operator.reconcile.nudge import Nudger
from headgate_operator.reconcile.passes import Outcome, Parts
from headgate_operator.reconcile.profiles import ProfileLedger
from headgate_operator.reconcile.publish import Publisher
from headgate_operator.reconcile.relist import Relister
from headgate_operator.reconcile.rollouts import RolloutParts
from headgate_operator.reconcile.secrets import SecretReader
from headgate_operator.reconcile.sights import Eyes
from headgate_operator.reconcile.store import Store
from headgate_operator.reconcile.watchdog import Watchdog
from headgate_operator.render.template_files import load_templates
from headgate_operator.status.observation import GatewayReport, Refusal

API_VERSION = "headgate.dev/v1alpha1"
KEY = ("events", "main")
AT_ONCE = HoldTiming(least=0.0, each=0.0)
"""No status waits for gateways to confirm."""


class Clock:
    """Time that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


def resource(kind: str, name: str, spec: dict[str, Any], namespace: str = "events") -> dict[str, Any]:
    return {"apiVersion": API_VERSION, "kind": kind, "metadata": {"name": name, "namespace": namespace}, "spec": spec}


def fleet(**spec: Any) -> dict[str, Any]:
    return resource("GatewayFleet", "main", {"image": "gateway:1", "replicas": 2, **spec})


def profile(name: str = "local", **spec: Any) -> dict[str, Any]:
    return resource("KafkaProducerProfile", name, {"bootstrapServers": ["kafka:9092"], **spec})


def repo(name: str, namespace: str = "events", topic: str = "t", **spec: Any) -> dict[str, Any]:
    kafka = {"producerProfile": "local", "topic": topic}
    reference = {"name": "main", "namespace": "events"}
    return resource("EventRepo", name, {"fleetRef": reference, "kafka": kafka, **spec}, namespace)


class Bed:
    """One operator process; a second Bed on the same cluster is its restart."""

    def __init__(
        self,
        cluster: FakeCluster | None = None,
        namespaces: tuple[str, ...] = (),
        holding: HoldTiming = AT_ONCE,
        hashing: PasswordHashing | None = None,
    ) -> None:
        self.cluster = cluster or FakeCluster()
        self.clock, self.metrics = Clock(), Metrics()
        self.noticed: set[tuple[str, str]] = set()
        self.reports: dict[str, GatewayReport] = {}
        self.store = Store(None, self.noticed.add)
        bucket = TokenBucket(self.clock, BURST, RATE)
        unused = lambda: (_ for _ in ()).throw(NotImplementedError)  # noqa: E731
        events = EventPoster(self.cluster, self.metrics, unused, "test", bucket)
        events.post = lambda record, note: self.events.append((record.name, note.reason))  # type: ignore[method-assign]
        self.events: list[tuple[str, str]] = []
        self.publisher = publisher = Publisher(self.cluster, self.store, self.metrics, events)
        self.profiles = ProfileLedger(self.store, publisher, self.noticed.add)
        self.secrets = secrets = SecretReader(self.cluster, self.clock, self.noticed.add)
        self.watchdog = Watchdog(self.clock)
        self.relister = Relister(self.cluster, self.store, self.watchdog, self.metrics, namespaces)
        self.counted: dict[str, tuple[AnalysisReport, float]] = {}
        self.watched: dict[tuple[str, str], tuple[tuple[str, str], ...]] = {}
        holders = Holders(self.reports.get, self.clock)
        applier, templates = Applier(self.cluster, self.store, self.metrics), load_templates()
        hashing = hashing or PasswordHashing(threads=2)
        self.reconciler = FleetReconciler(
            Parts(
                store=self.store,
                gatherer=Gatherer(self.store, self.cluster, secrets, self.reports.get),
                applier=applier,
                publisher=publisher,
                nudger=Nudger(self.cluster, self.clock),
                secrets=secrets,
                profiles=self.profiles,
                templates=templates,
                metrics=self.metrics,
                reports=self.reports.get,
                holders=holders,
                now=lambda: "2026-01-01T00:00:00Z",
                clock=self.clock,
                holding=holding,
                rollouts=RolloutParts(
                    store=self.store,
                    cluster=self.cluster,
                    applier=applier,
                    eyes=Eyes(self.store, self.reports.get, holders, self.counted.get, self.clock),
                    templates=templates,
                    queries=lambda *_: {},
                    now=self.clock,
                ),
                hashing=hashing,
                watch=lambda fleet, repos: self.watched.update({fleet: tuple(repos)}),
            )
        )

    def put(self, *manifests: dict[str, Any]) -> None:
        for manifest in manifests:
            self.cluster.put(manifest)

    async def reconcile(self) -> Outcome:
        """List the world, then reconcile the fleet and its namespace's profiles."""
        await self.relister.relist()
        outcome = await self.reconciler.reconcile(KEY)
        await self.profiles.reconcile("events", "2026-01-01T00:00:00Z")
        self.clock.now += 10
        return outcome

    def add_pod(self, name: str) -> str:
        labels = {"headgate.dev/fleet": "main", "headgate.dev/component": "gateway"}
        status = {"podIP": "10.0.0.1", "conditions": [{"type": "Ready", "status": "True"}]}
        metadata = {"name": name, "namespace": "events", "labels": labels}
        found = self.cluster.put({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "status": status})
        uid: str = found["metadata"]["uid"]
        return uid

    def load(self, uid: str, refused: dict[tuple[str, str], Refusal] | None = None) -> None:
        """The gateway reports what is live now."""
        shards = {}
        for index in range(32):
            live = self.cluster.objects["ConfigMap", "events", shard_name("main", index)]
            shards[index] = content_hash(live["data"][shard_file_name(index)].encode())
        self.reports[uid] = GatewayReport((1,), shards, credentials_hash({}), refused or {})

    def conditions(self, kind: str, name: str, namespace: str = "events") -> dict[str, tuple[str, str]]:
        status = self.cluster.objects[kind, namespace, name].get("status") or {}
        return {each["type"]: (each["status"], each["reason"]) for each in status.get("conditions", ())}
