"""Closed loops: every connection sends its next request once it has its answer. Benches of servers call it."""

from collections.abc import Sequence

from tests.bench import runs
from tests.bench.contenders import Contender, Server, serving
from tests.bench.loading import Load
from tests.bench.runs import Round
from tests.bench.session import Session
from tests.bench.tables import closed_loop_table

BODIES = {1: 256, 100: 64}
"""Events a body -> connections."""


def closed_loop(bench: Session, servers: Sequence[Server], connections: int, events_a_body: int = 1) -> list[Round]:
    """Rounds with so many connections."""

    def load_of(server: Server) -> Load:
        return Load(server.contender.requests(events_a_body), events_a_body, connections, bench.effort.seconds)

    return runs.rounds(servers, load_of, bench.offsets, bench.effort)


def compare_bodies(bench: Session, contenders: Sequence[Contender]) -> str:
    """The table of contenders with bodies of one event and of a hundred; the first of them is ours."""
    with serving(bench.kafka, contenders) as servers:
        series = {count: closed_loop(bench, servers, connections, count) for count, connections in BODIES.items()}
    return closed_loop_table(series, "events a body", "records/s", [each.name for each in contenders])
