"""The table of revisions and their difference."""

from typing import Any

import pytest
from tests.unit.cli.views import CANDIDATE, STABLE, rollout, view
from tests.unit.render.builders import TEMPLATES, fleet, intent, repo

from headgate_operator.cli.rollout_history import (
    History,
    NoSuchRevisionError,
    draw_diff,
    draw_history,
    pick_pair,
    read_history,
    selector,
)
from headgate_operator.cli.terminal import Style
from headgate_operator.render.owned import COMPONENT_REVISION, COMPONENT_ROLLOUT
from headgate_operator.render.revisions import build_revision_object, build_state_object
from headgate_operator.render.world import RenderedObject
from headgate_operator.rollout.model import Outcome, Phase, RolloutState
from headgate_operator.rollout.store_form import dump_state

FIRST = "f1f5000000000000"
PLAIN = Style(width=120)


def revision(name: str, number: int, **spec: Any) -> dict[str, Any]:
    return {
        "metadata": {
            "name": f"default.web.access.{name}",
            "labels": {"headgate.dev/revision": name},
            "creationTimestamp": f"2026-11-2{number}T09:00:00Z",
        },
        "revision": number,
        "data": {"spec": {"kafka": {"topic": "access"}, **spec}, "limits": {}},
    }


REVISIONS = [
    revision(FIRST, 1),
    revision(CANDIDATE, 3, partial="Accept"),
    revision(STABLE, 2, constraint={"onMismatch": "Drop"}),
]


def outcome(name: str, result: str, ended: float, message: str = "") -> Outcome:
    return Outcome(revision=name, result=result, reason="Why", message=message, started=ended - 60, ended=ended)


def state_object(*outcomes: Outcome) -> dict[str, Any]:
    state = RolloutState(stable=STABLE, phase=Phase.PROGRESSING, candidate=CANDIDATE, history=outcomes)
    return {"data": {"state.json": state.model_dump_json()}}


PROMOTED = outcome(STABLE, "Promoted", 1_795_252_200.0)
REFUSED = outcome(STABLE, "RolledBack", 1_795_251_600.0, "serverErrors 4% against 1%")


def history(*outcomes: Outcome, phase: str = "Progressing") -> History:
    return read_history(view(rollout(phase)), REVISIONS, [state_object(*outcomes)])


def test_the_table_is_newest_first_and_marks_what_is_served() -> None:
    assert draw_history(history(REFUSED, PROMOTED), PLAIN)[:-2] == [
        "   #  REVISION          WHEN                  RESULT      REASON",
        f"   3  {CANDIDATE}  2026-11-23 09:00:00Z  Candidate",
        f"*  2  {STABLE}  2026-11-21 09:10:00Z  Promoted    Why",
        f"   2  {STABLE}  2026-11-21 09:00:00Z  RolledBack  Why: serverErrors 4% against 1%",
        f"   1  {FIRST}  2026-11-21 09:00:00Z  -",
    ]


def test_what_is_served_is_marked_though_its_promotion_is_no_longer_kept() -> None:
    marked = [line for line in draw_history(history(REFUSED), PLAIN) if line.startswith("*  ")]
    assert marked == [f"*  2  {STABLE}  2026-11-22 09:00:00Z  Stable"]


def test_a_revision_that_was_rolled_back_is_no_candidate() -> None:
    ended = history(PROMOTED, outcome(CANDIDATE, "RolledBack", 1_795_260_000.0), phase="RolledBack")
    assert ended.candidate == ""
    assert "Candidate" not in "\n".join(draw_history(ended, PLAIN))


def test_an_outcome_outlives_its_revision() -> None:
    found = read_history(view(rollout("Stable")), [], [state_object(PROMOTED)])
    assert draw_history(found, PLAIN)[1] == f"*  -  {STABLE}  2026-11-21 09:10:00Z  Promoted  Why"


