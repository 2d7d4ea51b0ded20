"""docs/rollouts.md explains every word that a rollout's status may give."""

from pathlib import Path

from headgate_operator.rollout import reasons
from headgate_operator.rollout.commands import VERBS
from headgate_operator.rollout.model import Phase

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "rollouts.md").read_text()


def test_every_reason_phase_and_verb_is_documented() -> None:
    words = {value for name, value in vars(reasons).items() if name.isupper() and isinstance(value, str)}
    assert len(words) > 20
    assert sorted(word for word in (*words, *Phase, *VERBS) if f"`{word}`" not in PAGE) == []
