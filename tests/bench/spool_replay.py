"""A backlog of 1 GB on disk: how long a gateway takes to find it again, and its replay beside live traffic.

    python -m tests.bench.spool_replay --quick
    python -m tests.bench.spool_replay --only Sync

A round: what the gateway can take; a quarter of that without a backlog; Kafka is frozen, and the gateway answers for 1 GB;
it is killed and started again, from the page cache and without; Kafka goes on, and windows of live requests at a quarter of
the rate run beside the replay, until it is over; then again without. Windows that the backlog did not outlast do not
count. Every line that was answered for has to be in Kafka in the end.
"""

import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.bench import loading, runs, session, spooling
from tests.bench.contenders import Contender, Place, Server, placed, single_or_lines, started
from tests.bench.events import LINE_BYTES
from tests.bench.loading import Load
from tests.bench.runs import BenchError
from tests.bench.session import Session
from tests.bench.spooling import file_system, look, spool_of
from tests.bench.tables import bar, bars, table
from tests.testbed import waiting
from tests.testbed.kafka import Kafka

BACKLOG_BYTES = 10**9
LINES = 100
CONNECTIONS = 256
LIVE_SHARE = 0.25
WINDOW_SECONDS = 3.0
QUIET_WINDOWS = 3
ROUNDS = 3
FILL_SECONDS = 60.0
"""For the backlog, and..."""
EMPTY_SECONDS = 180.0
"""for its end, at most."""
FILL, LIVE = "fill", "live"
MODES = {
    "Async": {"delivery": "Async"},
    "Sync": {"delivery": "Sync", "onFailure": "Spool"},
}
MOST_P99 = 2.0
MOST_RECOVERY = 5.0


@dataclass(frozen=True)
class Window:
    """Live requests for a few seconds."""

    p50_ms: float
    p99_ms: float
    live: float
    """Lines a second that were answered for."""
    replayed: float
    """Lines a second by which the backlog became smaller."""
    refused: int
    answered: int
    """Lines."""
    on_disk: int
    """Of them, those whose answers told of the disk."""


@dataclass
class Turn:
    """One round, and what was promised in it."""

    capacity: float
    """Lines a second."""
    records: int = 0
    """Of the backlog."""
    nbytes: int = 0
    """Of its segments."""
    warm: float = 0.0
    """Seconds to find it again in the page cache, and..."""
    cold: float = 0.0
    """from the disk."""
    alone: list[Window] = field(default_factory=list)
    beside: list[Window] = field(default_factory=list)
    replay_seconds: float = 0.0
    promised: int = 0
    delivered: int = 0


def contender(mode: str) -> Contender:
    """Two repos of one profile and topic: one is answered from disk and makes the backlog, the other takes live requests."""
    repos = {FILL: {"kafka": MODES["Async"]}, LIVE: {"kafka": MODES[mode]}}
    return spooling.spooling(mode, repos)


def requests(name: str) -> tuple[bytes, ...]:
    """Bodies for a repo."""
    return single_or_lines(f"/log/repo/{name}")(LINES)


def round_of(bench: Session, mode: str) -> Turn:
    """All of it, on a topic and a directory of its own."""
    measured = contender(mode)
    with placed(bench.kafka, measured) as place:
        with started(measured, place) as server:
            turn = Turn(capacity(bench, server))
            before = bench.offsets.count(place.topic)
            quiet(turn, server)
            with frozen(bench.kafka):
                fill(turn, server)
                kill(server)
                turn.nbytes = sum(path.stat().st_size for path in segments(place))
                turn.warm = recovery_seconds(measured, place)
                forget_pages(segments(place))
                with started(measured, place) as server:
                    turn.cold = told_recovery(place)
                    bench.kafka.unpause()
                    replay(turn, server)
                    quiet(turn, server)
                    runs.wait_for_rest(server, bench.offsets, before + turn.promised)
        turn.delivered = bench.offsets.count(place.topic) - before
    tell(mode, turn)
    if turn.delivered < turn.promised:
        raise BenchError(f"{turn.promised - turn.delivered} lines that were answered for are missing")
    return turn


def capacity(bench: Session, server: Server) -> float:
    """Lines a second that the live repo gets to Kafka, closed loop."""
    load = Load(requests(LIVE), LINES, CONNECTIONS, bench.effort.seconds)
    return runs.run(server, load, bench.offsets, bench.effort.warm_up_seconds).rate


