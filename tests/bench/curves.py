"""Does cost grow linearly? Repos that are loaded, sizes of bodies, partitions, connections: one curve each.

    python -m tests.bench.curves --quick
    python -m tests.bench.curves --quick --only connections repos

All on one gateway process on one core, closed loop. Cost is the gateway's CPU time for a unit of work: flat is linear.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tests.bench import events, runs, session
from tests.bench.contenders import GATEWAY_PATH, Contender, Place, gateway, gateway_command, serving
from tests.bench.loading import Load
from tests.bench.runs import Run
from tests.bench.session import Session
from tests.bench.tables import curve, table
from tests.integration.gateway.process import repo, write_config

BODY_ROUNDS = 3
FLIGHT_BYTES = 24 * 2**20
"""Of bodies under way, below the 64 MiB that a profile may hold."""


@dataclass(frozen=True)
class Point:
    """One x of a curve: who is measured, and how."""

    x: int
    contender: Contender
    requests: tuple[bytes, ...]
    events: int
    connections: int


@dataclass(frozen=True)
class Curve:
    """`value` is what should be flat, or grow as the title says."""

    title: str
    x_name: str
    y_name: str
    points: Callable[[], Sequence[Point]]
    value: Callable[[Run, Point], float]


def repos_points() -> list[Point]:
    """Requests go to all repos in turn."""
    return [Point(count, many_repos(count), repo_requests(count), 1, 64) for count in (1, 10, 100, 1_000)]


def many_repos(count: int) -> Contender:
    """A gateway that serves so many repos on one topic, each with a constraint of its own."""

    def command(place: Place) -> list[str | Path]:
        entries = [
            repo(f"bench-{n}", place.bootstrap, place.topic, timeout="30s", constraint=events.TWO_FIELDS)
            for n in range(count)
        ]
        # One producer for all, as repos of one profile have it.
        profile = entries[0]["producers"]
        write_config(place.directory, *({**entry, "producers": profile} for entry in entries))
        return gateway_command(place, "headgate_gateway")

    return replace(gateway(f"{count} repos"), command=command)


def repo_requests(count: int) -> tuple[bytes, ...]:
    """One for each repo."""
    return tuple(events.post(f"/log/repo/bench-{n}", events.jsonl(1, n)) for n in range(count))


def size_points() -> list[Point]:
    """Bodies of about 1 KB to 5 MB, fewer connections for the large ones."""
    points = []
    for kilobytes in (1, 10, 100, 1_000, 5_000):
        lines = max(kilobytes * 1_000 // (events.LINE_BYTES + 1), 1)
        body = events.jsonl(lines)
        connections = max(2, min(64, FLIGHT_BYTES // len(body)))
        contender = gateway(f"{kilobytes:,} KB", constraint=events.TWO_FIELDS)
        points.append(Point(kilobytes, contender, (events.post(GATEWAY_PATH, body),), lines, connections))
    return points


def partition_points() -> list[Point]:
    """One topic of so many partitions."""
    contenders = (
        (count, replace(gateway(f"{count} partitions", constraint=events.TWO_FIELDS), partitions=count))
        for count in (1, 4, 16, 64)
    )
    return [Point(count, contender, contender.requests(100), 100, 64) for count, contender in contenders]


def connection_points() -> list[Point]:
    """One event a request."""
    return [
        Point(count, gateway(f"{count} connections"), gateway().requests(1), 1, count)
        for count in (16, 64, 256, 1_000, 2_000)
    ]


def micros_each(made: Run, point: Point) -> float:
    """CPU time of a request."""
    return made.micros * point.events


def nanos_a_line(made: Run, _point: Point) -> float:
    """CPU time of a line."""
    return made.micros * 1e3


CURVES = {
    "repos": Curve("1 to 1,000 repos loaded: flat", "repos", "µs CPU a request", repos_points, micros_each),
    "bodies": Curve("Bodies of 1 KB to 5 MB: flat, or better", "KB", "ns CPU a line", size_points, nanos_a_line),
    "partitions": Curve(
        "1 to 64 partitions: flat", "partitions", "µs CPU a body of 100", partition_points, micros_each
    ),
    "connections": Curve(
        "16 to 2,000 connections: flat, or better", "connections", "µs CPU a request", connection_points, micros_each
    ),
}


def rounds_of(bench: Session) -> int:
    """Runs of each point."""
    return min(BODY_ROUNDS, bench.effort.rounds)


def measure(bench: Session, point: Point) -> Run:
    """The median run of a point, by CPU time."""
    load = Load(point.requests, point.events, point.connections, bench.effort.seconds)
    with serving(bench.kafka, [point.contender]) as servers:
        made = [
            runs.run(servers[0], load, bench.offsets, bench.effort.warm_up_seconds) for _ in range(rounds_of(bench))
        ]
    return sorted(made, key=lambda run: run.micros)[len(made) // 2]


def report(drawn: Curve, measured: Sequence[tuple[Point, Run]]) -> str:
    """The curve, and its figures."""
    rows = [
        [
            f"{point.x:,}",
            f"{drawn.value(run, point):,.0f}",
            f"{run.micros * 1e3:,.0f} ns",
            f"{run.rate:,.0f}",
            f"{run.report.p50_ms:.1f} ms",
            f"{run.report.p99_ms:.1f} ms",
            f"{run.resident_mib:.0f}",
        ]
        for point, run in measured
    ]
    head = [drawn.x_name, drawn.y_name, "CPU a record", "records/s", "p50", "p99", "MiB"]
    picture = curve(drawn.title, drawn.x_name, drawn.y_name, [(p.x, drawn.value(r, p)) for p, r in measured])
    return f"### {drawn.title}\n\n{picture}\n{table(head, rows, text_columns=0)}"


def main() -> None:
    parser = session.parser(__doc__)
    parser.add_argument("--only", nargs="+", choices=sorted(CURVES), default=list(CURVES))
    parser.add_argument("--json", type=Path, help="write the figures there, too")
    options = parser.parse_args()
    told = {}
    with session.opened(options) as bench:
        print(
            f"One server after the other, in closed loop. A point is the run with the median CPU time, of "
            f"{rounds_of(bench)}, however busy the core was; all figures of a row are of that run.\n"
        )
        for name in options.only:
            drawn = CURVES[name]
            measured = [(point, measure(bench, point)) for point in drawn.points()]
            print(report(drawn, measured), flush=True)
            told[name] = [[point.x, drawn.value(run, point)] for point, run in measured]
    if options.json:
        options.json.write_text(json.dumps(told))


if __name__ == "__main__":
    main()
