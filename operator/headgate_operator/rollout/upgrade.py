"""The state machine of a fleet's image: `advance_upgrade(state, seen)`. Pure, and the only way that an upgrade's state changes.

`upgrade_moves` moves the repos, `upgrade_leaving` takes the upgrade's gateways away. Reconcile calls, stores the state,
and only then renders what follows from it: killed anywhere, the next operator goes on from what is stored.

                 the spec asks for another image
      +--------+ --------------------------------> +------------------------ Upgrading -------------------------+
      | Stable |                                   | Starting    gateways of it become ready, load all shards   |
      +--------+ <-------------------------+       |    |                                                       |
        ^    ^   at once, where nothing    |       |    v                                                       |
        |    |   can or shall be moved     |       | Moving      repos, least traffic first, each by its steps  |
        |    |                             |       +------------------------------------------------------------+
        |    |                             |          | all have moved,       | a crash, no ready gateway, deadline,
        |    |                             |          | or promote            | repos refuse it (failureBudget), abort,
        |    |                             |          v                       v spec set back, or a newer image
        |    |                             |       Promoting               RollingBack
        |    |                             |       Confirming --spec set--> weights 0
        |    |                             |       weights 0    back        Draining
        |    |                             |       Draining                 Removing
        |    |                             |       Removing                   |
        |    |                             +----------+                       |
        |    +--- reverted, or superseded (the newer one begins) -------------+
        |                                                                     v
        +----- spec set back ------------------------------------------- RolledBack --- another image, or retry --> Upgrading

The stable gateways keep the old image until Promoting. All weights follow from the state (`weights_of`).
"""

from collections.abc import Iterable
from typing import assert_never

from headgate_operator.rollout import reasons, transitions
from headgate_operator.rollout.actions import NORMAL, WARNING, announcements
from headgate_operator.rollout.commands import OBEYED, is_unanswered
from headgate_operator.rollout.model import TOKENS_KEPT, Announce, Command, Obeyed, Phase, RolloutState, Stage
from headgate_operator.rollout.sizing import traffic_shares
from headgate_operator.rollout.upgrade_leaving import leave, move_back, settle, turn
from headgate_operator.rollout.upgrade_model import (
    RepoKey,
    UpgradePhase,
    UpgradeSeen,
    UpgradeStage,
    UpgradeState,
    UpgradeStep,
    clamp,
    has_weight,
    key_of,
    name_of,
)
from headgate_operator.rollout.upgrade_moves import has_room, move_repos, resize, waiting

CRASHES = 3
"""Restarts of containers that had no request yet after which an image counts as one that crashes at start."""
NAMED = 3
"""Repos that a message names before it counts the rest."""


def advance_upgrade(state: UpgradeState, seen: UpgradeSeen) -> UpgradeStep:
    """The state after this observation, and what people should hear. One transition of the fleet an observation."""
    state = clamp(state, seen.now)
    after = _obey(state, seen)
    if after.entered == state.entered:
        after = _dispatch(after, seen)
    return UpgradeStep(after, _announce_fleet(state, after), _announce_repos(state, after), _ended(state, after, seen))


def _dispatch(state: UpgradeState, seen: UpgradeSeen) -> UpgradeState:
    match state.phase:
        case UpgradePhase.STABLE:
            return _leave_stable(state, seen)
        case UpgradePhase.UPGRADING:
            return _upgrade(state, seen)
        case UpgradePhase.PROMOTING | UpgradePhase.ROLLING_BACK:
            return leave(state, seen)
        case UpgradePhase.ROLLED_BACK:
            return _leave_rolled_back(state, seen)
        case _:
            assert_never(state.phase)


# Resting


def _leave_stable(state: UpgradeState, seen: UpgradeSeen) -> UpgradeState:
    if seen.image.name == state.stable.name:
        return state if seen.image == state.stable else state.model_copy(update={"stable": seen.image})
    return _begin(state, seen) if seen.possible and seen.alive else _take_at_once(state, seen)


