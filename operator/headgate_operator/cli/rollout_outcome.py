"""When a rollout is settled, and how: the exit codes of `headgate rollout`. Pure.

Answers for the newest generation alone: a status that speaks of an older one says nothing.
"""

from dataclasses import dataclass
from enum import IntEnum

from headgate_operator.cli.rollout_view import RepoView
from headgate_operator.cli.terminal import clean
from headgate_operator.rollout.model import Phase, Stage
from headgate_operator.status import reasons


class Exit(IntEnum):
    """Exit codes; documented in docs/cli.md. 64 and 69 are those of sysexits.h."""

    FINE = 0
    """Promoted or stable; a command was obeyed."""
    ROLLED_BACK = 1
    """Rolled back; a command was refused."""
    NOT_ACCEPTED = 2
    TIMED_OUT = 3
    WAITS_FOR_PEOPLE = 4
    """Paused, or a step waits for an approval."""
    USAGE = 64
    CLUSTER = 69
    """No cluster, no such repo, or no right to see it."""
    INTERRUPTED = 130
    UNREAD = 141
    """Nobody reads what is printed any more (SIGPIPE's code), and how it ended is not known."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How it ended."""

    code: Exit
    text: str
    """A sentence that names the revision and the generation, fit for a terminal."""

    def __post_init__(self) -> None:
        """Messages of conditions are whatever somebody wrote into the status."""
        object.__setattr__(self, "text", clean(self.text))


def judge(view: RepoView, *, through_gates: bool = False) -> Outcome | None:
    """How the rollout of the newest generation ended; None while it has not.

    `through_gates`: wait on where a rollout is paused or waits for an approval.
    """
    if not view.is_current:
        return None
    if refusal := _refusal(view):
        return Outcome(Exit.NOT_ACCEPTED, refusal)
    rollout = view.rollout
    if rollout is None:
        return None
    if rollout.phase == Phase.STABLE:
        settled = bool(view.revision) and rollout.stable == view.revision and _programmed(view)
        return (
            Outcome(Exit.FINE, f"{_subject(view)} is promoted, and served by every ready gateway") if settled else None
        )
    if rollout.candidate != view.revision:
        return None
    why = f": {rollout.message}" if rollout.message else ""
    if rollout.phase == Phase.ROLLED_BACK:
        return Outcome(Exit.ROLLED_BACK, f"{_subject(view)} was rolled back; {rollout.stable} is served{why}")
    if waits_for_people(view) and not through_gates:
        return Outcome(Exit.WAITS_FOR_PEOPLE, f"{_subject(view)} {_waiting(view)}{why}")
    return None


def waits_for_people(view: RepoView) -> bool:
    """Whether the rollout goes on only when somebody says so."""
    rollout = view.rollout
    return rollout is not None and (
        rollout.phase == Phase.PAUSED or (rollout.phase == Phase.PROGRESSING and rollout.stage == Stage.GATED)
    )


def describe_pending(view: RepoView) -> str:
    """What a rollout that is not settled is waiting for."""
    if not view.is_current:
        return (
            f"the operator has not looked at generation {view.generation} yet (status speaks of"
            f" {view.observed_generation}): is it running, and does it look after namespace {view.namespace}?"
        )
    rollout = view.rollout
    if rollout is None:
        return "status says nothing of a rollout yet"
    if rollout.phase == Phase.STABLE and rollout.stable == view.revision:
        programmed = view.condition(reasons.PROGRAMMED)
        return f"{_subject(view)} is promoted, but not served everywhere: {programmed.message if programmed else 'unknown'}"
    step = f", step {rollout.step}" if rollout.step else ""
    stage = f" ({rollout.stage})" if rollout.stage else ""
    return f"{_subject(view)} is {rollout.phase}{stage}{step}" + (f": {rollout.message}" if rollout.message else "")


def _subject(view: RepoView) -> str:
    return f"revision {view.revision or '?'} of {view.namespace}/{view.name} (generation {view.generation})"


def _waiting(view: RepoView) -> str:
    at = f" at step {view.rollout.step}" if view.rollout and view.rollout.step else ""
    paused = view.rollout is not None and view.rollout.phase == Phase.PAUSED
    return f"is paused{at}" if paused else f"waits for an approval{at}"


def _refusal(view: RepoView) -> str | None:
    accepted = view.condition(reasons.ACCEPTED)
    if accepted is None or accepted.observed_generation < view.generation or accepted.status != "False":
        return None
    where = f"generation {view.generation} of {view.namespace}/{view.name}"
    served = f"; {view.rollout.stable} is served" if view.rollout and view.rollout.stable else ""
    return f"{where} is not accepted: {accepted.message} ({accepted.reason}){served}"


def _programmed(view: RepoView) -> bool:
    """Stable gateways may still be loading what is promoted, above all where a change is Immediate."""
    programmed = view.condition(reasons.PROGRAMMED)
    return programmed is not None and programmed.status == "True" and programmed.observed_generation >= view.generation
