"""Every fault by itself, with time-outs scaled down: shorter and longer than a request waits."""

from pathlib import Path

import pytest

from .brokers import Brokers
from .faults import BROKERS, FAULTS, SLOW_DISK, names
from .run import run
from .scenario import QUICK, alone
from .stages import SPOOL, SYNC

pytestmark = [pytest.mark.kafka, pytest.mark.nightly]

SHORT, LONG = 0.6, 4.0
HANGING = 50.0
"""For so long a disk is slow of which it takes longer, at a stretch, than a commit may."""
LASTING = ["black-hole", "no-network", "frozen-kafka", "frozen-gateway"]
"""Those in which lasting longer than the deliveryTimeout makes a difference that is worth the time."""
CASES = [(SPOOL.name, fault, SHORT) for fault in names(spools=True)]
# With a spool there is a repo that never uses it, too: what brokers take long to get over happens once.
CASES += [(SYNC.name, fault, SHORT) for fault in names(spools=False) if BROKERS not in FAULTS[fault].groups]
CASES += [(stage.name, fault, LONG) for stage in (SYNC, SPOOL) for fault in LASTING]
CASES += [(SPOOL.name, SLOW_DISK, LONG)]


@pytest.mark.parametrize(("stage", "fault", "seconds"), CASES, ids=["-".join(map(str, case)) for case in CASES])
async def test_no_promise_is_broken_by(kafka: Brokers, tmp_path: Path, stage: str, fault: str, seconds: float) -> None:
    report = await run(alone(fault, QUICK, seconds, stage), kafka, tmp_path)
    print(report)
    assert not report.failed, str(report)


async def test_no_promise_is_broken_by_a_disk_that_takes_longer_than_a_commit_may(
    kafka: Brokers, tmp_path: Path
) -> None:
    report = await run(alone(SLOW_DISK, QUICK, HANGING, SPOOL.name), kafka, tmp_path)
    print(report)
    assert not report.failed, str(report)
    assert report.statuses["503 SpoolFailed"]