def window(turn: Turn, server: Server) -> tuple[Window, int]:
    """Live requests for a while; the backlog after them, too."""
    rate = LIVE_SHARE * turn.capacity / LINES
    load = Load(requests(LIVE), LINES, CONNECTIONS, WINDOW_SECONDS, rate)
    before, began = look(server), time.monotonic()
    report = loading.send(server.port, load, server.process.pid)
    after, seconds = look(server), time.monotonic() - began
    turn.promised += report.accepted * LINES
    made = Window(
        report.p50_ms,
        report.p99_ms,
        live=report.accepted * LINES / report.seconds,
        replayed=(before.backlog - after.backlog) / seconds,
        refused=sum(report.statuses.values()) - report.accepted + report.lost,
        answered=report.accepted * LINES,
        on_disk=after.on_disk.get(LIVE, 0) - before.on_disk.get(LIVE, 0),
    )
    print(
        f"    live {made.live:9,.0f} lines/s  p50 {made.p50_ms:6.2f} ms  p99 {made.p99_ms:7.2f} ms  "
        f"replayed {made.replayed:9,.0f} lines/s  left {after.backlog:9,}  core {report.busy:4.0%} (own {report.own:4.0%}), "
        f"other {report.load_busy:4.0%}  on disk {disk_share([made]):4.0%}"
        + (f"  refused {made.refused}" if made.refused else ""),
        file=sys.stderr,
        flush=True,
    )
    return made, after.backlog


def quiet(turn: Turn, server: Server) -> None:
    """The same without a backlog."""
    waiting.until(lambda: not look(server).backlog, EMPTY_SECONDS, "the spool is empty")
    turn.alone += [window(turn, server)[0] for _ in range(QUIET_WINDOWS)]


