"""Repos of several topics and profiles: all are checked, all are carried, and the message names which one is wrong."""

import json
from typing import Any

import pytest
from tests.unit.render.builders import (
    GATEWAY_API,
    SCRAM_SECRETS,
    find,
    fleet,
    intent,
    profile,
    render,
    repo,
    scram_profile,
    world,
)

from headgate_gateway.config import RepoConfig
from headgate_operator.api import reasons
from headgate_operator.api.repo import EventRepo
from headgate_operator.render.targets import show_path, targets_of
from headgate_operator.render.world import FleetPlan

KEY = ("team", "access")
WHEN = [{"field": "status", "operator": "Ge", "values": [500]}]


def routed(**kafka: Any) -> EventRepo:
    """Errors go to a second cluster, what cannot be processed to a third one."""
    given = {
        "producerProfile": "main",
        "topic": "access",
        "topics": [{"when": WHEN, "topic": "errors", "producerProfile": "second"}, {"when": WHEN, "topic": "slow"}],
        "deadLetter": {"topic": "dead", "producerProfile": "third"},
    }
    header = {"name": "topic", "topics": ["clicks", "views"]}
    return repo(kafka=given | kafka, endpoints=[{"path": "/a"}, {"path": "/b", "topicHeader": header}])


def plan_of(of: EventRepo, **profiles: dict[str, Any]) -> FleetPlan:
    found = [profile(name, **profiles.get(name, {})) for name in ("main", "second", "third")]
    return render(world(of, profiles=found, fleet=fleet(routing=GATEWAY_API)))


def test_every_topic_has_the_profile_that_takes_it_and_says_where_it_stands() -> None:
    found = [(one.topic, one.profile, one.topic_field, one.profile_field) for one in targets_of(routed().spec)]
    own, second = "spec.kafka.producerProfile", "spec.kafka.topics.0.producerProfile"
    assert found == [
        ("access", "main", "spec.kafka.topic", own),
        ("errors", "second", "spec.kafka.topics.0.topic", second),
        ("slow", "main", "spec.kafka.topics.1.topic", own),
        ("dead", "third", "spec.kafka.deadLetter.topic", "spec.kafka.deadLetter.producerProfile"),
        ("clicks", "main", "spec.endpoints.1.topicHeader.topics.0", own),
        ("views", "main", "spec.endpoints.1.topicHeader.topics.1", own),
    ]
    assert show_path(second) == "spec.kafka.topics[0].producerProfile"


def test_the_gateway_sees_the_same_topics_and_finds_every_profile_in_the_entry() -> None:
    verdict = plan_of(routed()).repos[KEY]
    assert verdict.verdict.accepted
    assert verdict.profiles == ("main", "second", "third")
    entry = RepoConfig.model_validate_json(verdict.entry or b"")
    assert sorted(entry.producers) == ["main", "second", "third"]
    asked: dict[str, set[str]] = {}
    for target in targets_of(routed().spec):
        asked.setdefault(target.profile, set()).add(target.topic)
    assert {name: set(topics) for name, topics in entry.topics.items()} == asked


def test_an_edit_of_any_of_its_profiles_is_another_revision() -> None:
    revisions = {
        plan_of(routed(), **{name: {"acks": "leader"}}).repos[KEY].revision for name in ("main", "second", "third")
    }
    assert len(revisions | {plan_of(routed()).repos[KEY].revision}) == 4


def test_the_edge_waits_for_the_slowest_of_its_profiles() -> None:
    plan = plan_of(routed(), third={"deliveryTimeout": "45s"})
    (rule,) = find(plan, "HTTPRoute", "default.team.access")["spec"]["rules"]
    assert rule["timeouts"]["request"] == "50s"


def test_credentials_of_all_its_profiles_are_carried() -> None:
    ours, theirs = profile(), scram_profile("second")
    of = routed(deadLetter=None)
    plan = render(world(of, profiles=[ours, theirs], secrets=SCRAM_SECRETS))
    entry = json.loads(plan.repos[KEY].entry or b"")
    named = {
        file for block in (entry["producers"]["second"][part] for part in ("tls", "sasl")) for file in block.values()
    }
    assert set(find(plan, "Secret", "default-credentials")["data"]) == {file for file in named if "credential." in file}


