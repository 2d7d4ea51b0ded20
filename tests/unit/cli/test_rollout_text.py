"""The picture of a rollout, and what it tells people to do."""

from dataclasses import replace
from typing import Any

import pytest
from tests.unit.cli.views import CANDIDATE, NOW, STABLE, condition, manifest, rollout, view

from headgate_operator.api.rollout import RolloutStatus
from headgate_operator.cli.rollout_text import build_report, draw, next_steps
from headgate_operator.cli.rollout_view import UnreadableError, read_view
from headgate_operator.cli.rollout_watch import describe_changes
from headgate_operator.cli.terminal import Style, width_of

MEASURED = [
    {
        "name": "serverErrors",
        "value": "0.1%",
        "stable": "0.12%",
        "threshold": "1%",
        "requests": 1240,
        "verdict": "Pass",
    },
    {
        "name": "latencyP99",
        "value": "180ms",
        "stable": "40ms",
        "threshold": "80ms",
        "requests": 1240,
        "verdict": "Fail",
    },
    {"name": "lag", "value": "12", "threshold": "0..10", "requests": 0, "verdict": "Waiting"},
]
UNDER_WAY = rollout(
    countedWeight="9.8% of 1240",
    verified="Verified",
    startedAt="2026-11-21T11:56:48Z",
    stepStartedAt="2026-11-21T11:59:18Z",
    reason="Measuring",
    message="1240 of 100 requests, 42 of 60 seconds",
    measurements=MEASURED,
    command={"token": "t", "verb": "resume", "result": "Obeyed"},
)
PLAIN = Style(symbols=False)

PICTURE = f"""\
EventRepo web/access  generation 2
Phase      Progressing (Measuring)
Stable     {STABLE}
Candidate  {CANDIDATE}
Steps      [10% 60s] > 50% 60s > 100%
Asked      ##------------------ 10%
Counted    ##------------------ 9.8% of 1240 requests, Verified
Age        rollout 3m12s, step 1 of 2 measured for 42s of 60s

  MEASUREMENT   VALUE  STABLE  THRESHOLD  REQUESTS  VERDICT
  serverErrors   0.1%   0.12%  1%             1240  Pass
  latencyP99    180ms    40ms  80ms           1240  Fail
  lag              12       -  0..10             0  Waiting

Reason     Measuring: 1240 of 100 requests, 42 of 60 seconds
Command    resume: Obeyed
Next       nothing: it goes on by itself. You can pause or promote or abort
"""


def picture(status: dict[str, Any] | None, style: Style = PLAIN, **fields: Any) -> str:
    return "".join(f"{line}\n" for line in draw(view(status, **fields), style, NOW))


def test_the_picture_of_a_step_under_way() -> None:
    assert picture(UNDER_WAY) == PICTURE


def test_the_colours_change_nothing_but_colours() -> None:
    import re

    coloured = picture(UNDER_WAY, replace(PLAIN, colour=True))
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == PICTURE
    assert "\x1b[31mFail\x1b[0m" in coloured


@pytest.mark.parametrize(
    "phase", ["Stable", "Waiting", "Progressing", "Paused", "Promoting", "RollingBack", "RolledBack"]
)
def test_every_phase_fits_a_narrow_window(phase: str) -> None:
    status = rollout(phase, message="a long sentence about what is the matter, and what to do next", reason="Word")
    lines = draw(view(status), Style(width=44), NOW)
    assert phase in "\n".join(lines)
    # The table of measurements and the first line are cut by the screen, all else is folded.
    assert all(width_of(line) <= 44 for line in lines if not line.startswith(("  ", "EventRepo", "Steps")))


def test_what_a_rolled_back_revision_wrote_is_named() -> None:
    written = [
        {"topic": "access", "partition": number, "firstOffset": 10, "lastOffset": 40, "records": 7}
        for number in range(12)
    ]
    text = picture(rollout("RolledBack", written=written))
    assert "Wrote      access[0] offsets 10 to 40, 7 records of it" in text
    assert "and 2 more partitions: -o yaml shows them" in text


def test_a_status_of_an_older_generation_says_so() -> None:
    assert "status speaks of generation 1: the operator has not looked" in picture(UNDER_WAY, observedGeneration=1)


def test_a_candidate_that_is_no_longer_wanted_is_told_apart() -> None:
    assert f"{CANDIDATE}; the spec asks for 0ther" in picture(UNDER_WAY, revision="0ther")
    assert f"{CANDIDATE}; a new image of the fleet" in picture(UNDER_WAY | {"cause": "Image"}, revision="0ther")


