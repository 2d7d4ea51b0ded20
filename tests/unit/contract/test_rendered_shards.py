"""What the operator writes, the gateway reads: the gateway's own types take every rendered shard, and lose nothing."""

import json

import pytest
from tests.golden.fleets_of_files import NAMES, plan_of

from headgate_gateway.config import CONTRACT_VERSIONS, Shard, content_hash, shard_file_name
from headgate_gateway.config.status import CREDENTIAL_PREFIX


def _files(name: str) -> dict[str, bytes]:
    """The content of the gateway's config directory."""
    files: dict[str, bytes] = {}
    for rendered in plan_of(name).objects:
        if rendered.kind == "ConfigMap":
            files |= {file: text.encode() for file, text in rendered.manifest["data"].items()}
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
        assert entry.revision == plan.repos[key].revision
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
    assert plan_of(name).shard_hashes == {
        index: content_hash(_files(name)[shard_file_name(index)]) for index in range(32)
    }


@pytest.mark.parametrize("name", NAMES)
def test_every_credential_file_that_an_entry_names_is_there(name: str) -> None:
    plan = plan_of(name)
    (secret,) = (one.manifest for one in plan.objects if one.kind == "Secret")
    named = {
        file
        for content in _files(name).values()
        for entry in Shard.model_validate_json(content).repos
        for producer in entry.producers.values()
        for block in (producer.tls, producer.sasl)
        if block
        for field, file in block
        if field.endswith("_file") and file
    }
    assert named == set(secret["data"])
    assert all(file.startswith(CREDENTIAL_PREFIX) for file in named)
