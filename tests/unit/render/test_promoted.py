"""What is promoted is served, whatever becomes of the spec, the profile and the Secrets."""

import base64
from dataclasses import replace
from typing import Any

import pytest
from tests.unit.render.builders import (
    GATEWAY_API,
    SCRAM_SECRETS,
    TEMPLATES,
    bodies,
    changed,
    find,
    fleet,
    intent,
    profile,
    render,
    repo,
    scram_profile,
    served,
    world,
)

from headgate_gateway.config import shard_of
from headgate_operator.api.names import shard_name
from headgate_operator.render.fleet import render_fleet
from headgate_operator.render.intent import Intent
from headgate_operator.render.judge import judge_fleet
from headgate_operator.render.memo import RenderMemo
from headgate_operator.render.profiles import credential_file
from headgate_operator.render.world import FleetPlan, FleetWorld, RepoRollout

KEY = ("team", "access")
ROUTED = fleet(routing=GATEWAY_API)
SCRAM: dict[str, Any] = {"profiles": [scram_profile()], "secrets": SCRAM_SECRETS}
PROMOTED = RepoRollout(stable=intent(repo(), [scram_profile()]))
BASE = world(repo(), fleet=ROUTED, **SCRAM)


def credentials(plan: FleetPlan) -> list[bytes]:
    return sorted(base64.b64decode(text) for text in find(plan, "Secret", "default-credentials")["data"].values())


def test_a_repo_that_asks_for_what_is_promoted_is_rendered_as_if_it_had_no_rollout() -> None:
    assert render(replace(BASE, rollouts={KEY: PROMOTED})) == render(BASE)


EDITS: dict[str, dict[str, Any]] = {
    "another topic": {"repos": (repo(topic="new"),)},
    "a spec that is refused": {"repos": (repo(producer_profile="none"),)},
    "a spec that does not parse": {"repos": (), "invalid_repos": {KEY: "spec: is wrong"}},
    "an edited profile": {"profiles": {"main": scram_profile(acks="leader")}},
    "a profile with other Secrets": {"profiles": {"main": profile(tls={})}},
    "a deleted profile": {"profiles": {}},
    "other limits of the fleet": {"fleet": fleet(routing=GATEWAY_API, limits={"lineBytes": "1Ki"})},
}


@pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS)
def test_no_edit_changes_what_is_promoted(edit: dict[str, Any]) -> None:
    """Not even where the shards and the credentials Secret are gone: what is promoted is known by itself."""
    after = render(replace(BASE, rollouts={KEY: PROMOTED}, **edit))
    assert bodies(after) == bodies(render(BASE))
    assert after.repos[KEY].served_revision == intent(repo(), [scram_profile()]).revision


@pytest.mark.parametrize(
    "secrets",
    [{}, SCRAM_SECRETS | {"kafka": {"username": b"new"}}],
    ids=["deleted", "half of a rotation"],
)
def test_secrets_that_are_gone_leave_the_credentials_that_are_served(secrets: dict[str, dict[str, bytes]]) -> None:
    live = {
        credential_file("main", *rest): content
        for *rest, content in (
            ("ca", "ca", "ca.crt", b"pem"),
            ("username", "kafka", "username", b"u"),
            ("password", "kafka", "password", b"p"),
        )
    }
    after = render(replace(BASE, rollouts={KEY: PROMOTED}, profiles={}, secrets=secrets, served_credentials=live))
    assert credentials(after) == [b"p", b"pem", b"u"]


def test_a_rotation_reaches_what_is_promoted_though_the_profile_is_gone() -> None:
    rotated = SCRAM_SECRETS | {"kafka": {"username": b"u", "password": b"new"}}
    after = render(replace(BASE, rollouts={KEY: PROMOTED}, profiles={}, secrets=rotated))
    assert credentials(after) == [b"new", b"pem", b"u"]


def test_promotion_changes_the_shard_and_the_credentials_and_no_pod() -> None:
    candidate = intent(repo(topic="new"), [scram_profile()])
    of = replace(BASE, repos=(repo(topic="new"),), rollouts={KEY: RepoRollout(stable=intent(repo(), [profile()]))})
    promoted = replace(of, rollouts={KEY: RepoRollout(stable=candidate)})
    touched = changed(render(of), render(promoted))
    assert touched == {("Secret", "default-credentials"), ("ConfigMap", shard_name("default", shard_of(*KEY)))}
    assert render(promoted).repos[KEY].served_revision == candidate.revision


