"""`make bench`: runs the measurements of this folder and writes docs/performance.md from what they print.

    python -m tests.bench                                # all; about an hour
    python -m tests.bench --only singles bodies          # some; the page's other sections stay
    python -m tests.bench --quick --page /tmp/page.md    # few and short runs, for development

Owns the page. Measures nothing itself: each module can be run alone, with the command that stands beside its figures.
"""

import argparse
import datetime
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.bench import machine, page, programs, shipped
from tests.bench.events import LINE_BYTES
from tests.bench.runs import BUSY_ENOUGH, FULL, OWN_ENOUGH, STOLEN_AT_MOST
from tests.testbed import kafka
from tests.testbed.errors import TestbedError

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "performance.md"
HEAD = f"""\
# Performance

Written by `make bench`, which builds the peers from their locked modules, starts Kafka, measures and writes this page;
`python -m tests.bench --only singles bodies` measures some of it again. Each section says when and on what it was
measured, and where it measures otherwise than is said here. The machine may be anybody's: compare figures within a
section, and trust none of them as a promise.

How servers are compared: each has one core for itself, load generator and Kafka have the other (as root, all of them go
before what else runs there). All ask for acknowledgements of all replicas, and wait for them before they answer unless
a section is about earlier answers; all compress with lz4, and are sent the same events, lines of {LINE_BYTES} bytes (the
Collector: the same as OTLP). What counts is records in Kafka, by offsets, never answers.

A round is a run of each server, one after the other; figures are medians over rounds, ratios are taken within each round.
In closed loop, rounds are run until {FULL.rounds} of them count, {FULL.rounds + FULL.extra_rounds} at most. A round counts if in each of its runs the measured
core was at least {BUSY_ENOUGH:.0%} busy, and at least {OWN_ENOUGH:.0%} of its time went into the server and its connections. What the host
of a virtual machine gives to others is no part of that time, and may be {STOLEN_AT_MOST:.0%} at most, of either core. Each section says of how many rounds its
figures are; where none counts, they are of all that were run, and marked. At a rate that is set no core need be busy, and every round counts. "µs CPU each" is CPU time of the server's process for a record. The peers'
sources are in `tests/bench/peers`.
"""
INTERPRETED = "the gateway interpreted, from the checkout"


@dataclass(frozen=True)
class Bench:
    """One section of the page."""

    title: str
    module: str
    prose: str
    arguments: tuple[str, ...] = ()
    fenced: bool = False
    quick: bool = True
    """Whether it has short runs, and says so."""
    program: str = ""
    """What is measured, if not the gateway as it ships."""


