"""What is seen of one repo's rollout: its canary's pods, its route, what both tracks have counted. Judges nothing."""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from headgate_gateway.config.analysis import AnalysisReport
from headgate_operator.api.fleet import GatewayFleet
from headgate_operator.api.names import canary_name, route_name
from headgate_operator.api.repo import EventRepo
from headgate_operator.api.rollout import Rollout, Strategy
from headgate_operator.api.routing import RoutingProvider
from headgate_operator.ports import Clock
from headgate_operator.reconcile.holders import Holders, Reports
from headgate_operator.reconcile.sightings import FleetSightings
from headgate_operator.reconcile.store import FleetKey, Store
from headgate_operator.render.children import DEFAULT_REPLICAS
from headgate_operator.render.world import CanaryPlan, RepoKey
from headgate_operator.rollout.model import CanarySight, Gauge, Preflight, RunCanary
from headgate_operator.rollout.sizing import canary_replicas, traffic_share
from headgate_operator.status.observation import GatewayReport, PodView

FRESH_SECONDS = 3.0
"""Age beyond which counters are not judged: several sweeps have failed."""

CANARY_KINDS = ("Deployment", "Service")


@dataclass(frozen=True, slots=True)
class Eyes:
    """Where sights come from."""

    store: Store
    reports: Reports
    holders: Holders
    counted: Callable[[str], tuple[AnalysisReport, float] | None]
    """What the gateway with this pod uid had counted, and when it said so (monotonic seconds)."""
    clock: Clock


def see_canary(
    eyes: Eyes, fleet: FleetKey, repo: RepoKey, pods: tuple[PodView, ...], revision: str | None, plan: CanaryPlan | None
) -> CanarySight:
    """A canary's pods, those of the candidate `revision`. `plan`: how it was rendered last; None: not by this process."""
    name = canary_name(fleet[1], *repo)
    found = [eyes.store.child((kind, fleet[0], name)) for kind in CANARY_KINDS]
    if not pods and not any(found):
        return CanarySight()
    own = [pod for pod in pods if pod.revision == revision]
    ready = [pod for pod in own if pod.ready]
    progress = found[0].progress if found[0] is not None else None
    said = {pod.uid: eyes.reports(pod.uid) for pod in own}
    preflight, problem = read_preflight(repo, revision, [said[pod.uid] for pod in ready])
    return CanarySight(
        exists=True,
        desired=progress.desired if progress is not None and plan is not None and plan.revision == revision else 0,
        ready=len(ready),
        loaded=bool(ready) and plan is not None and all(_has_loaded(said[pod.uid], repo, plan) for pod in ready),
        refused=next((why for report in said.values() if (why := _refusal(report, repo, revision, plan))), ""),
        preflight=preflight,
        preflight_problem=problem,
        trouble=next(
            (pod.trouble for pod in own if pod.trouble),
            (progress.refused or progress.stuck) if progress is not None else "",
        ),
        restarts=sum(pod.restarts for pod in own),
        holding=eyes.holders.any_holds(pods),
    )


def _has_loaded(report: GatewayReport | None, repo: RepoKey, plan: CanaryPlan) -> bool:
    return report is not None and report.shards.get(plan.shard) == plan.shard_hash and repo not in report.refused


def _refusal(report: GatewayReport | None, repo: RepoKey, revision: str | None, plan: CanaryPlan | None) -> str:
    if report is None:
        return ""
    refused = report.refused.get(repo)
    if refused is not None and refused.revision in ("", revision):
        return refused.reason
    if plan is not None and (whole := report.refused_shards.get(plan.shard)) and whole[0] == plan.shard_hash:
        return whole[1]
    return ""


def read_preflight(repo: RepoKey, revision: str | None, reports: list[GatewayReport | None]) -> tuple[Preflight, str]:
    """What gateways say of their preflights of one revision. One that fails is enough, and all have to pass."""
    told = [report.preflights.get(repo) if report is not None else None for report in reports]
    current = [each for each in told if each is not None and each.revision == revision]
    for each in current:
        if each.state == Preflight.FAILED:
            return Preflight.FAILED, "; ".join(each.problems)
    waiting = next((each for each in current if each.state != Preflight.PASSED), None)
    if waiting is not None or not told or len(current) < len(told):
        return Preflight.PENDING, "; ".join(waiting.problems) if waiting is not None else ""
    return Preflight.PASSED, ""


def is_canary_fresh(eyes: Eyes, stable: Iterable[PodView], canary: Iterable[PodView]) -> bool:
    """Whether all of the canary's ready pods and at least one stable one were read lately: enough to see a failing canary."""
    return is_fresh(eyes, canary) and any(pod.ready and is_fresh(eyes, (pod,)) for pod in stable)


def still_read(eyes: Eyes, pods: Iterable[PodView]) -> tuple[PodView, ...]:
    """These pods without ready ones that were not read lately, since what they serve now is not known.

    Those that are not ready stay: their counters stand still, and a mark that lacked them would count all they ever did.
    """
    return tuple(pod for pod in pods if not pod.ready or is_fresh(eyes, (pod,)))


