"""Which faults happen when: drawn from a seed, so that a run that fails can be run again. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import NamedTuple


@dataclass(frozen=True)
class Scale:
    """How long things take: seconds, unless a name says otherwise."""

    name: str
    delivery_ms: int
    """The profile's deliveryTimeout."""
    outages: tuple[tuple[int, float], ...]
    """How long faults last, each with its weight."""
    span: float
    """Within which all faults of a run begin."""
    lead: float
    """Of traffic before the first."""
    tail: float
    """Of traffic after the last."""
    recovery: float
    """Within which everything is delivered again once all faults are over. A bound for what hangs, no promise: with time-outs of two
    seconds, brokers that come back on a busy machine have to be asked many times."""
    pause: float
    """Between two requests of a sender, on average: runs are about truth, not about speed."""

    @property
    def longest(self) -> float:
        """The longest outage."""
        return max(seconds for _, seconds in self.outages)


QUICK = Scale("quick", 2_000, ((5, 0.2), (3, 1.0), (2, 3.0)), span=1.5, lead=0.4, tail=0.5, recovery=240, pause=0.01)
REAL = Scale("real", 30_000, ((12, 1.0), (7, 30.0), (1, 360.0)), span=30, lead=2, tail=5, recovery=90, pause=0.3)
SCALES = {scale.name: scale for scale in (QUICK, REAL)}
MOST_FAULTS = 4


class Step(NamedTuple):
    """One fault of a scenario."""

    at: float
    """Seconds after traffic began."""
    fault: str
    seconds: float
    """How long it lasts, where it lasts at all."""
    seed: str
    """Of what the fault itself draws."""

    def __str__(self) -> str:
        return f"{self.at:.2f} s {self.fault} ({self.seconds:g} s)"


@dataclass(frozen=True)
class Scenario:
    """A run."""

    name: str
    stage: str
    """Name of what the gateway is configured as."""
    scale: Scale
    steps: tuple[Step, ...]
    command: str
    """How to run it again."""

    @property
    def faults(self) -> frozenset[str]:
        """The names of its faults."""
        return frozenset(step.fault for step in self.steps)

    @property
    def longest(self) -> float:
        """Seconds that the longest of its faults may last."""
        return max([self.scale.longest, *(step.seconds for step in self.steps)])

    def __str__(self) -> str:
        return f"{self.name}, {self.stage}, {self.scale.name}: {', '.join(map(str, self.steps)) or 'no fault'}"


def draw(seed: int, faults: Sequence[str], scale: Scale, stage: str) -> Scenario:
    """Some faults, together. The same arguments give the same scenario."""
    random = Random(f"{stage}/{seed}")
    number = random.randint(2, MOST_FAULTS)
    times = sorted(random.uniform(0, scale.span) for _ in range(number))
    steps = tuple(
        Step(round(scale.lead + at, 2), random.choice(faults), _outage(random, scale), f"{seed}/{index}")
        for index, at in enumerate(times)
    )
    return Scenario(f"seed {seed}", stage, scale, steps, _command(f"--seed {seed}", scale, stage))


def alone(fault: str, scale: Scale, seconds: float, stage: str) -> Scenario:
    """One fault by itself, for so long."""
    steps = (Step(scale.lead, fault, seconds, fault),)
    name = f"{fault} for {seconds:g} s"
    return Scenario(name, stage, scale, steps, _command(f"--alone {fault} --seconds {seconds:g}", scale, stage))


def _outage(random: Random, scale: Scale) -> float:
    weights, seconds = zip(*scale.outages, strict=True)
    [chosen] = random.choices(seconds, weights)
    return float(chosen)


def _command(which: str, scale: Scale, stage: str) -> str:
    return f"make faults ARGS='--stage {stage} {which} --scale {scale.name}'"