def _leave_rolled_back(state: UpgradeState, seen: UpgradeSeen) -> UpgradeState:
    """A refused image is not tried again by itself."""
    if seen.image.name == state.stable.name:
        message = f"the spec is {state.stable.name} again"
        return settle(state, seen.now, seen.image, reasons.REVERTED, message)
    if not seen.possible or not seen.alive:
        return _take_at_once(state, seen)
    refused = state.candidate is not None and seen.image.name == state.candidate.name
    return state if refused else _begin(state, seen)


def _take_at_once(state: UpgradeState, seen: UpgradeSeen) -> UpgradeState:
    message = f"{seen.image.name} replaces all gateways at once"
    return settle(state, seen.now, seen.image, reasons.PROMOTED, message)


def _begin(state: UpgradeState, seen: UpgradeSeen) -> UpgradeState:
    message = f"gateways of {seen.image.name} start; no request goes there yet"
    begun = UpgradeState(
        phase=UpgradePhase.UPGRADING, stage=UpgradeStage.STARTING, stable=state.stable, candidate=seen.image,
        began=seen.now, entered=seen.now, reason=reasons.CANARY_STARTING, message=message,
        obeyed=state.obeyed, history=state.history,
        answered={name: answers for name, answers in state.answered.items() if key_of(name) in seen.repos},
    )  # fmt: skip
    return resize(begun, seen)


# Upgrading


def _upgrade(state: UpgradeState, seen: UpgradeSeen) -> UpgradeState:
    turned = _follow_spec(state, seen) or _check_pods(state, seen)
    if turned is not None:
        return turned
    if state.candidate != seen.image:
        state = state.model_copy(update={"candidate": seen.image})  # another pull policy
    return _start(state, seen) if state.stage is UpgradeStage.STARTING else _move(state, seen)


def _follow_spec(state: UpgradeState, seen: UpgradeSeen) -> UpgradeState | None:
    if seen.image.name == state.stable.name:
        return move_back(state, seen, reasons.REVERTED, f"the spec is {state.stable.name} again")
    if state.candidate is None or seen.image.name != state.candidate.name:
        return move_back(
            state, seen, reasons.SUPERSEDED, f"gives way to {seen.image.name}, which begins once this is gone"
        )
    return None if seen.possible else _promote(state, seen, "repos cannot, or shall not, be moved one by one any more")


def _check_pods(state: UpgradeState, seen: UpgradeSeen) -> UpgradeState | None:
    """What is seen of pods alone: needs no counters, so it also holds when they cannot be read."""
    pods = seen.pods
    if pods.refused:
        return move_back(state, seen, reasons.CONFIG_REFUSED, f"a gateway refuses the config: {pods.refused}")
    if has_weight(state) and pods.ready == 0:
        message = f"the new image has no ready gateway. {pods.trouble}".rstrip()
        return move_back(state, seen, reasons.NO_READY_GATEWAYS, message)
    if state.stage is UpgradeStage.STARTING and pods.restarts >= CRASHES and pods.ready < state.replicas:
        message = f"its gateways crash at start. {pods.trouble}".rstrip()
        return move_back(state, seen, reasons.GATEWAYS_CRASHED, message)
    return None


def _start(state: UpgradeState, seen: UpgradeSeen) -> UpgradeState:
    if len(seen.objections) >= seen.failure_budget and seen.pods.loaded:
        told = "; ".join(f"{name_of(key)}: {why}" for key, why in sorted(seen.objections.items())[:NAMED])
        return move_back(
            state, seen, reasons.CONFIG_REFUSED, f"the new image cannot serve what the old one does: {told}"
        )
    missing = _find_missing(state, seen)
    if not missing:
        shares = traffic_shares({name_of(key): seen.requests.get(key, 0.0) for key in seen.repos})
        message = f"the gateways are ready: {len(seen.repos)} repos move, least traffic first"
        return turn(state, seen.now, state.phase, UpgradeStage.MOVING, reasons.MOVING, message).model_copy(
            update={"shares": shares}
        )
    if seen.now - state.entered > seen.progress_deadline:
        message = f"not ready within progressDeadline: {missing}"
        return move_back(state, seen, reasons.PROGRESS_DEADLINE_EXCEEDED, message)
    return _note(state, f"gateways of {seen.image.name} start: {missing}")


