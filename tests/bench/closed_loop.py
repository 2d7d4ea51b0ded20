"""Closed loops: every connection sends its next request once it has its answer. Benches of servers call it."""

from collections.abc import Sequence

from tests.bench import runs
from tests.bench.contenders import Contender, Server, serving
from tests.bench.loading import Load
from tests.bench.runs import Round
from tests.bench.session import Session
from tests.bench.tables import bar, bars, closed_loop_table, idle_mark

CONNECTIONS = {1: 256, 100: 256, 1_000: 64}
"""By events a body, for all servers: enough that none waits for Kafka with nothing else to do."""
BODIES = (1, 100)
"""Events a body, where features are compared."""


def closed_loop(bench: Session, servers: Sequence[Server], connections: int, events_a_body: int = 1) -> list[Round]:
    """Rounds with so many connections."""

    def load_of(server: Server) -> Load:
        return Load(server.contender.requests(events_a_body), events_a_body, connections, bench.effort.seconds)

    return runs.rounds(servers, load_of, bench.offsets, bench.effort)


def compare_bodies(bench: Session, contenders: Sequence[Contender], least: str = "") -> str:
    """The table of contenders with bodies of one event and of a hundred; the first of them is ours.

    `least`: what is asked of its rate by each other's, if anything is.
    """
    with serving(bench.kafka, contenders) as servers:
        series = {count: closed_loop(bench, servers, CONNECTIONS[count], count) for count in BODIES}
    ours, *others = (each.name for each in contenders)
    text = closed_loop_table(series, "events a body", "records/s", [ours, *others])
    if not least:
        return text
    lines = [_rate_bar(size, made, ours, name, least) for size, made in series.items() for name in others]
    return f"{text}\n{bars(lines)}"


def _rate_bar(size: int, made: Sequence[Round], ours: str, theirs: str, least: str) -> str:
    rate = runs.ratio(made, ours, theirs, lambda run: run.rate)
    return bar(
        f"{size:,} events a body, rate by that of {theirs}", least, f"{rate:.2f} ×{idle_mark(made, ours, theirs)}"
    )
