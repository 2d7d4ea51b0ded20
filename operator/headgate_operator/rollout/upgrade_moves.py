"""How the repos of an image upgrade move: each by its own steps and the machine of every rollout. Pure.

`upgrade` calls `move_repos` while the upgrade's gateways are fine, and draws the conclusions for the fleet.
"""

from headgate_operator.rollout import reasons, transitions
from headgate_operator.rollout.commands import OBEYED, is_unanswered
from headgate_operator.rollout.machine import step
from headgate_operator.rollout.model import TOKENS_KEPT, Cause, Command, Obeyed, Phase, RolloutState, Stage
from headgate_operator.rollout.sizing import upgrade_replicas
from headgate_operator.rollout.upgrade_model import (
    ALL,
    RepoKey,
    UpgradeSeen,
    UpgradeState,
    Waiting,
    in_order,
    key_of,
    name_of,
)

IMAGE = Cause(kind="Image")


def move_repos(state: UpgradeState, seen: UpgradeSeen) -> UpgradeState:
    """One look at all that move, and the next ones in order begin where there is room."""
    state = _forget_deleted(state, seen)
    for name in list(state.under_way):
        state = _move_on(state, seen, name)
    if len(state.failed) < seen.failure_budget:
        state = _begin_more(_retry_failed(state, seen), seen)
    return resize(state, seen)


def resize(state: UpgradeState, seen: UpgradeSeen) -> UpgradeState:
    """The state with as many gateways as the weights need; never fewer than before, since shares waver."""
    sizes = {name: move.size_for for name, move in state.under_way.items()} | dict.fromkeys(state.moved, ALL)
    wanted = upgrade_replicas(seen.replicas, state.shares, sizes)
    return state if wanted <= state.replicas else state.model_copy(update={"replicas": wanted})


def has_room(state: UpgradeState, seen: UpgradeSeen) -> bool:
    """Whether the gateways that the state asks for are there and have the config."""
    return seen.pods.desired == state.replicas <= seen.pods.ready and seen.pods.loaded


def waiting(state: UpgradeState, seen: UpgradeSeen) -> list[RepoKey]:
    """Repos that have not begun to move, in order."""
    begun = {*state.moved, *state.under_way, *state.failed}
    return list(in_order(state, (key for key in seen.repos if name_of(key) not in begun)))


def _forget_deleted(state: UpgradeState, seen: UpgradeSeen) -> UpgradeState:
    if all(key_of(name) in seen.repos for name in (*state.moved, *state.under_way, *state.failed)):
        return state
    return state.model_copy(
        update={
            "moved": tuple(name for name in state.moved if key_of(name) in seen.repos),
            "under_way": {name: move for name, move in state.under_way.items() if key_of(name) in seen.repos},
            "failed": {name: move for name, move in state.failed.items() if key_of(name) in seen.repos},
        }
    )


def _move_on(state: UpgradeState, seen: UpgradeSeen, name: str) -> UpgradeState:
    before, observed = state.under_way[name], seen.moves.get(key_of(name))
    if why := seen.lost.get(key_of(name)):
        lost = before.model_copy(update={"reason": reasons.NOT_DECIDED, "message": why[: transitions.MESSAGE_LIMIT]})
        return _fail(state, seen, name, lost)
    if observed is None:
        return state  # it began in another process a moment ago: the next look has it
    if before.phase is Phase.PROMOTING:
        return _arrive(state, seen, name)
    after = step(before, observed).state
    if after.phase in (Phase.PROGRESSING, Phase.PAUSED):
        return _with_move(state, name, after)
    if after.phase is Phase.PROMOTING:
        message = (
            f"measured well; the gateways of the new image become enough for all its requests, {after.weight}% go there"
        )
        arriving = transitions.note(after, message).model_copy(update={"size_for": ALL})
        return _with_move(state, name, arriving)
    return _fail(state, seen, name, after)