def _find_missing(state: UpgradeState, seen: UpgradeSeen) -> str:
    if seen.pods.desired != state.replicas or seen.pods.ready < state.replicas:
        return seen.pods.trouble or f"{seen.pods.ready} of {state.replicas} gateways are ready"
    if not has_room(state, seen):
        return "they have not loaded the config"
    return "" if seen.fresh else "the counters of some gateway cannot be read"


def _move(state: UpgradeState, seen: UpgradeSeen) -> UpgradeState:
    state = move_repos(state, seen)
    if len(state.failed) >= seen.failure_budget:
        return move_back(state, seen, _first_reason(state), _tell_failures(state, seen))
    if state.under_way or waiting(state, seen):
        return _note(state, _tell_progress(state, seen))
    if state.failed:
        wanted = (
            f"retry on the repo, or headgate.dev/command: promote {_revision(state)} - <token> on the fleet, or abort"
        )
        return _note(
            state, f"{_tell_failures(state, seen)}; all others have moved. Decide: {wanted}", reasons.INCONCLUSIVE
        )
    return _promote(state, seen, f"all {len(state.moved)} repos have moved")


def _promote(state: UpgradeState, seen: UpgradeSeen, why: str) -> UpgradeState:
    """The stable gateways take the image from here on; the others keep what they have until that is done."""
    message = f"{why}; the stable gateways take {state.candidate.name if state.candidate else ''} now"
    promoted = turn(state, seen.now, UpgradePhase.PROMOTING, UpgradeStage.CONFIRMING, reasons.PROMOTING, message)
    return promoted.model_copy(
        update={"replicas": max(state.replicas, seen.replicas) if state.moved else state.replicas}
    )


def _first_reason(state: UpgradeState) -> str:
    return next(iter(state.failed.values())).reason


def _tell_failures(state: UpgradeState, seen: UpgradeSeen) -> str:
    told = "; ".join(f"{name}: {move.reason}: {move.message}" for name, move in list(state.failed.items())[:NAMED])
    return f"{len(state.failed)} of {seen.failure_budget} failures: {told}"


def _tell_progress(state: UpgradeState, seen: UpgradeSeen) -> str:
    told = [f"{len(state.moved)} of {len(seen.repos)} repos have moved"]
    told.append(f"{_names(state.under_way)} under way" if state.under_way else "the others have changes of their own")
    if idle := [name for name, move in state.under_way.items() if _waits_for_people(move)]:
        told.append(f"{_names(idle)} waits for somebody to decide: see the repo's status.rollout")
    if state.failed:
        told.append(f"{len(state.failed)} refused it")
    return "; ".join(told)


def _waits_for_people(move: RolloutState) -> bool:
    return move.phase is Phase.PAUSED or (move.phase is Phase.PROGRESSING and move.stage is Stage.GATED)


def _names(names: Iterable[str]) -> str:
    known = sorted(names)
    return ", ".join(known[:NAMED]) + (f" and {len(known) - NAMED} more" if len(known) > NAMED else "")


def _note(state: UpgradeState, message: str, reason: str = "") -> UpgradeState:
    """Another message; no transition."""
    text = message[: transitions.MESSAGE_LIMIT]
    wanted = reason or (reasons.MOVING if state.stage is UpgradeStage.MOVING else state.reason)
    if (state.message, state.reason) == (text, wanted):
        return state
    return state.model_copy(update={"message": text, "reason": wanted})


def _revision(state: UpgradeState) -> str:
    return transitions.short(state.candidate.revision if state.candidate is not None else "")


# Commands


def _obey(state: UpgradeState, seen: UpgradeSeen) -> UpgradeState:
    """The state after a command to the fleet, with what became of it; unchanged for one that was answered before."""
    command = seen.command
    if command is None or not is_unanswered(state.obeyed, command):
        return state
    refusal = command.problem or _refuse(state, command, seen)
    after = state if refusal else _act(state, command, seen)
    answer = Obeyed(token=command.token, verb=command.verb, result=refusal or OBEYED, at=seen.now)
    return after.model_copy(update={"obeyed": (*after.obeyed, answer)[-TOKENS_KEPT:]})


