"""What a fleet's status shows of its image upgrade, and what that makes of Ready. Pure: the state is given."""

from dataclasses import dataclass
from typing import Any

from headgate_operator.api.fleet import FailedMoveStatus, UpgradeStatus
from headgate_operator.api.rollout import CommandStatus
from headgate_operator.rollout.upgrade_model import UpgradePhase, UpgradeState
from headgate_operator.status.conditions import Fact, ready_facts
from headgate_operator.status.rollout import moment

REPOS_SHOWN = 100
RESTING = (UpgradePhase.STABLE, UpgradePhase.ROLLED_BACK)


@dataclass(frozen=True, slots=True)
class ShownUpgrade:
    """What status shows of a fleet's upgrade."""

    state: UpgradeState
    repos: int
    """Repos that the fleet serves."""


def build_upgrade_status(shown: ShownUpgrade) -> dict[str, Any]:
    """The `upgrade` block of a fleet's status."""
    state = shown.state
    under_way, candidate = state.phase not in RESTING, state.candidate
    failed = list(state.failed.items())[:REPOS_SHOWN]
    status = UpgradeStatus(
        phase=state.phase,
        stage=state.stage if under_way else None,
        from_=state.stable.name if candidate is not None else None,
        to=candidate.name if candidate is not None else state.stable.name,
        revision=candidate.revision if candidate is not None else state.stable.revision,
        moved=f"{len(state.moved)}/{shown.repos}" if under_way else None,
        under_way=tuple(state.under_way)[:REPOS_SHOWN],
        failed=tuple(FailedMoveStatus(repo=name, reason=each.reason, message=each.message) for name, each in failed),
        reason=state.reason or None,
        message=state.message or None,
        started_at=moment(state.began) if state.phase is not UpgradePhase.STABLE else None,
        command=_command(state),
    )
    return status.model_dump(mode="json", by_alias=True, exclude_defaults=True)


def _command(state: UpgradeState) -> CommandStatus | None:
    if not state.obeyed:
        return None
    last = state.obeyed[-1]
    return CommandStatus(token=last.token, verb=last.verb, result=last.result)


def upgrade_facts(state: UpgradeState) -> tuple[Fact, ...] | None:
    """Ready and its companions while an upgrade has the say; None where nothing is on its way. As of a repo's rollout."""
    if state.phase is UpgradePhase.STABLE:
        return None
    stalled = state.phase is UpgradePhase.ROLLED_BACK
    return ready_facts("False" if stalled else "Unknown", state.phase, state.message or state.phase, stalled=stalled)
