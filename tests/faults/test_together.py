"""Faults in random combinations, by seed, with time-outs scaled down; `make faults` has real durations, and more."""

from pathlib import Path

import pytest

from .brokers import Brokers
from .faults import drawn_from
from .run import run
from .scenario import QUICK, draw
from .stages import SPOOL, SYNC, Stage

pytestmark = pytest.mark.kafka

CASES = [(stage, seed) for stage, runs in ((SYNC, 8), (SPOOL, 12)) for seed in range(1, runs + 1)]


@pytest.mark.parametrize(("stage", "seed"), CASES, ids=[f"{stage.name}-{seed}" for stage, seed in CASES])
async def test_no_promise_is_broken_by_faults_together(kafka: Brokers, tmp_path: Path, stage: Stage, seed: int) -> None:
    report = await run(draw(seed, drawn_from(spools=stage.spools), QUICK, stage.name), kafka, tmp_path)
    print(report)
    assert not report.failed, str(report)
