"""Which commands fit where, and the annotation that asks for them."""

from typing import Any

import pytest
from tests.unit.cli.views import CANDIDATE, STABLE, condition, rollout, view

from headgate_operator.api.rollout import Rollout
from headgate_operator.cli.rollout_verbs import (
    VERBS,
    fitting_verbs,
    read_answer,
    read_rival,
    refuse_early,
    write_command,
)
from headgate_operator.rollout.commands import OBEYED, obey, parse_command
from headgate_operator.rollout.model import CanarySight, Observation, Phase, Preflight, RolloutState, Stage

FITTING = {
    "Stable": set[str](),
    "Waiting": {"abort"},
    "Progressing": {"pause", "promote", "abort"},
    "Paused": {"resume", "promote", "abort"},
    "Promoting": set[str](),
    "RollingBack": set[str](),
    "RolledBack": {"retry"},
    "Superseded": set[str](),
}


@pytest.mark.parametrize("phase", FITTING)
@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_is_asked_for_only_where_it_means_something(phase: str, verb: str) -> None:
    refusal = refuse_early(view(rollout(phase)), verb)
    assert (refusal is None) == (verb in FITTING[phase])


@pytest.mark.parametrize("phase", [phase for phase in FITTING if phase != "Stable"])
@pytest.mark.parametrize("verb", [verb for verb in VERBS if verb != "approve"])
def test_the_operator_finds_the_same_verbs_fitting(phase: str, verb: str) -> None:
    state = RolloutState(phase=Phase(phase), stable=STABLE, candidate=CANDIDATE)
    ready = CanarySight(loaded=True, preflight=Preflight.PASSED)
    seen = Observation(now=1.0, exists=True, desired=CANDIDATE, canary=ready)
    (answer,) = obey(state, parse_command(f"{verb} {CANDIDATE} - token"), seen).obeyed
    assert (answer.result == OBEYED) == (refuse_early(view(rollout(phase)), verb) is None)


@pytest.mark.parametrize(
    ("stage", "hold", "can_be"),
    [
        ("Gated", "Manual", True),
        ("Undecided", "Manual", True),
        ("Undecided", "60s", False),
        ("Measuring", "Manual", False),
    ],
)
def test_a_step_that_waits_for_people_can_be_approved(stage: str, hold: str, can_be: bool) -> None:
    steps = {"rollout": {"steps": [{"weight": 10, "hold": hold}]}}
    looked_at = view(rollout(stage=stage), spec=steps)
    assert (refuse_early(looked_at, "approve") is None) == can_be
    policy = Rollout.model_validate(steps["rollout"])
    state = RolloutState(phase=Phase.PROGRESSING, stage=Stage(stage), stable=STABLE, candidate=CANDIDATE)
    seen = Observation(now=1.0, exists=True, desired=CANDIDATE, policy=policy)
    (answer,) = obey(state, parse_command(write_command(looked_at, "approve", "token")), seen).obeyed
    assert (answer.result == OBEYED) == can_be


def test_an_operator_that_names_no_stage_is_asked() -> None:
    assert refuse_early(view(rollout(stage=None)), "approve") is None


def test_a_phase_of_a_newer_operator_is_left_to_it() -> None:
    looked_at = view(rollout("Teleporting"))
    assert set(fitting_verbs(looked_at)) == set(VERBS)
    assert refuse_early(looked_at, "abort") is None


@pytest.mark.parametrize(
    ("status", "verb", "words"),
    [
        (
            rollout(),
            "approve",
            "does not wait for an approval: the rollout is Progressing (Measuring): you can pause or",
        ),
        (rollout(), "resume", "it is not paused"),
        (rollout("Paused"), "pause", "it is paused already: you can resume or promote or abort"),
        (rollout(), "retry", "nothing was rolled back"),
        (rollout("RollingBack"), "retry", "wait until it has ended"),
        (rollout("Stable"), "abort", "no change is on its way"),
    ],
)
def test_a_refusal_says_what_can_be_done(status: dict[str, Any], verb: str, words: str) -> None:
    refusal = refuse_early(view(status), verb)
    assert refusal is not None
    assert words in refusal


def test_without_a_rollout_the_refusal_says_why() -> None:
    assert "is it running?" in str(refuse_early(view(None, observedGeneration=1), "abort"))
    refused = [condition("Accepted", "False", "Conflict", "web/other holds the path")]
    assert "web/other holds the path (Conflict)" in str(refuse_early(view(None, conditions=refused), "abort"))


def test_a_command_names_the_candidate_and_the_step_of_status() -> None:
    assert write_command(view(rollout(step="2/3")), "approve", "t0") == f"approve {CANDIDATE} 2 t0"
    assert write_command(view(rollout("Paused", step="2/3")), "resume", "t0") == f"resume {CANDIDATE} 2 t0"


@pytest.mark.parametrize("verb", ["abort", "pause"])
def test_what_stops_a_rollout_stops_it_in_the_next_step_too(verb: str) -> None:
    written = write_command(view(rollout(step="1/2")), verb, "t0")
    assert written == f"{verb} {CANDIDATE} - t0"
    state = RolloutState(phase=Phase.PROGRESSING, step=1, stable=STABLE, candidate=CANDIDATE)
    (answer,) = obey(state, parse_command(written), Observation(now=1.0, exists=True, desired=CANDIDATE)).obeyed
    assert answer.result == OBEYED


def test_only_the_answer_to_our_token_is_ours() -> None:
    answered = view(rollout(command={"token": "t1", "verb": "pause", "result": "Obeyed"}))
    assert read_answer(answered, "t1") == "Obeyed"
    assert read_answer(answered, "t0") is None
    steering = view(rollout(command={"token": "t1", "verb": "pause", "result": "\x1b[2Jno"}))
    assert read_answer(steering, "t1") == "[2Jno"
    assert read_answer(view(None), "t0") is None


def test_a_command_that_somebody_wrote_over_ours_is_noticed() -> None:
    def with_command(command: str) -> str | None:
        return read_rival(view(rollout(), annotations={"headgate.dev/command": command}), "t0")

    assert with_command("pause cafe 1 t0") is None
    assert with_command("") is None
    assert with_command("abort cafe 1 t9") == "abort cafe 1"
    assert with_command("\x1b[2Jabort cafe 1 t9") == "[2Jabort cafe 1"
