"""Commands by annotation: how they are read, when they act, and what is said when they do not."""

from dataclasses import replace
from typing import Any

import pytest
from tests.unit.rollout.builders import HEALTHY, NEW, NEWER, OLD, START, observe, policy, state

from headgate_operator.rollout import reasons
from headgate_operator.rollout.commands import OBEYED, is_retry, parse_command
from headgate_operator.rollout.machine import step
from headgate_operator.rollout.model import Announce, CanarySight, Command, Phase, Preflight, RolloutState, Stage

MANUAL = policy(steps=[{"weight": 10, "hold": "Manual"}, {"weight": 50}])


@pytest.mark.parametrize(
    ("text", "command"),
    [
        (f"approve {NEW} 1 t1", Command("approve", NEW, 1, "t1")),
        ("abort bbbbbbbb - 2026-11-21T10:00:00Z", Command("abort", "bbbbbbbb", None, "2026-11-21T10:00:00Z")),
        ("  pause\tbbbbbbbb  2 x ", Command("pause", "bbbbbbbb", 2, "x")),
        ("", None),
        ("   ", None),
    ],
)
def test_commands_are_read(text: str, command: Command | None) -> None:
    assert parse_command(text) == command


NONSENSE = {
    "frobnicate bbbbbbbb 1 t": "is no verb",
    "approve bbbb 1 t": "is no revision",
    "approve BBBBBBBB 1 t": "is no revision",
    "approve bbbbbbbb one t": "is no step",
    "approve bbbbbbbb 0 t": "is no step",
    "approve bbbbbbbb - t": "needs the number of the step",
    "approve bbbbbbbb 1": "3 words",
    "approve": "1 words",
    "approve bbbbbbbb 1 two words": "5 words",
    "approve bbbbbbbb 1 ü": "a token is",
    "approve bbbbbbbb 1 " + "t" * 65: "a token is",
    "x" * 100_000: "1 words",
    "x" * 100_000 + " b 1 t": "is no verb",
    "approve \ud800 1 t": "is no revision",
}


@pytest.mark.parametrize(("text", "problem"), NONSENSE.items(), ids=range(len(NONSENSE)))
def test_nonsense_is_a_command_with_a_short_problem(text: str, problem: str) -> None:
    command = parse_command(text)
    assert command is not None
    assert problem in command.problem
    assert len(command.problem) <= 200
    assert len(command.verb) <= 16
    assert len(command.revision) <= 64
    assert 1 <= len(command.token) <= 64


def give(before: RolloutState, text: str, **fields: Any) -> RolloutState:
    return step(before, observe(command=parse_command(text), **fields)).state


def result(found: RolloutState) -> str:
    return found.obeyed[-1].result


GATED = state(Phase.PROGRESSING, Stage.GATED)
MEASURING = state(Phase.PROGRESSING, Stage.MEASURING, clock=START - 1)
PAUSED = state(Phase.PAUSED, Stage.MEASURING, reason=reasons.PAUSED)
ROLLED_BACK = state(Phase.ROLLED_BACK)

ACTS: dict[str, tuple[RolloutState, str, Phase, Stage]] = {
    "approve": (GATED, "approve bbbbbbbb 1 t", Phase.PROGRESSING, Stage.STARTING),
    "pause": (MEASURING, "pause bbbbbbbb 1 t", Phase.PAUSED, Stage.MEASURING),
    "resume": (PAUSED, "resume bbbbbbbb - t", Phase.PROGRESSING, Stage.MEASURING),
    "promote": (MEASURING, "promote bbbbbbbb - t", Phase.PROMOTING, Stage.CONFIRMING),
    "promote while paused": (PAUSED, "promote bbbbbbbb 1 t", Phase.PROMOTING, Stage.CONFIRMING),
    "abort": (MEASURING, "abort bbbbbbbb - t", Phase.ROLLING_BACK, Stage.DRAINING),
    "abort while paused": (PAUSED, "abort bbbbbbbb - t", Phase.ROLLING_BACK, Stage.DRAINING),
    "abort in line": (state(Phase.WAITING), "abort bbbbbbbb - t", Phase.ROLLING_BACK, Stage.REMOVING),
    "retry": (ROLLED_BACK, "retry bbbbbbbb - t", Phase.PROGRESSING, Stage.STARTING),
}