BENCHES = (
    Bench(
        "One event a request",
        "singles",
        "This gateway beside a Go service as a good engineer would write it in an afternoon: net/http and sarama's "
        "SyncProducer, one event a request. Ratios are this gateway's figure by the other's: of rates, more is better, "
        "of p99, less.",
    ),
    Bench(
        "JSONL bodies with a constraint on two fields",
        "bodies",
        "Beside a Go service with net/http and franz-go (lines decoded by encoding/json, each linger of 0, 2 and 10 ms) "
        "and the OpenTelemetry Collector (OTLP/HTTP logs in JSON, filter processor, Kafka exporter without a queue or "
        "linger).",
    ),
    Bench(
        "Authentication, rate limits and metrics",
        "features",
        "API keys, a limit that is never reached and a scrape each second, beside the same gateway without.",
    ),
    Bench(
        "Five executors",
        "executors",
        "splitter, assigner, set, rename and mask after a constraint on two fields: every event is decoded, changed and "
        "written again.",
    ),
    Bench(
        "How cost grows",
        "curves",
        "CPU time of the gateway for a unit of work: a flat line is linear growth.",
    ),
    Bench(
        "Memory while Kafka is slow",
        "slow_kafka",
        "Requests keep coming at the rate that the gateway could take, while a proxy lets a tenth of the bytes through "
        "to Kafka.",
    ),
    Bench(
        "Async from disk, and group commits",
        "spool_async",
        "Async answered once lines are on disk, beside the same gateway without a spool, which answers from memory; both "
        "have room for all lines of a run, so that neither refuses any. A run lasts until Kafka has the last line.",
    ),
    Bench(
        "A backlog of 1 GB",
        "spool_replay",
        "Made by the gateway while Kafka was frozen, and found again after kill -9. Then Kafka goes on: replay and live "
        "requests share the core, the profile and the topic.",
    ),
    Bench(
        "confluent-kafka in aiokafka's place",
        "alternatives",
        "The same gateway with librdkafka behind the same port: a measured alternative, which no release has.",
        program=INTERPRETED,
    ),
    Bench(
        "Thousands of repos",
        "scale",
        "Seconds from the first `apply` (20 requests in flight) until every repo has its route, its entry in a config "
        "shard and its status, on the two-node kind cluster with the chart's operator; and the leading operator's "
        "resident memory, as its kernel counts it. Stopped means that the ingress controller, which writes each "
        "route's status on the same cores, was scaled to zero. One run of each.",
        quick=False,
        program="the chart's images",
    ),
    Bench(
        "A request through the gateway",
        "gateway_http",
        "One gateway process, a real broker, acks all; these and the client share the cores. One run of each. Every line "
        "answered 200 is counted in Kafka.",
        fenced=True,
        quick=False,
        program=INTERPRETED,
    ),
    Bench(
        "The pipeline alone",
        "pipeline_lines",
        "Splitting, decoding, constraint, key: what each line costs before Kafka, without HTTP: the best of five.",
        fenced=True,
        quick=False,
        program=INTERPRETED,
    ),
    Bench(
        "The producer alone",
        "producer_throughput",
        "Submissions straight into the producer, by the same process: lz4, acks all unless said otherwise. One run of each. "
        "Records are counted in Kafka.",
        arguments=("{kafka}",),
        fenced=True,
        quick=False,
        program=INTERPRETED,
    ),
    Bench(
        "The spool's log, and SQLite in its place",
        "spool_store",
        "Durable commits of entries of 100 lines, and a gigabyte of them found again, read and deleted. SQLite with "
        "WAL and synchronous=FULL. One run of each, on whatever core.",
        fenced=True,
        quick=False,
        program=INTERPRETED,
    ),
)


def run(bench: Bench, servers: str, quick: bool) -> str:
    """The section; progress and errors go to the terminal. Raises CalledProcessError where the bench fails."""
    arguments = [argument.format(kafka=servers) for argument in bench.arguments]
    if quick and bench.quick:
        arguments.append("--quick")
    print(f"bench: {bench.title} ...", file=sys.stderr, flush=True)
    done = subprocess.run(
        [sys.executable, "-m", f"tests.bench.{bench.module}", *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    command = " ".join(("python -m", f"tests.bench.{bench.module}", *(["SERVERS"] if bench.arguments else [])))
    figures = f"```\n{done.stdout.rstrip()}\n```" if bench.fenced else done.stdout.rstrip()
    today = datetime.datetime.now(datetime.UTC).date()
    program = bench.program or f"the gateway: {shipped.describe()}"
    return (
        f"## {bench.title}\n\n{bench.prose}\n\n"
        f"Measured on {today}; {machine.describe()}; {program}. Alone: `{command}`.\n\n{figures}\n"
    )


def build_all() -> None:
    """Everything that has to be built, so that no build falls into a measurement."""
    for program in (programs.LOAD, programs.SARAMA_SINGLE, programs.FRANZ_LINES, programs.COLLECTOR):
        programs.ensure(program)
    shipped.interpreter()


def write(target: Path, bench: Bench, section: str) -> None:
    """Put one section into the page at once: a run that is ended loses nothing."""
    known = (target if target.exists() else PAGE).read_text()
    target.write_text(page.merge(known, HEAD, {bench.title: section}, [each.title for each in BENCHES]))


def main(argv: Sequence[str] | None = None) -> int:
    """Run all, or the modules named; the exit status is 1 where one of them failed, whose old section then stays."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = [bench.module for bench in BENCHES]
    parser.add_argument("--only", nargs="+", choices=names, default=names, metavar="NAME", help=", ".join(names))
    parser.add_argument("--quick", action="store_true", help="few and short runs; the page says so")
    parser.add_argument("--page", type=Path, default=PAGE, help="default: %(default)s")
    options = parser.parse_args(argv)
    try:
        servers = kafka.ensure(brokers=1).bootstrap
        build_all()
    except TestbedError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    failed = []
    for bench in BENCHES:
        if bench.module in options.only:
            try:
                write(options.page, bench, run(bench, servers, options.quick))
            except subprocess.CalledProcessError:
                failed.append(bench.module)
    print(f"bench: wrote {options.page}{f'; failed: {failed}' if failed else ''}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
