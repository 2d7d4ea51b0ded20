"""Memory at full load while Kafka takes a tenth: what the gateway's process holds over time, and what clients are told.

    python -m tests.bench.slow_kafka --quick           # two minutes
    python -m tests.bench.slow_kafka --minutes 10

First the rate at which this gateway takes bodies of 100 lines is measured, through a proxy before the broker. Then the
proxy lets a tenth of those bytes through, and requests go on coming at that rate, over thousands of connections, however
long answers take.
"""

import json
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path

from tests.bench import events, loading, session
from tests.bench.closed_loop import CONNECTIONS
from tests.bench.contenders import Server, gateway, serving
from tests.bench.loading import Load
from tests.bench.machine import resident_mib
from tests.bench.runs import BenchError
from tests.bench.session import Session
from tests.bench.tables import bar, bars, table
from tests.bench.throttle import Throttle, throttled

LINES = 100
FULL_CONNECTIONS = CONNECTIONS[100]
SLOW_CONNECTIONS = 4_000
SHARE = 10
MINUTES = 10.0
QUICK_MINUTES = 2.0
SAMPLE_SECONDS = 2.0
SETTLED_AFTER = 120.0
MOST_MEGABYTES = 150


@dataclass(frozen=True)
class Sample:
    """One look at the process."""

    seconds: float
    resident: float


@dataclass(frozen=True)
class Progress:
    """What the load generator has counted until then."""

    seconds: float
    statuses: dict[str, int]
    lost: int


def full_rate(bench: Session, server: Server, throttle: Throttle) -> tuple[float, float]:
    """(requests, bytes to Kafka) a second, unhindered."""
    load = Load(server.contender.requests(LINES), LINES, FULL_CONNECTIONS, bench.effort.seconds)
    loading.send(server.port, replace(load, seconds=bench.effort.warm_up_seconds), server.process.pid)
    before = throttle.passed
    report = loading.send(server.port, load, server.process.pid)
    return report.accepted / report.seconds, (throttle.passed - before) / report.seconds


def overload(server: Server, rate: float, minutes: float, every: float) -> tuple[list[Sample], list[Progress]]:
    """Requests at that rate for so long; the process is looked at meanwhile."""
    load = Load(server.contender.requests(LINES), LINES, SLOW_CONNECTIONS, minutes * 60, rate)
    samples, begun = [Sample(0, resident_mib(server.process.pid)[0])], time.monotonic()
    with tempfile.TemporaryDirectory() as directory:
        command = loading.command(server.port, load, server.process.pid, Path(directory), "-every", f"{every}s")
        sending = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)
        while sending.poll() is None:
            time.sleep(SAMPLE_SECONDS)
            now = time.monotonic() - begun
            if now <= minutes * 60:
                samples.append(Sample(now, resident_mib(server.process.pid)[0]))
        told, _ = sending.communicate()
    if sending.returncode:
        raise BenchError("the load generator ended early")
    lines = [json.loads(line) for line in told.splitlines()]
    return samples, [Progress(each["seconds"], each["statuses"], each["lost"]) for each in lines]


def by_interval(samples: list[Sample], told: list[Progress], every: float) -> str:
    """A row for each interval."""
    rows, before = [], Progress(0, {}, 0)
    for each in told:
        held = [sample.resident for sample in samples if before.seconds < sample.seconds <= each.seconds]
        length = max(each.seconds - before.seconds, 1e-9)
        if held and length > every / 2:
            counts = {status: each.statuses.get(status, 0) - before.statuses.get(status, 0) for status in each.statuses}
            others = sum(count for status, count in counts.items() if status not in {"200", "503"})
            rows.append(
                [
                    f"{each.seconds:.0f} s",
                    f"{max(held):.0f}",
                    f"{counts.get('200', 0) / length:,.0f}",
                    f"{counts.get('503', 0) / length:,.0f}",
                    f"{others + each.lost - before.lost:,}",
                ]
            )
        before = each
    return table(["until", "highest MiB", "200s/s", "503s/s", "other outcomes"], rows, text_columns=0)


def told_bars(samples: list[Sample], told: Progress) -> list[str]:
    """Highest memory of all, growth after the second minute, and what clients were told."""
    early = [each.resident for each in samples if each.seconds <= SETTLED_AFTER]
    late = [each.resident for each in samples if each.seconds > SETTLED_AFTER]
    highest, refused = max(early + late), told.statuses.get("503", 0)
    others = sum(told.statuses.values()) - told.statuses.get("200", 0) - refused + told.lost
    return [
        bar(
            "highest resident memory",
            f"under {MOST_MEGABYTES} MB",
            f"{highest * 2**20 / 1e6:.0f} MB ({highest:.0f} MiB)",
        ),
        bar(
            "growth after the second minute: the highest after it, less the highest before",
            "none",
            f"{max(late) - max(early):+.1f} MiB" if late else "too short to tell",
        ),
        bar("refusals", "503s, and nothing else", f"{refused:,} 503s, {others:,} other outcomes"),
    ]


def main() -> None:
    parser = session.parser(__doc__)
    parser.add_argument("--minutes", type=float, help=f"default: {MINUTES}; {QUICK_MINUTES} with --quick")
    options = parser.parse_args()
    minutes = options.minutes or (QUICK_MINUTES if options.quick else MINUTES)
    every = 60.0 if minutes > 4 else 15.0
    with (
        session.opened(options) as bench,
        throttled(bench.kafka.ports[0].plaintext) as throttle,
        serving(bench.kafka, [gateway(constraint=events.TWO_FIELDS)], throttle.bootstrap) as (server,),
    ):
        rate, bytes_a_second = full_rate(bench, server, throttle)
        throttle.limit = bytes_a_second / SHARE
        print(f"  {rate:,.0f} requests/s, {bytes_a_second / 2**20:.1f} MiB/s to Kafka", file=sys.stderr, flush=True)
        before = bench.offsets.count(server.topic)
        samples, told = overload(server, rate, minutes, every)
        throttle.limit = 0
        time.sleep(2)
        records, promised = bench.offsets.count(server.topic) - before, told[-1].statuses.get("200", 0) * LINES
    print(
        f"{rate:,.0f} requests of {LINES} lines a second for {minutes:g} minutes, Kafka at a {SHARE}th of the "
        f"{bytes_a_second / 2**20:.1f} MiB/s that this takes; one run, at a rate that is set, whether or not the core is busy.\n\n"
        f"{by_interval(samples, told, every)}\n{promised:,} lines were acknowledged, {records:,} came to be in Kafka.\n\n"
        f"{bars(told_bars(samples, told[-1]))}"
    )
    if records < promised:
        raise BenchError(f"{promised - records} acknowledged lines are missing")


if __name__ == "__main__":
    main()
