"""How long thousands of EventRepos take from `apply` to route, config shard and status, and what memory that costs.

Runs against the testbed's cluster with the chart installed; measured with the ingress controller stopped (it writes
each route's status too, on the same two cores) or running. Run: `python -m tests.bench.scale --repos 1000 5000`.
"""

import argparse
import asyncio
import contextlib
import json
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import aiohttp
from tests.e2e.api import Api, condition
from tests.e2e.api import wait_for as wait_until
from tests.e2e.images import ensure_images
from tests.e2e.release import NAMESPACE as RELEASE_NAMESPACE
from tests.e2e.release import Release
from tests.testbed.cluster import ensure

GROUP = "headgate.dev/v1alpha1"
NAMESPACE = "headgate-scale"
FLEET = "scale"
IN_FLIGHT = 20
WAIT_SECONDS = 600


@dataclass(frozen=True)
class Measured:
    """Seconds are counted from the first apply; memory is the leader's resident set, in MiB."""

    repos: int
    ingress_controller: bool
    applied_seconds: float
    routes_seconds: float
    shards_seconds: float
    statuses_seconds: float
    memory_mib: float
    memory_peak_mib: float


class BulkApi:
    """The few calls that the measurement needs, many at a time."""

    def __init__(self, http: aiohttp.ClientSession) -> None:
        self._http = http

    async def list(self, path: str, **query: str) -> dict[str, Any]:
        """A collection."""
        async with self._http.get(path, params=query) as answer:
            found: dict[str, Any] = await answer.json()
            return found

    async def apply(self, path: str, manifest: dict[str, Any]) -> None:
        """Server-side apply, as a user would."""
        async with self._http.patch(
            f"{path}/{manifest['metadata']['name']}",
            params={"fieldManager": "scale", "force": "true"},
            data=json.dumps(manifest),
            headers={"Content-Type": "application/apply-patch+yaml"},
        ) as answer:
            await answer.read()

    async def count(self, path: str) -> int:
        """Number of objects of a collection, without fetching them."""
        answer = await self.list(path, limit="1")
        return len(answer["items"]) + int(answer["metadata"].get("remainingItemCount", 0))


REPOS = f"/apis/{GROUP}/namespaces/{NAMESPACE}/eventrepos"
ROUTES = f"/apis/gateway.networking.k8s.io/v1/namespaces/{NAMESPACE}/httproutes"
CONFIGMAPS = f"/api/v1/namespaces/{NAMESPACE}/configmaps"


def say(text: str) -> None:
    """Progress, beside the table."""
    print(text, file=sys.stderr, flush=True)


def repo_manifest(number: int) -> dict[str, Any]:
    """An EventRepo as a team would write it."""
    return {
        "apiVersion": GROUP,
        "kind": "EventRepo",
        "metadata": {"name": f"stream-{number:05d}", "namespace": NAMESPACE},
        "spec": {
            "fleetRef": {"name": FLEET},
            "constraint": {"matchExpressions": [{"field": "status", "operator": "Ge", "values": [400]}]},
            "kafka": {"producerProfile": "main", "topic": f"stream-{number:05d}"},
        },
    }


async def apply_all(api: BulkApi, count: int) -> None:
    """Apply `count` repos with a bounded number of requests in flight."""
    slots = asyncio.Semaphore(IN_FLIGHT)

    async def one(number: int) -> None:
        async with slots:
            await api.apply(REPOS, repo_manifest(number))

    await asyncio.gather(*(one(number) for number in range(count)))


async def sharded_repos(api: BulkApi) -> int:
    """How many entries the fleet's shards hold."""
    answer = await api.list(CONFIGMAPS, labelSelector=f"headgate.dev/fleet={FLEET}")
    return sum(
        len(json.loads(text)["repos"])
        for item in answer["items"]
        for name, text in (item.get("data") or {}).items()
        if name.startswith("shard-")
    )


async def accepted_repos(api: BulkApi) -> int:
    """How many repos carry Accepted=True at their generation."""
    answer = await api.list(REPOS)
    return sum(
        item.get("status", {}).get("observedGeneration") == item["metadata"]["generation"]
        and any(c["type"] == "Accepted" and c["status"] == "True" for c in item["status"].get("conditions", ()))
        for item in answer["items"]
    )


async def wait_for(what: str, wanted: int, count: Any, started: float, every: float) -> float:
    """Seconds since `started` when `count()` reached `wanted`. Raises TimeoutError naming what is missing."""
    found = -1
    while time.monotonic() - started < WAIT_SECONDS:
        found = await count()
        if found == wanted:
            return time.monotonic() - started
        say(f"  {time.monotonic() - started:6.1f} s  {found} of {wanted} {what}")
        await asyncio.sleep(every)
    raise TimeoutError(f"only {found} of {wanted} {what} after {WAIT_SECONDS} s")


