"""Makes Prometheus series of the plain counters. Reads them in one go, so that a scrape's sums add up; what it read it
turns into families and text in whatever thread, since thousands of repos take a while.

lines:   received = accepted + dropped + rejected
records: of accepted lines = delivered + dead_lettered + spooled + failed + unknown + in_flight
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from headgate_gateway import __version__
from headgate_gateway.admin.spool import add_histogram, spool_families
from headgate_gateway.http.counters import TrafficCounters
from headgate_gateway.kafka.counters import Histogram, ProducerSnapshot
from headgate_gateway.spool.report import SpoolMetrics

LINE_FATES = ("accepted", "dropped", "rejected")
RECORD_FATES = ("delivered", "dead_lettered", "spooled", "failed", "unknown")
_REPO_VALUES = attrgetter(
    "received", "bytes_received", "in_flight", "unauthenticated", "over_limit", *LINE_FATES, *RECORD_FATES
)
PRODUCER_COUNTERS = {
    "requests": "Produce requests sent.",
    "batches": "Batches that Kafka has taken.",
    "batch_bytes": "Bytes of those batches, as sent.",
    "raw_bytes": "Bytes of all batches before compression.",
    "retries": "Batches sent again.",
    "retried_records": "Records sent again that Kafka may have had already.",
    "unknown": "Records sent and not answered in time, which Kafka may have.",
    "splits": "Refused batches that were cut to find the record that Kafka does not want.",
    "connects": "Connections opened to brokers.",
}


@dataclass(frozen=True, slots=True)
class Gauges:
    """Values of the process at one moment."""

    repos: int
    repos_refused: int
    shards_refused: int
    memory_reserved: int
    memory_limit: int
    connections: int
    connections_limit: int
    connections_opened: int
    connections_refused: int
    draining: bool
    revisions: Mapping[str, str]
    """Revision served, by repo."""


class _Frozen(Collector):
    """Families that were read already."""

    def __init__(self, families: list[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        """The families."""
        return self._families


def snapshot_metrics(
    traffic: TrafficCounters,
    gauges: Gauges,
    producers: Iterable[ProducerSnapshot],
    track: str,
    spool: SpoolMetrics | None = None,
) -> Callable[[], bytes]:
    """Read all values now; the result makes their text, in whatever thread."""
    repos = [(name, *_REPO_VALUES(counters)) for name, counters in traffic.repos.items()]
    requests = [(name, tuple(counters.requests.items())) for name, counters in traffic.repos.items()]
    requests.append(("", tuple(traffic.elsewhere.requests.items())))
    profiles = [
        (name, counters.delivery_seconds.copy(), counters.records_per_request.copy())
        for name, counters in traffic.profiles.items()
    ]
    snapshots = list(producers)

    def encode() -> bytes:
        families = [
            *_lines_and_records(repos, track),
            _requests(requests, track),
            *_profiles(profiles, track),
            *_producers(snapshots, track),
            *_process(gauges, track),
            *(spool_families(spool, track) if spool is not None else ()),
        ]
        registry = CollectorRegistry(auto_describe=False)
        registry.register(_Frozen(families))
        return generate_latest(registry)

    return encode


def _lines_and_records(repos: Iterable[tuple[Any, ...]], track: str) -> list[Metric]:
    base = ["repo", "track"]
    received = CounterMetricFamily("headgate_lines_received", "Lines received, blank ones not counted.", labels=base)
    lines = CounterMetricFamily("headgate_lines", "Lines received, by what became of them.", labels=[*base, "fate"])
    size = CounterMetricFamily("headgate_body_bytes_received", "Bytes of bodies received.", labels=base)
    records = CounterMetricFamily("headgate_records", "Records of accepted lines, by fate.", labels=[*base, "fate"])
    flying = GaugeMetricFamily("headgate_records_in_flight", "Records whose fate is not known yet.", labels=base)
    refused = CounterMetricFamily(
        "headgate_unauthenticated_requests", "Requests without a valid key or password.", labels=base
    )
    limited = CounterMetricFamily(
        "headgate_rate_limited_requests", "Requests over the repo's limits.perGateway.", labels=base
    )
    for name, lines_received, bytes_received, in_flight, unauthenticated, over_limit, *fates in repos:
        labels = [name, track]
        received.add_metric(labels, lines_received)
        size.add_metric(labels, bytes_received)
        flying.add_metric(labels, in_flight)
        refused.add_metric(labels, unauthenticated)
        limited.add_metric(labels, over_limit)
        for fate, value in zip(LINE_FATES, fates, strict=False):
            lines.add_metric([*labels, fate], value)
        for fate, value in zip(RECORD_FATES, fates[len(LINE_FATES) :], strict=True):
            records.add_metric([*labels, fate], value)
    return [received, lines, size, records, flying, refused, limited]


def _requests(requests: Iterable[tuple[str, Sequence[tuple[int, int]]]], track: str) -> Metric:
    family = CounterMetricFamily(
        "headgate_requests",
        "Requests answered, by status; repo is empty where none was meant; 499: the client left before it was complete.",
        labels=["repo", "track", "code"],
    )
    for name, answers in requests:
        for code, count in answers:
            family.add_metric([name, track, str(code)], count)
    return family


def _profiles(profiles: Iterable[tuple[str, Histogram, Histogram]], track: str) -> list[Metric]:
    labels = ["profile", "track"]
    seconds = HistogramMetricFamily(
        "headgate_delivery_seconds",
        "From handing a request's records to the producer to knowing their fate.",
        labels=labels,
    )
    records = HistogramMetricFamily("headgate_request_records", "Records of a request.", labels=labels)
    for name, delivery, sizes in profiles:
        add_histogram(seconds, [name, track], delivery)
        add_histogram(records, [name, track], sizes)
    return [seconds, records]


def _producers(producers: Iterable[ProducerSnapshot], track: str) -> list[Metric]:
    # Two producers of one profile live side by side while credentials or contents change: they count together.
    rows: dict[str, list[ProducerSnapshot]] = {}
    for snapshot in producers:
        rows.setdefault(snapshot.profile, []).append(snapshot)
    labels = ["profile", "track"]
    counters = {
        n: CounterMetricFamily(f"headgate_producer_{n}", h, labels=labels) for n, h in PRODUCER_COUNTERS.items()
    }
    buffered = GaugeMetricFamily("headgate_producer_buffered_bytes", "Bytes that requests hold.", labels=labels)
    pending = GaugeMetricFamily("headgate_producer_pending_records", "Records whose fate is open.", labels=labels)
    down = GaugeMetricFamily("headgate_producer_down", "1 while the profile's records go nowhere.", labels=labels)
    seconds = HistogramMetricFamily(
        "headgate_producer_request_seconds", "From sending a produce request to its answer.", labels=labels
    )
    for profile, snapshots in rows.items():
        for name, family in counters.items():
            family.add_metric([profile, track], sum(getattr(s.counters, name) for s in snapshots))
        buffered.add_metric([profile, track], sum(s.buffered_bytes for s in snapshots))
        pending.add_metric([profile, track], sum(s.pending_records for s in snapshots))
        # One that tries new credentials beside one that serves is no outage.
        down.add_metric([profile, track], int(all(s.down for s in snapshots)))
        together = Histogram()
        for snapshot in snapshots:
            together.add(snapshot.counters.request_seconds)
        add_histogram(seconds, [profile, track], together)
    return [*counters.values(), buffered, pending, down, seconds]


def _process(gauges: Gauges, track: str) -> list[Metric]:
    revisions = InfoMetricFamily("headgate_repo", "The revision of each repo that is served.", labels=["repo", "track"])
    for repo, revision in gauges.revisions.items():
        revisions.add_metric([repo, track], {"revision": revision})
    build = InfoMetricFamily("headgate_gateway", "This process.", value={"version": __version__, "track": track})
    values = {
        "headgate_repos": ("Repos served.", gauges.repos),
        "headgate_repos_refused": ("Repos whose newest config is not served.", gauges.repos_refused),
        "headgate_shards_refused": ("Config shards that could not be read.", gauges.shards_refused),
        "headgate_memory_reserved_bytes": ("Bytes that requests hold of the memory budget.", gauges.memory_reserved),
        "headgate_memory_limit_bytes": ("The memory budget.", gauges.memory_limit),
        "headgate_connections": ("Open connections on the traffic port.", gauges.connections),
        "headgate_connections_limit": ("So many connections may be open there.", gauges.connections_limit),
        "headgate_draining": ("1 while the process is on its way out.", int(gauges.draining)),
    }
    simple = [GaugeMetricFamily(name, text, value=value) for name, (text, value) in values.items()]
    opened = CounterMetricFamily(
        "headgate_connections_opened", "Connections taken on the traffic port.", value=gauges.connections_opened
    )
    refused = CounterMetricFamily(
        "headgate_connections_refused",
        "Connections that were answered 503, or cut, because too many were open.",
        value=gauges.connections_refused,
    )
    return [revisions, build, opened, refused, *simple]
