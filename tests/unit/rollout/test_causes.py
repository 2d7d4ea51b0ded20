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


KAFKA = {"producerProfile": "main", "topic": "t"}
CHANGES: dict[str, tuple[dict[str, Any], Change]] = {
    "constraint": ({"spec": {"kafka": KAFKA, "constraint": {"x": 1}}}, Change(constraint=True)),
    "topic": ({"spec": {"kafka": KAFKA | {"topic": "u"}}}, Change(topics=True)),
    "rules of topics": ({"spec": {"kafka": KAFKA | {"topics": [{"topic": "u"}]}}}, Change(topics=True)),
    "executors": (
        {"spec": {"kafka": KAFKA, "executors": [{"sample": {"percent": 1}}]}},
        Change(constraint=True, topics=True),
    ),
    "dead letter": (
        {"spec": {"kafka": KAFKA | {"deadLetter": {"topic": "dead"}}}},
        Change(topics=True, dead_letter=True),
    ),
    "format": ({"endpoints": [{"path": "/a", "format": "Text"}]}, Change(topics=True)),
    "topics of a request header": (
        {"endpoints": [{"path": "/a", "topicHeader": {"name": "topic", "topics": ["a"]}}]},
        Change(topics=True),
    ),
    "path": ({"endpoints": [{"path": "/a"}, {"path": "/b", "response": "Empty"}]}, Change()),
    "neither": ({"spec": {"kafka": KAFKA, "partial": "Accept"}}, Change()),
}


@pytest.mark.parametrize(("parts", "change"), CHANGES.values(), ids=CHANGES)
def test_what_a_candidate_alters(parts: dict[str, Any], change: Change) -> None:
    assert build_change(STABLE, intent(**parts)) == change


def test_another_dead_letter_is_another_topic_for_the_same_lines() -> None:
    before, after = (intent(spec={"kafka": KAFKA | {"deadLetter": {"topic": topic}}}) for topic in ("a", "b"))
    assert build_change(before, after) == Change(topics=True)


def test_an_edit_of_any_profile_that_lines_may_take_makes_a_wave() -> None:
    second = {"main": {"bootstrapServers": ["k:9092"]}, "second": {"bootstrapServers": ["s:9092"]}}
    before = intent(profiles=second)
    cause = build_cause(before, intent(profiles=second | {"second": {"acks": "leader"}}), own_limits=False)
    assert cause.wave.startswith("Profile/second@")


def test_an_edit_of_two_profiles_at_once_blames_neither_alone() -> None:
    before = intent(profiles={"a": {}, "b": {}, "c": {}})
    both = build_cause(
        before, intent(profiles={"a": {"acks": "none"}, "b": {"acks": "none"}, "c": {}}), own_limits=False
    )
    one = build_cause(before, intent(profiles={"a": {"acks": "none"}, "b": {}, "c": {}}), own_limits=False)
    assert (both.kind, both.wave.partition("@")[0]) == ("Profile", "Profile/a+b")
    assert one.wave.startswith("Profile/a@")


def test_repos_with_rates_of_their_own_are_in_the_wave_of_their_fleets_sizes_all_the_same() -> None:
    def wave(rates: dict[str, Any], edited: dict[str, Any]) -> str:
        return build_cause(intent(limits=rates), intent(limits=edited), own_limits=False).wave

    rates = {"perGateway": {"requestsPerSecond": 5}}
    assert wave(rates, rates | {"bodyBytes": 1024}) == wave({}, {"bodyBytes": 1024}) != ""
    assert wave({}, rates) == ""
    assert wave(rates, {"bodyBytes": 1024}) == ""


def test_where_nobody_knows_what_was_promoted_everything_may_have_changed() -> None:
    assert build_change(None, STABLE) == Change(constraint=True, topics=True, dead_letter=True)
    assert build_cause(None, STABLE, own_limits=False).kind == "Spec"
