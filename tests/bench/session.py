"""What every bench of servers begins with: options of the command line, Kafka beside the load, a counter of records."""

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from tests.bench.machine import kafka_beside_load
from tests.bench.runs import FULL, QUICK, Effort
from tests.bench.topics import Offsets
from tests.testbed import kafka as testbed_kafka
from tests.testbed.kafka import Kafka

QUICK_NOTE = "**Quick figures, for development**: few and short runs.\n"


@dataclass(frozen=True)
class Session:
    """One bench's run."""

    kafka: Kafka
    offsets: Offsets
    effort: Effort


def parser(description: str | None) -> argparse.ArgumentParser:
    """Options that all benches of servers have."""
    made = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--quick", action="store_true", help="few and short runs, for development")
    made.add_argument("--rounds", type=int, help="rounds that have to count")
    made.add_argument("--seconds", type=float, help="length of a run")
    return made


def effort_of(options: argparse.Namespace) -> Effort:
    """What the options ask for."""
    effort = QUICK if options.quick else FULL
    if options.rounds:
        effort = replace(effort, rounds=options.rounds, quick=effort.quick or options.rounds < FULL.rounds)
    if options.seconds:
        effort = replace(effort, seconds=options.seconds, quick=effort.quick or options.seconds < FULL.seconds)
    return effort


@contextmanager
def opened(options: argparse.Namespace) -> Iterator[Session]:
    """Kafka, pinned; gives back its cores at the end."""
    kafka = testbed_kafka.ensure(brokers=1)
    effort = effort_of(options)
    offsets = Offsets(kafka.bootstrap)
    try:
        with kafka_beside_load(kafka):
            if effort.quick:
                print(QUICK_NOTE)
            yield Session(kafka, offsets, effort)
    finally:
        offsets.close()
