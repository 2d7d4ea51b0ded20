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
from tests.bench.tables import bar, bars, idle_mark, idle_note, table

LINES = 100
CONNECTIONS = 256
CALM_SHARE = 0.25
"""Of the rate that it can take, for commits without a queue before them."""
ASYNC: dict[str, Any] = {"delivery": "Async"}
ROOM = {"maxBufferBytes": "8Gi", "deliveryTimeout": "5m"}
"""Memory for all lines of a run: else what is answered from memory is mostly refusals."""
DISK, MEMORY = "on disk", "in memory"
LEAST = 0.7


@dataclass(frozen=True)
class Series:
    """Rounds, and the commits of their runs on disk."""

    rounds: list[Round]
    commits: Commits


@dataclass
class Timed:
    """Commits of each run that was measured, warming up left out."""

    seen: list[Commits] = field(default_factory=list)

    @contextmanager
    def beside(self, server: Server) -> Iterator[None]:
        """Look before and after."""
        before = spooling.look(server).commits
        yield
        self.seen.append(spooling.look(server).commits - before)

    def take(self) -> list[Commits]:
        """One for each run, in their order; and begin anew."""
        taken, self.seen = self.seen, []
        return taken


def measure(bench: Session, servers: Sequence[Server], timed: Timed, rate: float = 0) -> Series:
    """In turn, as fast as they answer, or at a rate."""

    def load_of(server: Server) -> Load:
        return Load(server.contender.requests(LINES), LINES, CONNECTIONS, bench.effort.seconds, rate)

    made = runs.all_rounds(servers, load_of, bench.offsets, bench.effort, saturating=not rate)
    rounds = runs.kept(made, not rate)
    commits = [seen for each, seen in zip(made, timed.take(), strict=True) if each in rounds]
    return Series(rounds, sum(commits, Commits({})))


def answered(run: Run) -> float:
    """Lines a second, while requests were sent."""
    return run.acknowledged / run.report.seconds


def in_kafka(run: Run) -> float:
    """Lines a second, until Kafka had the last."""
    return run.rate


def rows(what: str, made: list[Round], *, saturating: bool) -> list[list[str]]:
    """One for each of the two, with ratios beside what is on disk; at a rate no core need be busy."""
    return [_row(what, made, name, idle_mark(made, name) if saturating else "") for name in (DISK, MEMORY)]


def _row(what: str, made: list[Round], name: str, mark: str) -> list[str]:
    def middle(value: Callable[[Run], float]) -> float:
        return runs.median(made, name, value)

    def against(value: Callable[[Run], float]) -> str:
        return f"{runs.ratio(made, DISK, MEMORY, value):.0%}" if name == DISK else ""

    return [
        what,
        name,
        f"{middle(answered):,.0f}{mark}",
        against(answered),
        f"{middle(in_kafka):,.0f}{mark}",
        against(in_kafka),
        f"{middle(lambda run: run.late_seconds):.1f} s",
        f"{middle(lambda run: sum(run.report.statuses.values()) - run.report.accepted):,.0f}",
        f"{middle(lambda run: run.report.p50_ms):.1f} ms",
        f"{middle(lambda run: run.report.p99_ms):.1f} ms",
        f"{middle(lambda run: run.micros):.2f}",
        f"{middle(lambda run: run.report.busy):.0%}",
        f"{middle(lambda run: run.resident_mib):.0f}",
    ]


def commit_row(what: str, series: Series) -> list[str]:
    """How many commits there were, for how many requests, and how long they took."""
    requests, total = sum(each[DISK].report.accepted for each in series.rounds), series.commits.total
    times = [series.commits.describe(share) for share in (0.5, 0.99)]
    return [what, f"{len(series.rounds)}", f"{total:,}", f"{requests / max(total, 1):.1f}", *times]


def report(full: list[Round], calm: list[Round], calmly: str) -> None:
    """What was measured, and the bar beside it."""
    columns = (
        "answered",
        "ratio",
        "in Kafka",
        "ratio",
        "Kafka after",
        "refused",
        "p50",
        "p99",
        "µs CPU",
        "core",
        "MiB",
    )
    told = [*rows("closed loop", full, saturating=True), *rows(calmly, calm, saturating=False)]
    print(table(("load", "lines are", *columns), told, text_columns=2))
    print(idle_note({LINES: full}, "lines a body, closed loop", DISK))
    print(
        f"Lines a second: answered while requests are sent, and in Kafka until the last is there; medians of {len(full)} "
        f"rounds in closed loop, of {len(calm)} at the rate, at which no core need be busy. CPU time is that of a line, "
        "until the last is in Kafka; the core is how busy it was while requests were sent.\n"
    )
    measured = f"{runs.ratio(full, DISK, MEMORY, in_kafka):.0%}{idle_mark(full, DISK, MEMORY)}"
    print(bars([bar("closed loop, lines in Kafka by those of answers from memory", f"at least {LEAST:.0%}", measured)]))


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
        full = measure(bench, servers, timed)
        rate = CALM_SHARE * runs.median(full.rounds, DISK, in_kafka) / LINES
        calm = measure(bench, servers, timed, rate)
    calmly = f"{rate:,.0f} requests/s"
    report(full.rounds, calm.rounds, calmly)
    print(
        "Group commits of the same rounds, from the first byte written until the group is durable. They are counted by "
        "the gateway's histogram: quantiles lie somewhere between the bounds in brackets, and are told as if all of a "
        "bucket were spread evenly.\n"
    )
    told = [commit_row("closed loop", full), commit_row(calmly, calm)]
    print(table(["load", "rounds", "commits", "requests each", "p50", "p99"], told))


if __name__ == "__main__":
    main()