def leader_pod(release: Release) -> str:
    """The operator's pod that holds the Lease."""
    leases = release.api.items(f"apis/coordination.k8s.io/v1/namespaces/{RELEASE_NAMESPACE}/leases")
    holders = {lease["spec"].get("holderIdentity", "").split("_")[0] for lease in leases}
    names: list[str] = [pod["metadata"]["name"] for pod in release.operator_pods()]
    return next(name for name in names if name in holders)


def operator_memory(release: Release) -> tuple[float, float]:
    """(resident now, peak) of the leading operator, MiB, as its kernel counts them."""
    status = release.api.kubectl("exec", "-n", RELEASE_NAMESPACE, leader_pod(release), "--", "cat", "/proc/1/status")
    rows = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
    return int(rows["VmRSS"].split()[0]) / 1024, int(rows["VmHWM"].split()[0]) / 1024


@contextlib.contextmanager
def scale_fleet(release: Release) -> Iterator[None]:
    """A fleet of one gateway in a namespace of its own, gone afterwards."""
    release.api.create_namespace(NAMESPACE)
    release.api.apply(*fleet_manifests(release))
    try:
        # Starting a gateway's pod is not what is measured here.
        fleet = f"{GROUP}/namespaces/{NAMESPACE}/gatewayfleets/{FLEET}"
        wait_until(
            lambda: condition(release.api.get(f"apis/{fleet}"), "Programmed").get("status") == "True",
            "the fleet is Programmed",
            120,
        )
        yield
    finally:
        release.api.kubectl("delete", "namespace", NAMESPACE, "--wait=true", "--timeout=600s", timeout=620)


def fleet_manifests(release: Release) -> list[dict[str, Any]]:
    """The fleet and its producer profile."""
    values = release.values()["defaultFleet"]
    spec = {**values["spec"], "image": release.images.gateway, "imagePullPolicy": "Never", "replicas": 1}
    metas = [{"namespace": NAMESPACE, "name": name} for name in (FLEET, "main")]
    return [
        {"apiVersion": GROUP, "kind": "GatewayFleet", "metadata": metas[0], "spec": spec},
        {
            "apiVersion": GROUP,
            "kind": "KafkaProducerProfile",
            "metadata": metas[1],
            "spec": {"bootstrapServers": [release.cluster.kafka_bootstrap_in_cluster]},
        },
    ]


async def measure(api: BulkApi, release: Release, repos: int, ingress: bool) -> Measured:
    """One run: apply, wait for routes, shards and statuses, read the memory."""
    release.cluster.set_envoy_gateway_running(ingress)
    say(f"{repos} repos, ingress controller {'running' if ingress else 'stopped'}")
    with scale_fleet(release):
        started = time.monotonic()
        await apply_all(api, repos)
        applied = time.monotonic() - started
        shards = asyncio.create_task(wait_for("sharded", repos, lambda: sharded_repos(api), started, 1.0))
        routes = await wait_for("routes", repos, lambda: api.count(ROUTES), started, 0.5)
        statuses = await wait_for("statuses", repos, lambda: accepted_repos(api), started, 1.0)
        memory, peak = operator_memory(release)
        measured = Measured(repos, ingress, applied, routes, await shards, statuses, memory, peak)
        say(f"  {measured}")  # at once: what follows may take long, and a run that is ended loses nothing
        return measured


async def run(sizes: list[int], with_ingress: bool) -> list[Measured]:
    """All runs, one after the other; the ingress controller runs again afterwards."""
    cluster = ensure()
    with Api(cluster.kubeconfig, cluster.kubectl) as cluster_api:
        release = Release(cluster, cluster_api, ensure_images(cluster))
        release.install()
        release.wait_for_fleet()
        try:
            async with cluster_api.bulk_client(IN_FLIGHT + 4) as http:
                runs = [(size, False) for size in sizes] + [(sizes[0], True)] * with_ingress
                results = [await measure(BulkApi(http), release, size, ingress) for size, ingress in runs]
        finally:
            cluster.set_envoy_gateway_running(True)
    return results


def main() -> None:
    """Print a table, and the figures as JSON with --json."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repos", type=int, nargs="+", default=[1_000, 5_000])
    parser.add_argument("--without-ingress-run", action="store_true", help="skip the run with the controller running")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    results = asyncio.run(run(options.repos, not options.without_ingress_run))
    if options.json:
        json.dump([asdict(result) for result in results], sys.stdout, indent=2)
        return
    print(table(results))


def table(results: list[Measured]) -> str:
    """The figures as a Markdown table."""
    rows = [
        "| repos | ingress controller | applied | routes | shards | statuses | operator, MiB | peak, MiB |",
        "| ---: | --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    rows += [
        f"| {r.repos} | {'running' if r.ingress_controller else 'stopped'} | {r.applied_seconds:.1f} s "
        f"| {r.routes_seconds:.1f} s | {r.shards_seconds:.1f} s | {r.statuses_seconds:.1f} s "
        f"| {r.memory_mib:.0f} | {r.memory_peak_mib:.0f} |"
        for r in results
    ]
    return "\n".join(rows)


if __name__ == "__main__":
    main()