def _act(state: UpgradeState, command: Command, seen: UpgradeSeen) -> UpgradeState:
    match command.verb:
        case "retry":
            return _begin(state, seen)
        case "promote":
            return _promote(state, seen, "by command")
        case _:
            return move_back(state, seen, reasons.ABORTED, "aborted by command")


_PHASES = {
    "retry": UpgradePhase.ROLLED_BACK,
    "promote": UpgradePhase.UPGRADING,
    "abort": UpgradePhase.UPGRADING,
}


def _refuse(state: UpgradeState, command: Command, seen: UpgradeSeen) -> str:
    """Why the command is not obeyed; empty when it is."""
    if command.verb not in _PHASES:
        return f"{command.verb} is for repos: a fleet takes {', '.join(_PHASES)}"
    if state.candidate is None:
        return "no upgrade is under way"
    if not state.candidate.revision.startswith(command.revision):
        return f"it names {transitions.short(command.revision)}, this is {_revision(state)}"
    if state.phase is not _PHASES[command.verb]:
        return f"{command.verb} does not fit the phase {state.phase}"
    if command.verb != "abort" and seen.image.name != state.candidate.name:
        return "the spec no longer asks for this image"
    if command.verb == "retry" and not seen.possible:
        return "repos cannot be moved one by one"
    unready = command.verb == "promote" and (state.stage is not UpgradeStage.MOVING or not has_room(state, seen))
    return "the gateways of the new image are not ready" if unready else ""


# Telling


def _announce_fleet(before: UpgradeState, after: UpgradeState) -> tuple[Announce, ...]:
    found = []
    newest = after.obeyed[-1] if after.obeyed and after.obeyed[-1:] != before.obeyed[-1:] else None
    if newest is not None and newest.result != OBEYED:
        found.append(Announce(WARNING, "CommandRefused", f"{newest.verb} {newest.token}: {newest.result}"))
    inside = before.phase is after.phase and after.stage in (UpgradeStage.DRAINING, UpgradeStage.REMOVING)
    if after.entered != before.entered and not inside:
        found.append(_announce(after))
    if before.phase is after.phase and after.reason != before.reason and after.reason == reasons.INCONCLUSIVE:
        found.append(Announce(WARNING, after.reason, after.message))
    return tuple(found)


def _announce(state: UpgradeState) -> Announce:
    """Events of an upgrade begin with `Upgrade`: those of the Deployment underneath have other words."""
    bad = state.phase in (UpgradePhase.ROLLING_BACK, UpgradePhase.ROLLED_BACK)
    harmless = state.reason in (reasons.REVERTED, reasons.SUPERSEDED)
    word = state.phase.value if bad else state.reason
    message = f"{state.reason}: {state.message}" if bad else state.message
    return Announce(WARNING if bad and not harmless else NORMAL, word, message)


def _announce_repos(before: UpgradeState, after: UpgradeState) -> tuple[tuple[RepoKey, Announce], ...]:
    found: list[tuple[RepoKey, Announce]] = []
    for name, move in after.under_way.items():
        known = before.under_way.get(name)
        if known is not None:
            found += [(key_of(name), each) for each in announcements(known, move)]
        else:
            found.append((key_of(name), Announce(NORMAL, reasons.MOVING, move.message)))
    for name in after.moved:
        if name in before.under_way:
            found.append((key_of(name), Announce(NORMAL, reasons.MOVED, _all_there(after))))
    for name, move in after.failed.items():
        if name in before.under_way:
            found.append((key_of(name), Announce(WARNING, Phase.ROLLED_BACK.value, f"{move.reason}: {move.message}")))
    return tuple(found)


def _all_there(state: UpgradeState) -> str:
    return f"all requests go to the fleet's new image {_revision(state)}"


def _ended(
    before: UpgradeState, after: UpgradeState, seen: UpgradeSeen
) -> tuple[tuple[RolloutState, RolloutState], ...]:
    found = [(before.under_way[name], move) for name, move in after.failed.items() if name in before.under_way]
    for name in after.moved:
        if name in before.under_way:
            move, told = before.under_way[name], _all_there(after)
            found.append((move, transitions.rest(move, seen.now, move.stable, reasons.PROMOTED, told)))
    return tuple(found)
