"""The demo's steps, in order. Each may be repeated: a second `make demo` goes on from what is there."""

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from tests.demo.change import NAMESPACE, REPO, change_constraint
from tests.demo.nginx import Nginx, running_nginx, status_of
from tests.demo.shipping import Shipped, compare, ship
from tests.demo.show import Show
from tests.demo.summary import Outcome, summary
from tests.e2e.api import Api, condition, conditions_line, wait_for
from tests.e2e.images import ensure_images
from tests.e2e.records import create_topic, end_offsets, read
from tests.e2e.release import Release
from tests.e2e.repos import repo_path
from tests.testbed.cluster import Cluster, ensure

ROOT = Path(__file__).resolve().parents[2]
QUICKSTART = ROOT / "examples" / "quickstart"
TOPIC = "nginx-access"
REQUESTS = 3_000
REQUESTS_AFTER = 1_500
THRESHOLD, NEW_THRESHOLD = 400, 500


@dataclass(frozen=True)
class Round:
    """One shipment of the log, compared with Kafka."""

    lines: int
    kept: int
    shipped: Shipped


def run_demo(show: Show) -> None:
    """All of it. Raises where anything is not as it should be."""
    with ExitStack() as stack:
        with show.step("Cluster: kind with Envoy Gateway and Kafka", quiet=True):
            cluster = ensure()
        api = stack.enter_context(Api(cluster.kubeconfig, cluster.kubectl))
        release = install(show, cluster, api)
        quickstart(show, release)
        with show.step("A real nginx on loopback, with a JSON access log"):
            nginx = stack.enter_context(running_nginx())
        first = ship_round(show, cluster, nginx, REQUESTS, THRESHOLD)
        with show.step(f"Change: keep only status >= {NEW_THRESHOLD}, while everything runs"):
            seconds = change_constraint(release, show, NEW_THRESHOLD)
        second = ship_round(show, cluster, nginx, REQUESTS_AFTER, NEW_THRESHOLD)
        outcome = Outcome(
            lines=(first.lines, second.lines),
            kept=(first.kept, second.kept),
            change_seconds=seconds,
            seconds=show.elapsed,
            gateways=len(release.gateway_pods()),
        )
    print(summary(cluster, outcome), flush=True)


def install(show: Show, cluster: Cluster, api: Api) -> Release:
    """Both images in every node, the chart installed, its default fleet serving."""
    with show.step("Images: build the operator and the gateway, load them into the nodes"):
        images = ensure_images(cluster)
        show.say(f"{images.operator}, {images.gateway}")
    release = Release(cluster, api, images)
    with show.step("Chart: install, and wait for the default fleet"):
        show.command("helm upgrade --install headgate charts/headgate --namespace headgate-system ...")
        release.install(adopt=True)
        show.say(conditions_line(release.wait_for_fleet()))
    return release


def quickstart(show: Show, release: Release) -> None:
    """The two resources that a user writes, and the moment from which they are served."""
    with show.step("Kafka: the topic that the quickstart names"):
        create_topic(release.cluster.kafka_bootstrap, TOPIC)
    with show.step("Quickstart: a KafkaProducerProfile and an EventRepo"):
        show.command("kubectl apply -f examples/quickstart")
        show.say(release.api.kubectl("apply", "-f", str(QUICKSTART)))
        wait_until_ready(show, release)


def wait_until_ready(show: Show, release: Release) -> None:
    """Until the repo is Ready; each change of its conditions is shown."""
    shown = ""

    def ready() -> bool:
        nonlocal shown
        found = release.api.get(repo_path(NAMESPACE, REPO)) or {}
        line = conditions_line(found)
        if line != shown:
            shown = line
            show.say(line)
        return condition(found, "Ready").get("status") == "True"

    wait_for(ready, f"{REPO} is Ready", 120)


def ship_round(show: Show, cluster: Cluster, nginx: Nginx, requests: int, threshold: int) -> Round:
    """Visit nginx, ship what it logged through Envoy, and compare with Kafka."""
    already = len(nginx.lines()) if nginx.log.exists() else 0
    with show.step(f"Visitors: {requests:,} requests to nginx"):
        seen = nginx.visit(requests, seed=requests)
        nginx.wait_for_lines(already + requests)
        lines = nginx.lines(skip=already)
        show.say("answers: " + ", ".join(f"{status}: {count}" for status, count in sorted(seen.items())))
        show.say(lines[0].decode())
    url = f"{cluster.edge_url}/log/repo/{REPO}"
    before = end_offsets(cluster.kafka_bootstrap, TOPIC)
    with show.step(f"Shipping {len(lines):,} lines of its log through Envoy"):
        show.command(f"curl --data-binary @part-of-access.log {url}")
        shipped = ship(url, lines)
        show.say(f"{shipped.bodies} bodies, all 200: {shipped.accepted} lines accepted, {shipped.dropped} dropped")
    with show.step("Kafka: read back, and compare line by line"):
        wanted = [line for line in lines if status_of(line) >= threshold]
        kept = compare(wanted, read(cluster.kafka_bootstrap, TOPIC, since=before))
        show.say(f"{kept} lines with status >= {threshold}: each arrived, once, and no other")
    return Round(len(lines), kept, shipped)
