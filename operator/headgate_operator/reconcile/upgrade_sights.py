"""What is seen of a fleet's image upgrade: its gateways, what they say of repos, what they counted. Judges nothing.

A repo that the old image's gateways serve no better says nothing against the new one: such complaints are left out.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from headgate_operator.api.names import GATEWAY_CONTAINER, LABEL_REVISION, upgrade_name
from headgate_operator.reconcile.records import ChildRecord
from headgate_operator.reconcile.sights import CANARY_KINDS, Eyes, gauges, read_preflight
from headgate_operator.reconcile.store import FleetKey
from headgate_operator.render.world import RepoKey
from headgate_operator.rollout.model import CanarySight, Preflight
from headgate_operator.rollout.upgrade_model import Image
from headgate_operator.status.observation import GatewayReport, PodView, Tracks

IsCurrent = Callable[[GatewayReport], bool]
"""Whether a gateway reports the newest config."""


def see_upgrade(eyes: Eyes, fleet: FleetKey, tracks: Tracks, revision: str, is_current: IsCurrent) -> CanarySight:
    """The gateways of the image with this hash."""
    found = [eyes.store.child((kind, fleet[0], upgrade_name(fleet[1]))) for kind in CANARY_KINDS]
    if not tracks.upgrade and not any(found):
        return CanarySight()
    own = [pod for pod in tracks.upgrade if pod.revision == revision]
    said = [eyes.reports(pod.uid) for pod in own if pod.ready]
    progress = found[0].progress if found[0] is not None and _revision_of(found[0]) == revision else None
    return CanarySight(
        exists=True,
        desired=progress.desired if progress is not None else 0,
        ready=len(said),
        loaded=bool(said) and all(report is not None and is_current(report) for report in said),
        refused=_refused_shard(said, [eyes.reports(pod.uid) for pod in tracks.stable]),
        trouble=next(
            (pod.trouble for pod in own if pod.trouble),
            (progress.refused or progress.stuck) if progress is not None else "",
        ),
        restarts=sum(pod.restarts for pod in own),
        holding=eyes.holders.any_holds(tracks.upgrade),
    )


def _revision_of(deployment: ChildRecord) -> str:
    metadata = json.loads(deployment.content)["spec"]["template"].get("metadata") or {}
    return str((metadata.get("labels") or {}).get(LABEL_REVISION, ""))


def _refused_shard(said: Iterable[GatewayReport | None], stable: Iterable[GatewayReport | None]) -> str:
    """Why a gateway of the new image refuses a whole shard that one of the old image has loaded."""
    loaded = {each for report in stable if report is not None for each in report.shards.items()}
    for report in said:
        for index, (content, why) in report.refused_shards.items() if report is not None else ():
            if (index, content) in loaded:
                return why
    return ""


def see_move(eyes: Eyes, tracks: Tracks, repo: RepoKey, revision: str, pods: CanarySight) -> CanarySight:
    """The upgrade's gateways as those of one repo, whose stable `revision` they serve. `pods`: as of the fleet."""
    said = [eyes.reports(pod.uid) for pod in tracks.upgrade if pod.ready]
    stable = [eyes.reports(pod.uid) for pod in tracks.stable]
    preflight, problem = read_preflight(repo, revision, said)
    if preflight is not Preflight.PASSED and not _delivers(eyes, tracks, repo, revision):
        preflight, problem = Preflight.PASSED, ""
    refused = "" if any(_refusal(report, repo) for report in stable) else _first(_refusal(each, repo) for each in said)
    return replace(pods, refused=refused, preflight=preflight, preflight_problem=problem)


def see_objections(
    eyes: Eyes, tracks: Tracks, revisions: Mapping[RepoKey, str], pods: CanarySight
) -> dict[RepoKey, str]:
    """Repos that the new image cannot serve although the old one does, found before any request."""
    said = [report for pod in tracks.upgrade if pod.ready and (report := eyes.reports(pod.uid)) is not None]
    named = {repo for report in said for repo in report.refused}
    named |= {repo for report in said for repo, told in report.preflights.items() if told.state == Preflight.FAILED}
    found: dict[RepoKey, str] = {}
    for repo in named & revisions.keys():
        sight = see_move(eyes, tracks, repo, revisions[repo], pods)
        failed = sight.preflight is Preflight.FAILED
        if why := sight.refused or (failed and (sight.preflight_problem or "it could not deliver")) or "":
            found[repo] = why
    return found


def _refusal(report: GatewayReport | None, repo: RepoKey) -> str:
    refused = report.refused.get(repo) if report is not None else None
    return (refused.reason or "refused") if refused is not None else ""


def _first(texts: Iterable[str]) -> str:
    return next((text for text in texts if text), "")


def _delivers(eyes: Eyes, tracks: Tracks, repo: RepoKey, revision: str) -> bool:
    """Whether the old image's gateways have delivered a request of the repo, as far as they know."""
    found = gauges(eyes, repo, tracks.stable, revision)
    return any(gauge.sample.requests > gauge.sample.server_errors + gauge.sample.lost for gauge in found)


def requests_of(eyes: Eyes, pods: Iterable[PodView]) -> dict[RepoKey, float]:
    """Requests that these pods have counted of each repo that was asked for, of all its revisions."""
    found: dict[RepoKey, float] = {}
    for pod in pods:
        counted = eyes.counted(pod.uid)
        for sample in counted[0].repos if counted is not None else ():
            key = sample.namespace, sample.name
            found[key] = found.get(key, 0.0) + sample.requests + sample.excluded
    return found


def count_all(eyes: Eyes, pods: Iterable[PodView]) -> int:
    """All requests that these pods have counted since they started."""
    return sum(counted[0].requests for pod in pods if (counted := eyes.counted(pod.uid)) is not None)


def image_in(workload: ChildRecord | None, fleet: str) -> Image | None:
    """What the gateways of a fleet's own live workload are to run."""
    if workload is None or workload.owner != fleet:
        return None
    containers = json.loads(workload.content)["spec"]["template"]["spec"].get("containers") or ()
    named = (each for each in containers if each.get("name") == GATEWAY_CONTAINER)
    # An override of the template may call it otherwise.
    gateway = next(named, containers[0] if containers else None)
    if gateway is None or not gateway.get("image"):
        return None
    return Image(name=gateway["image"], pull_policy=gateway.get("imagePullPolicy") or "IfNotPresent")