UNKNOWN: dict[str, RepoRollout] = {
    "an intent that is lost": RepoRollout(stable_revision="0" * 16),
    "an intent of a newer operator": RepoRollout(
        stable=Intent(b'{"endpoints":[],"limits":{},"profiles":{},"spec":{"new":1}}')
    ),
}


@pytest.mark.parametrize("unknown", UNKNOWN.values(), ids=UNKNOWN)
def test_what_is_promoted_and_not_known_is_kept_as_it_is_served(unknown: RepoRollout) -> None:
    before = render(BASE)
    after = render(replace(BASE, repos=(repo(topic="new"),), served=served(before), rollouts={KEY: unknown}))
    assert bodies(after) == bodies(before)
    assert after.repos[KEY].served_revision == before.repos[KEY].revision
    assert after.repos[KEY].desired == intent(repo(topic="new"), [scram_profile()])


def test_what_is_promoted_may_be_named_by_its_revision_while_the_spec_asks_for_it() -> None:
    named = RepoRollout(stable_revision=intent(repo(), [scram_profile()]).revision)
    assert render(replace(BASE, rollouts={KEY: named})) == render(BASE)


@pytest.mark.parametrize("repos", [(repo(producer_profile="none"),), (repo(topic="no"),)], ids=["profile", "topic"])
def test_nothing_is_desired_while_the_spec_is_refused(repos: tuple[Any, ...]) -> None:
    restricted = {"main": scram_profile(allowedTopics=["access", "new"])}
    plan = render(replace(BASE, repos=repos, profiles=restricted, rollouts={KEY: PROMOTED}))
    assert not plan.repos[KEY].verdict.accepted
    assert plan.repos[KEY].desired is None
    assert plan.repos[KEY].entry is not None


def test_rollouts_are_decided_between_judging_and_rendering() -> None:
    memo = RenderMemo()
    of = replace(BASE, repos=(repo(topic="new"),), rollouts={KEY: PROMOTED})
    for rollout in (PROMOTED, RepoRollout(stable=intent(repo(topic="new"), [scram_profile()]))):
        judged = judge_fleet(of, memo)
        decided = replace(of, rollouts={KEY: rollout})
        assert judged.repos[KEY].desired == intent(repo(topic="new"), [scram_profile()])
        assert render_fleet(decided, TEMPLATES, memo, judged) == render(decided)


def test_judging_tells_what_is_asked_for_though_it_is_refused() -> None:
    of = replace(BASE, profiles={"main": scram_profile(allowedTopics=["other"])})
    judged = judge_fleet(of).repos[KEY]
    assert judged.desired is None
    assert judged.asked == intent(repo(), [scram_profile()])


def variants() -> list[FleetWorld]:
    base = replace(BASE, rollouts={KEY: PROMOTED})
    candidate = intent(repo(topic="new"), [scram_profile()])
    canary = replace(PROMOTED, candidate=candidate, canary_replicas=1, weight=10)
    scaled = fleet(routing=GATEWAY_API, autoscaling={"minReplicas": 2, "maxReplicas": 6})
    return [
        base,
        replace(base, repos=(repo(topic="new"),)),
        replace(base, repos=(repo(topic="new"),), rollouts={KEY: canary}),
        replace(base, rollouts={KEY: replace(canary, weight=50, canary_replicas=2)}),
        replace(base, rollouts={KEY: replace(canary, candidate=intent(repo(topic="newer"), [scram_profile()]))}),
        replace(base, rollouts={KEY: canary}, secrets={}),
        replace(base, fleet=scaled, rollouts={KEY: replace(canary, hold_stable=True, stable_floor=4)}),
        replace(base, rollouts={KEY: RepoRollout(stable=candidate)}),
        replace(base, rollouts={}),
    ]


def test_a_memo_changes_no_byte_of_a_rollout() -> None:
    memo = RenderMemo()
    for of in variants() + variants()[::-1]:
        assert render(of, memo) == render(of)
