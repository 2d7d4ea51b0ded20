"""Which runs there are: the seeds of `make test`. Pure."""

from .faults import drawn_from
from .scenario import Scale, Scenario, draw
from .stages import SPOOL, SYNC, Stage

_SYNC_SEEDS = (2, 3, 4, 5, 6, 7, 8, 93)
_SPOOL_SEEDS = (2, 4, 5, 6, 7, 8, 9, 10, 11, 12, 62, 123)
SEEDS = [(SYNC, seed) for seed in _SYNC_SEEDS] + [(SPOOL, seed) for seed in _SPOOL_SEEDS]
"""What `make test` combines: few, and among them every fault that is ever drawn."""


def together(stage: Stage, seed: int, scale: Scale) -> Scenario:
    """What a seed makes of a stage."""
    return draw(seed, drawn_from(spools=stage.spools), scale, stage.name)
