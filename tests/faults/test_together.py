"""Faults in random combinations, by seed, with time-outs scaled down; `make faults` has real durations, and more."""

from pathlib import Path

import pytest

from .brokers import Brokers
from .plan import SEEDS, together
from .run import run
from .scenario import QUICK
from .stages import Stage

pytestmark = pytest.mark.kafka


@pytest.mark.parametrize(("stage", "seed"), SEEDS, ids=[f"{stage.name}-{seed}" for stage, seed in SEEDS])
async def test_no_promise_is_broken_by_faults_together(kafka: Brokers, tmp_path: Path, stage: Stage, seed: int) -> None:
    report = await run(together(stage, seed, QUICK), kafka, tmp_path)
    print(report)
    assert not report.failed, str(report)
