"""Where a rollout may be, and what may be seen there: what the tests of the machine share."""

from dataclasses import replace
from typing import Any

import pytest
from tests.unit.rollout.builders import (
    HEALTHY,
    NEW,
    OLD,
    counted,
    gauge,
    policy,
    state,
)

from headgate_operator.rollout import reasons
from headgate_operator.rollout.machine import step
from headgate_operator.rollout.model import (
    Observation,
    Phase,
    RolloutState,
    Stage,
)

Where = tuple[Phase, Stage, str]

PROGRESSING, PAUSED, PROMOTING = Phase.PROGRESSING, Phase.PAUSED, Phase.PROMOTING
ROLLING_BACK, ROLLED_BACK, SUPERSEDED = Phase.ROLLING_BACK, Phase.ROLLED_BACK, Phase.SUPERSEDED
STABLE, WAITING = Phase.STABLE, Phase.WAITING
STARTING, SHIFTING, MEASURING = Stage.STARTING, Stage.SHIFTING, Stage.MEASURING
GATED, UNDECIDED, CONFIRMING = Stage.GATED, Stage.UNDECIDED, Stage.CONFIRMING
DRAINING, REMOVING = Stage.DRAINING, Stage.REMOVING

GOOD = counted(200, 1_800)
BAD = counted(200, 1_800, rejected=100)
FEW = counted(19, 171)
DOWN = replace(HEALTHY, ready=0)
MANUAL = policy(steps=[{"weight": 10, "hold": "Manual"}, {"weight": 50}])
ONE_STEP = policy(steps=[{"weight": 10}])


def where(found: RolloutState) -> Where:
    return found.phase, found.stage, found.reason


def after(before: RolloutState, seen: Observation) -> RolloutState:
    return step(before, seen).state


UNDER_WAY = [
    (PROGRESSING, STARTING), (PROGRESSING, SHIFTING), (PROGRESSING, MEASURING), (PROGRESSING, GATED),
    (PROGRESSING, UNDECIDED), (PAUSED, STARTING), (PAUSED, MEASURING), (PAUSED, GATED), (PAUSED, UNDECIDED),
]  # fmt: skip
LEAVING = [
    (PROMOTING, CONFIRMING), (PROMOTING, DRAINING), (PROMOTING, REMOVING), (ROLLING_BACK, DRAINING),
    (ROLLING_BACK, REMOVING), (SUPERSEDED, DRAINING), (SUPERSEDED, REMOVING),
]  # fmt: skip
ALL = [(STABLE, STARTING), (WAITING, STARTING), (ROLLED_BACK, STARTING), *UNDER_WAY, *LEAVING]

under_way = pytest.mark.parametrize(("phase", "stage"), UNDER_WAY)
weighted = pytest.mark.parametrize(("phase", "stage"), [place for place in UNDER_WAY if place[1] is not STARTING])


def stands(phase: Phase, stage: Stage) -> RolloutState:
    """A state in which this phase and stage are usual."""
    fields: dict[str, Any] = {"reason": reasons.ANALYSIS_FAILED} if phase is ROLLING_BACK else {}
    if phase is PROMOTING:
        fields = {"stable": NEW, "weight": 10 if stage is CONFIRMING else 0}
    return state(phase, stage, **fields)


KAFKA: dict[str, Any] = {
    "gauges_canary": (gauge("c", 200, errors=80),),
    "gauges_stable": (gauge("s", 1_800, revision=OLD, errors=720),),
}