@pytest.mark.parametrize(("before", "text", "phase", "stage"), ACTS.values(), ids=ACTS)
def test_a_command_that_fits_is_obeyed_once(before: RolloutState, text: str, phase: Phase, stage: Stage) -> None:
    found = give(before, text, policy=MANUAL)
    assert (found.phase, found.stage, result(found)) == (phase, stage, OBEYED)
    again = give(found, text, policy=MANUAL, now=START + 1)
    assert again.obeyed == found.obeyed


REFUSED: dict[str, tuple[RolloutState, str, dict[str, Any], str]] = {
    "another revision": (GATED, "approve cccccccc 1 t", {}, "names revision cccccccc"),
    "another step": (GATED, "approve bbbbbbbb 2 t", {}, "names step 2, this is step 1"),
    "promote of another step": (MEASURING, "promote bbbbbbbb 2 t", {}, "names step 2"),
    "no gate": (MEASURING, "approve bbbbbbbb 1 t", {}, "does not wait for an approval"),
    "nothing under way": (state(), "abort bbbbbbbb - t", {"desired": OLD}, "no rollout is under way"),
    "paused already": (PAUSED, "pause bbbbbbbb 1 t", {}, "pause does not fit the phase Paused"),
    "not paused": (MEASURING, "resume bbbbbbbb 1 t", {}, "resume does not fit the phase Progressing"),
    "approve while paused": (PAUSED, "approve bbbbbbbb 1 t", {}, "approve does not fit the phase Paused"),
    "retry under way": (MEASURING, "retry bbbbbbbb 1 t", {}, "retry does not fit"),
    "retry of what is no longer wanted": (ROLLED_BACK, "retry bbbbbbbb - t", {"desired": NEWER}, "no longer asks"),
    "promote of what is no longer wanted": (MEASURING, "promote bbbbbbbb - t", {"desired": NEWER}, "no longer asks"),
    "promote while rolling back": (state(Phase.ROLLING_BACK, Stage.DRAINING), "promote bbbbbbbb - t", {}, "does not fit"),
    "promote before it is loaded": (
        state(Phase.PROGRESSING), "promote bbbbbbbb - t", {"canary": replace(HEALTHY, loaded=False)}, "not loaded",
    ),
    "nonsense": (MEASURING, "please go on", {}, "3 words"),
}  # fmt: skip


@pytest.mark.parametrize(("before", "text", "fields", "why"), REFUSED.values(), ids=REFUSED)
def test_a_command_that_does_not_fit_is_answered_and_does_nothing(
    before: RolloutState, text: str, fields: dict[str, Any], why: str
) -> None:
    without = step(before, observe(policy=MANUAL, **fields))
    done = step(before, observe(policy=MANUAL, command=parse_command(text), **fields))
    assert why in result(done.state)
    assert done.state.model_copy(update={"obeyed": ()}) == without.state
    assert next(a.reason for a in done.actions if isinstance(a, Announce)) == "CommandRefused"


def test_a_canary_with_requests_on_it_is_promoted_although_a_poll_of_it_is_missed() -> None:
    found = give(MEASURING, "promote bbbbbbbb - t", canary=replace(HEALTHY, loaded=False, preflight=Preflight.PENDING))
    assert (found.phase, result(found)) == (Phase.PROMOTING, OBEYED)


def test_a_canary_without_a_ready_gateway_is_not_promoted() -> None:
    found = give(MEASURING, "promote bbbbbbbb - t", canary=replace(HEALTHY, loaded=False, ready=0))
    assert "not loaded" in result(found)


def test_a_stale_command_does_not_act_on_a_newer_revision() -> None:
    newer = MEASURING.model_copy(update={"candidate": NEWER})
    found = give(newer, "promote bbbbbbbb - t", desired=NEWER)
    assert (found.phase, found.candidate) == (Phase.PROGRESSING, NEWER)


@pytest.mark.parametrize(("verb", "phase"), [("abort", Phase.ROLLING_BACK), ("pause", Phase.PAUSED)])
def test_who_stops_a_rollout_is_heard_although_its_step_has_just_gone_on(verb: str, phase: Phase) -> None:
    second = MEASURING.model_copy(update={"step": 1})
    found = give(second, f"{verb} bbbbbbbb 1 t")
    assert (found.phase, result(found)) == (phase, OBEYED)


