"""Runs of contenders in turn, which of them count, and medians of those.

    warm up --> records in Kafka before --> load --> records after

A round is one run of each contender, one after the other. What counts is records in Kafka, never answers; and a run
shows what a core can do only if that core was busy for at least 95 % of it, nearly all of that with the server's work.
What the host of a virtual machine gives to others in the meantime is no part of that time.
"""

import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from tests.bench import loading
from tests.bench.contenders import Server
from tests.bench.loading import Load, Report
from tests.bench.machine import cpu_seconds, resident_mib
from tests.bench.topics import Offsets

BUSY_ENOUGH = 0.95
OWN_ENOUGH = 0.9
"""The rest is somebody else's, on a busy machine."""
STOLEN_AT_MOST = 0.1
"""By the host of a virtual machine, of either core: what is left would be compared with another's whole."""
SETTLE_SECONDS = 0.5
REST_SECONDS = 120
"""For what was answered before Kafka had it."""


class BenchError(Exception):
    """A server that does not do what is measured."""


@dataclass(frozen=True)
class Effort:
    """How long and how often. `quick` is for development: its figures are marked as such."""

    rounds: int
    extra_rounds: int
    seconds: float
    warm_up_seconds: float
    quick: bool


FULL = Effort(rounds=5, extra_rounds=3, seconds=8, warm_up_seconds=2, quick=False)
QUICK = Effort(rounds=2, extra_rounds=0, seconds=3, warm_up_seconds=1, quick=True)


@dataclass(frozen=True)
class Run:
    """One run of one contender."""

    name: str
    records: int
    acknowledged: int
    """Records that answers promised."""
    report: Report
    resident_mib: float
    cpu_seconds: float
    """Of the server, from the first request until Kafka had all: what it does after its last answer counts, too."""
    late_seconds: float = 0.0
    """From the last answer until Kafka had all that answers promised, of a server that answers first."""

    @property
    def rate(self) -> float:
        """Records a second that came to be in Kafka."""
        return self.records / (self.report.seconds + self.late_seconds)

    @property
    def micros(self) -> float:
        """CPU time of the server for a record."""
        return self.cpu_seconds * 1e6 / max(self.records, 1)

    @property
    def per_cpu_second(self) -> float:
        """Records for a second of the server's CPU time."""
        return self.records / max(self.cpu_seconds, 1e-9)

    @property
    def counts(self) -> bool:
        """Was the core the limit?"""
        told = self.report
        return (
            told.busy >= BUSY_ENOUGH and told.own >= OWN_ENOUGH and max(told.stolen, told.load_stolen) <= STOLEN_AT_MOST
        )


Round = dict[str, Run]
LoadOf = Callable[[Server], Load]


def run(server: Server, load: Load, offsets: Offsets, warm_up_seconds: float) -> Run:
    """Load a server for a while."""
    if warm_up_seconds:
        before = offsets.count(server.topic)
        warm = loading.send(server.port, replace(load, seconds=warm_up_seconds), server.process.pid)
        wait_for_rest(server, offsets, before + warm.accepted * load.events)
    before, used = offsets.count(server.topic), cpu_seconds(server.process.pid)
    with server.contender.beside(server):
        report = loading.send(server.port, load, server.process.pid)
    promised = report.accepted * load.events
    late = wait_for_rest(server, offsets, before + promised)
    used = cpu_seconds(server.process.pid) - used
    time.sleep(SETTLE_SECONDS)
    records = offsets.count(server.topic) - before
    made = Run(server.name, records, promised, report, resident_mib(server.process.pid)[0], used, late)
    print(f"  {describe(made)}", file=sys.stderr, flush=True)
    if made.records < made.acknowledged or not made.acknowledged:
        raise BenchError(f"{made.name}: {made.records} records in Kafka, {made.acknowledged} acknowledged")
    return made


def wait_for_rest(server: Server, offsets: Offsets, promised: int) -> float:
    """Until Kafka has so many records, where answers come before; how long that took, in seconds."""
    began = time.monotonic()
    while (
        server.contender.answers_first
        and offsets.count(server.topic) < promised
        and time.monotonic() - began < REST_SECONDS
    ):
        time.sleep(0.02)
    return time.monotonic() - began if server.contender.answers_first else 0.0


def rounds(
    servers: Sequence[Server],
    load_of: LoadOf,
    offsets: Offsets,
    effort: Effort,
    *,
    saturating: bool = True,
) -> list[Round]:
    """The rounds that figures are taken from."""
    return kept(all_rounds(servers, load_of, offsets, effort, saturating=saturating), saturating)


def all_rounds(
    servers: Sequence[Server],
    load_of: LoadOf,
    offsets: Offsets,
    effort: Effort,
    *,
    saturating: bool = True,
) -> list[Round]:
    """Rounds until enough of them count, within bounds; also those that do not."""
    made: list[Round] = []
    limit = effort.rounds + (effort.extra_rounds if saturating else 0)
    while len(made) < limit and len(counting(made, saturating)) < effort.rounds:
        order = servers if len(made) % 2 == 0 else list(reversed(servers))
        made.append({each.name: run(each, load_of(each), offsets, effort.warm_up_seconds) for each in order})
    return made


def kept(made: Sequence[Round], saturating: bool = True) -> list[Round]:
    """Those that count: rounds in which a core was idle stay out. All, where none counts, which tables mark."""
    return counting(made, saturating) or list(made)


def counting(made: Sequence[Round], saturating: bool) -> list[Round]:
    """The rounds of which each run counts."""
    return [each for each in made if not saturating or all(one.counts for one in each.values())]


def median(made: Sequence[Round], name: str, value: Callable[[Run], float]) -> float:
    """Of one contender over all rounds."""
    return statistics.median(value(each[name]) for each in made)


def ratio(made: Sequence[Round], ours: str, theirs: str, value: Callable[[Run], float]) -> float:
    """The median of the ratios within each round."""
    return statistics.median(value(each[ours]) / max(value(each[theirs]), 1e-9) for each in made)


def describe(made: Run) -> str:
    """For people who wait."""
    report = made.report
    others = {status: count for status, count in report.statuses.items() if status != 200}
    return (
        f"{made.name:22} {made.rate:9,.0f} records/s  {made.micros:6.2f} µs CPU each  p50 {report.p50_ms:7.2f} ms  "
        f"p99 {report.p99_ms:7.2f} ms  core {report.busy:4.0%} (own {report.own:4.0%}, stolen {report.stolen:3.0%}), "
        f"other {report.load_busy:4.0%} (load {report.load_cpu_seconds / report.sending_seconds:4.0%})  "
        f"{made.resident_mib:4.0f} MiB{'' if made.counts else '  (does not count)'}"
        + (f"  other answers {others}" if others else "")
        + (f"  unanswered {report.lost}" if report.lost else "")
        + (f"  MISSING {made.acknowledged - made.records}" if made.acknowledged > made.records else "")
    )
