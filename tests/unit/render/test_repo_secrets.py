"""Secrets beside repos: gateways get hashes of them and no more, rotation is no revision, and what is served stays."""

import base64
import hashlib
import json
from dataclasses import replace
from typing import Any

import pytest
from tests.unit.render.builders import (
    CountingMemo,
    bodies,
    changed,
    fleet,
    intent,
    names_of,
    profile,
    render,
    repo,
    served,
    world,
)
from tests.unit.render.secret_worlds import (
    API_KEYS,
    AUTH,
    BASIC,
    KEY,
    KEYS,
    MASK,
    MASK_KEY,
    MASKED,
    SECRETS,
    USERS,
    files_of,
    guarded,
    guarded_world,
)

from headgate_gateway.config import (
    API_KEYS_PART,
    HashedApiKeys,
    repo_secret_file,
)
from headgate_operator.api import reasons
from headgate_operator.api.names import canary_name
from headgate_operator.render.repo_secrets import (
    read_repo_secrets,
    secrets_of_repo,
)
from headgate_operator.render.world import RepoRollout, SecretNote


def test_gateways_get_the_files_that_the_entry_names_under_the_contracts_names() -> None:
    assert set(files_of(render(guarded_world()))) == {API_KEYS, BASIC, MASK_KEY}


def test_api_keys_are_sha256_of_what_clients_send_and_an_editors_newline_is_not_sent() -> None:
    found = HashedApiKeys.model_validate_json(files_of(render(guarded_world()))[API_KEYS])
    assert {key.name: key.sha256 for key in found.keys} == {
        "shipper": hashlib.sha256(b"first key of 16 bytes").hexdigest(),
        "other": hashlib.sha256(b"second key of 16 bytes").hexdigest(),
    }


def test_a_masks_key_is_carried_as_it_is_and_no_other_entry_of_its_secret() -> None:
    assert files_of(render(guarded_world()))[MASK_KEY] == b"0123456789abcdef\n"


def test_nothing_of_a_secret_is_in_the_open() -> None:
    rendered = b"".join(bodies(render(guarded_world())).values())
    for value in (b"first key of 16 bytes", b"second key of 16 bytes", b"secret"):
        assert base64.b64encode(value) not in rendered
        assert not any(value in content for content in files_of(render(guarded_world())).values())


def test_the_same_input_gives_the_same_bytes_without_anything_remembered() -> None:
    assert bodies(render(guarded_world())) == bodies(render(guarded_world()))


def test_rotation_is_no_revision_and_changes_the_credentials_alone() -> None:
    before, after = (
        render(guarded_world(repo_secrets=SECRETS | {KEYS: {"shipper": key}})) for key in (b"a" * 16, b"b" * 16)
    )
    assert before.repos[KEY].revision == after.repos[KEY].revision
    assert changed(before, after) == {("Secret", "default-credentials")}
    assert before.credentials_hash != after.credentials_hash


def test_a_canary_gets_the_files_of_its_candidate_and_rotates_without_a_restart() -> None:
    other = AUTH | {"apiKeys": {"secretRef": {"name": "more"}}}
    candidate = guarded(auth=other)
    secrets = SECRETS | {("team", "more"): {"new": b"third key of 16 bytes"}}
    rollout = RepoRollout(stable=intent(guarded()), candidate=intent(candidate), canary_replicas=1, weight=10)
    of = guarded_world(candidate, rollouts={KEY: rollout}, repo_secrets=secrets)
    name = canary_name("default", *KEY)
    plan = render(of)
    theirs = repo_secret_file("team", "more", API_KEYS_PART)
    assert set(files_of(plan, name)) == {theirs, BASIC, MASK_KEY}
    assert set(files_of(plan)) == {API_KEYS, BASIC, MASK_KEY}
    rotated = render(replace(of, repo_secrets=secrets | {("team", "more"): {"new": b"fourth key of 16 bytes"}}))
    assert changed(plan, rotated) == {("Secret", name)}


def test_repos_that_name_one_secret_share_its_file() -> None:
    plan = render(guarded_world(guarded()))
    both = render(world(guarded(), repo("second", executors=MASKED), repo_secrets=SECRETS))
    assert files_of(both) == files_of(plan)


def test_a_secret_of_the_same_name_in_another_namespace_is_another_file() -> None:
    theirs = {("other", name): data for (_, name), data in SECRETS.items()}
    plan = render(world(guarded(), guarded(name="second", namespace="other"), repo_secrets=SECRETS | theirs))
    assert len(files_of(plan)) == 6