def fill(turn: Turn, server: Server) -> None:
    """Have the gateway answer for a gigabyte of lines that Kafka does not take."""
    sent = requests(FILL)
    while (held := look(server).backlog) * LINE_BYTES < BACKLOG_BYTES:
        missing = (BACKLOG_BYTES // LINE_BYTES - held) // LINES + 1
        report = loading.send(
            server.port, Load(sent, LINES, CONNECTIONS, FILL_SECONDS, limit=missing), server.process.pid
        )
        if not report.accepted:
            raise BenchError(f"the gateway takes nothing while Kafka is away: {report.statuses}")
        turn.promised += report.accepted * LINES
    turn.records = held


@contextmanager
def frozen(kafka: Kafka) -> Iterator[None]:
    """Kafka does not answer, until somebody lets it go on; it does so afterwards in any case."""
    kafka.pause()
    try:
        yield
    finally:
        kafka.heal()


def kill(server: Server) -> None:
    """End it at once, as a crash does."""
    server.process.kill()
    server.process.wait()


def recovery_seconds(measured: Contender, place: Place) -> float:
    """Start it, and kill it again."""
    with started(measured, place) as server:
        kill(server)
        return told_recovery(place)


def told_recovery(place: Place) -> float:
    """How long the spool took to open, as the gateway's log has it."""
    for line in (place.directory / "log").read_text().splitlines():
        if line.startswith("{") and (told := json.loads(line))["message"] == "spool open":
            return float(told["seconds"])
    raise BenchError("the gateway does not say that its spool is open")


def segments(place: Place) -> list[Path]:
    """What is to be found again."""
    return list(spool_of(place.directory).rglob("*.seg"))


def forget_pages(files: Sequence[Path]) -> None:
    """Have the kernel drop what it holds of these, so that they are read from the disk."""
    for path in files:
        with path.open("rb") as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def replay(turn: Turn, server: Server) -> None:
    """Windows beside it, until all is delivered."""
    waiting.until(lambda: look(server).replayed > 0, EMPTY_SECONDS, "the replay begins", pause=0.05)
    began, left = time.monotonic(), turn.records
    while left > turn.records // 100:
        if time.monotonic() - began > EMPTY_SECONDS:
            raise BenchError(f"{left} lines are left after {EMPTY_SECONDS:.0f} s")
        made, left = window(turn, server)
        if left > turn.records // 100:
            turn.beside.append(made)
    turn.replay_seconds = time.monotonic() - began


def disk_share(windows: Sequence[Window]) -> float:
    """Of live lines, those whose answers told of the disk: the others' clients waited for Kafka."""
    return sum(each.on_disk for each in windows) / max(sum(each.answered for each in windows), 1)


def p99(windows: Sequence[Window]) -> float:
    """The median of the windows'."""
    return statistics.median(each.p99_ms for each in windows)


def tell(mode: str, turn: Turn) -> None:
    """For people who wait."""
    print(
        f"  {mode:6} {turn.records:,} lines, {turn.nbytes / 1e6:,.0f} MB found in {turn.warm:.2f} s, from disk {turn.cold:.2f} s; "
        f"p99 {p99(turn.alone):.2f} ms, beside the replay {p99(turn.beside):.2f} ms; "
        f"{turn.delivered - turn.promised:,} lines twice",
        file=sys.stderr,
        flush=True,
    )


def row(mode: str, turns: Sequence[Turn]) -> list[str]:
    """Medians over rounds."""

    def middle(value: Callable[[Turn], float]) -> float:
        return statistics.median(value(turn) for turn in turns)

    def rate(value: Callable[[Window], float]) -> float:
        return middle(lambda turn: statistics.median(value(each) for each in turn.beside))

    return [
        mode,
        f"{middle(lambda turn: turn.capacity):,.0f}",
        f"{rate(lambda each: each.live):,.0f}",
        f"{rate(lambda each: each.replayed):,.0f}",
        f"{middle(lambda turn: p99(turn.alone)):.1f} ms",
        f"{middle(lambda turn: p99(turn.beside)):.1f} ms",
        f"{middle(lambda turn: p99(turn.beside) / p99(turn.alone)):.2f} ×",
        f"{max(each.p99_ms for turn in turns for each in turn.beside):.1f} ms",
        f"{disk_share([each for turn in turns for each in turn.beside]):.0%}",
        f"{sum(each.refused for turn in turns for each in turn.beside):,}",
        str(sum(len(turn.beside) for turn in turns)),
    ]


HEAD = (
    *("live repo", "it can take", "live", "replayed", "p99 alone", "p99 beside", "ratio", "worst window", "on disk"),
    *("refused", "windows"),
)


def told_bars(turns: Sequence[Turn]) -> list[str]:
    """Rates and p99 of one kind of live repo."""
    replayed = statistics.median(
        statistics.median(w.replayed / max(w.live, 1e-9) for w in turn.beside) for turn in turns
    )
    slower = statistics.median(p99(turn.beside) / p99(turn.alone) for turn in turns)
    return [
        bar("rate of the replay by that of live lines", "at least 1 ×", f"{replayed:.2f} ×"),
        bar("p99 beside the replay by p99 alone", f"at most {MOST_P99:g} ×", f"{slower:.2f} ×"),
    ]


def report(series: dict[str, list[Turn]], kind: str) -> None:
    """The section."""
    turns = [turn for made in series.values() for turn in made]
    rounds = ", ".join(sorted({f"{len(made)} rounds" for made in series.values()}))
    nbytes, records = (
        statistics.median(values) for values in zip(*((t.nbytes, t.records) for t in turns), strict=True)
    )
    print(f"A backlog of {records:,.0f} lines, {nbytes / 1e9:.2f} GB on {kind}; {rounds} of each live repo.\n")
    print(table(HEAD, [row(mode, made) for mode, made in series.items()]))
    print(
        f"Lines a second; bodies of {LINES}, {CONNECTIONS} connections, open loop at {LIVE_SHARE:.0%} of what it can "
        f"take, windows of {WINDOW_SECONDS:g} s; every round counts, since no core need be busy, and figures are medians of "
        f"its windows' medians. On disk: of the live lines answered beside the replay, the share that was on the gateway's "
        f"disk (`durability: disk`) rather than in Kafka. The p99 beside is of all live answers: near 100% on disk it is "
        f"the disk's, near 0% Kafka's, between them a mixture's.\n"
    )
    for mode, made in series.items():
        print(f"Live repo {mode}. {bars(told_bars(made))}")
    warm, cold = [turn.warm for turn in turns], [turn.cold for turn in turns]
    print(
        f"Recovery, from opening the directory of the killed gateway to knowing all that is in it, by the log of the gateway "
        f"that starts: {statistics.median(warm):.2f} s from the page cache (slowest {max(warm):.2f} s), "
        f"{statistics.median(cold):.2f} s from the disk (slowest {max(cold):.2f} s). Bar: under {MOST_RECOVERY:g} s.\n"
    )


def main() -> None:
    parser = session.parser(__doc__)
    parser.add_argument("--only", nargs="+", choices=list(MODES), default=list(MODES), help="delivery of the live repo")
    options = parser.parse_args()
    with session.opened(options) as bench:
        count = 1 if bench.effort.quick else ROUNDS
        series = {mode: [round_of(bench, mode) for _ in range(options.rounds or count)] for mode in options.only}
    report(series, file_system(Path(tempfile.gettempdir())))


if __name__ == "__main__":
    main()
