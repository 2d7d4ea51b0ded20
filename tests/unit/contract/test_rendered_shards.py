"""What the operator writes, the gateway reads: the gateway's own types take every rendered shard, and lose nothing."""

import base64
import json
from collections.abc import Iterator

import pytest
from tests.golden.fleets_of_files import CANARY_NAMES, NAMES, plan_of

from headgate_gateway.config import (
    API_KEYS_PART,
    BASIC_PART,
    CONTRACT_VERSIONS,
    HashedApiKeys,
    HashedPasswords,
    RepoConfig,
    Shard,
    content_hash,
    hash_keys,
    repo_secret_file,
    shard_file_name,
)
from headgate_gateway.config.grants import SPOOL_GRANTS_FILE, parse_grants
from headgate_gateway.config.status import CREDENTIAL_PREFIX, credentials_hash
from headgate_gateway.http.auth import Admitted, Denied, compile_auth
from headgate_operator.api.names import LABEL_TRACK, TRACK_CANARY, TRACK_STABLE
from headgate_operator.render.world import FleetPlan


def _files(name: str) -> dict[str, bytes]:
    """The content of the stable gateways' config directory, credentials apart."""
    return _mounted(plan_of(name), TRACK_STABLE)


def _mounted(plan: FleetPlan, track: str) -> dict[str, bytes]:
    """What the pods of a track's workload find of the ConfigMaps that they mount."""
    objects = {(one.kind, one.name): one.manifest for one in plan.objects}
    (pods,) = (
        manifest["spec"]["template"]
        for (kind, _), manifest in objects.items()
        if kind in ("Deployment", "StatefulSet") and manifest["metadata"]["labels"][LABEL_TRACK] == track
    )
    (volume,) = (each for each in pods["spec"]["volumes"] if "projected" in each)
    mounted = [source["configMap"]["name"] for source in volume["projected"]["sources"] if "configMap" in source]
    files = {file: text.encode() for config in mounted for file, text in objects["ConfigMap", config]["data"].items()}
    granted = files.pop(SPOOL_GRANTS_FILE, None)
    assert granted is None or parse_grants(granted) == plan.spool_grants
    return files


@pytest.mark.parametrize("name", NAMES)
def test_the_gateways_types_take_every_shard(name: str) -> None:
    plan = plan_of(name)
    files = _files(name)
    assert sorted(files) == [shard_file_name(index) for index in range(32)]
    read = {index: Shard.model_validate_json(files[shard_file_name(index)]) for index in range(32)}
    assert {shard.contract_version for shard in read.values()} == {plan.contract_version} <= set(CONTRACT_VERSIONS)
    entries = {(one.namespace, one.name): one for shard in read.values() for one in shard.repos}
    assert entries.keys() == {key for key, one in plan.repos.items() if one.entry}
    for key, entry in entries.items():
        assert entry.revision == plan.repos[key].served_revision
        assert tuple(endpoint.path for endpoint in entry.endpoints) == plan.repos[key].paths
        assert entry.kafka.producer_profile in entry.producers