def test_an_unhealthy_condition_is_shown_with_its_message() -> None:
    sick = [condition("Accepted"), condition("Serving", "False", "NoGatewaysReady", "no gateway is ready")]
    assert "Serving    False (NoGatewaysReady): no gateway is ready" in picture(rollout("Stable"), conditions=sick)


def test_control_characters_of_a_message_never_reach_the_terminal() -> None:
    assert "\x1b" not in picture(rollout("Paused", message="x\x1b[2Jy\r\nz", reason="\x07"))


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (rollout(stage="Gated"), "headgate rollout approve access -n web lets it go on"),
        (rollout("Paused"), "headgate rollout resume access -n web goes on"),
        (rollout("RolledBack"), "headgate rollout retry access -n web"),
        (rollout(stage="Undecided"), "headgate rollout promote access -n web"),
        (rollout("Waiting"), "You can abort"),
    ],
)
def test_what_to_do_next_is_said_where_somebody_can_do_something(status: dict[str, Any], words: str) -> None:
    assert any(words in step for step in next_steps(view(status)))


def test_a_plugin_names_itself_as_people_call_it() -> None:
    assert next_steps(view(rollout("Paused")), "kubectl headgate")[0].startswith("kubectl headgate rollout resume")


def test_programs_get_the_words_of_the_resource() -> None:
    report = build_report(view(UNDER_WAY), (1, "rolled back"))
    assert report["rollout"] == RolloutStatus.model_validate(UNDER_WAY).model_dump(
        mode="json", by_alias=True, exclude_none=True
    ) | {"written": []}
    assert (report["generation"], report["observedGeneration"], report["revision"]) == (2, 2, CANDIDATE)
    assert report["outcome"] == {"code": 1, "message": "rolled back"}
    assert "outcome" not in build_report(view(UNDER_WAY))


def test_fields_of_a_newer_operator_are_passed_over() -> None:
    newer = manifest(UNDER_WAY | {"mood": "fine", "measurements": [MEASURED[0] | {"colour": "blue"}]})
    newer["spec"] = {"rollout": {"steps": [{"weight": 5, "hold": "1m", "tempo": "slow"}], "more": {}}}
    looked_at = read_view(newer)
    assert [step.weight for step in looked_at.steps] == [5]
    assert looked_at.rollout is not None
    assert looked_at.rollout.measurements[0].name == "serverErrors"


def test_a_status_that_cannot_be_read_names_the_remedy() -> None:
    with pytest.raises(UnreadableError, match=r"web/access .*use the command of the operator's release"):
        view({"phase": ["a", "list"]})


def test_a_repo_that_nobody_has_looked_at_can_be_drawn() -> None:
    text = "\n".join(draw(read_view({"metadata": {"namespace": "web", "name": "new", "generation": 1}}), PLAIN, NOW))
    assert "the operator has not looked at generation 1 yet" in " ".join(text.split())


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        (None, rollout(), [f"Progressing {CANDIDATE}, step 1/2, 10% asked"]),
        (None, rollout("Stable"), [f"Stable, serving {STABLE}"]),
        (rollout(), rollout(), []),
        (rollout("Stable"), rollout("Waiting", message="1 of 2 in line"),
         [f"candidate {CANDIDATE}", "Stable -> Waiting: 1 of 2 in line"]),
        (rollout(), rollout(step="2/2", weight=50, stage="Shifting"),
         ["Progressing: Shifting", "step 2/2", "weight 10% -> 50%"]),
        (rollout(), rollout(verified="Unverified", countedWeight="none of 0"), ["split Unverified, counted none of 0"]),
        (rollout(), rollout(measurements=MEASURED), [
            "serverErrors Pass: 0.1% against 1%, 1240 requests", "latencyP99 Fail: 180ms against 80ms, 1240 requests"]),
        (rollout("Promoting"), rollout("Stable", stable=CANDIDATE),
         [f"stable is now {CANDIDATE}", "Promoting -> Stable"]),
        (rollout(), rollout(command={"token": "t", "verb": "pause", "result": "Obeyed"}), ["command pause: Obeyed"]),
    ],
    ids=["first", "first, stable", "nothing", "in line", "next step", "split", "verdicts", "promoted", "command"],
)  # fmt: skip
def test_changes_between_two_looks_are_told(
    before: dict[str, Any] | None, after: dict[str, Any], said: list[str]
) -> None:
    assert describe_changes(view(before) if before else None, view(after)) == said


def test_a_newer_spec_is_told() -> None:
    assert describe_changes(view(rollout()), view(rollout(), generation=3, observedGeneration=2)) == [
        "the spec was changed: generation 3"
    ]
