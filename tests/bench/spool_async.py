"""Async answered from disk beside Async answered from memory: bodies of 100 lines; and how long group commits take.

    python -m tests.bench.spool_async --quick
    python -m tests.bench.spool_async

Both are the same gateway, one with a spool; they are loaded in turn, and have room for all lines of a run. Answers come
before Kafka has the lines: rates are told of answers, while requests are sent, and of lines in Kafka, until the last is
there. Commits are timed by the gateway itself, in its histogram `headgate_spool_commit_seconds`.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from tests.bench import runs, session, spooling
from tests.bench.contenders import Server, gateway, serving
from tests.bench.loading import Load
from tests.bench.runs import Round, Run
from tests.bench.session import Session
from tests.bench.spooling import Commits, file_system
from tests.bench.tables import table

LINES = 100
CONNECTIONS = 256
CALM_SHARE = 0.25
"""Of the rate that it can take, for commits without a queue before them."""
ASYNC: dict[str, Any] = {"delivery": "Async"}
ROOM = {"maxBufferBytes": "8Gi", "deliveryTimeout": "5m"}
"""Memory for all lines of a run: else what is answered from memory is mostly refusals."""
DISK, MEMORY = "on disk", "in memory"
AIM = 0.7


@dataclass
class Timed:
    """Commits of the runs that were measured, warming up left out."""

    seen: list[Commits] = field(default_factory=list)

    @contextmanager
    def beside(self, server: Server) -> Iterator[None]:
        """Look before and after."""
        before = spooling.look(server).commits
        yield
        self.seen.append(spooling.look(server).commits - before)

    def take(self) -> Commits:
        """All of them, and begin anew."""
        taken, self.seen = self.seen, []
        return sum(taken, Commits({}))


def measure(bench: Session, servers: Sequence[Server], rate: float = 0) -> list[Round]:
    """In turn, as fast as they answer, or at a rate."""

    def load_of(server: Server) -> Load:
        return Load(server.contender.requests(LINES), LINES, CONNECTIONS, bench.effort.seconds, rate)

    return runs.rounds(servers, load_of, bench.offsets, bench.effort, saturating=not rate)


def answered(run: Run) -> float:
    """Lines a second, while requests were sent."""
    return run.acknowledged / run.report.seconds


def in_kafka(run: Run) -> float:
    """Lines a second, until Kafka had the last."""
    return run.rate


def rows(what: str, made: list[Round]) -> list[list[str]]:
    """One for each of the two, with ratios beside what is on disk."""
    return [_row(what, made, name) for name in (DISK, MEMORY)]


def _row(what: str, made: list[Round], name: str) -> list[str]:
    def middle(value: Callable[[Run], float]) -> float:
        return runs.median(made, name, value)

    def against(value: Callable[[Run], float]) -> str:
        return f"{runs.ratio(made, DISK, MEMORY, value):.0%}" if name == DISK else ""

    return [
        what,
        name,
        f"{middle(answered):,.0f}",
        against(answered),
        f"{middle(in_kafka):,.0f}",
        against(in_kafka),
        f"{middle(lambda run: run.late_seconds):.1f} s",
        f"{middle(lambda run: sum(run.report.statuses.values()) - run.report.accepted):,.0f}",
        f"{middle(lambda run: run.report.p50_ms):.1f} ms",
        f"{middle(lambda run: run.report.p99_ms):.1f} ms",
        f"{middle(lambda run: run.report.busy):.0%}",
        f"{middle(lambda run: run.resident_mib):.0f}",
    ]


def commit_row(what: str, seen: Commits, made: list[Round]) -> list[str]:
    """How many commits there were, for how many requests, and how long they took."""
    requests = sum(each[DISK].report.accepted for each in made)
    times = [f"{seen.quantile(share) * 1e3:.2f} ms" for share in (0.5, 0.99)]
    return [what, f"{seen.total:,}", f"{requests / max(seen.total, 1):.1f}", *times]


def report(full: list[Round], calm: list[Round], calmly: str) -> None:
    """What was measured, and the aim beside it."""
    columns = ("answered", "ratio", "in Kafka", "ratio", "Kafka after", "refused", "p50", "p99", "core", "MiB")
    print(table(("load", "lines are", *columns), [*rows("closed loop", full), *rows(calmly, calm)], text_columns=2))
    print(
        f"Lines a second. Closed loop, on disk at {runs.ratio(full, DISK, MEMORY, answered):.0%} of the lines answered "
        f"from memory and {runs.ratio(full, DISK, MEMORY, in_kafka):.0%} of the lines in Kafka, medians of "
        f"{len(full)} rounds. Aim: at least {AIM:.0%}.\n"
    )


def main() -> None:
    options = session.parser(__doc__).parse_args()
    timed = Timed()
    contenders = [
        spooling.spooling(DISK, {"bench": {"kafka": ASYNC, "producer": ROOM}}, beside=timed.beside),
        replace(gateway(MEMORY, producer=ROOM, flags=("--buffer-bytes", "8Gi"), kafka=ASYNC), answers_first=True),
    ]
    with session.opened(options) as bench, serving(bench.kafka, contenders) as servers:
        print(
            f"Bodies of {LINES} lines, {CONNECTIONS} connections; the spool is on {file_system(servers[0].directory)}.\n"
        )
        full = measure(bench, servers)
        at_full = timed.take()
        rate = CALM_SHARE * runs.median(full, DISK, in_kafka) / LINES
        calm = measure(bench, servers, rate)
        at_calm = timed.take()
    calmly = f"{rate:,.0f} requests/s"
    report(full, calm, calmly)
    print("Group commits, from the first byte written until the group is durable:\n")
    told = [commit_row("closed loop", at_full, full), commit_row(calmly, at_calm, calm)]
    print(table(["load", "commits", "requests each", "p50", "p99"], told))


if __name__ == "__main__":
    main()
