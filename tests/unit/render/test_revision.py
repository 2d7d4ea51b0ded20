"""Revisions: what is intent and what is not."""

from typing import Any

import pytest
from tests.unit.render.builders import SCRAM_SECRETS, fleet, profile, render, repo, scram_profile, world

from headgate_gateway.config import content_hash
from headgate_operator.render.world import FleetWorld

ALL: dict[str, Any] = {"allowedRepos": {"namespaces": {"from": "All"}}}


def revision(of: FleetWorld) -> str | None:
    return render(of).repos["team", "access"].revision


BASE = revision(world(repo()))


def test_the_revision_of_a_known_intent_never_changes() -> None:
    """A change here is a rollout of every repo at the next upgrade of the operator: never change it by accident."""
    assert BASE == "0dcb4c3df7b4bdfb"


EVERYTHING = world(
    repo(
        paths=["/log/repo/access", "/v1/in"],
        partial="Accept",
        limits={"lineBytes": "1Ki"},
        rollout={"strategy": "Immediate"},
        constraint={
            "onMismatch": "Reject",
            "matchExpressions": [
                {"field": "status", "operator": "Ge", "values": [400]},
                {"field": "h", "operator": "In", "values": ["a", "ü", 3]},
            ],
        },
        kafka={
            "producerProfile": "main",
            "topic": "access",
            "key": {"field": "id"},
            "headers": [{"name": "s", "value": "é"}],
            "timestamp": {"field": "t", "format": "UnixSeconds"},
        },
    ),
    profiles=[
        scram_profile(
            acks="leader",
            flush={"messages": 500, "bytes": "256Ki", "frequency": "20ms"},
            compression={"type": "zstd", "level": 3},
            deliveryTimeout="45s",
        )
    ],
    secrets=SCRAM_SECRETS,
    fleet=fleet(**ALL, limits={"bodyBytes": "4Mi"}),
)


def test_neither_revision_nor_entry_of_a_repo_that_says_everything_ever_changes() -> None:
    """Pinned before intents were stored: an upgrade must not roll out, nor touch a shard."""
    found = render(EVERYTHING).repos["team", "access"]
    assert found.revision == "2d7a5573c2afa89c"
    assert content_hash(found.entry or b"") == "bd4e8b983fb77229"


SAME: dict[str, FleetWorld] = {
    "defaults written out": world(
        repo(
            kafka={"producerProfile": "main", "topic": "access", "delivery": "Sync", "headers": []},
            partial="Reject",
            limits={},
        )
    ),
    "default endpoint written out": world(repo(paths=["/log/repo/access"])),
    "limits written out": world(repo(limits={"bodyBytes": "8Mi", "lineBytes": 524288})),
    "fleet named": world(repo(fleetRef={"name": "default", "namespace": "headgate"})),
    "profile's defaults written out": world(
        repo(), profiles=[profile(acks="all", deliveryTimeout="30000ms", compression={"type": "lz4"})]
    ),
    "who may use the profile": world(repo(), profiles=[profile(allowedNamespaces=["team"], allowedTopics=["access"])]),
    "age": world(repo(created="2020-01-01T00:00:00Z")),
    "image and replicas": world(repo(), fleet=fleet(**ALL, image="gateway:2", replicas=9)),
    "how changes are taken": world(repo(rollout={"steps": [{"weight": 1, "hold": "Manual"}]})),
    "how many changes at a time": world(repo(), fleet=fleet(**ALL, rollouts={"maxConcurrent": 1})),
    "routing": world(repo(), fleet=fleet(**ALL, routing={"hostnames": ["a.b"]})),
}


@pytest.mark.parametrize("of", SAME.values(), ids=SAME)
def test_what_is_no_intent_changes_no_revision(of: FleetWorld) -> None:
    assert revision(of) == BASE


OTHER: dict[str, FleetWorld] = {
    "topic": world(repo(topic="other")),
    "endpoint": world(repo(paths=["/other"])),
    "second endpoint": world(repo(paths=["/log/repo/access", "/other"])),
    "response": world(repo(endpoints=[{"path": "/log/repo/access", "response": "Empty"}])),
    "constraint": world(repo(constraint={"matchExpressions": [{"field": "a", "operator": "Exists"}]})),
    "partial": world(repo(partial="Accept")),
    "limits": world(repo(limits={"lineBytes": "1Ki"})),
    "limits of the fleet": world(repo(), fleet=fleet(**ALL, limits={"lineBytes": "2Ki"})),
    "brokers": world(repo(), profiles=[profile(bootstrapServers=["other:9092"])]),
    "acks": world(repo(), profiles=[profile(acks="leader")]),
    "tls": world(repo(), profiles=[profile(tls={})]),
    "credentials": world(repo(), profiles=[scram_profile()], secrets=SCRAM_SECRETS),
}


@pytest.mark.parametrize("of", OTHER.values(), ids=OTHER)
def test_intent_changes_the_revision(of: FleetWorld) -> None:
    assert revision(of) != BASE


def test_all_intents_differ() -> None:
    assert len({revision(of) for of in OTHER.values()}) == len(OTHER)


def test_limits_of_the_fleet_that_a_repo_overrides_are_not_its_intent() -> None:
    own: dict[str, Any] = {"limits": {"lineBytes": "2Ki"}}
    assert revision(world(repo(**own))) == revision(world(repo(**own), fleet=fleet(**ALL, limits={"lineBytes": "1Ki"})))


def test_a_repo_whose_profile_is_missing_has_no_revision() -> None:
    assert revision(world(repo(), profiles=())) is None


def test_the_entry_carries_the_revision() -> None:
    entry = render(world(repo())).repos["team", "access"].entry
    assert entry is not None
    assert f'"revision":"{BASE}"'.encode() in entry
