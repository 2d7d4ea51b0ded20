"""Which commands fit where, and the annotation that asks for them."""

from typing import Any

import pytest
from tests.unit.cli.views import CANDIDATE, condition, rollout, view

from headgate_operator.cli.rollout_verbs import (
    VERBS,
    fitting_verbs,
    read_answer,
    read_rival,
    refuse_early,
    write_command,
)

FITTING = {
    "Stable": set[str](),
    "Waiting": {"promote", "abort"},
    "Progressing": {"pause", "promote", "abort"},
    "Paused": {"resume", "promote", "abort"},
    "Promoting": {"abort"},
    "RollingBack": set[str](),
    "RolledBack": {"retry"},
    "Superseded": set[str](),
}


@pytest.mark.parametrize("phase", FITTING)
@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_is_asked_for_only_where_it_means_something(phase: str, verb: str) -> None:
    refusal = refuse_early(view(rollout(phase)), verb)
    assert (refusal is None) == (verb in FITTING[phase])


@pytest.mark.parametrize("stage", ["Gated", "Undecided", None])
def test_a_step_that_waits_for_people_can_be_approved(stage: str | None) -> None:
    assert refuse_early(view(rollout(stage=stage)), "approve") is None


def test_a_phase_of_a_newer_operator_is_left_to_it() -> None:
    looked_at = view(rollout("Teleporting"))
    assert looked_at.rollout is not None
    assert set(fitting_verbs(looked_at.rollout)) == set(VERBS)
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
    assert write_command(view(rollout("Waiting")), "abort", "t0") == f"abort {CANDIDATE} - t0"


def test_only_the_answer_to_our_token_is_ours() -> None:
    answered = view(rollout(command={"token": "t1", "verb": "pause", "result": "Obeyed"}))
    assert read_answer(answered, "t1") == "Obeyed"
    assert read_answer(answered, "t0") is None
    assert read_answer(view(None), "t0") is None


def test_a_command_that_somebody_wrote_over_ours_is_noticed() -> None:
    def with_command(command: str) -> str | None:
        return read_rival(view(rollout(), annotations={"headgate.dev/command": command}), "t0")

    assert with_command("pause cafe 1 t0") is None
    assert with_command("") is None
    assert with_command("abort cafe 1 t9") == "abort cafe 1"
