"""One event a request: this gateway beside net/http with sarama's SyncProducer, one core each, in turn.

    python -m tests.bench.singles --quick                       # 1 to 2 minutes: two short rounds at 256 connections
    python -m tests.bench.singles --quick --connections 16 64 256
    python -m tests.bench.singles                               # as docs/performance.md has it

Needs Go for the peer and the load generator (built once); starts the testbed's Kafka where none runs. Progress goes to
stderr, with every run's rate, CPU time a record, p50, p99 and how busy the cores were; stdout is the Markdown section.
"""

from collections.abc import Mapping, Sequence

from tests.bench import runs, session
from tests.bench.closed_loop import closed_loop
from tests.bench.contenders import Contender, Server, gateway, serving
from tests.bench.loading import Load
from tests.bench.peers import sarama_single
from tests.bench.runs import Round
from tests.bench.session import Session
from tests.bench.tables import bar, bars, closed_loop_table, idle_mark, open_loop_table

CONNECTIONS = (16, 64, 256)
OPEN_LOOP_CONNECTIONS = 256
OPEN_LOOP_SHARE = 0.7
LEAST = {16: "not below 1 ×", 64: "not below 1 ×", 256: "at least 1.5 × (aim: 2 ×)"}
"""Rates by the peer's, by connections; its p99 is..."""
P99 = "at most 1.15 ×"
"""of the peer's."""


def open_loop(bench: Session, servers: Sequence[Server], rate: float) -> list[Round]:
    """The same requests a second for all, whether or not answers come."""

    def load_of(server: Server) -> Load:
        return Load(server.contender.requests(1), 1, OPEN_LOOP_CONNECTIONS, bench.effort.seconds, rate)

    return runs.rounds(servers, load_of, bench.offsets, bench.effort, saturating=False)


def slowest(made: Sequence[Round]) -> float:
    """The rate of the slower contender."""
    return min(runs.median(made, name, lambda run: run.rate) for name in made[0])


def told_bars(series: Mapping[int, Sequence[Round]], ours: str, theirs: str) -> list[str]:
    """Of closed loops: rates and p99 by the peer's."""
    lines = []
    for count, made in series.items():
        mark = idle_mark(made, ours, theirs)
        rate, p99 = (
            f"{runs.ratio(made, ours, theirs, value):.2f} ×{mark}"
            for value in (lambda run: run.rate, lambda run: run.report.p99_ms)
        )
        lines += [
            bar(f"{count:,} connections, rate by {theirs}'s", LEAST.get(count, "none"), rate),
            bar(f"{count:,} connections, p99 by {theirs}'s", P99, p99),
        ]
    return lines


def compare(bench: Session, contenders: Sequence[Contender], connections: Sequence[int]) -> None:
    """The section."""
    with serving(bench.kafka, contenders) as servers:
        by_connections = {count: closed_loop(bench, servers, count) for count in connections}
        ours, theirs = names = [each.name for each in contenders]
        print(closed_loop_table(by_connections, "connections", "requests/s", names))
        print(bars(told_bars(by_connections, ours, theirs)))
        rate = OPEN_LOOP_SHARE * slowest(by_connections[max(connections)])
        opened = open_loop(bench, servers, rate)
        print(
            f"Open loop, {rate:,.0f} requests a second ({OPEN_LOOP_SHARE:.0%} of what the slower one can do) over "
            f"{OPEN_LOOP_CONNECTIONS} connections; {len(opened)} rounds, all of which count, since no core need be busy:\n"
        )
        print(open_loop_table(opened, names))
        p99 = runs.ratio(opened, ours, theirs, lambda run: run.report.p99_ms)
        print(bars([bar(f"p99 by {theirs}'s", P99, f"{p99:.2f} ×")]))


def main() -> None:
    parser = session.parser(__doc__)
    parser.add_argument("--connections", type=int, nargs="+", help="default: 16 64 256; 256 alone with --quick")
    parser.add_argument("--compression", default="lz4", choices=["none", "snappy", "lz4", "zstd"])
    options = parser.parse_args()
    contenders = [
        gateway(producer={"compression": {"type": options.compression}}),
        sarama_single(options.compression),
    ]
    with session.opened(options) as bench:
        compare(bench, contenders, options.connections or ((256,) if options.quick else CONNECTIONS))


if __name__ == "__main__":
    main()
