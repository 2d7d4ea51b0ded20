"""Builders of worlds that show only what matters to a test."""

from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import Any, TypeVar

from headgate_operator.api.fleet import GatewayFleet
from headgate_operator.api.names import API_VERSION
from headgate_operator.api.profile import KafkaProducerProfile
from headgate_operator.api.repo import EventRepo
from headgate_operator.render.fleet import render_fleet
from headgate_operator.render.intent import Intent, intent_of, profile_intent
from headgate_operator.render.memo import RenderMemo
from headgate_operator.render.template_files import load_templates
from headgate_operator.render.world import FleetPlan, FleetWorld, RenderedObject, RepoKey

T = TypeVar("T")
TEMPLATES = load_templates()
GATEWAY_API = {
    "provider": "GatewayAPI",
    "hostnames": ["events.example.com"],
    "gatewayAPI": {"parentRefs": [{"name": "edge"}]},
}


def fleet(uid: str = "fleet-uid", **spec: Any) -> GatewayFleet:
    return GatewayFleet.from_object(
        {
            "apiVersion": API_VERSION,
            "kind": "GatewayFleet",
            "metadata": {"name": "default", "namespace": "headgate", "uid": uid},
            "spec": {"image": "gateway:1", "allowedRepos": {"namespaces": {"from": "All"}}} | spec,
        }
    )


def profile(name: str = "main", **spec: Any) -> KafkaProducerProfile:
    return KafkaProducerProfile.from_object(
        {
            "apiVersion": API_VERSION,
            "kind": "KafkaProducerProfile",
            "metadata": {"name": name, "namespace": "headgate"},
            "spec": {"bootstrapServers": ["kafka:9092"]} | spec,
        }
    )


def scram_profile(name: str = "main", **spec: Any) -> KafkaProducerProfile:
    sasl = {"mechanism": "SCRAM-SHA-512", "secretRef": {"name": "kafka"}}
    return profile(name, sasl=sasl, tls={"caSecretRef": {"name": "ca"}}, **spec)


SCRAM_SECRETS = {"kafka": {"username": b"u", "password": b"p"}, "ca": {"ca.crt": b"pem"}}


def repo(
    name: str = "access",
    namespace: str = "team",
    created: str | None = "2026-01-01T00:00:00Z",
    paths: Iterable[str] = (),
    producer_profile: str = "main",
    topic: str = "access",
    **spec: Any,
) -> EventRepo:
    return EventRepo.from_object(
        {
            "apiVersion": API_VERSION,
            "kind": "EventRepo",
            "metadata": {"name": name, "namespace": namespace, "creationTimestamp": created},
            "spec": {
                "endpoints": [{"path": path} for path in paths],
                "kafka": {"producerProfile": producer_profile, "topic": topic},
            }
            | spec,
        }
    )


def world(
    *repos: EventRepo,
    fleet: GatewayFleet = fleet(),  # noqa: B008 (frozen)
    profiles: Iterable[KafkaProducerProfile] = (profile(),),
    secrets: Mapping[str, Mapping[str, bytes]] | None = None,
    **rest: Any,
) -> FleetWorld:
    return FleetWorld(
        fleet=fleet,
        repos=repos,
        profiles={one.metadata.name: one for one in profiles},
        secrets=secrets or {},
        namespace_labels=rest.pop("namespace_labels", {}),
        **rest,
    )


def render(world: FleetWorld, memo: RenderMemo | None = None) -> FleetPlan:
    return render_fleet(world, TEMPLATES, memo)


def intent(
    of: EventRepo,
    profiles: Iterable[KafkaProducerProfile] = (profile(),),
    fleet: GatewayFleet = fleet(),  # noqa: B008 (frozen)
) -> Intent:
    """What a repo asks for, with these profiles."""
    return intent_of(of, {one.metadata.name: profile_intent(one) for one in profiles}, fleet.spec.limits)


def served(plan: FleetPlan) -> dict[RepoKey, bytes]:
    """What gateways serve once a plan is applied."""
    return {key: verdict.entry for key, verdict in plan.repos.items() if verdict.entry is not None}


def find(plan: FleetPlan, kind: str, name: str) -> dict[str, Any]:
    return next(one.manifest for one in plan.objects if (one.kind, one.name) == (kind, name))


def names_of(plan: FleetPlan, kind: str) -> list[str]:
    return [one.name for one in plan.objects if one.kind == kind]


def bodies(plan: FleetPlan) -> dict[tuple[str, str, str], bytes]:
    return {one.key: one.body for one in plan.objects}


def changed(before: FleetPlan, after: FleetPlan) -> set[tuple[str, str]]:
    """(kind, name) of the objects that differ between two plans."""
    old, new = bodies(before), bodies(after)
    return {
        (kind, name)
        for kind, _, name in old.keys() | new.keys()
        if old.get(k := (kind, "headgate", name)) != new.get(k)
    }


def shard_of_plan(plan: FleetPlan, rendered: RenderedObject) -> bytes:
    (content,) = rendered.manifest["data"].values()
    return str(content).encode()


class CountingMemo(RenderMemo):
    """A memo that notes what had to be made."""

    def __init__(self) -> None:
        super().__init__()
        self.made: list[Hashable] = []

    def recall(self, key: Hashable, inputs: tuple[Any, ...], make: Callable[[], T]) -> T:
        def noted() -> T:
            self.made.append(key)
            return make()

        return super().recall(key, inputs, noted)

    def rendering(self, of: FleetWorld) -> tuple[FleetPlan, int]:
        """The plan, and how many values were made for it."""
        self.made.clear()
        plan = render(of, self)
        return plan, len(self.made)
