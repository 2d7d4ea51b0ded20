"""Every fault by itself, with time-outs scaled down: shorter and longer than a request waits."""

from pathlib import Path

import pytest

from .brokers import Brokers
from .faults import FAULTS
from .run import run
from .scenario import QUICK, alone

pytestmark = pytest.mark.kafka

LONG = {"black-hole", "no-network", "frozen-kafka", "frozen-gateway"}
"""Those in which lasting longer than the deliveryTimeout makes a difference worth the time."""
CASES = [(fault, 0.6) for fault in FAULTS] + [(fault, 4.0) for fault in sorted(LONG)]


@pytest.mark.parametrize(("fault", "seconds"), CASES, ids=[f"{fault} for {seconds:g} s" for fault, seconds in CASES])
async def test_no_promise_is_broken_by(kafka: Brokers, tmp_path: Path, fault: str, seconds: float) -> None:
    report = await run(alone(fault, QUICK, seconds), kafka, tmp_path)
    print(report)
    assert not report.failed, str(report)
