"""Whose change it is, and what it alters."""

from typing import Any

import pytest

from headgate_operator.render.canonical import canonical_json
from headgate_operator.render.intent import Intent
from headgate_operator.rollout.causes import build_cause, build_change
from headgate_operator.rollout.model import Change


def intent(**parts: Any) -> Intent:
    value: dict[str, Any] = {
        "spec": {"kafka": {"producerProfile": "main", "topic": "t"}},
        "endpoints": [],
        "limits": {},
        "profiles": {"main": {"bootstrapServers": ["k:9092"]}},
    }
    return Intent(canonical_json(value | parts))


STABLE = intent()
OTHER_SPEC = intent(spec={"kafka": {"producerProfile": "main", "topic": "t"}, "partial": "Accept"})
OTHER_PROFILE = intent(profiles={"main": {"bootstrapServers": ["k:9092"], "acks": "leader"}})
OTHER_LIMITS = intent(limits={"bodyBytes": 1024})


@pytest.mark.parametrize(
    ("candidate", "own_limits", "kind", "wave"),
    [
        (OTHER_SPEC, False, "Spec", ""),
        (OTHER_PROFILE, False, "Profile", "Profile/main@"),
        (OTHER_LIMITS, False, "Fleet", "Fleet/limits@"),
        (OTHER_LIMITS, True, "Spec", ""),
        (intent(limits={"bodyBytes": 1024}, profiles={"main": {}}), False, "Spec", ""),
    ],
    ids=["the spec", "the profile", "the fleet's limits", "its own limits", "both at once"],
)
def test_an_edit_of_something_shared_makes_a_wave(candidate: Intent, own_limits: bool, kind: str, wave: str) -> None:
    cause = build_cause(STABLE, candidate, own_limits=own_limits)
    assert cause.kind == kind
    assert cause.wave.startswith(wave)
    assert bool(cause.wave) == bool(wave)


def test_repos_with_the_same_new_profile_are_in_the_same_wave_and_the_next_edit_makes_another() -> None:
    def wave(acks: str, topic: str) -> str:
        spec = {"kafka": {"producerProfile": "main", "topic": topic}}
        before, after = intent(spec=spec), intent(spec=spec, profiles={"main": {"acks": acks}})
        return build_cause(before, after, own_limits=False).wave

    assert wave("leader", "a") == wave("leader", "b")
    assert wave("leader", "a") != wave("none", "a")


@pytest.mark.parametrize(
    ("spec", "change"),
    [
        ({"kafka": {"topic": "t"}, "constraint": {"x": 1}}, Change(constraint=True)),
        ({"kafka": {"topic": "u"}}, Change(topics=True)),
        ({"kafka": {"topic": "t"}, "partial": "Accept"}, Change()),
    ],
    ids=["constraint", "topic", "neither"],
)
def test_what_a_candidate_alters(spec: dict[str, Any], change: Change) -> None:
    assert build_change(intent(spec={"kafka": {"topic": "t"}}), intent(spec=spec)) == change


def test_where_nobody_knows_what_was_promoted_everything_may_have_changed() -> None:
    assert build_change(None, STABLE) == Change(constraint=True, topics=True)
    assert build_cause(None, STABLE, own_limits=False).kind == "Spec"
