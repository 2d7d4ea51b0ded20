"""`make bench`: runs every measurement of this folder and writes docs/performance.md from what they print.

Owns the page. Measures nothing itself: each module can be run alone, with the command that stands beside its figures.
"""

import datetime
import os
import platform
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.testbed import kafka

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "performance.md"
HEAD = """\
# Performance

Written by `make bench`; run on {date}, {machine}. Broker, cluster, gateway and load generator share these cores, and
the machine is not quiet: compare figures within this page, and trust none of them as a promise.
"""


@dataclass(frozen=True)
class Bench:
    """One section of the page."""

    title: str
    module: str
    arguments: tuple[str, ...]
    prose: str
    fenced: bool = True


BENCHES = (
    Bench(
        "Thousands of repos",
        "scale",
        (),
        "Seconds from the first `apply` (20 requests in flight) until every repo has its route, its entry in a config "
        "shard and its status, on the two-node kind cluster with the chart's operator; and the leading operator's "
        "resident memory, as its kernel counts it. Stopped means that the ingress controller, which writes each "
        "route's status on the same cores, was scaled to zero.",
        fenced=False,
    ),
    Bench(
        "A request through the gateway",
        "gateway_http",
        (),
        "One gateway process, a real broker, acks all. Every line answered 200 is counted in Kafka.",
    ),
    Bench(
        "The pipeline alone",
        "pipeline_lines",
        (),
        "Splitting, decoding, constraint, key: what each line costs before Kafka, without HTTP.",
    ),
    Bench(
        "The producer alone",
        "producer_throughput",
        ("{kafka}",),
        "Submissions straight into the producer: lz4, acks all unless said otherwise. Records are counted in Kafka.",
    ),
)


def machine() -> str:
    """What it ran on."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{os.cpu_count()} cores, {memory:.0f} GiB, Linux {platform.release()}, Python {platform.python_version()}"


def run(bench: Bench, servers: str) -> str:
    """The section; progress and errors go to the terminal. Raises CalledProcessError where the bench fails."""
    arguments = [argument.format(kafka=servers) for argument in bench.arguments]
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
    return f"## {bench.title}\n\n{bench.prose}\nAlone: `{command}`.\n\n{figures}\n"


def main() -> None:
    """Run all, or the modules named, and write the page once all have succeeded."""
    servers = kafka.ensure(brokers=1).bootstrap
    head = HEAD.format(date=datetime.datetime.now(datetime.UTC).date(), machine=machine())
    sections = [run(bench, servers) for bench in BENCHES]
    PAGE.write_text("\n".join([head, *sections]))
    print(f"bench: wrote {PAGE.relative_to(ROOT)}", file=sys.stderr)


if __name__ == "__main__":
    main()
