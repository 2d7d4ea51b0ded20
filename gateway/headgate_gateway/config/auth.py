"""Who may send events to a repo. Only hashes of what clients present ever reach a gateway.

A repo names Secrets of its own namespace. The operator hashes what they hold into files of the fleet's credentials
Secret, which lie beside the shards; `repo_secret_file` gives their names to both sides. What they hold is no part of a
revision: keys rotate without a rollout.
"""

import hashlib
from typing import Annotated, Self

from pydantic import ConfigDict, Field, model_validator

from headgate_gateway.config.base import ContractModel, ObjectName, cel

API_KEYS_PART = "apikeys"
BASIC_PART = "basic"


class SecretName(ContractModel):
    """Names a Secret in the repo's namespace."""

    name: ObjectName
    """The Secret's name."""


class ApiKeys(ContractModel):
    """API keys, as `Authorization: Bearer KEY` or `X-API-Key: KEY`."""

    secret_ref: SecretName
    """A Secret each of whose entries is one key that is valid now: several at a time let clients change over one by one. An entry's name tells keys apart in logs."""


class BasicAuth(ContractModel):
    """User names and passwords, by HTTP's Basic scheme (RFC 7617)."""

    secret_ref: SecretName
    """A Secret each of whose entries is one user: its name, and the password as value."""


_SOME_WAY = ("has(self.apiKeys) || has(self.basic)", "auth takes apiKeys, basic or both")


class Auth(ContractModel):
    """How clients prove who they are. With several ways, any one will do."""

    model_config = ConfigDict(json_schema_extra=cel(_SOME_WAY))

    api_keys: ApiKeys | None = None
    """Keys for machines."""
    basic: BasicAuth | None = None
    """User names and passwords."""

    @model_validator(mode="after")
    def _check_some_way(self) -> Self:
        if self.api_keys is None and self.basic is None:
            raise ValueError(_SOME_WAY[1])
        return self


class HashedApiKey(ContractModel):
    """One key that is valid."""

    name: str
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    """SHA-256 of the key's bytes. Keys are random, so that a slow hash would protect nothing."""


class HashedApiKeys(ContractModel):
    """The content of an `apikeys` file."""

    keys: tuple[HashedApiKey, ...]


class HashedPassword(ContractModel):
    """One user, and what scrypt (RFC 7914) makes of the password."""

    user: str
    salt: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
    n: int
    r: int
    p: int
    key: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class HashedPasswords(ContractModel):
    """The content of a `basic` file."""

    users: tuple[HashedPassword, ...]


def repo_secret_file(namespace: str, secret: str, part: str) -> str:
    """The file that holds what gateways may know of a Secret that a repo names.

    `part`: API_KEYS_PART, BASIC_PART, or `key.NAME` for the value of one entry as it is (a mask's key).
    """
    where = hashlib.sha256(f"{namespace}/{secret}".encode()).hexdigest()[:32]
    return f"credential.repo.{where}.{part}"
