"""How the stable config of a fleet is cut into files, and which versions of the contract exist.

Repos are spread over a fixed number of shards by a hash of namespace and name, so that changing one repo rewrites
one file. A shard's bytes are deterministic: same entries, same bytes, same hash.
"""

import hashlib
from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import BaseModel, Field

from headgate_gateway.config.base import ContractModel
from headgate_gateway.config.repo import RepoConfig

CONTRACT_VERSIONS: tuple[int, ...] = (1,)
"""The versions this code can read and write, oldest first."""

SHARD_COUNT = 32


class Shard(ContractModel):
    """The content of one shard file."""

    contract_version: Annotated[int, Field(ge=1)]
    repos: tuple[RepoConfig, ...] = ()
    """In order of (namespace, name)."""


def shard_of(namespace: str, name: str) -> int:
    """The shard (0 to 31) that holds a repo, for good."""
    digest = hashlib.sha256(f"{namespace}/{name}".encode()).digest()
    return int.from_bytes(digest[:4], "big") % SHARD_COUNT


def shard_file_name(index: int) -> str:
    """The file, and ConfigMap key, of a shard: `shard-07.json`."""
    return f"shard-{index:02d}.json"


def content_hash(content: bytes) -> str:
    """The short name of a content: 16 hex digits of its SHA-256."""
    return hashlib.sha256(content).hexdigest()[:16]


def _since_of_set_fields(model: BaseModel) -> Iterator[int]:
    for name in model.model_fields_set:
        extra: Any = type(model).model_fields[name].json_schema_extra
        if isinstance(extra, dict) and isinstance(since := extra.get("x-headgate-since"), int):
            yield since
        values = getattr(model, name)
        for value in (
            values if isinstance(values, tuple) else values.values() if isinstance(values, dict) else (values,)
        ):
            if isinstance(value, BaseModel):
                yield from _since_of_set_fields(value)


def required_contract_version(model: BaseModel) -> int:
    """The oldest contract version that can carry all fields set on a value.

    A field added after version 1 declares it: `Field(json_schema_extra={"x-headgate-since": 2})`.
    """
    return max(_since_of_set_fields(model), default=1)
