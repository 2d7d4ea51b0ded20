"""What faults decide before they act: how long a disk is how slow."""

from random import Random

import pytest
from tests.faults.faults import SLOW_MS, slow_stages
from tests.faults.scenario import QUICK, REAL

from headgate_gateway.spool.log import LogSettings

HANGS = max(SLOW_MS)


@pytest.mark.parametrize("seconds", [1.0, 30.0, 360.0])
def test_a_disk_hangs_for_longer_than_a_commit_may_take_whenever_outages_are_real(seconds: float) -> None:
    stages = dict(slow_stages(seconds, REAL.longest, Random(1)))
    assert stages[HANGS] >= HANGS / 1000 > LogSettings().stuck_seconds
    assert set(stages) == set(SLOW_MS)


def test_it_does_not_where_all_is_scaled_down() -> None:
    assert dict(slow_stages(2.0, QUICK.longest, Random(1))) == {20: 0.5, 100: 0.5, 500: 0.5, HANGS: 0.5}
