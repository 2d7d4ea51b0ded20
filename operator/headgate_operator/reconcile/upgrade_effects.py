"""What follows from the state of an image upgrade: for rendering, for status, for other rollouts, for the counters. Pure."""

from collections.abc import Mapping

from headgate_operator.api.rollout import Rollout
from headgate_operator.reconcile.sightings import FleetSightings
from headgate_operator.render.world import FleetUpgrade, GatewayImage, RepoKey
from headgate_operator.rollout.model import Observation, Phase, RolloutState
from headgate_operator.rollout.samples import count_split
from headgate_operator.rollout.upgrade_model import (
    Image,
    UpgradePhase,
    UpgradeStage,
    UpgradeState,
    key_of,
    touched,
    weights_of,
)
from headgate_operator.status.rollout import Shown, Split

RESTING = (UpgradePhase.STABLE, UpgradePhase.ROLLED_BACK)


def serving_image(state: UpgradeState) -> Image:
    """What the stable gateways are to run."""
    promoting = state.phase is UpgradePhase.PROMOTING and state.candidate is not None
    return state.candidate if promoting and state.candidate is not None else state.stable


def build_fleet_upgrade(state: UpgradeState, sightings: FleetSightings) -> FleetUpgrade | None:
    """What rendering has to know; None where the spec's image is the one that serves."""
    serving = serving_image(state)
    if state.phase is UpgradePhase.STABLE and serving.name == sightings.fleet.spec.image:
        return None
    stable = GatewayImage(serving.name, serving.pull_policy)
    if state.phase in RESTING or state.candidate is None:
        return FleetUpgrade(stable)
    running = state.stage is not UpgradeStage.REMOVING
    return FleetUpgrade(
        stable=stable,
        candidate=GatewayImage(state.candidate.name, state.candidate.pull_policy),
        revision=state.candidate.revision,
        replicas=state.replicas if running else 0,
        weights=weights_of(state),
        stable_floor=sightings.workload.desired if sightings.workload is not None else 0,
    )


def held_repos(state: UpgradeState) -> dict[RepoKey, str]:
    """Repos that are moving or have moved: their routes are the upgrade's until it is over."""
    image = state.candidate.name if state.candidate is not None else ""
    told = f"the fleet's upgrade to {image} has the repo's route; its own change begins when that is over"
    return {key: told for key in weights_of(state) if "/".join(key) not in state.failed}


def shown_moves(state: UpgradeState, moves: Mapping[RepoKey, Observation]) -> dict[RepoKey, Shown]:
    """What the status of repos that move shows."""
    found: dict[RepoKey, Shown] = {}
    for name, move in state.under_way.items():
        seen = moves.get(key_of(name))
        if state.phase is UpgradePhase.UPGRADING:
            found[key_of(name)] = Shown(move, seen.policy if seen else Rollout(), _split(move, seen))
        elif state.phase is UpgradePhase.ROLLING_BACK:
            back = {"phase": Phase.ROLLING_BACK, "weight": 0, "reason": state.reason, "message": state.message}
            found[key_of(name)] = Shown(move.model_copy(update=back), seen.policy if seen else Rollout())
    return found


def _split(move: RolloutState, seen: Observation | None) -> Split | None:
    if seen is None or move.marks is None or not seen.fresh:
        return None
    found = count_split(seen, move.marks)
    return Split(found.canary, found.stable)


def watched_repos(state: UpgradeState, sightings: FleetSightings, *, all_repos: bool) -> set[RepoKey]:
    """All repos once, for the order; then those that move. Some repo always: how much gateways count in all comes along."""
    served = {key for key in sightings.judged.served if key in sightings.judged.repos}
    if all_repos and state.phase is UpgradePhase.UPGRADING and state.stage is UpgradeStage.STARTING:
        return served
    moving = {key_of(name) for name in state.under_way} & served
    return moving or {key_of(name) for name in touched(state)[:1]} or set(sorted(served)[:1])