def live_weight(eyes: Eyes, fleet: FleetKey, repo: RepoKey, service: str) -> int | None:
    """Per cent that the repo's live route gives to this Service, whether or not anybody has accepted it; None: no route."""
    route = eyes.store.child(("HTTPRoute", fleet[0], route_name(fleet[1], *repo)))
    return None if route is None else weights_in(json.loads(route.content)).get(service, 0)


def is_carried(eyes: Eyes, fleet: FleetKey, service: str) -> bool:
    """Whether any live route of the fleet gives requests to this Service."""
    routes = (child for child in eyes.store.children_of(fleet) if child.kind == "HTTPRoute")
    return any(weights_in(json.loads(route.content)).get(service, 0) > 0 for route in routes)


def unresolved(eyes: Eyes, fleet: FleetKey, repo: RepoKey, service: str) -> str:
    """What the ingress does not find of what the repo's live route names, where that gives requests to this Service."""
    route = eyes.store.child(("HTTPRoute", fleet[0], route_name(fleet[1], *repo)))
    if route is None or not route.unresolved:
        return ""
    return route.unresolved if weights_in(json.loads(route.content)).get(service, 0) > 0 else ""


def weights_in(route: Mapping[str, Any]) -> dict[str, int]:
    """The weight of each Service that an HTTPRoute names: the largest of its rules'."""
    found: dict[str, int] = {}
    for rule in (route.get("spec") or {}).get("rules") or ():
        for backend in rule.get("backendRefs") or ():
            name = str(backend.get("name", ""))
            found[name] = max(found.get(name, 0), int(backend.get("weight", 1)))
    return found


def gauges(eyes: Eyes, repo: RepoKey, pods: Iterable[PodView], revision: str | None) -> tuple[Gauge, ...]:
    """What these pods have counted of one revision of a repo."""
    found: list[Gauge] = []
    for pod in pods:
        counted = eyes.counted(pod.uid)
        for sample in counted[0].repos if counted is not None else ():
            if (sample.namespace, sample.name) == repo and sample.revision == revision:
                process = f"{pod.uid}/{counted[0].started}" if counted is not None else pod.uid
                found.append(Gauge(process=process, sample=sample))
    return tuple(found)


def is_fresh(eyes: Eyes, pods: Iterable[PodView]) -> bool:
    """Whether every ready one of these pods was read within the last few seconds."""
    now = eyes.clock()
    counted = [eyes.counted(pod.uid) for pod in pods if pod.ready]
    return bool(counted) and all(each is not None and now - each[1] <= FRESH_SECONDS for each in counted)


def traffic(eyes: Eyes, repo: RepoKey, pods: Iterable[PodView]) -> Mapping[RepoKey, float]:
    """Requests that these pods have counted since they started: the repo's, and under ("", "") all others'."""
    own = total = 0
    for pod in pods:
        counted = eyes.counted(pod.uid)
        if counted is None:
            continue
        total += counted[0].requests
        own += sum(
            sample.requests + sample.excluded for sample in counted[0].repos if (sample.namespace, sample.name) == repo
        )
    return {repo: float(own), ("", ""): float(max(0, total - own))}


def pods_needed(eyes: Eyes, key: RepoKey, canary: RunCanary, sightings: FleetSightings) -> int:
    """Pods for the weight; never fewer than there are for this very candidate, since shares waver."""
    fleet, tracks = sightings.key, sightings.tracks
    desired = sightings.workload.desired if sightings.workload is not None else 0
    counted = traffic(eyes, key, (*tracks.stable, *tracks.upgrade))
    # Nothing was counted of it, as before each first rollout: an average one of those that are served.
    share = traffic_share(counted, key) if counted[key] > 0 else 1.0 / max(1, len(sightings.judged.served))
    wanted = canary_replicas(desired or sightings.fleet.spec.replicas or DEFAULT_REPLICAS, share, canary.weight)
    plan, child = sightings.plans.get(key), eyes.store.child(("Deployment", fleet[0], canary_name(fleet[1], *key)))
    if plan is None or plan.revision != canary.revision or child is None or child.progress is None:
        return wanted
    return max(wanted, child.progress.desired)


def is_routed(eyes: Eyes, fleet: FleetKey, repo: RepoKey, weight: int, service: str, *, named: bool = False) -> bool:
    """Whether the ingress has accepted the repo's route as it is now, with this weight on that Service.

    `named`: a route that does not name the Service (yet), or is not there, is no such route at weight 0 either.
    """
    route = eyes.store.child(("HTTPRoute", fleet[0], route_name(fleet[1], *repo)))
    if route is None:
        return weight == 0 and not named
    rules = json.loads(route.content).get("spec", {}).get("rules") or ()
    weights = [
        each.get("weight", 1) for rule in rules for each in rule.get("backendRefs") or () if each.get("name") == service
    ]
    return route.accepted and all(each == weight for each in weights) and (bool(weights) or (weight == 0 and not named))


def is_immediate(fleet: GatewayFleet, policy: Rollout) -> bool:
    """Whether changes go to all traffic at once: without routes nothing can be split."""
    return policy.strategy is Strategy.IMMEDIATE or fleet.spec.routing.provider is RoutingProvider.NONE


def has_own_limits(repo: EventRepo | None) -> bool:
    """Whether a repo sets a size of its own, which the fleet's then does not change. Rates no fleet sets."""
    return repo is not None and (repo.spec.limits.body_bytes, repo.spec.limits.line_bytes) != (None, None)
