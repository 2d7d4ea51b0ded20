"""`python -m tests.faults`: fault runs by seed, with real durations unless told otherwise. Exit status 1: one failed.

make faults                                  outages of all of Kafka, then 200 runs by seed, with real durations: hours
make faults ARGS="--no-outages"              without the former: as much as an hour and a half less
make faults ARGS="--runs 20 --scale quick"   like `make test`
make faults ARGS="--stage spool --seed 17"               one of them again
make faults ARGS="--alone black-hole --seconds 30"
"""

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.testbed import kafka

from .brokers import behind_proxies
from .faults import FAULTS
from .plan import outages, seeded
from .run import run
from .scenario import REAL, SCALES, Scenario, alone
from .stages import STAGES

RUNS = 200
FIRST = 1


def main(argv: list[str] | None = None) -> int:
    """Run what the command line asks for, one after the other."""
    options = parser().parse_args(argv)
    failed = asyncio.run(_run_all(list(scenarios(options))))
    for command in failed:
        print(f"failed: {command}")
    return 1 if failed else 0


async def _run_all(scenarios: list[Scenario]) -> list[str]:
    failed: list[str] = []
    async with behind_proxies(kafka.ensure(3)) as made:
        for number, scenario in enumerate(scenarios, start=1):
            print(f"[{number}/{len(scenarios)}] {scenario}", flush=True)
            with tempfile.TemporaryDirectory(prefix="headgate-faults-") as folder:
                report = await run(scenario, made, Path(folder))
            print(report, flush=True)
            if report.failed:
                failed.append(scenario.command)
    return failed


def scenarios(options: argparse.Namespace) -> Iterator[Scenario]:
    """The runs that a command line asks for, in order."""
    scale, stages = SCALES[options.scale], [STAGES[options.stage]] if options.stage else list(STAGES.values())
    if options.alone:
        yield alone(options.alone, scale, options.seconds, stages[-1].name)
    elif options.seed is not None:
        yield from seeded(stages, scale, [options.seed])
    else:
        # Scaled down they are tests of their own; and who shares a night between machines has them on the first.
        if options.outages and scale is REAL and options.first == FIRST:
            yield from outages(stages, scale)
        yield from seeded(stages, scale, range(options.first, options.first + options.runs))


def parser() -> argparse.ArgumentParser:
    """What a command line may say."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.faults", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=RUNS, help="how many (default: %(default)s)")
    parser.add_argument("--first", type=int, default=FIRST, help="seed of the first (default: %(default)s)")
    parser.add_argument("--seed", type=int, help="this one only")
    parser.add_argument(
        "--no-outages", action="store_false", dest="outages", help="no outages of all of Kafka, one by one, at first"
    )
    parser.add_argument("--alone", choices=sorted(FAULTS), help="this fault only")
    parser.add_argument("--seconds", type=float, default=1.0, help="how long it lasts (default: %(default)s)")
    parser.add_argument("--stage", choices=sorted(STAGES), help="with a spool, or without (default: by turns)")
    parser.add_argument("--scale", choices=sorted(SCALES), default="real", help="(default: %(default)s)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