@pytest.mark.parametrize("name", NAMES)
def test_a_shard_that_is_read_and_written_again_is_the_same(name: str) -> None:
    for content in _files(name).values():
        shard = Shard.model_validate_json(content)
        dumped = shard.model_dump(mode="json", by_alias=True, exclude_defaults=True) | {
            "repos": [one.model_dump(mode="json", by_alias=True, exclude_defaults=True) for one in shard.repos]
        }
        written = json.dumps(dumped, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
        assert written == content


@pytest.mark.parametrize("name", NAMES)
def test_hashes_are_those_of_the_files(name: str) -> None:
    files = _files(name)
    assert plan_of(name).shard_hashes == {index: content_hash(files[shard_file_name(index)]) for index in range(32)}


@pytest.mark.parametrize("name", NAMES)
def test_every_credential_file_that_an_entry_names_is_there(name: str) -> None:
    plan = plan_of(name)
    (secret,) = (one.manifest for one in plan.objects if one.kind == "Secret" and one.name.endswith("-credentials"))
    entries = [entry for content in _files(name).values() for entry in Shard.model_validate_json(content).repos]
    named = {
        file
        for entry in entries
        for producer in entry.producers.values()
        for block in (producer.tls, producer.sasl)
        if block
        for field, file in block
        if field.endswith("_file") and file
    }
    named |= {file for entry in entries for file in _secret_files(entry)}
    assert named == set(secret["data"])
    assert all(file.startswith(CREDENTIAL_PREFIX) for file in named)


def _secret_files(entry: RepoConfig) -> Iterator[str]:
    """What the gateway looks for of a repo's own Secrets."""
    auth = entry.auth
    if auth is not None and auth.api_keys is not None:
        yield repo_secret_file(entry.namespace, auth.api_keys.secret_ref.name, API_KEYS_PART)
    if auth is not None and auth.basic is not None:
        yield repo_secret_file(entry.namespace, auth.basic.secret_ref.name, BASIC_PART)
    for secret, key in hash_keys(entry.executors):
        yield repo_secret_file(entry.namespace, secret, f"key.{key}")


def test_hashed_secrets_are_what_the_gateways_types_read() -> None:
    (secret,) = (one.manifest for one in plan_of("data-plane").objects if one.kind == "Secret")
    files = {name: base64.b64decode(value) for name, value in secret["data"].items()}
    keys = HashedApiKeys.model_validate_json(files[repo_secret_file("shop", "clients", API_KEYS_PART)])
    users = HashedPasswords.model_validate_json(files[repo_secret_file("shop", "people", BASIC_PART)])
    assert [key.name for key in keys.keys] == ["till", "website"]
    assert [user.user for user in users.users] == ["alice"]
    assert not any(b"not a password" in content or b"key-of-the" in content for content in files.values())


def test_the_gateway_lets_in_who_holds_what_the_secrets_hold_and_nobody_else() -> None:
    plan = plan_of("data-plane")
    (secret,) = (one.manifest for one in plan.objects if one.kind == "Secret")
    files = {name: base64.b64decode(value) for name, value in secret["data"].items()}
    auth = compile_auth(RepoConfig.model_validate_json(plan.repos["shop", "orders"].entry or b""), files)
    assert auth is not None
    assert auth.problem == ""
    assert auth.judge({"x-api-key": b"key-of-the-old-till"}) == Admitted("till")
    assert auth.judge({"authorization": b"Bearer key-of-the-website"}) == Admitted("website")
    assert auth.judge({"x-api-key": b"key-of-the-thief"}) is Denied.NOT_VALID
    for password, right in ((b"not a password", True), (b"another", False)):
        claim = auth.claim(base64.b64encode(b"alice:" + password))
        assert claim is not None
        assert claim.holds() is right


@pytest.mark.parametrize("name", CANARY_NAMES)
def test_a_canary_finds_its_candidate_where_stable_gateways_find_the_repo_and_nothing_else(name: str) -> None:
    plan = plan_of(name)
    ((key, repo, canary),) = ((key, one, one.canary) for key, one in plan.repos.items() if one.canary)
    ((file, content),) = _mounted(plan, TRACK_CANARY).items()
    assert file == shard_file_name(repo.shard) == shard_file_name(canary.shard)
    assert content_hash(content) == canary.shard_hash
    shard = Shard.model_validate_json(content)
    assert shard.contract_version == plan.contract_version
    (entry,) = shard.repos
    assert ((entry.namespace, entry.name), entry.revision) == (key, canary.revision)
    (secret,) = (one.manifest for one in plan.objects if (one.kind, one.name) == ("Secret", canary.name))
    files = {name: base64.b64decode(value) for name, value in secret["data"].items()}
    assert credentials_hash(files) == canary.credentials_hash
    assert all(name in content.decode() for name in files)
