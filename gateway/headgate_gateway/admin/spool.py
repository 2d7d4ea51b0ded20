"""What the admin port tells of the spool: its series, and what its state means for readiness. Pure; asked by metrics and app."""

from collections.abc import Mapping
from typing import Protocol

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from headgate_gateway.config.status import SpoolState
from headgate_gateway.http.ports import SpoolRefusal
from headgate_gateway.http.receipt import Durability
from headgate_gateway.kafka.counters import Histogram
from headgate_gateway.kafka.outcome import FailureReason
from headgate_gateway.spool.report import SpoolMetrics

REPOS_NAMED = 10

_COUNTERS = {
    "records_appended": ("Records made durable on disk.", "appended"),
    "records_delivered": ("Records of the spool that Kafka has acknowledged.", "delivered"),
    "records_replayed": ("Of them, records that were read back from disk.", "replayed"),
    "records_dead_lettered": ("Records that Kafka refuses for good, given to a dead letter.", "dead_lettered"),
    "records_parked": ("Records that Kafka refuses for good and no dead letter takes, set aside.", "parked_total"),
    "damaged": ("Damaged places in the spool's files whose bytes were set aside.", "damaged"),
}
_GAUGES = {
    "bytes": ("Bytes that the spool's files take.", "bytes"),
    "limit_bytes": ("Bytes that they may take.", "max_bytes"),
    "backlog_records": ("Durable records that are to be delivered still.", "backlog_records"),
    "backlog_bytes": ("Their bytes.", "backlog_bytes"),
    "in_flight_records": ("Of them, records that producers have.", "in_flight"),
    "parked_records": ("Records that are parked on disk.", "parked"),
    "oldest_seconds": ("Since the oldest record that is to be delivered was accepted.", "oldest_seconds"),
    "blocked_targets": ("Topics that have records in the spool and take none now.", "blocked_targets"),
}


def spool_families(spool: SpoolMetrics, track: str) -> list[Metric]:
    """All series of the spool."""
    labels = ["track"]
    families: list[Metric] = []
    for name, (text, field) in _COUNTERS.items():
        counter = CounterMetricFamily(f"headgate_spool_{name}", text, labels=labels)
        counter.add_metric([track], getattr(spool, field))
        families.append(counter)
    for name, (text, field) in _GAUGES.items():
        gauge = GaugeMetricFamily(f"headgate_spool_{name}", text, labels=labels)
        gauge.add_metric([track], getattr(spool, field))
        families.append(gauge)
    state = GaugeMetricFamily(
        "headgate_spool_state", "1 for the state that the spool is in.", labels=["track", "state"]
    )
    for each in SpoolState:
        state.add_metric([track, each.value], int(spool.state == each.value))
    commits = HistogramMetricFamily(
        "headgate_spool_commit_seconds", "From writing a group of requests to its being durable.", labels=labels
    )
    add_histogram(commits, [track], spool.commit_seconds)
    return [*families, state, commits]


def add_histogram(family: HistogramMetricFamily, labels: list[str], histogram: Histogram) -> None:
    """One series of a histogram, cumulated as Prometheus wants it."""
    total, buckets = 0, []
    for bound, count in zip([*map(str, histogram.bounds), "+Inf"], histogram.counts, strict=True):
        total += count
        buckets.append((bound, float(total)))
    family.add_metric(labels, buckets, histogram.total)


class Served(Protocol):
    """A repo, as far as readiness asks."""

    durability: Durability


def refused_repos(repos: Mapping[str, Served]) -> list[str]:
    """Names of the repos that cannot be served while the spool takes nothing, whatever Kafka does."""
    return sorted(name for name, repo in repos.items() if repo.durability is Durability.DISK)


def why_not_ready(fenced: str, refusal: SpoolRefusal | None, repos: Mapping[str, Served]) -> str | None:
    """Why requests are for other gateways; None: some can be served, as far as the spool goes.

    `fenced`: who has the directory now; a process that was taken for gone serves nobody.
    """
    if fenced:
        return f"{FailureReason.SPOOL_FAILED.value}: {fenced}"
    if refusal is None:
        return None
    refused = refused_repos(repos)
    return f"{_told(refusal)}, and every repo needs it" if refused and len(refused) == len(repos) else None


def remark(refusal: SpoolRefusal, repos: Mapping[str, Served]) -> str:
    """What readiness says beside its ok."""
    refused = refused_repos(repos)
    named = ", ".join(refused[:REPOS_NAMED]) + (
        f" and {len(refused) - REPOS_NAMED} more" if refused[REPOS_NAMED:] else ""
    )
    others = "others are served as long as Kafka takes their lines"
    return f"{_told(refusal)}: {f'503 for {named}; {others}' if refused else others}"


def _told(refusal: SpoolRefusal) -> str:
    return f"{refusal.reason.value}: {refusal.message}"
