"""JSONL bodies with a constraint on two fields: this gateway beside net/http with franz-go, and the Collector.

    python -m tests.bench.bodies --quick                 # bodies of 100 lines
    python -m tests.bench.bodies --quick --lines 100 1000
    python -m tests.bench.bodies --quick --alone         # this gateway and its ceiling, without the peers

franz-go runs with a linger of 0, 2 and 10 ms in each round; the best of the three is what counts. The in-process
ceiling (split, decode, constraint, append, compress) is measured between the rounds.
"""

import statistics
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from tests.bench import events, runs, session, shipped
from tests.bench.closed_loop import CONNECTIONS
from tests.bench.contenders import Contender, Server, gateway, serving
from tests.bench.loading import Load
from tests.bench.machine import SERVER_CORE, pinned
from tests.bench.peers import collector, franz_lines
from tests.bench.runs import Round
from tests.bench.session import Session
from tests.bench.tables import bar, bars, closed_loop_table, idle_mark

LINES = (100, 1_000)
LINGERS = ("0s", "2ms", "10ms")
LEAST_FRANZ = "at least 1.8 × (aim: 3 ×)"
LEAST_COLLECTOR = "at least 2.3 × (aim: 4 ×)"
LEAST_OF_CEILING = "at least 50 %"


@dataclass(frozen=True)
class Measured:
    """Of bodies of one size."""

    rounds: list[Round]
    ceilings: list[float]
    """Lines a second, one for each round."""


def measure(bench: Session, servers: Sequence[Server], lines: int) -> Measured:
    """Rounds, and the ceiling, taken once in each."""
    ceilings: list[float] = []

    def load_of(server: Server) -> Load:
        if server is servers[0]:
            ceilings.append(measure_ceiling(lines, bench.effort.warm_up_seconds))
            print(f"  {'ceiling':22} {ceilings[-1]:9,.0f} lines/s", file=sys.stderr, flush=True)
        return Load(server.contender.requests(lines), lines, CONNECTIONS[lines], bench.effort.seconds)

    made = runs.all_rounds(servers, load_of, bench.offsets, bench.effort)
    rounds = runs.kept(made)
    return Measured(rounds, [top for each, top in zip(made, ceilings, strict=True) if each in rounds])


def measure_ceiling(lines: int, seconds: float) -> float:
    """The steps alone, in a process of their own on the measured core, by the same interpreter and modules."""
    words = ["-m", "tests.bench.ceiling", "--lines", str(lines), "--seconds", str(seconds)]
    command = pinned(SERVER_CORE, *shipped.interpreter(), *words)
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, start_new_session=True)
    return float(done.stdout)


def best_of(made: Sequence[Round], names: Sequence[str]) -> str:
    """The name with the highest rate."""
    return max(names, key=lambda name: runs.median(made, name, lambda run: run.rate))


def told_bars(lines: int, measured: Measured, names: Sequence[str]) -> list[str]:
    """Rates by those of the best linger and of the Collector, and by the ceiling."""
    made, (ours, *peers) = measured.rounds, names
    lingering = [name for name in peers if name.startswith("franz")]
    best = [(best_of(made, lingering), LEAST_FRANZ)] if lingering else []
    others = [(name, LEAST_COLLECTOR) for name in peers if name not in lingering]
    by_peer = [
        bar(
            f"{lines:,} lines a body, rate by that of {name}{' (the best linger)' if name in lingering else ''}",
            least,
            f"{runs.ratio(made, ours, name, lambda run: run.rate):.2f} ×{idle_mark(made, ours, name)}",
        )
        for name, least in (*best, *others)
    ]
    share = statistics.median(each[ours].rate / ceiling for each, ceiling in zip(made, measured.ceilings, strict=True))
    ceiling = (
        f"{lines:,} lines a body, rate by the in-process ceiling of {statistics.median(measured.ceilings):,.0f} lines/s"
    )
    return [*by_peer, bar(ceiling, LEAST_OF_CEILING, f"{share:.0%}{idle_mark(made, ours)}")]


def report(measured: dict[int, Measured], names: Sequence[str]) -> None:
    """The section."""
    series = {lines: each.rounds for lines, each in measured.items()}
    print(closed_loop_table(series, "lines a body", "lines/s", names))
    print(bars([line for lines, each in measured.items() for line in told_bars(lines, each, names)]))


def main() -> None:
    parser = session.parser(__doc__)
    parser.add_argument("--lines", type=int, nargs="+", choices=LINES, help="default: 100 1000; 100 alone with --quick")
    parser.add_argument("--alone", action="store_true", help="leave the peers out")
    options = parser.parse_args()
    peers: list[Contender] = [] if options.alone else [*(franz_lines(linger) for linger in LINGERS), collector()]
    contenders = [gateway(constraint=events.TWO_FIELDS), *peers]
    sizes = options.lines or (LINES[:1] if options.quick else LINES)
    with session.opened(options) as bench, serving(bench.kafka, contenders) as servers:
        told = " and ".join(f"{CONNECTIONS[lines]} connections with bodies of {lines:,} lines" for lines in sizes)
        print(f"All have {told}.\n")
        measured = {lines: measure(bench, servers, lines) for lines in sizes}
        report(measured, [each.name for each in contenders])


if __name__ == "__main__":
    main()
