"""What becomes of rollouts and upgrades on which nobody could act: the fleet, or the repo, is beyond deciding. Pure.

Everything under weight goes back, and begins anew once the fleet can be rendered again: like a change whose own spec is
not accepted any more. Reconcile calls it, stores the states, and takes the requests back by the live routes themselves.
"""

from headgate_operator.rollout import reasons, transitions
from headgate_operator.rollout.model import Observation, Phase, RolloutState
from headgate_operator.rollout.upgrade_leaving import move_back
from headgate_operator.rollout.upgrade_model import UpgradePhase, UpgradeSeen, UpgradeState, has_weight


def retreat(state: RolloutState, now: float, why: str, reason: str = reasons.FLEET_NOT_ACCEPTED) -> RolloutState:
    """The state with no weight. What is promoted stays promoted; what had no weight yet stays where it is."""
    if state.weight == 0:
        return state
    if state.phase is Phase.PROMOTING:
        return state.model_copy(update={"weight": 0})
    return transitions.roll_back(state, Observation(now, True, state.candidate), reason, why)


def retreat_upgrade(state: UpgradeState, now: float, why: str) -> UpgradeState:
    """The same for a fleet's image."""
    if not has_weight(state):
        return state
    if state.phase is UpgradePhase.PROMOTING:
        return state.model_copy(update={"dropped": True})
    return move_back(state, UpgradeSeen(now, state.stable), reasons.FLEET_NOT_ACCEPTED, why)
