"""Verdicts: which specs are usable, which reason is given, and what a refused repo goes on serving."""

from typing import Any

import pytest
from tests.unit.render.builders import SCRAM_SECRETS, fleet, profile, render, repo, scram_profile, served, world

from headgate_operator.api import reasons
from headgate_operator.render import judge
from headgate_operator.render.accept import fleet_not_accepted, fleet_not_found
from headgate_operator.render.entries import Entry, build_entry
from headgate_operator.render.intent import Intent, IntentError
from headgate_operator.render.world import FleetWorld, RepoKey, Verdict

KEY = ("team", "access")


def verdict_of(of: FleetWorld) -> Verdict:
    return render(of).repos[KEY].verdict


def test_a_good_repo_is_accepted() -> None:
    assert verdict_of(world(repo())) == Verdict(True, reasons.ACCEPTED, "the spec is usable")


def test_a_spec_that_cannot_be_rendered_is_invalid_and_stops_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    def build(key: RepoKey, intent: Intent) -> Entry:
        if key == KEY:
            raise IntentError("no gateway takes this")
        return build_entry(key, intent)

    monkeypatch.setattr(judge, "build_entry", build)
    plan = render(world(repo(), repo("other")))
    assert plan.repos[KEY].verdict == Verdict(False, reasons.INVALID_SPEC, "no gateway takes this")
    assert plan.repos["team", "other"].entry is not None


SELECTED = {"namespaces": {"from": "Selector", "selector": {"matchLabels": {"events": "true"}}}}
CASES: dict[str, tuple[FleetWorld, str, str]] = {
    "namespace not the fleet's own": (
        world(repo(), fleet=fleet(allowedRepos={})),
        reasons.NAMESPACE_NOT_ALLOWED,
        "GatewayFleet headgate/default takes no repos from namespace 'team'",
    ),
    "namespace not selected": (
        world(repo(), fleet=fleet(allowedRepos=SELECTED), namespace_labels={"team": {"events": "false"}}),
        reasons.NAMESPACE_NOT_ALLOWED,
        "its spec.allowedRepos.namespaces.from is Selector",
    ),
    "no profile": (
        world(repo(producer_profile="other")),
        reasons.PROFILE_NOT_FOUND,
        "KafkaProducerProfile headgate/other does not exist: create it",
    ),
    "profile that does not parse": (
        world(repo(), profiles=(), invalid_profiles={"main": "spec.acks: is wrong"}),
        reasons.PROFILE_NOT_ACCEPTED,
        "KafkaProducerProfile headgate/main is not usable (InvalidSpec): spec.acks: is wrong",
    ),
    "no Secret": (
        world(repo(), profiles=[scram_profile()]),
        reasons.PROFILE_NOT_ACCEPTED,
        "(SecretNotFound): Secret headgate/ca does not exist: create it with a key 'ca.crt'",
    ),
    "Secret without the key": (
        world(repo(), profiles=[scram_profile()], secrets=SCRAM_SECRETS | {"kafka": {"username": b"u"}}),
        reasons.PROFILE_NOT_ACCEPTED,
        "(SecretKeyMissing): Secret headgate/kafka has no value under the key 'password': add it",
    ),
    "timeout beyond the grace period": (
        world(repo(), profiles=[profile(deliveryTimeout="53s")]),
        reasons.PROFILE_NOT_ACCEPTED,
        "deliveryTimeout is 53s, but a stopping gateway has only 52s for it",
    ),
    "namespace not the profile's": (
        world(repo(), profiles=[profile(allowedNamespaces=["shop-*"])]),
        reasons.NAMESPACE_NOT_ALLOWED_BY_PROFILE,
        "its spec.allowedNamespaces are 'shop-*'",
    ),
    "topic of another team": (
        world(repo(topic="shop.orders"), profiles=[profile(allowedTopics=["{namespace}.*", "shared"])]),
        reasons.TOPIC_NOT_ALLOWED,
        "topic 'shop.orders' is not allowed: for namespace 'team' KafkaProducerProfile main allows 'team.*', 'shared'",
    ),
    "Sync without acks": (
        world(repo(), profiles=[profile(acks="none")]),
        reasons.ACKS_NONE_WITH_SYNC,
        "use a profile with acks: all or leader",
    ),
    "spool without acks": (
        world(
            repo(kafka={"producerProfile": "main", "topic": "t", "delivery": "Async"}),
            fleet=fleet(allowedRepos={"namespaces": {"from": "All"}}, spool={"mode": "EmptyDir", "size": "4Gi"}),
            profiles=[profile(acks="none")],
        ),
        reasons.ACKS_NONE_WITH_SPOOL,
        "the fleet's spool forgets what Kafka has acknowledged, and KafkaProducerProfile main has acks: none",
    ),
    "body beyond the profile's buffer": (
        world(repo(), profiles=[profile(maxBufferBytes="1Mi")]),
        reasons.BODY_LIMIT_TOO_LARGE,
        "set spec.limits.bodyBytes to 1048576 at most",
    ),
    "body beyond the fleet's buffer": (
        world(
            repo(limits={"bodyBytes": "4Mi"}),
            fleet=fleet(allowedRepos={"namespaces": {"from": "All"}}, limits={"bufferBytes": "2Mi"}),
        ),
        reasons.BODY_LIMIT_TOO_LARGE,
        "GatewayFleet default has spec.limits.bufferBytes 2097152",
    ),
}


