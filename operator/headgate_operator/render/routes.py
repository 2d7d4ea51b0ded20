"""HTTPRoutes: the way from a Gateway to the fleet, and the addresses that people see.

One route per repo, with exact paths, whole and owned; with `routes: Shared` one prefix route for all default
endpoints, and a repo's own route only for endpoints elsewhere, and for all of them (exact beats prefix) while it has a
canary. A route has one rule: 8 matches at most (of 64), far from Gateway API's 16 rules.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from headgate_gateway.config import format_duration
from headgate_operator.api import names
from headgate_operator.api.fleet import GatewayFleet
from headgate_operator.api.routing import GatewayApiRouting, RouteLayout, RoutingProvider
from headgate_operator.render.children import SERVICE_PORT, fleet_context
from headgate_operator.render.entries import Entry
from headgate_operator.render.owned import COMPONENT_ROUTE, build_child, repo_labels
from headgate_operator.render.templates import Templates
from headgate_operator.render.world import RenderedObject, RepoKey

REQUEST_TIMEOUT_MARGIN = 5_000
"""Milliseconds by which the edge waits longer than the gateway, so that it is the gateway's answer that arrives."""

IDLE_HEADER = "headgate-idle"
"""Nobody sends it: what a route asks for that is to take no request."""


@dataclass(frozen=True, slots=True)
class Split:
    """A share of a repo's requests that goes to its canary, or to a new image."""

    service: str
    weight: int
    """Per cent; 0 is spelled out as well, so that the edge knows the canary before it gets a request."""
    delivery_timeout: int
    """The candidate's, in milliseconds."""


def routed_paths(fleet: GatewayFleet, paths: Iterable[str], *, split: bool = False) -> tuple[str, ...]:
    """Those of a repo's paths that need a route of its own: all of them while its requests are split."""
    if fleet.spec.routing.provider is RoutingProvider.NONE:
        return ()
    if split or fleet.spec.routing.routes is RouteLayout.PER_REPO:
        return tuple(paths)
    return tuple(path for path in paths if not path.startswith(f"{names.SHARED_PREFIX}/"))


def build_repo_route(
    templates: Templates, fleet: GatewayFleet, key: RepoKey, entry: Entry, split: Split | None = None
) -> RenderedObject | None:
    """The route of one repo, on the paths of what is promoted; None if it needs none."""
    paths = routed_paths(fleet, entry.paths, split=split is not None)
    if not paths:
        return None
    context = _context(
        fleet,
        name=names.route_name(fleet.metadata.name, *key),
        matches=[_match(fleet, path, split) for path in paths],
        timeout=max(entry.delivery_timeout, split.delivery_timeout if split else 0) + REQUEST_TIMEOUT_MARGIN,
        backends=_backends(fleet, split),
    )
    return build_child(templates, "httproute.yaml.j2", fleet, COMPONENT_ROUTE, context, repo_labels(key))


def build_shared_route(templates: Templates, fleet: GatewayFleet) -> RenderedObject | None:
    """The route of all default endpoints; None unless the fleet's routes are Shared.

    No accepted profile's deliveryTimeout exceeds the grace period less the drain, so that bounds the request.
    """
    routing = fleet.spec.routing
    if routing.provider is RoutingProvider.NONE or routing.routes is not RouteLayout.SHARED:
        return None
    context = _context(
        fleet,
        name=names.shared_route_name(fleet.metadata.name),
        matches=[{"type": "PathPrefix", "value": names.SHARED_PREFIX}],
        timeout=fleet.spec.termination_grace_period - fleet.spec.drain_delay + REQUEST_TIMEOUT_MARGIN,
        backends=_backends(fleet, None),
    )
    return build_child(templates, "httproute.yaml.j2", fleet, COMPONENT_ROUTE, context)


def build_urls(fleet: GatewayFleet, paths: Iterable[str]) -> tuple[str, ...]:
    """Addresses that take events: a URL for each hostname, the Service's without routing, else the bare path."""
    routing = fleet.spec.routing
    if routing.provider is RoutingProvider.NONE:
        service = f"{names.gateway_name(fleet.metadata.name)}.{fleet.metadata.namespace}.svc"
        return tuple(f"http://{service}{path}" for path in paths)
    if not routing.hostnames:
        return tuple(paths)
    scheme = "https" if _is_https(routing.gateway_api) else "http"
    return tuple(f"{scheme}://{hostname}{path}" for path in paths for hostname in routing.hostnames)


def _is_https(gateway: GatewayApiRouting | None) -> bool:
    """A guess from what the parentRefs say: the listener itself is not ours to read."""
    return gateway is not None and any(
        ref.port == 443 or (ref.section_name or "").startswith("https") for ref in gateway.parent_refs
    )


def with_all_on(service: str, spec: Mapping[str, Any]) -> dict[str, Any]:
    """The spec of a live route with all requests for one of the Services that it names; the others stay, with none."""
    return {**spec, "rules": [_rule_with_all_on(service, rule) for rule in spec.get("rules") or ()]}


def _rule_with_all_on(service: str, rule: Mapping[str, Any]) -> dict[str, Any]:
    backends = rule.get("backendRefs") or ()
    if all(each.get("name") != service for each in backends):
        return dict(rule)  # an override of the template made it: nobody else can answer these
    return {**rule, "backendRefs": [each | {"weight": 100 if each["name"] == service else 0} for each in backends]}


def _match(fleet: GatewayFleet, path: str, split: Split | None) -> dict[str, Any]:
    """An exact path. Of a repo on the shared route it takes no request before its canary has weight, and none afterwards.

    Envoy may learn of a route before its cluster, and forget the cluster before the route: 503 for whoever comes meanwhile.
    So the route is there first, and goes last, behind a header that nobody sends.
    """
    exact: dict[str, Any] = {"type": "Exact", "value": path}
    idle = split is not None and split.weight == 0 and fleet.spec.routing.routes is RouteLayout.SHARED
    if not idle or not path.startswith(f"{names.SHARED_PREFIX}/"):
        return exact
    return exact | {
        "headers": [{"type": "Exact", "name": IDLE_HEADER, "value": fleet.metadata.uid or fleet.metadata.name}]
    }


def _backends(fleet: GatewayFleet, split: Split | None) -> list[dict[str, Any]]:
    stable = {"name": names.gateway_name(fleet.metadata.name), "port": SERVICE_PORT}
    if split is None:
        return [stable | {"weight": 1}]
    return [
        stable | {"weight": 100 - split.weight},
        {"name": split.service, "port": SERVICE_PORT, "weight": split.weight},
    ]


def _context(
    fleet: GatewayFleet, name: str, matches: list[dict[str, Any]], timeout: int, backends: list[dict[str, Any]]
) -> dict[str, Any]:
    return {
        "name": name,
        "fleet": fleet_context(fleet),
        "parents": _parents(fleet),
        "hostnames": list(fleet.spec.routing.hostnames),
        "matches": matches,
        "backends": backends,
        "request_timeout": format_duration(timeout),
    }


def _parents(fleet: GatewayFleet) -> list[dict[str, Any]]:
    gateway = fleet.spec.routing.gateway_api
    refs = gateway.parent_refs if gateway is not None else ()
    return [
        {"namespace": fleet.metadata.namespace} | ref.model_dump(mode="json", by_alias=True, exclude_none=True)
        for ref in refs
    ]
