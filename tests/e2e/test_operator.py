"""The operator's own conduct: it converges whenever it is killed, rests when nothing changes, and upgrades quietly."""

import random
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.api import Manifest, restarts, wait_for
from tests.e2e.conftest import PROFILE
from tests.e2e.images import Images
from tests.e2e.release import ACCOUNT, FLEET, NAME, NAMESPACE, PODS_PATH, Release
from tests.e2e.repos import repo, repo_path, status_at_least, wait_ready
from tests.testbed.cluster import Cluster

pytestmark = pytest.mark.cluster

KILLS = 20
SEED = 20261121
QUIET_SECONDS = 120
CHILDREN = (
    "api/v1/namespaces/{0}/configmaps",
    "api/v1/namespaces/{0}/services",
    "api/v1/namespaces/{0}/serviceaccounts",
    "apis/apps/v1/namespaces/{0}/deployments",
    "apis/policy/v1/namespaces/{0}/poddisruptionbudgets",
    "apis/gateway.networking.k8s.io/v1/namespaces/{0}/httproutes",
)
OTHER_VERSION = """\
FROM {image}
USER 0
RUN ["python3", "-c", "{edit}"]
USER 65532:65532
"""
# A field with a default in the resource and in the contract, as any later version will bring.
EDIT = """\
import pathlib, compileall, sys
for name, after in (
    ('headgate_operator/api/repo.py', 'class RepoSpec(ResourceModel):'),
    ('headgate_operator/api/fleet.py', 'class FleetSpec(ResourceModel):'),
    ('headgate_gateway/config/kafka.py', 'class KafkaRouting(ContractModel):'),
):
    path = pathlib.Path('/opt/headgate/app') / name
    text = path.read_text()
    assert after in text, name
    field = '    brand_new: int = 7' + chr(10) + '    ' + chr(39) * 3 + 'New.' + chr(39) * 3 + chr(10)
    head, tail = text.split(after, 1)
    body = tail.split(chr(10) * 2, 1)
    path.write_text(head + after + body[0] + chr(10) * 2 + field + body[1])
    assert compileall.compile_file(path, force=True, quiet=1)
"""


def children(release: Release) -> dict[str, Manifest]:
    """Everything rendered for the default fleet, without what the API server and controllers add.

    The states of rollouts are no renderings: they remember when each of them ended.
    """
    selector = f"headgate.dev/fleet={FLEET},headgate.dev/component!=rollout"
    return {
        f"{path.rpartition('/')[2]}/{manifest['metadata']['name']}": _bare(manifest)
        for path in CHILDREN
        for manifest in release.api.items(path.format(NAMESPACE), selector)
    }


def _bare(manifest: Manifest) -> Manifest:
    meta = manifest["metadata"]
    kept = {name: meta.get(name) for name in ("name", "labels", "ownerReferences")}
    return {**{key: value for key, value in manifest.items() if key != "status"}, "metadata": kept}


def leader(release: Release) -> str | None:
    """The pod that holds the Lease."""
    lease = release.api.get(f"apis/coordination.k8s.io/v1/namespaces/{NAMESPACE}/leases/{NAME}") or {}
    holder = str(lease.get("spec", {}).get("holderIdentity") or "")
    return next((pod["metadata"]["name"] for pod in release.operator_pods() if pod["metadata"]["name"] in holder), None)


def kill_leader(release: Release) -> str:
    """SIGKILL for whoever acts now."""
    name = wait_for(lambda: leader(release), "an operator holds the Lease", 40)
    release.api.delete(f"{PODS_PATH}/{name}", gracePeriodSeconds=0)
    return name


def change_world(release: Release, namespace: str, topic: str, variant: int) -> list[str]:
    """One of two worlds: three repos that change, and a fourth that only one world has."""
    repos = [
        repo(f"kill-{n}", namespace, PROFILE, topic, constraint=status_at_least(200 + 10 * variant + n))
        for n in range(3)
    ]
    extra = repo("kill-extra", namespace, PROFILE, topic)
    if variant:
        release.api.apply(*repos, extra)
        return ["kill-0", "kill-1", "kill-2", "kill-extra"]
    release.api.delete(repo_path(namespace, "kill-extra"))
    release.api.apply(*repos)
    return ["kill-0", "kill-1", "kill-2"]


def settle(release: Release, namespace: str, names: list[str]) -> dict[str, Manifest]:
    """The world once every repo is Ready and the route of a deleted one is gone."""
    for name in names:
        wait_ready(release, namespace, name, timeout=90)

    def routes_fit() -> bool:
        routes = release.api.items(CHILDREN[-1].format(NAMESPACE), f"headgate.dev/repo-namespace={namespace}")
        return len(routes) == len(names)

    wait_for(routes_fit, f"{len(names)} routes", 90)
    return children(release)


