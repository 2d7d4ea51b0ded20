"""The plan of a fleet: what a change touches, what never changes, and where credentials go."""

import base64
import random
from dataclasses import replace
from typing import Any

import pytest
from tests.unit.render.builders import (
    GATEWAY_API,
    SCRAM_SECRETS,
    bodies,
    changed,
    find,
    fleet,
    names_of,
    profile,
    render,
    repo,
    scram_profile,
    served,
    world,
)

from headgate_gateway.config import SHARD_COUNT, Shard, content_hash, shard_file_name, shard_of
from headgate_gateway.config.status import credentials_hash
from headgate_operator.render.entries import build_entry
from headgate_operator.render.intent import intent_of, profile_intent
from headgate_operator.render.judge import _check_version
from headgate_operator.render.memo import RenderMemo
from headgate_operator.render.profiles import credential_file
from headgate_operator.render.world import FleetPlan

ROUTED = fleet(routing=GATEWAY_API)


def shards(plan: FleetPlan) -> list[bytes]:
    return [
        find(plan, "ConfigMap", f"default-shard-{index:02d}")["data"][shard_file_name(index)].encode()
        for index in range(SHARD_COUNT)
    ]


def test_all_shards_are_there_and_the_gateways_loader_takes_them() -> None:
    plan = render(world(*(repo(f"r{i}") for i in range(100))))
    loaded = [Shard.model_validate_json(content) for content in shards(plan)]
    assert sorted(entry.name for shard in loaded for entry in shard.repos) == sorted(f"r{i}" for i in range(100))
    for index, shard in enumerate(loaded):
        assert [shard_of(entry.namespace, entry.name) for entry in shard.repos] == [index] * len(shard.repos)
        assert [entry.name for entry in shard.repos] == sorted(entry.name for entry in shard.repos)
    assert plan.shard_hashes == {index: content_hash(content) for index, content in enumerate(shards(plan))}


def test_changing_one_repo_touches_its_shard_alone() -> None:
    repos = [repo(f"r{i}") for i in range(20)]
    before = render(world(*repos, fleet=ROUTED))
    after = render(world(repo("r0", topic="other"), *repos[1:], fleet=ROUTED))
    assert changed(before, after) == {("ConfigMap", f"default-shard-{shard_of('team', 'r0'):02d}")}


def test_a_new_repo_touches_its_shard_and_adds_its_route() -> None:
    before = render(world(repo("r0"), fleet=ROUTED))
    after = render(world(repo("r0"), repo("r1"), fleet=ROUTED))
    shard = f"default-shard-{shard_of('team', 'r1'):02d}"
    assert changed(before, after) == {("ConfigMap", shard), ("HTTPRoute", "default.team.r1")}


def test_an_emptied_shard_is_empty_not_stale() -> None:
    before = render(world(repo()))
    after = render(world(served=served(before)))
    assert set(shards(after)) == {b'{"contractVersion":1,"repos":[]}'}


def test_nothing_of_a_repo_restarts_a_pod() -> None:
    empty = render(world(fleet=ROUTED))
    full = render(world(repo(), fleet=ROUTED, profiles=[scram_profile()], secrets=SCRAM_SECRETS))
    for kind in ("Deployment", "Service", "PodDisruptionBudget", "ServiceAccount"):
        assert find(empty, kind, "default-gateway") == find(full, kind, "default-gateway")


def test_the_order_of_input_does_not_show() -> None:
    repos = [repo(f"r{i}", f"n{i % 3}") for i in range(50)]
    profiles = [profile("main"), scram_profile("other")]
    shuffled = random.Random(1).sample(repos, len(repos))
    first = render(world(*repos, fleet=ROUTED, profiles=profiles, secrets=SCRAM_SECRETS))
    second = render(
        world(*shuffled, fleet=ROUTED, profiles=profiles[::-1], secrets=dict(reversed(SCRAM_SECRETS.items())))
    )
    assert first == second
    assert [one.body for one in first.objects] == [one.body for one in second.objects]


def test_children_are_owned_labelled_and_in_the_fleets_namespace() -> None:
    for rendered in render(world(repo(), fleet=ROUTED)).objects:
        metadata = rendered.manifest["metadata"]
        assert metadata["namespace"] == "headgate"
        assert metadata["labels"]["headgate.dev/fleet"] == "default"
        assert metadata["labels"]["headgate.dev/component"]
        assert metadata["ownerReferences"] == [
            {
                "apiVersion": "headgate.dev/v1alpha1",
                "kind": "GatewayFleet",
                "name": "default",
                "uid": "fleet-uid",
                "controller": True,
                "blockOwnerDeletion": True,
            }
        ]
        assert not any("version" in label for label in metadata["labels"])
        assert rendered.digest == content_hash(rendered.body)


def test_a_fleet_that_was_never_applied_owns_nothing() -> None:
    plan = render(world(repo(), fleet=fleet(uid="")))
    assert all("ownerReferences" not in one.manifest["metadata"] for one in plan.objects)


def credentials(plan: FleetPlan) -> dict[str, bytes]:
    data: dict[str, str] = find(plan, "Secret", "default-credentials")["data"]
    return {name: base64.b64decode(value) for name, value in data.items()}


SCRAM: dict[str, Any] = {"profiles": [scram_profile()], "secrets": SCRAM_SECRETS}
CA, USERNAME, PASSWORD = (
    credential_file("main", *rest)
    for rest in (("ca", "ca", "ca.crt"), ("username", "kafka", "username"), ("password", "kafka", "password"))
)
SCRAM_FILES = {CA: b"pem", USERNAME: b"u", PASSWORD: b"p"}