def _arrive(state: UpgradeState, seen: UpgradeSeen, name: str) -> UpgradeState:
    """The last requests follow when the gateways are enough for them."""
    move = state.under_way[name]
    if has_room(state, seen):
        answered = state.answered | ({name: move.obeyed} if move.obeyed else {})
        return state.model_copy(
            update={"moved": (*state.moved, name), "under_way": _without(state, name), "answered": answered}
        )
    if seen.now - move.entered <= seen.progress_deadline:
        return state
    message = f"{seen.pods.ready} of {state.replicas} gateways of the new image are ready. {seen.pods.trouble}".rstrip()
    late = move.model_copy(update={"reason": reasons.PROGRESS_DEADLINE_EXCEEDED, "message": message})
    return _fail(state, seen, name, late)


def _fail(state: UpgradeState, seen: UpgradeSeen, name: str, move: RolloutState) -> UpgradeState:
    refused = transitions.refuse(move, seen.now).model_copy(update={"history": ()})
    answered = state.answered | ({name: move.obeyed} if move.obeyed else {})
    return state.model_copy(
        update={"failed": state.failed | {name: refused}, "under_way": _without(state, name), "answered": answered}
    )


def _retry_failed(state: UpgradeState, seen: UpgradeSeen) -> UpgradeState:
    """A repo that refused the image tries it again when somebody asks for that."""
    for name in list(state.failed):
        command = seen.repo_commands.get(key_of(name))
        if (
            command is None
            or command.verb != "retry"
            or _is_answered(state, name, command)
            or seen.repos[key_of(name)].busy
        ):
            continue
        answer = Obeyed(token=command.token, verb=command.verb, result=OBEYED, at=seen.now)
        known = (*state.answered.get(name, ()), answer)[-TOKENS_KEPT:]
        failed = {each: move for each, move in state.failed.items() if each != name}
        state = state.model_copy(update={"failed": failed, "answered": state.answered | {name: known}})
        state = _begin(state, seen, key_of(name))
    return state


def _is_answered(state: UpgradeState, name: str, command: Command) -> bool:
    return not is_unanswered(state.answered.get(name, ()), command)


def _begin_more(state: UpgradeState, seen: UpgradeSeen) -> UpgradeState:
    free = seen.max_concurrent - len(state.under_way)
    for key in [key for key in waiting(state, seen) if not seen.repos[key].busy][: max(0, free)]:
        state = _begin(state, seen, key)
    return state


def _begin(state: UpgradeState, seen: UpgradeSeen, key: RepoKey) -> UpgradeState:
    name, repo = name_of(key), seen.repos[key]
    return _with_move(state, name, _first_state(state, seen, repo, state.answered.get(name, ())))


def _first_state(state: UpgradeState, seen: UpgradeSeen, repo: Waiting, obeyed: tuple[Obeyed, ...]) -> RolloutState:
    old, new = state.stable.revision, state.candidate.revision if state.candidate is not None else ""
    weight = ALL if repo.immediate else repo.policy.steps[0].weight
    message = f"moves to the fleet's new image {transitions.short(new)}; no request goes there yet"
    begun = RolloutState(
        phase=Phase.PROGRESSING, stage=Stage.STARTING, stable=old, candidate=new, cause=IMAGE, size_for=weight,
        began=seen.now, queued=seen.now, entered=seen.now, reason=reasons.CANARY_STARTING, message=message,
        obeyed=obeyed,
    )  # fmt: skip
    if not repo.immediate:
        return begun
    promoted = begun.model_copy(update={"phase": Phase.PROMOTING, "stage": Stage.CONFIRMING, "stable": new})
    return promoted.model_copy(update={"reason": reasons.PROMOTING})


def _with_move(state: UpgradeState, name: str, move: RolloutState) -> UpgradeState:
    return state.model_copy(update={"under_way": state.under_way | {name: move}})


def _without(state: UpgradeState, name: str) -> dict[str, RolloutState]:
    return {each: move for each, move in state.under_way.items() if each != name}