PROBLEMS: dict[str, tuple[dict[tuple[str, str], dict[str, bytes]], str, str, str]] = {
    "no Secret of keys": (
        {KEYS: {}}, reasons.SECRET_KEY_MISSING, "spec.auth.apiKeys.secretRef.name",
        "Secret team/keys is empty, and lets nobody in: add an entry for each API key",
    ),
    "nothing but empty keys": (
        {KEYS: {"a": b"", "b": b"\n"}}, reasons.SECRET_KEY_MISSING, "spec.auth.apiKeys.secretRef.name",
        "Secret team/keys is empty, and lets nobody in: add an entry for each API key",
    ),
    "a short API key": (
        {KEYS: {"good": b"key of sixteen b", "bad": b"0123456789abcde\n"}}, reasons.SECRET_KEY_MISSING,
        "spec.auth.apiKeys.secretRef.name",
        ("Secret team/keys has under 'bad' an API key of less than 16 bytes, which lets nobody in: lengthen it, best with "
        "random bytes (openssl rand -hex 24)"),
    ),
    "too many users": (
        {USERS: {f"user-{index}": b"p" for index in range(201)}}, reasons.CREDENTIALS_FULL,
        "spec.auth.basic.secretRef.name",
        ("Secret team/users holds 201 users, and 200 at most are taken: remove some, use API keys for machines, or spread "
        "them over several repos"),
    ),
    "too many keys": (
        {KEYS: {f"key-{index}": b"k" * 16 for index in range(2_000)}}, reasons.CREDENTIALS_FULL,
        "spec.auth.apiKeys.secretRef.name",
        ("Secret team/keys makes 190900 bytes of credentials, and 100000 at most are taken from one Secret, about 100 for "
        "an API key: remove some"),
    ),
    "no users": (
        {USERS: {}}, reasons.SECRET_KEY_MISSING, "spec.auth.basic.secretRef.name",
        "Secret team/users is empty, and lets nobody in: add an entry for each user",
    ),
    "no entry for the mask": (
        {MASK: {"old": b"0123456789abcdef"}}, reasons.SECRET_KEY_MISSING, "spec.executors.1.mask.hash.key",
        "Secret team/mask has no value under the key 'current': add it",
    ),
    "a short key for the mask": (
        {MASK: {"current": b"short"}}, reasons.SECRET_KEY_MISSING, "spec.executors.1.mask.hash.key",
        "Secret team/mask has under 'current' a key of less than 16 bytes: lengthen it",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("secrets", "reason", "field", "message"), PROBLEMS.values(), ids=PROBLEMS)
def test_a_secret_that_holds_nothing_is_named(
    secrets: dict[tuple[str, str], dict[str, bytes]], reason: str, field: str, message: str
) -> None:
    verdict = render(guarded_world(repo_secrets=SECRETS | secrets)).repos[KEY].verdict
    assert (verdict.accepted, verdict.reason, verdict.field) == (False, reason, field)
    assert verdict.message == message


@pytest.mark.parametrize(("gone", "wanted"), [(KEYS, "an entry for each API key"), (MASK, "a key 'current'")])
def test_a_secret_that_is_not_there_is_named(gone: tuple[str, str], wanted: str) -> None:
    left = {key: data for key, data in SECRETS.items() if key != gone}
    verdict = render(guarded_world(repo_secrets=left)).repos[KEY].verdict
    assert (verdict.accepted, verdict.reason) == (False, reasons.SECRET_NOT_FOUND)
    assert verdict.message == f"Secret team/{gone[1]} does not exist: create it with {wanted}"


def test_an_empty_entry_beside_others_lets_nobody_in() -> None:
    plan = render(guarded_world(repo_secrets=SECRETS | {KEYS: {"good": b"key of sixteen b", "empty": b""}}))
    assert plan.repos[KEY].verdict.accepted
    assert [key["name"] for key in json.loads(files_of(plan)[API_KEYS])["keys"]] == ["good"]


@pytest.mark.parametrize("promoted", [True, False], ids=["promoted", "served"])
@pytest.mark.parametrize("secrets", [{}, {MASK: {}}], ids=["deleted", "emptied"])
def test_what_is_served_keeps_its_hashes_when_secrets_go(secrets: dict[Any, Any], promoted: bool) -> None:
    before = render(guarded_world())
    rollouts = {KEY: RepoRollout(stable=intent(guarded()))} if promoted else {}
    after = render(
        guarded_world(
            repo_secrets=secrets, rollouts=rollouts, served=served(before), served_credentials=files_of(before)
        )
    )
    assert not after.repos[KEY].verdict.accepted
    assert bodies(after) == bodies(before)


@pytest.mark.parametrize("promoted", [True, False], ids=["promoted", "served"])
def test_who_empties_a_secret_shuts_everybody_out(promoted: bool) -> None:
    before = render(guarded_world())
    rollouts = {KEY: RepoRollout(stable=intent(guarded()))} if promoted else {}
    after = render(
        guarded_world(
            repo_secrets=SECRETS | {KEYS: {}, USERS: {"alice": b""}},
            rollouts=rollouts,
            served=served(before),
            served_credentials=files_of(before),
        )
    )
    assert files_of(after) == files_of(before) | {API_KEYS: b'{"keys":[]}', BASIC: b'{"users":[]}'}
    assert after.repos[KEY].entry == before.repos[KEY].entry


def test_a_secret_that_is_deleted_says_that_what_was_served_of_it_counts() -> None:
    before = render(guarded_world())
    of = guarded_world(repo_secrets={}, served=served(before), served_credentials=files_of(before))
    message = "Secret team/keys does not exist, and the keys served last still count: create it with an entry for each API key"
    assert render(of).repos[KEY].verdict.message == message


def test_a_short_key_lets_nobody_in_and_keeps_no_other_from_being_revoked() -> None:
    before = render(guarded_world())
    left = SECRETS | {KEYS: {"shipper": b"first key of 16 bytes", "short": b"x"}}
    after = render(guarded_world(repo_secrets=left, served=served(before), served_credentials=files_of(before)))
    assert [key["name"] for key in json.loads(files_of(after)[API_KEYS])["keys"]] == ["shipper"]


@pytest.mark.parametrize("secret", [KEYS, USERS, MASK])
def test_headgates_own_secrets_are_taken_for_nothing(secret: tuple[str, str]) -> None:
    plan = render(guarded_world(secret_notes={secret: SecretNote(ours=True)}))
    verdict = plan.repos[KEY].verdict
    assert (verdict.accepted, verdict.reason) == (False, reasons.SECRET_NOT_ALLOWED)
    assert verdict.message == f"Secret team/{secret[1]} is Headgate's own: name a Secret that you keep yourself"
    assert files_of(plan) == {}


@pytest.mark.parametrize(
    ("secret", "what", "with_"),
    [(KEYS, "keys", "an entry for each API key"), (USERS, "users", "an entry for each user")],
    ids=["keys", "users"],
)
def test_auth_takes_opaque_secrets_only(secret: tuple[str, str], what: str, with_: str) -> None:
    of = guarded_world(secret_notes={secret: SecretNote(type="kubernetes.io/basic-auth")})
    assert render(of).repos[KEY].verdict.message == (
        f"Secret team/{secret[1]} is of type kubernetes.io/basic-auth, whose entries are not all {what}: "
        f"create one of type Opaque with {with_}"
    )


def test_a_masks_key_may_be_in_a_secret_of_any_type() -> None:
    assert render(guarded_world(secret_notes={MASK: SecretNote(type="example.com/key")})).repos[KEY].verdict.accepted


def test_one_thing_of_another_version_hides_no_other_secret_of_the_repo() -> None:
    name = {"secretRef": {"name": "mask"}, "key": "current"}
    executors = [
        "none", {"mask": "none"}, {"mask": {"hash": {"secretRef": {"name": 1}, "key": "x"}}},
        {"mask": {"hash": {"secretRef": {"name": ["x"]}, "key": {}}}}, {"mask": {"hash": name}},
    ]  # fmt: skip
    spec = {"auth": {"apiKeys": {"secretRef": {"name": ["x"]}}, "basic": [1]}, "executors": executors}
    assert [(one.file, one.field) for one in read_repo_secrets("team", spec)] == [
        (MASK_KEY, "spec.executors.4.mask.hash.key")
    ]
    assert read_repo_secrets("team", {"auth": ["x"], "executors": 1}) == ()


def test_the_longest_name_of_a_file_is_one_that_kubernetes_takes() -> None:
    assert len(repo_secret_file("n" * 63, "s" * 253, "key." + "k" * 200)) == 253


def test_a_rotation_reaches_what_is_served_although_the_spec_is_refused() -> None:
    before = render(guarded_world())
    broken = guarded(auth={"apiKeys": {"secretRef": {"name": "none"}}})
    rotated = SECRETS | {KEYS: {"shipper": b"rotated key of 16 bytes"}}
    after = render(
        guarded_world(broken, repo_secrets=rotated, served=served(before), served_credentials=files_of(before))
    )
    assert not after.repos[KEY].verdict.accepted
    (key,) = json.loads(files_of(after)[API_KEYS])["keys"]
    assert key["sha256"] == hashlib.sha256(b"rotated key of 16 bytes").hexdigest()


def test_files_that_nobody_names_any_more_leave() -> None:
    before = render(guarded_world())
    after = render(world(repo(), served=served(before), served_credentials=files_of(before)))
    assert files_of(after) == {}


def test_entries_of_another_version_name_what_can_be_read_of_them() -> None:
    assert read_repo_secrets("team", {"auth": {"apiKeys": {"vault": "x"}}}) == ()
    assert [one.file for one in read_repo_secrets("team", json.loads(intent(guarded()).content)["spec"])] == [
        API_KEYS, BASIC, MASK_KEY,
    ]  # fmt: skip
    assert secrets_of_repo(repo()) == ()


def test_a_verdict_about_secrets_judges_no_other_repo_again() -> None:
    memo = CountingMemo()
    of = world(guarded(), repo("second"), repo_secrets=SECRETS, profiles=[profile()], fleet=fleet())
    memo.rendering(of)
    memo.rendering(replace(of, repo_secrets={**SECRETS, KEYS: {}}))
    assert [key for key in memo.made if isinstance(key, tuple) and key[0] == "judged"] == [("judged", KEY)]
    assert names_of(render(of), "Secret") == ["default-credentials"]
