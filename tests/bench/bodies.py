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

from tests.bench import events, runs, session, shipped
from tests.bench.contenders import Contender, Server, gateway, serving
from tests.bench.loading import Load
from tests.bench.machine import SERVER_CORE, pinned
from tests.bench.peers import collector, franz_lines
from tests.bench.runs import Round
from tests.bench.session import Session
from tests.bench.tables import closed_loop_table

LINES = (100, 1_000)
LINGERS = ("0s", "2ms", "10ms")
CONNECTIONS = 64


def measure(bench: Session, servers: Sequence[Server], lines: int) -> tuple[list[Round], float]:
    """Rounds, and the ceiling in lines a second, taken once a round."""
    ceilings: list[float] = []

    def load_of(server: Server) -> Load:
        if server is servers[0]:
            ceilings.append(measure_ceiling(lines, bench.effort.warm_up_seconds))
            print(f"  {'ceiling':22} {ceilings[-1]:9,.0f} lines/s", file=sys.stderr, flush=True)
        return Load(server.contender.requests(lines), lines, CONNECTIONS, bench.effort.seconds)

    return runs.rounds(servers, load_of, bench.offsets, bench.effort), statistics.median(ceilings)


def measure_ceiling(lines: int, seconds: float) -> float:
    """The steps alone, in a process of their own on the measured core, by the same interpreter and modules."""
    words = ["-m", "tests.bench.ceiling", "--lines", str(lines), "--seconds", str(seconds)]
    command = pinned(SERVER_CORE, *shipped.interpreter(), *words)
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, start_new_session=True)
    return float(done.stdout)


def best_of(made: Sequence[Round], names: Sequence[str]) -> str:
    """The name with the highest rate."""
    return max(names, key=lambda name: runs.median(made, name, lambda run: run.rate))


def report(series: dict[int, list[Round]], ceilings: dict[int, float], names: Sequence[str]) -> None:
    """The section."""
    print(closed_loop_table(series, "lines a body", "lines/s", names))
    lingering = [name for name in names if name.startswith("franz")]
    for lines, made in series.items():
        ours = runs.median(made, names[0], lambda run: run.rate)
        print(
            f"- {lines:,} lines: {ours / ceilings[lines]:.0%} of the in-process ceiling of {ceilings[lines]:,.0f} lines/s"
            + (f"; the best linger is that of `{best_of(made, lingering)}`" if lingering else "")
        )
    print()


def main() -> None:
    parser = session.parser(__doc__)
    parser.add_argument("--lines", type=int, nargs="+", help="default: 100 1000; 100 alone with --quick")
    parser.add_argument("--alone", action="store_true", help="leave the peers out")
    options = parser.parse_args()
    peers: list[Contender] = [] if options.alone else [*(franz_lines(linger) for linger in LINGERS), collector()]
    contenders = [gateway(constraint=events.TWO_FIELDS), *peers]
    sizes = options.lines or (LINES[:1] if options.quick else LINES)
    with session.opened(options) as bench, serving(bench.kafka, contenders) as servers:
        measured = {lines: measure(bench, servers, lines) for lines in sizes}
        series = {lines: made for lines, (made, _) in measured.items()}
        report(series, {lines: top for lines, (_, top) in measured.items()}, [each.name for each in contenders])


if __name__ == "__main__":
    main()
