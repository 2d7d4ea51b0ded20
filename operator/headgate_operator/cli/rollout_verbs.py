"""The commands of a rollout: what fits where a rollout is, and the annotation that asks for it. Pure.

The operator has the last word: here only what status shows to be pointless is refused, before anything is written.
"""

from headgate_operator.api.rollout import RolloutStatus
from headgate_operator.cli.rollout_view import RepoView
from headgate_operator.cli.terminal import clean
from headgate_operator.rollout.model import Phase, Stage

VERBS = {
    "approve": "let a step with `hold: Manual` go on",
    "pause": "hold the rollout where it is; the weight stays",
    "resume": "go on with a paused rollout",
    "promote": "skip what is left and promote the candidate",
    "abort": "take the candidate back: no traffic, stable stays",
    "retry": "try a revision again that was rolled back",
}

_STOPPING = ("abort", "pause")

_FITTING: dict[str, tuple[str, ...]] = {
    Phase.STABLE: (),
    Phase.WAITING: ("abort",),
    Phase.PROGRESSING: ("pause", "promote", "abort"),
    Phase.PAUSED: ("resume", "promote", "abort"),
    Phase.PROMOTING: (),
    Phase.ROLLING_BACK: (),
    Phase.ROLLED_BACK: ("retry",),
    Phase.SUPERSEDED: (),
}


def fitting_verbs(view: RepoView) -> tuple[str, ...]:
    """The verbs that make sense now; all of them for a phase that this release does not know."""
    if view.rollout is None:
        return ()
    verbs = _FITTING.get(view.rollout.phase, tuple(VERBS))
    return ("approve", *verbs) if _takes_approval(view, view.rollout) else verbs


def _takes_approval(view: RepoView, rollout: RolloutStatus) -> bool:
    """A Manual step that cannot be decided may be approved too. What status does not tell is left to the operator."""
    if rollout.phase != Phase.PROGRESSING:
        return False
    known = view.step is not None and view.step[0] <= len(view.steps)
    manual = not known or view.step is None or view.steps[view.step[0] - 1].is_manual
    return rollout.stage in (None, Stage.GATED) or (rollout.stage == Stage.UNDECIDED and manual)


def refuse_early(view: RepoView, verb: str) -> str | None:
    """Why a verb is pointless now, and what can be done instead; None where the operator is to be asked."""
    rollout = view.rollout
    if rollout is None:
        return _no_rollout(view)
    if not rollout.candidate:
        return f"there is nothing to {verb}: {_where(rollout)}, and no change is on its way"
    fitting = fitting_verbs(view)
    if verb in fitting:
        return None
    instead = f"you can {' or '.join(fitting)}" if fitting else "wait until it has ended: headgate rollout watch"
    return f"{_why_not(verb, rollout)}: {instead}"


def _no_rollout(view: RepoView) -> str:
    if not view.is_current:
        return "the operator has not looked at the newest spec yet: is it running? try again in a moment"
    accepted = view.condition("Accepted")
    if accepted is not None and accepted.status == "False":
        return f"the spec is not accepted, so nothing is on its way: {accepted.message} ({accepted.reason})"
    return "status says nothing of a rollout: the operator is older than this command, or has not looked yet"


def _where(rollout: RolloutStatus) -> str:
    return f"the rollout is {rollout.phase}" + (f" ({rollout.stage})" if rollout.stage else "")


def _why_not(verb: str, rollout: RolloutStatus) -> str:
    match verb:
        case "approve" if rollout.phase == Phase.PROGRESSING:
            return f"the step does not wait for an approval: {_where(rollout)}"
        case "resume" if rollout.phase == Phase.PROGRESSING:
            return f"it is not paused: {_where(rollout)}"
        case "pause" if rollout.phase == Phase.PAUSED:
            return "it is paused already"
        case "retry":
            return f"nothing was rolled back: {_where(rollout)}"
        case _:
            return f"{_where(rollout)}, so there is nothing to {verb}"


def write_command(view: RepoView, verb: str, token: str) -> str:
    """The annotation: for the candidate and the step that status shows, so that it can promote nothing newer.

    Pause and abort name no step: what is to stop is to stop in the next one, too.
    """
    revision = (view.rollout.candidate if view.rollout else None) or "-"
    step = view.step[0] if view.step and verb not in _STOPPING else "-"
    return f"{verb} {revision} {step} {token}"


def read_answer(view: RepoView, token: str) -> str | None:
    """What became of our command; None while it was not answered."""
    command = view.rollout.command if view.rollout else None
    return clean(command.result) if command is not None and command.token == token else None


def read_rival(view: RepoView, token: str) -> str | None:
    """A command that somebody wrote over ours; None while ours stands, or where the annotation was taken away."""
    words = view.command.split()
    return None if not words or words[-1] == token else clean_words(words)


def clean_words(words: list[str]) -> str:
    """The readable part of a command: verb, revision and step."""
    return clean(" ".join(words[:3]))
