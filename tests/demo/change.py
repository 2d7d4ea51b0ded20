"""The demo's change: the constraint is edited with kubectl, and every gateway is watched until it serves it."""

import json
import time
from dataclasses import dataclass

from tests.demo.show import Show
from tests.e2e.api import restarts, wait_for
from tests.e2e.release import Release
from tests.e2e.repos import shard_name, status_at_least, wait_ready

REPO = "nginx-access"
NAMESPACE = "default"
PATIENCE_SECONDS = 60


@dataclass(frozen=True)
class Pod:
    """A gateway before the change."""

    name: str
    uid: str
    restarts: int
    loaded: str | None
    """Hash of the shard that holds the repo."""


def gateways(release: Release, shard: str) -> dict[str, Pod]:
    """The ready gateways, by name, with what each says that it has loaded."""
    return {
        pod["metadata"]["name"]: Pod(
            name=pod["metadata"]["name"],
            uid=pod["metadata"]["uid"],
            restarts=restarts(pod),
            loaded=(release.api.pod_status(pod) or {}).get("shards", {}).get(shard),
        )
        for pod in release.gateway_pods()
    }


def change_constraint(release: Release, show: Show, minimum: int) -> float:
    """Edit the constraint and watch it arrive; answers the seconds until every gateway had it."""
    shard = shard_name(NAMESPACE, REPO)
    before = gateways(release, shard)
    patch = json.dumps({"spec": {"constraint": status_at_least(minimum)}})
    show.command(f"kubectl patch eventrepo {REPO} --type merge -p '{patch}'")
    began = time.monotonic()
    release.api.kubectl("patch", "eventrepo", REPO, "-n", NAMESPACE, "--type", "merge", "-p", patch)
    arrived: dict[str, float] = {}

    def everywhere() -> bool:
        for name, pod in gateways(release, shard).items():
            if name not in arrived and name in before and pod.loaded not in (before[name].loaded, None):
                arrived[name] = time.monotonic() - began
        show.detail(f"{len(arrived)} of {len(before)} gateways")
        return arrived.keys() == before.keys()

    wait_for(everywhere, "every gateway serves the new constraint", PATIENCE_SECONDS, every=0.05)
    after = gateways(release, shard)
    for name, seconds in arrived.items():
        old, new = before[name], after[name]
        show.say(f"{name}: config {old.loaded} -> {new.loaded} after {seconds:.2f} s, restarts {new.restarts}")
    same = {name: (pod.uid, pod.restarts) for name, pod in before.items()}
    if same != {name: (pod.uid, pod.restarts) for name, pod in after.items()}:
        raise AssertionError("a gateway was restarted or replaced")
    wait_ready(release, NAMESPACE, REPO, timeout=30)
    return max(arrived.values())
