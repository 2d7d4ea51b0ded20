"""Commands by annotation: how they are read, and what becomes of them. Pure; the gathering parses, `machine` obeys.

A command names its revision and step, so one that was meant for something else never acts; its token is remembered, so
that the annotation may stay where it is (Git owns it, perhaps) and acts once.
"""

import hashlib
import re
from collections.abc import Iterable

from headgate_operator.rollout import reasons, transitions
from headgate_operator.rollout.model import (
    TOKENS_KEPT,
    Command,
    Obeyed,
    Observation,
    Phase,
    Preflight,
    RolloutState,
    Stage,
)

OBEYED = "Obeyed"
VERBS = ("approve", "pause", "resume", "promote", "abort", "retry")
FORM = "<verb> <revision> <step> <token>"
PROBLEM_LIMIT = 200

_REVISION = re.compile(r"[0-9a-f]{8,64}")
_STEP = re.compile(r"-|[1-9][0-9]?")
_TOKEN = re.compile(r"[A-Za-z0-9._:-]{1,64}")

_PHASES = {
    "approve": (Phase.PROGRESSING,),
    "pause": (Phase.PROGRESSING,),
    "resume": (Phase.PAUSED,),
    "promote": (Phase.PROGRESSING, Phase.PAUSED),
    "abort": (Phase.WAITING, Phase.PROGRESSING, Phase.PAUSED),
    "retry": (Phase.ROLLED_BACK,),
}

_ANY_STEP = ("abort", "pause", "retry")
"""Verbs that mean the rollout, not the step: one that has just gone on must not escape whoever stops it."""


def parse_command(text: str) -> Command | None:
    """The command of an annotation's value; None for an empty one. Nonsense becomes a command with a problem."""
    words = text.split()
    if not words:
        return None
    if len(words) != 4:
        return _nonsense(text, f"{len(words)} words; write {FORM}")
    verb, revision, step, token = words
    if not _TOKEN.fullmatch(token):
        return _nonsense(text, "a token is 1 to 64 letters, digits, dots, colons, dashes or underscores")
    return Command(
        verb=verb[:16],
        revision=revision[:64],
        step=int(step) if _STEP.fullmatch(step) and step != "-" else None,
        token=token,
        problem=_find_problem(verb, revision, step)[:PROBLEM_LIMIT],
    )


def _find_problem(verb: str, revision: str, step: str) -> str:
    if verb not in VERBS:
        return f"{verb[:32]!r} is no verb; write one of {', '.join(VERBS)}"
    if not _REVISION.fullmatch(revision):
        return f"{revision[:32]!r} is no revision; give at least 8 of its hex digits"
    if not _STEP.fullmatch(step):
        return f"{step[:32]!r} is no step; give its number, or - where none is needed"
    return "approve needs the number of the step" if verb == "approve" and step == "-" else ""


def _nonsense(text: str, problem: str) -> Command:
    """Answered once too: its token is made of the text."""
    token = hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:16]
    return Command(verb="", revision="", step=None, token=token, problem=problem[:PROBLEM_LIMIT])


def obey(state: RolloutState, command: Command | None, seen: Observation) -> RolloutState:
    """The state after the command, with what became of it; unchanged for one that was answered before."""
    if command is None or not is_unanswered(state.obeyed, command):
        return state
    refusal = command.problem or _refuse(state, command, seen)
    after = state if refusal else _act(state, command, seen)
    answer = Obeyed(token=command.token, verb=command.verb, result=refusal or OBEYED, at=seen.now)
    return after.model_copy(update={"obeyed": (*after.obeyed, answer)[-TOKENS_KEPT:]})


def is_unanswered(obeyed: Iterable[Obeyed], command: Command | None) -> bool:
    """Whether nothing has become of a command yet, as far as is remembered: each token is answered once."""
    return command is not None and all(known.token != command.token for known in obeyed)


def is_retry(state: RolloutState, command: Command | None, desired: str | None) -> bool:
    """Whether the command, not answered yet, would have the refused revision tried again; for the line."""
    if command is None or command.verb != "retry" or command.problem or state.phase is not Phase.ROLLED_BACK:
        return False
    fits = state.candidate is not None and state.candidate.startswith(command.revision) and desired == state.candidate
    return fits and is_unanswered(state.obeyed, command)


def _act(state: RolloutState, command: Command, seen: Observation) -> RolloutState:
    match command.verb:
        case "approve":
            return transitions.go_on(state, seen)
        case "pause":
            message = f"paused by command; go on with {transitions.command_for(state, 'resume')}"
            return transitions.pause(state, seen.now, reasons.PAUSED, message)
        case "resume":
            return transitions.resume(state, seen)
        case "promote":
            return transitions.promote(state, seen, "by command")
        case "abort":
            return transitions.roll_back(state, seen, reasons.ABORTED, "aborted by command")
        case _:
            return transitions.start(state, seen, str(state.candidate))


def _refuse(state: RolloutState, command: Command, seen: Observation) -> str:
    """Why the command is not obeyed; empty when it is."""
    if state.candidate is None:
        return "no rollout is under way"
    if not state.candidate.startswith(command.revision):
        return f"it names revision {transitions.short(command.revision)}, this is {transitions.short(state.candidate)}"
    if state.phase not in _PHASES[command.verb]:
        return f"{command.verb} does not fit the phase {state.phase}"
    if command.verb not in _ANY_STEP and command.step not in (None, state.step + 1):
        return f"it names step {command.step}, this is step {state.step + 1}"
    if command.verb != "abort" and seen.desired != state.candidate:
        return "the spec no longer asks for this revision"
    return _refuse_approval(state, seen) if command.verb == "approve" else _refuse_promotion(state, command, seen)


def _refuse_approval(state: RolloutState, seen: Observation) -> str:
    """A Manual step may be approved by somebody who knows more than its few requests tell."""
    manual = transitions.step_of(state, seen.policy).is_manual
    waits = state.stage is Stage.GATED or (manual and state.stage is Stage.UNDECIDED)
    return "" if waits else f"step {state.step + 1} does not wait for an approval (yet)"


def _refuse_promotion(state: RolloutState, command: Command, seen: Observation) -> str:
    """A canary that carries requests has loaded and passed: a poll that it misses now takes neither back."""
    canary = seen.canary
    ready = canary.loaded and canary.preflight is Preflight.PASSED
    if command.verb != "promote" or ready or (state.weight > 0 and canary.ready > 0):
        return ""
    return "the canary has not loaded the revision and passed its preflight"