def test_killed_twenty_times_during_changes_it_converges_to_the_same_objects(
    release: Release, namespace: str, topic: str, say: Callable[[str], None]
) -> None:
    wanted = [settle(release, namespace, change_world(release, namespace, topic, variant)) for variant in (1, 0)][::-1]
    rng = random.Random(SEED)
    took: list[float] = []

    for number in range(KILLS):
        variant = (number + 1) % 2
        began = time.monotonic()
        names = change_world(release, namespace, topic, variant)
        time.sleep(rng.uniform(0, 0.8))
        killed = kill_leader(release)
        found = settle(release, namespace, names)
        took.append(time.monotonic() - began)
        assert found == wanted[variant], f"after kill {number} of {killed}"

    say(f"{KILLS} kills: converged after {sorted(took)[KILLS // 2]:.1f} s (median), {max(took):.1f} s at most")


def parse_time(text: str) -> datetime:
    """A timestamp of the audit log."""
    return datetime.fromisoformat(text)


def writes_since(cluster: Cluster, since: datetime) -> list[str]:
    """What the operator's account wrote, its Lease aside."""
    return [
        f"{event['verb']} {event['objectRef']['resource']} "
        f"{event['objectRef'].get('namespace')}/{event['objectRef'].get('name')}"
        for event in cluster.audit_events()
        if event["user"]["username"] == ACCOUNT
        and event["objectRef"]["resource"] != "leases"
        and parse_time(event["requestReceivedTimestamp"]) > since
    ]


@pytest.mark.timeout(400)
def test_an_unchanged_world_is_not_written_to_for_two_minutes(
    release: Release, cluster: Cluster, namespace: str, topic: str, say: Callable[[str], None]
) -> None:
    began = datetime.now(UTC) - timedelta(seconds=1)
    release.api.apply(repo("resting", namespace, PROFILE, topic))
    wait_ready(release, namespace, "resting")
    assert writes_since(cluster, began), "the audit log shows writes when there are some"
    _wait_until_quiet(cluster)

    since = datetime.now(UTC)
    say(f"watching an unchanged world for {QUIET_SECONDS} s")
    time.sleep(QUIET_SECONDS)

    assert writes_since(cluster, since) == []


def _wait_until_quiet(cluster: Cluster) -> None:
    """Namespaces of earlier tests, with thousands of repos perhaps, are still being deleted: wait for ten calm seconds."""
    wait_for(
        lambda: writes_since(cluster, datetime.now(UTC) - timedelta(seconds=10)) == [], "ten calm seconds", 200, every=2
    )


def state_of(release: Release, namespace: str, name: str) -> dict[str, Any]:
    """What an upgrade of the operator must not touch."""
    found = release.api.get(repo_path(namespace, name)) or {}
    return {
        "revision": found.get("status", {}).get("revision"),
        "pods": {pod["metadata"]["uid"]: restarts(pod) for pod in release.gateway_pods()},
    }


@pytest.mark.timeout(400)
def test_another_version_of_the_operator_restarts_no_pod_and_changes_no_revision(
    release: Release, cluster: Cluster, namespace: str, topic: str, tmp_path: Path
) -> None:
    release.api.apply(repo("lasting", namespace, PROFILE, topic, constraint=status_at_least(300)))
    wait_ready(release, namespace, "lasting")
    before = state_of(release, namespace, "lasting")
    other = _image_with_new_fields(release, tmp_path)
    service = (
        Path(__file__).resolve().parents[2] / "operator/headgate_operator/render/templates/service.yaml.j2"
    ).read_text()
    changed = service.replace("  type: ", "  sessionAffinity: None\n  publishNotReadyAddresses: false\n  type: ")

    other.install(templates={"service.yaml.j2": changed})
    try:
        # The new operator has looked: it accepts a repo that was not there before.
        release.api.apply(repo("new-era", namespace, PROFILE, topic))
        wait_ready(release, namespace, "new-era")
        wait_ready(release, namespace, "lasting")
        assert _managed_by_template(release, "f:publishNotReadyAddresses")
        assert state_of(release, namespace, "lasting") == before
    finally:
        release.install()


def _managed_by_template(release: Release, field: str) -> bool:
    service = release.api.get(f"api/v1/namespaces/{NAMESPACE}/services/{FLEET}-gateway") or {}
    managers = service["metadata"]["managedFields"]
    return any(field in str(entry["fieldsV1"]) for entry in managers if entry["manager"] == "headgate-operator")


def _image_with_new_fields(release: Release, tmp_path: Path) -> Release:
    dockerfile = tmp_path / "Dockerfile"
    edit = EDIT.replace("\n", "\\n").replace('"', '\\"')
    dockerfile.write_text(OTHER_VERSION.format(image=release.images.operator, edit=edit))
    reference = f"{release.images.operator}-other"
    release.cluster.build_image(dockerfile, reference)
    release.cluster.load_image(reference)
    return replace(release, images=Images(operator=reference, gateway=release.images.gateway))