PROBLEMS: dict[str, tuple[EventRepo, dict[str, dict[str, Any]], str, str, str]] = {
    "a rule's profile is not there": (
        routed(topics=[{"when": WHEN, "topic": "errors", "producerProfile": "fourth"}]), {},
        reasons.PROFILE_NOT_FOUND, "spec.kafka.topics.0.producerProfile",
        "or name another in spec.kafka.topics[0].producerProfile",
    ),
    "the dead letter's profile is not usable": (
        routed(), {"third": {"deliveryTimeout": "5m"}},
        reasons.PROFILE_NOT_ACCEPTED, "spec.kafka.deadLetter.producerProfile",
        "KafkaProducerProfile headgate/third is not usable (DeliveryTimeoutTooLong)",
    ),
    "a rule's profile is not for this namespace": (
        routed(), {"second": {"allowedNamespaces": ["shop"]}},
        reasons.NAMESPACE_NOT_ALLOWED_BY_PROFILE, "spec.kafka.topics.0.producerProfile",
        "KafkaProducerProfile second may not be used from namespace 'team'",
    ),
    "a rule's topic is not for its profile": (
        routed(), {"second": {"allowedTopics": ["access", "slow"]}},
        reasons.TOPIC_NOT_ALLOWED, "spec.kafka.topics.0.topic",
        "topic 'errors' (spec.kafka.topics[0].topic) is not allowed: for namespace 'team' KafkaProducerProfile second",
    ),
    "the dead letter's topic": (
        routed(), {"third": {"allowedTopics": ["{namespace}.*"]}},
        reasons.TOPIC_NOT_ALLOWED, "spec.kafka.deadLetter.topic",
        "is not allowed: for namespace 'team' KafkaProducerProfile third allows 'team.*'",
    ),
    "a topic that a request may name": (
        routed(), {"main": {"allowedTopics": ["access", "slow", "clicks"]}},
        reasons.TOPIC_NOT_ALLOWED, "spec.endpoints.1.topicHeader.topics.1",
        "topic 'views' (spec.endpoints[1].topicHeader.topics[1]) is not allowed",
    ),
    "acks none behind a rule": (
        routed(), {"second": {"acks": "none"}},
        reasons.ACKS_NONE_WITH_SYNC, "spec.kafka.topics.0.producerProfile",
        "KafkaProducerProfile second has acks: none",
    ),
    "acks none behind the dead letter of an endpoint that answers offsets": (
        repo(
            endpoints=[{"path": "/post", "format": "JSON", "response": "Offset"}],
            kafka={"producerProfile": "main", "topic": "t", "deadLetter": {"topic": "dead", "producerProfile": "third"}},
        ),
        {"third": {"acks": "none"}},
        reasons.ACKS_NONE_WITH_SYNC, "spec.kafka.deadLetter.producerProfile",
        "KafkaProducerProfile third has acks: none",
    ),
    "a body that one of them could never hold": (
        routed(), {"third": {"maxBufferBytes": "1Mi"}},
        reasons.BODY_LIMIT_TOO_LARGE, "spec.limits.bodyBytes",
        "KafkaProducerProfile third has spec.maxBufferBytes 1048576",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("of", "profiles", "reason", "field", "message"), PROBLEMS.values(), ids=PROBLEMS)
def test_what_is_wrong_with_one_of_many_is_named(
    of: EventRepo, profiles: dict[str, dict[str, Any]], reason: str, field: str, message: str
) -> None:
    verdict = plan_of(of, **profiles).repos[KEY].verdict
    assert (verdict.accepted, verdict.reason, verdict.field) == (False, reason, field)
    assert message in verdict.message


def test_delivery_async_may_take_profiles_that_wait_for_nobody() -> None:
    assert plan_of(routed(delivery="Async"), second={"acks": "none"}).repos[KEY].verdict.accepted


def test_rates_of_a_repo_reach_its_entry_and_make_a_revision() -> None:
    limits = {"bodyBytes": "1Mi", "perGateway": {"requestsPerSecond": 5, "bytesPerSecond": "1Mi"}}
    entry = RepoConfig.model_validate_json(plan_of(repo(limits=limits)).repos[KEY].entry or b"")
    assert entry.limits.per_gateway is not None
    assert (entry.limits.per_gateway.requests_per_second, entry.limits.per_gateway.bytes_per_second) == (5, 2**20)
    assert entry.limits.body_bytes == 2**20
    assert intent(repo(limits=limits)).revision != intent(repo(limits={"bodyBytes": "1Mi"})).revision
