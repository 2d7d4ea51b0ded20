"""Faults in random combinations, by seed, with time-outs scaled down; `make faults` has real durations, and more."""

from pathlib import Path

import pytest

from .brokers import Brokers
from .faults import DRAWN
from .run import run
from .scenario import QUICK, draw

pytestmark = pytest.mark.kafka

RUNS = 20


@pytest.mark.parametrize("seed", range(1, RUNS + 1))
async def test_no_promise_is_broken_by_faults_together(kafka: Brokers, tmp_path: Path, seed: int) -> None:
    report = await run(draw(seed, DRAWN, QUICK), kafka, tmp_path)
    print(report)
    assert not report.failed, str(report)