def test_credentials_travel_in_a_secret_and_entries_name_files() -> None:
    plan = render(world(repo(), **SCRAM))
    assert credentials(plan) == SCRAM_FILES
    assert plan.credentials_hash == credentials_hash(SCRAM_FILES)
    assert PASSWORD.encode() in b"".join(shards(plan))
    assert Shard.model_validate_json(shards(plan)[shard_of("team", "access")]).repos[0].producers["main"].sasl


def test_a_rotated_password_touches_the_secret_alone() -> None:
    before = render(world(repo(), **SCRAM))
    rotated = SCRAM | {"secrets": SCRAM_SECRETS | {"kafka": {"username": b"u", "password": b"new"}}}
    after = render(world(repo(), **rotated, served=served(before)))
    assert changed(before, after) == {("Secret", "default-credentials")}
    assert credentials(after)[PASSWORD] == b"new"
    assert after.repos["team", "access"].revision == before.repos["team", "access"].revision


@pytest.mark.parametrize(
    "lost",
    [{"profiles": ()}, {"secrets": {}}, {"secrets": SCRAM_SECRETS | {"kafka": {"username": b"u"}}}],
    ids=["profile", "Secrets", "key"],
)
def test_what_is_deleted_changes_nothing_promoted(lost: dict[str, Any]) -> None:
    before = render(world(repo(), **SCRAM))
    after = render(world(repo(), **SCRAM | lost, served=served(before), served_credentials=SCRAM_FILES))
    assert not after.repos["team", "access"].verdict.accepted
    assert bodies(after) == bodies(before)


def test_what_is_kept_as_it_was_served_keeps_the_credentials_that_it_was_served_with() -> None:
    before = render(world(repo(), **SCRAM))
    # The profile names another Secret now, and no longer takes the repo's topic.
    sasl = {"mechanism": "SCRAM-SHA-512", "secretRef": {"name": "other"}}
    changed_profile = profile(sasl=sasl, tls={"caSecretRef": {"name": "ca"}}, allowedTopics=["fresh"])
    secrets = SCRAM_SECRETS | {"other": {"username": b"v", "password": b"q"}}
    fresh = repo("fresh", topic="fresh")
    after = render(
        world(
            *(repo(), fresh),
            profiles=[changed_profile],
            secrets=secrets,
            served=served(before),
            served_credentials=SCRAM_FILES,
        )
    )
    assert after.repos["team", "access"].entry == before.repos["team", "access"].entry
    assert credentials(after) == SCRAM_FILES | {
        credential_file("main", "username", "other", "username"): b"v",
        credential_file("main", "password", "other", "password"): b"q",
    }


def test_credentials_that_nobody_needs_any_more_leave() -> None:
    plan = render(world(**SCRAM, served_credentials=SCRAM_FILES))
    assert credentials(plan) == {}
    assert plan.credentials_hash == credentials_hash({})


def test_a_memo_changes_no_byte_and_forgets_what_is_gone() -> None:
    memo = RenderMemo()
    repos = [repo(f"r{i}") for i in range(30)]
    for some in (repos, [repo("r0", topic="t"), *repos[1:]], repos[:3], repos[5:]):
        of = world(*some, fleet=ROUTED, **SCRAM)
        assert render(of, memo) == render(of)
    known = len(memo)
    render(world(fleet=ROUTED, **SCRAM), memo)
    assert len(memo) < known - 40


def test_a_memo_notices_every_change_of_what_it_depends_on() -> None:
    memo = RenderMemo()
    base: dict[str, Any] = {"fleet": ROUTED, **SCRAM}
    variants: list[dict[str, Any]] = [
        {},
        {"fleet": fleet(routing=GATEWAY_API, uid="other")},
        {"fleet": fleet(routing=GATEWAY_API | {"hostnames": ["a.b"]})},
        {"fleet": fleet(routing=GATEWAY_API, allowedRepos={})},
        {"fleet": fleet(routing=GATEWAY_API, limits={"lineBytes": "1Ki"})},
        {"profiles": [scram_profile(deliveryTimeout="10s")]},
        {"profiles": [scram_profile(allowedTopics=["x"])]},
        {"secrets": {}},
        {"gateway_contract_versions": (99,)},
    ]
    for variant in variants + variants[::-1]:
        of = world(repo(), **base | variant)
        assert render(of, memo) == render(of), variant


def test_a_field_that_gateways_cannot_read_is_too_new() -> None:
    of = world(repo())
    entry = build_entry(
        ("team", "access"), intent_of(repo(), {"main": profile_intent(profile())}, of.fleet.spec.limits)
    )
    refused = _check_version(replace(entry, required_version=2), 1)
    assert refused is not None
    assert refused.reason == "GatewayTooOld"
    assert "contract version 2, and the fleet's gateways read 1 at most" in refused.message
    assert _check_version(entry, 1) is None


def test_objects_come_in_the_order_of_applying() -> None:
    kinds = list(dict.fromkeys(one.kind for one in render(world(repo(), fleet=ROUTED)).objects))
    assert kinds == [
        "Secret",
        "ConfigMap",
        "ServiceAccount",
        "Service",
        "PodDisruptionBudget",
        "Deployment",
        "HTTPRoute",
    ]


def test_names_are_unique_whatever_repos_are_called() -> None:
    plan = render(world(repo("b-c", "a"), repo("c", "a-b"), repo("b.c", "a"), repo("c.d", "b"), fleet=ROUTED))
    routes = names_of(plan, "HTTPRoute")
    assert len(routes) == len(set(routes)) == 4
