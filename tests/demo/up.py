"""The demo's steps, in order. Each may be repeated: a second `make demo` goes on from what is there."""

from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from tests.demo.change import (
    AT_ONCE,
    BY_DEFAULT,
    NAMESPACE,
    REPO,
    RefusedError,
    Stream,
    Walk,
    go_back,
    patch_repo,
    refused_before,
    retry,
    streaming,
    walk,
)
from tests.demo.nginx import Nginx, running_nginx, status_of
from tests.demo.shipping import DifferenceError, Shipped, compare, ship
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
THRESHOLD, NEW_THRESHOLD, SENSELESS = 400, 500, 1_000


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
        good, streamed = good_change(show, release, nginx.lines())
        bad, touched = bad_change(show, release, nginx.lines())
        outcome = Outcome(
            lines=first.lines,
            kept=first.kept,
            good=good,
            bodies=streamed.bodies,
            bad=bad,
            touched=touched,
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
        again = release.api.get(repo_path(NAMESPACE, REPO)) is not None
        if again:
            # An earlier demo has promoted or left something else, and no request comes that a canary could be judged by.
            patch_repo(release, show, AT_ONCE)
        show.command("kubectl apply -f examples/quickstart")
        show.say(release.api.kubectl("apply", "-f", str(QUICKSTART)))
        wait_until_ready(show, release)
        if again:
            patch_repo(release, show, BY_DEFAULT)
            wait_until_ready(show, release)


def wait_until_ready(show: Show, release: Release) -> None:
    """Until the repo is Ready; each change of its conditions is shown. What was refused before is tried again, once."""
    shown, retried = "", ""

    def ready() -> bool:
        nonlocal shown, retried
        found = release.api.get(repo_path(NAMESPACE, REPO)) or {}
        line = conditions_line(found)
        if line != shown:
            shown = line
            show.say(line)
        if (refused := refused_before(found)) and not retried:
            retried = refused
            retry(release, show, refused)
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


def good_change(show: Show, release: Release, lines: list[bytes]) -> tuple[Walk, Stream]:
    """A change that every request survives: 10 %, 50 %, all; and Kafka has what each revision had to keep."""
    cluster = release.cluster
    before = end_offsets(cluster.kafka_bootstrap, TOPIC)
    with show.step(f"A good change: keep only status >= {NEW_THRESHOLD}, while requests come"):
        with streaming(f"{cluster.edge_url}/log/repo/{REPO}", lines) as stream:
            walked = walk(release, show, NEW_THRESHOLD)
        if walked.phase != "Stable":
            raise RefusedError(f"a good change went back: {walked.message}")
        show.say(
            f"promoted after {walked.seconds:.0f} s by way of {_way(walked)}; {stream.bodies} requests, none failed"
        )
    with show.step("Kafka: every line that both revisions keep, once for each time that it was sent"):
        found = Counter(record.value for record in read(cluster.kafka_bootstrap, TOPIC, since=before))
        check_mixture(stream.sent, found)
        show.say(
            f"{found.total()} lines, {sum(n for line, n in found.items() if status_of(line) < NEW_THRESHOLD)} of "
            "them kept by the former revision alone"
        )
    return walked, stream


def check_mixture(sent: Counter[bytes], found: Counter[bytes]) -> None:
    """While two revisions serve: what both keep is there as often as it was sent, and what only the former keeps at most so often."""
    both = Counter({line: count for line, count in sent.items() if status_of(line) >= NEW_THRESHOLD})
    either = Counter({line: count for line, count in sent.items() if status_of(line) >= THRESHOLD})
    if both - found or found - either:
        raise DifferenceError(
            f"{(both - found).total()} lines are missing, {(found - either).total()} should not be there"
        )


def bad_change(show: Show, release: Release, lines: list[bytes]) -> tuple[Walk, float]:
    """A constraint that drops everything: found and taken back by the gateways' own counters. Per cent that it touched."""
    wanted = [line for line in lines if status_of(line) >= NEW_THRESHOLD]
    with show.step(f"A bad change: keep only status >= {SENSELESS}, which drops everything"):
        with streaming(f"{release.cluster.edge_url}/log/repo/{REPO}", wanted) as stream:
            walked = walk(release, show, SENSELESS)
        if walked.phase != "RolledBack":
            raise RefusedError(f"a bad change was not taken back: {walked.message}")
        touched = 100 * stream.dropped / max(1, stream.sent.total())
        show.say(f"taken back after {walked.seconds:.0f} s by way of {_way(walked)}: {walked.message}")
        show.say(f"it touched {touched:.1f} % of {stream.sent.total():,} lines")
        go_back(release, show, NEW_THRESHOLD)
    return walked, touched


def _way(walked: Walk) -> str:
    return " → ".join(f"{weight} %" for weight in walked.weights if weight)
