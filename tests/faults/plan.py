"""Which runs there are: the seeds of `make test`, and what `make faults` does in a night. Pure."""

from collections.abc import Iterator, Sequence

from .faults import drawn_from
from .scenario import Scale, Scenario, alone, draw
from .stages import SPOOL, SYNC, Stage

_SYNC_SEEDS = (2, 3, 4, 5, 6, 7, 8, 93)
_SPOOL_SEEDS = (2, 4, 5, 6, 7, 8, 9, 10, 11, 12, 62, 123)
SEEDS = [(SYNC, seed) for seed in _SYNC_SEEDS] + [(SPOOL, seed) for seed in _SPOOL_SEEDS]
"""What `make test` combines: few, and among them every fault that is ever drawn."""
OUTAGES = ("killed-kafka", "stopped-kafka", "frozen-kafka", "no-network")
"""All of Kafka is away, in each way in which it can be."""


def together(stage: Stage, seed: int, scale: Scale) -> Scenario:
    """What a seed makes of a stage."""
    return draw(seed, drawn_from(spools=stage.spools), scale, stage.name)


def outages(stages: Sequence[Stage], scale: Scale) -> Iterator[Scenario]:
    """Each by itself, as long as the scale has it, the shortest first."""
    for seconds in sorted(seconds for _, seconds in scale.outages):
        for stage in stages:
            for fault in OUTAGES:
                yield alone(fault, scale, seconds, stage.name)


def seeded(stages: Sequence[Stage], scale: Scale, seeds: Sequence[int]) -> Iterator[Scenario]:
    """One of them for each seed, the stages by turns."""
    for seed in seeds:
        yield together(stages[seed % len(stages)], seed, scale)
