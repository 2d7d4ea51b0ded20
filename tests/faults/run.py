"""Runs a scenario in a world and judges it: traffic, faults by the clock, recovery, the end, the oracle."""

import asyncio
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from random import Random

from .brokers import Brokers
from .faults import FAULTS, FULL_SPOOL, MISSING_TOPIC, MOVED_CLOCK, SLOW_DISK
from .oracle import SHOWN, Verdict, judge
from .scenario import Scenario, Step
from .stages import STAGES
from .world import World, world

SMALL, LARGE = "3Mi", "48Mi"
"""Of the spool."""


@dataclass(frozen=True)
class Report:
    """What became of a run."""

    scenario: Scenario
    verdict: Verdict
    problems: tuple[str, ...]
    """What is wrong beside the oracle's findings."""
    doubtful: int
    """Copies that could be explained."""
    statuses: dict[str, int]
    seconds: float

    @property
    def failed(self) -> bool:
        """Whether a promise was broken."""
        return bool(self.verdict.violations or self.problems)

    def __str__(self) -> str:
        lines = [
            f"{'FAILED' if self.failed else 'ok'} {self.scenario} [{self.seconds:.1f} s]",
            f"  {self.verdict} (of at most {self.doubtful}), {self.verdict.late} late",
            f"  answers: {', '.join(f'{count} x {what}' for what, count in sorted(self.statuses.items()))}",
            *(f"  PROBLEM {each}" for each in self.problems[:SHOWN]),
            *(f"  {each.kind.upper()} {each.text}" for each in self.verdict.violations[:SHOWN]),
        ]
        if self.failed:
            lines.append(f"  {len(self.verdict.violations)} violations; again: {self.scenario.command}")
        return "\n".join(lines)


async def run(scenario: Scenario, brokers: Brokers, folder: Path) -> Report:
    """One run, from nothing to the verdict."""
    begun = time.monotonic()
    stage, faults = STAGES[scenario.stage], scenario.faults
    async with world(
        stage,
        brokers,
        scenario.scale,
        folder,
        late_topic=MISSING_TOPIC not in faults,
        spool_bytes=SMALL if FULL_SPOOL in faults else LARGE,
        moves_clock=MOVED_CLOCK in faults,
        slows_disk=SLOW_DISK in faults,
    ) as made:
        made.begin_traffic(Random(scenario.name).randrange(2**32), scenario.longest)
        assert made.traffic is not None
        await _act(made, scenario.steps)
        await brokers.heal()
        await made.create_late_topic()
        await made.recovered()
        await asyncio.sleep(scenario.scale.tail)
        await made.traffic.stop()
        if stage.spools:
            await made.emptied()
        ended = made.ended
        await made.terminate_gateway()
        made.ended = ended  # every request had its answer before
        if stage.spools:
            await made.inspected()
        found = await brokers.read([made.topic, made.late_topic])
        log, terms = made.traffic.log, made.terms()
        defects = [defect for process in made.gateway.processes for defect in process.defects]
        return Report(
            scenario=scenario,
            verdict=judge(log.sent, log.told, found, terms),
            problems=(*made.problems, *log.problems, *defects),
            doubtful=terms.doubled,
            statuses=log.statuses,
            seconds=time.monotonic() - begun,
        )


async def _act(made: World, steps: Sequence[Step]) -> None:
    locks = {group: asyncio.Lock() for fault in FAULTS.values() for group in fault.groups}
    begun = time.monotonic()

    async def one(step: Step) -> None:
        await asyncio.sleep(max(0.0, begun + step.at - time.monotonic()))
        fault = FAULTS[step.fault]
        async with AsyncExitStack() as held:
            for group in sorted(fault.groups):  # in one order, so that no two wait for each other
                await held.enter_async_context(locks[group])
            await fault.act(made, step, Random(step.seed))

    async with asyncio.TaskGroup() as group:
        for step in steps:
            group.create_task(one(step))