RETRIES: dict[str, tuple[RolloutState, str, str | None, bool]] = {
    "fits": (ROLLED_BACK, "retry bbbbbbbb - t", NEW, True),
    "another verb": (ROLLED_BACK, "abort bbbbbbbb - t", NEW, False),
    "another revision": (ROLLED_BACK, "retry cccccccc - t", NEW, False),
    "no longer wanted": (ROLLED_BACK, "retry bbbbbbbb - t", NEWER, False),
    "not accepted": (ROLLED_BACK, "retry bbbbbbbb - t", None, False),
    "under way": (MEASURING, "retry bbbbbbbb - t", NEW, False),
    "nonsense": (ROLLED_BACK, "retry bbbbbbbb", NEW, False),
    "none": (ROLLED_BACK, "", NEW, False),
}


@pytest.mark.parametrize(("before", "text", "desired", "expected"), RETRIES.values(), ids=RETRIES)
def test_the_line_knows_a_retry_that_would_be_obeyed(
    before: RolloutState, text: str, desired: str | None, expected: bool
) -> None:
    command = parse_command(text)
    assert is_retry(before, command, desired) is expected
    answered = give(before, text, desired=desired)
    assert (answered.phase is Phase.PROGRESSING and before.phase is Phase.ROLLED_BACK and desired == NEW) is expected
    assert not is_retry(before.model_copy(update={"obeyed": answered.obeyed}), command, desired)


def test_an_approval_of_one_step_is_none_of_the_next() -> None:
    both = policy(steps=[{"weight": 10, "hold": "Manual"}, {"weight": 50, "hold": "Manual"}])
    second = GATED.model_copy(update={"step": 1})
    assert "names step 1, this is step 2" in result(give(second, "approve bbbbbbbb 1 t", policy=both))


def test_a_manual_step_with_little_traffic_may_be_approved() -> None:
    assert give(state(Phase.PROGRESSING, Stage.UNDECIDED), "approve bbbbbbbb 1 t", policy=MANUAL).step == 1


def test_a_paused_clock_does_not_run() -> None:
    measuring = state(Phase.PROGRESSING, Stage.MEASURING, clock=START - 20)
    paused = give(measuring, "pause bbbbbbbb 1 a")
    resumed = give(paused, "resume bbbbbbbb 1 b", now=START + 500)
    assert (resumed.stage, resumed.clock) == (Stage.MEASURING, START + 480)


def test_one_that_could_not_be_decided_is_measured_anew_when_resumed() -> None:
    held = state(Phase.PAUSED, Stage.UNDECIDED, reason=reasons.INCONCLUSIVE, looked_at=50)
    resumed = give(held, "resume bbbbbbbb 1 b")
    assert (resumed.stage, resumed.clock, resumed.looked_at) == (Stage.MEASURING, START, 0)
    assert resumed.marks is not None
    assert resumed.marks.at == START


def test_what_aborted_ends_rolled_back_and_a_retry_begins_anew() -> None:
    back = give(MEASURING, "abort bbbbbbbb - a")
    gone = step(back, observe(START + 1, canary=CanarySight())).state
    done = step(gone, observe(START + 2, canary=CanarySight())).state
    assert (done.phase, done.reason) == (Phase.ROLLED_BACK, reasons.ABORTED)
    again = give(done, "retry bbbbbbbb - b", now=START + 3)
    assert (again.phase, again.step, again.weight, again.looks, again.measurements) == (Phase.PROGRESSING, 0, 0, 0, ())


def test_a_retry_waits_in_line_like_everybody_else() -> None:
    found = give(ROLLED_BACK, "retry bbbbbbbb - t", may_start=False)
    assert (found.phase, found.queued) == (Phase.WAITING, START)


def test_the_last_ten_tokens_are_kept() -> None:
    found = state()
    for number in range(15):
        found = give(found, f"abort bbbbbbbb - t{number}", desired=OLD, now=START + number)
    assert [known.token for known in found.obeyed] == [f"t{number}" for number in range(5, 15)]