@pytest.mark.parametrize("states", [[], [{"data": {"state.json": "{"}}], [{}]], ids=["none", "broken", "empty"])
def test_without_a_readable_state_the_revisions_are_shown(states: list[dict[str, Any]]) -> None:
    lines = draw_history(read_history(view(rollout()), REVISIONS, states), PLAIN)
    assert [line.split()[0] for line in lines[1:4]] == ["3", "*", "1"]


def test_a_repo_without_revisions_says_so() -> None:
    assert draw_history(read_history(view(None), [], []), PLAIN) == ["no revision is kept of this repo yet"]


@pytest.mark.parametrize(
    ("asked", "pair"),
    [
        (["3"], (STABLE, CANDIDATE)),
        (["#3"], (STABLE, CANDIDATE)),
        (["cafe"], (STABLE, CANDIDATE)),
        ([STABLE], (FIRST, STABLE)),
        (["1", "3"], (FIRST, CANDIDATE)),
    ],
    ids=["number", "with #", "beginning", "what is served, against its predecessor", "two"],
)
def test_revisions_are_named_by_number_or_beginning(asked: list[str], pair: tuple[str, str]) -> None:
    before, after = pick_pair(history(), asked)
    assert (before.name, after.name) == pair


@pytest.mark.parametrize(
    ("asked", "words"), [(["9"], "9 is not kept; there are #3 "), (["nope"], "is not kept"), (["1", ""], "is not kept")]
)
def test_a_revision_that_is_not_kept_is_named_with_those_that_are(asked: list[str], words: str) -> None:
    with pytest.raises(NoSuchRevisionError, match=words):
        pick_pair(history(), asked)


def test_a_beginning_that_fits_several_is_refused() -> None:
    found = read_history(view(rollout()), [revision("ab1", 1), revision("ab2", 2)], [])
    with pytest.raises(NoSuchRevisionError, match="fits several revisions; there are #2 ab2, #1 ab1"):
        pick_pair(found, ["ab"])


def test_the_difference_is_one_of_yaml() -> None:
    lines = draw_diff(*pick_pair(history(), ["3"]), PLAIN)
    assert lines == [
        f"--- #2 {STABLE}",
        f"+++ #3 {CANDIDATE}",
        "@@ -1,6 +1,5 @@",
        " limits: {}",
        " spec:",
        "-  constraint:",
        "-    onMismatch: Drop",
        "   kafka:",
        "     topic: access",
        "+  partial: Accept",
    ]
    coloured = draw_diff(*pick_pair(history(), ["3"]), Style(colour=True))
    assert "\x1b[32m+  partial: Accept\x1b[0m" in coloured


def test_what_the_operator_renders_is_found_and_read() -> None:
    key, wanted = ("web", "access"), intent(repo())
    labels: list[dict[str, str]] = []

    def live(rendered: RenderedObject) -> dict[str, Any]:
        labels.append(rendered.manifest["metadata"]["labels"])
        return rendered.manifest | {
            "metadata": rendered.manifest["metadata"] | {"creationTimestamp": "2026-11-21T09:00:00Z"}
        }

    kept = live(build_revision_object(TEMPLATES, fleet(), key, wanted, 4))
    stored = dump_state(RolloutState(stable=wanted.revision, history=(PROMOTED,))).decode()
    state = live(build_state_object(TEMPLATES, fleet(), key, stored))
    found = read_history(view(None), [kept], [state])
    (read,) = found.revisions
    assert (read.name, read.number, read.intent) == (wanted.revision, 4, wanted.value)
    assert (found.stable, found.outcomes) == (wanted.revision, (PROMOTED,))
    for component, carried in zip((COMPONENT_REVISION, COMPONENT_ROLLOUT), labels, strict=True):
        asked = dict(each.split("=") for each in selector(view(None), component).split(","))
        assert asked.items() <= carried.items()


def test_equal_intents_are_said_to_be_equal() -> None:
    (only,) = history().revisions[:1]
    assert draw_diff(only, only, PLAIN) == [f"{CANDIDATE} and {CANDIDATE} ask for the same"]