@pytest.mark.parametrize(("of", "reason", "message"), CASES.values(), ids=CASES)
def test_a_repo_is_refused_with_reason_and_remedy(of: FleetWorld, reason: str, message: str) -> None:
    plan = render(of)
    verdict = plan.repos[KEY].verdict
    assert (verdict.accepted, verdict.reason) == (False, reason)
    assert message in verdict.message
    assert plan.repos[KEY].entry is None


def test_what_does_not_parse_is_invalid_and_keeps_what_is_served() -> None:
    before = served(render(world(repo())))
    plan = render(world(served=before, invalid_repos={KEY: "spec.constraint: does not compile"}))
    assert plan.repos[KEY].verdict == Verdict(False, reasons.INVALID_SPEC, "spec.constraint: does not compile")
    assert served(plan) == before


def test_a_timeout_that_fills_the_grace_period_is_accepted() -> None:
    assert verdict_of(world(repo(), profiles=[profile(deliveryTimeout="52s")])).accepted


def test_namespaces_are_selected_by_label() -> None:
    labels = {"team": {"events": "true"}}
    assert verdict_of(world(repo(), fleet=fleet(allowedRepos=SELECTED), namespace_labels=labels)).accepted


def test_topics_of_the_own_namespace_are_allowed() -> None:
    assert verdict_of(world(repo(topic="team.access"), profiles=[profile(allowedTopics=["{namespace}.*"])])).accepted


def test_missing_fleets_are_named() -> None:
    assert "GatewayFleet a/b does not exist" in fleet_not_found(("a", "b")).message
    assert "there is no default fleet" in fleet_not_found(None).message


def test_repos_of_a_fleet_that_is_not_usable_hear_why() -> None:
    verdict = fleet_not_accepted(("a", "b"), Verdict(False, reasons.INVALID_SPEC, "image: is missing"))
    assert (verdict.accepted, verdict.reason) == (False, "FleetNotAccepted")
    assert verdict.message == "GatewayFleet a/b is not usable (InvalidSpec): image: is missing"


@pytest.mark.parametrize(
    "broken",
    [
        {"profiles": ()},
        {"profiles": [profile(acks="none")]},
        {"profiles": [profile(allowedNamespaces=["x"])]},
        {"fleet": fleet(allowedRepos={})},
    ],
    ids=["profile deleted", "profile unfit", "profile forbidden", "namespace forbidden"],
)
def test_a_repo_refused_later_keeps_serving_what_was_promoted(broken: dict[str, Any]) -> None:
    before = render(world(repo()))
    after = render(world(repo(topic="new"), served=served(before), **broken))
    assert not after.repos[KEY].verdict.accepted
    assert served(after) == served(before)
    assert after.shard_hashes == before.shard_hashes
    assert after.repos[KEY].paths == ("/log/repo/access",)


def test_one_bad_repo_holds_back_no_other() -> None:
    plan = render(world(repo("bad", topic="b", producer_profile="none"), repo("good")))
    assert [plan.repos["team", name].verdict.accepted for name in ("bad", "good")] == [False, True]


def test_a_deleted_repo_is_served_no_more() -> None:
    before = render(world(repo()))
    after = render(world(served=served(before)))
    assert after.repos == {}
    assert served(after) == {}


def test_gateways_that_read_no_common_version_are_too_old() -> None:
    plan = render(world(repo(), gateway_contract_versions=(99,)))
    assert plan.fleet.reason == reasons.GATEWAY_TOO_OLD
    assert "read versions 99 of the config contract, and this operator writes 1" in plan.fleet.message
    assert plan.contract_version == 1


@pytest.mark.parametrize(
    "broken", [b"{}", b"no json", b"[]", b'{"revision":"a","endpoints":[{}]}', b'{"revision":"a","endpoints":1}']
)
def test_a_served_entry_that_somebody_broke_holds_back_nobody(broken: bytes) -> None:
    plan = render(world(repo(), repo("bad", producer_profile="none"), served={KEY: broken, ("team", "bad"): broken}))
    assert plan.repos[KEY].verdict.accepted
    assert plan.repos["team", "bad"].entry is None
