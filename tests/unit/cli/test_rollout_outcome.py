"""When a rollout counts as settled, and with which exit code."""

from typing import Any

import pytest
from tests.unit.cli.views import CANDIDATE, STABLE, condition, rollout, view

from headgate_operator.cli.rollout_outcome import describe_pending, judge

REFUSED = [condition("Accepted", "False", "TopicNotAllowed", "topic 'x' is not allowed")]
LOADING = [condition("Accepted"), condition("Programmed", "False", "Pending", "1 of 2 ready gateways serve it")]
PROMOTED = rollout("Stable", stable=CANDIDATE)


@pytest.mark.parametrize(
    ("status", "fields", "code", "words"),
    [
        pytest.param(PROMOTED, {}, 0, f"revision {CANDIDATE} of web/access (generation 2) is promoted", id="promoted"),
        pytest.param(rollout("RolledBack", message="too many 5xx"), {}, 1, "was rolled back", id="rolled back"),
        pytest.param(rollout("Stable"), {"conditions": REFUSED}, 2, "(TopicNotAllowed)", id="not accepted"),
        pytest.param(rollout("Paused"), {}, 4, "is paused at step 1/2", id="paused"),
        pytest.param(rollout(stage="Gated"), {}, 4, "waits for an approval at step 1/2", id="gated"),
    ],
)
def test_a_settled_rollout_has_a_code(status: dict[str, Any], fields: dict[str, Any], code: int, words: str) -> None:
    outcome = judge(view(status, **fields))
    assert outcome is not None
    assert outcome.code == code
    assert words in outcome.text
    assert "generation 2" in outcome.text


def test_a_message_from_the_cluster_does_not_steer_the_terminal() -> None:
    outcome = judge(view(rollout("RolledBack", message="\x1b[2Jtoo many\n5xx")))
    assert outcome is not None
    assert outcome.text.endswith("is served:  [2Jtoo many 5xx")


@pytest.mark.parametrize(
    ("status", "fields", "words"),
    [
        pytest.param(PROMOTED, {"observedGeneration": 1}, "has not looked at generation 2", id="an older generation"),
        pytest.param(rollout("RolledBack"), {"observedGeneration": 1}, "generation 2", id="an older one rolled back"),
        pytest.param(None, {"observedGeneration": -1, "conditions": None}, "status speaks of -1", id="never looked at"),
        pytest.param(rollout(), {}, "step 1/2", id="measuring"),
        pytest.param(rollout("Waiting", message="2 of 3 in line"), {}, "2 of 3 in line", id="in line"),
        pytest.param(rollout("Promoting"), {}, "Promoting", id="promoting"),
        pytest.param(rollout("RollingBack"), {}, "RollingBack", id="rolling back"),
        pytest.param(rollout("Superseded"), {}, "Superseded", id="superseded"),
        pytest.param(rollout("Stable"), {}, "Stable", id="about to begin"),
        pytest.param(PROMOTED, {"conditions": LOADING}, "1 of 2 ready gateways", id="promoted, but not served yet"),
        pytest.param(rollout("RolledBack", candidate="0ld"), {}, "RolledBack", id="an older revision rolled back"),
        pytest.param(rollout("Paused", candidate="0ld"), {}, "Paused", id="an older revision paused"),
        pytest.param(rollout(stage="Undecided"), {}, "Undecided", id="undecided before the deadline"),
        pytest.param(None, {}, "nothing of a rollout", id="no rollout"),
    ],
)
def test_what_is_not_settled_says_what_it_waits_for(
    status: dict[str, Any] | None, fields: dict[str, Any], words: str
) -> None:
    looked_at = view(status, **fields)
    assert judge(looked_at) is None
    assert words in describe_pending(looked_at)


@pytest.mark.parametrize("status", [rollout("Paused"), rollout(stage="Gated")], ids=["paused", "gated"])
def test_gates_can_be_waited_through(status: dict[str, Any]) -> None:
    assert judge(view(status), through_gates=True) is None


def test_a_refusal_of_an_older_generation_is_not_held_against_the_newest() -> None:
    old = [condition("Accepted", "False", "TopicNotAllowed", generation=1)]
    assert judge(view(rollout("Stable"), conditions=old)) is None


def test_a_spec_set_back_to_the_stable_content_is_settled_when_the_rollout_has_ended() -> None:
    assert judge(view(rollout(), revision=STABLE)) is None
    outcome = judge(view(rollout("Stable"), revision=STABLE))
    assert outcome is not None
    assert outcome.code == 0
