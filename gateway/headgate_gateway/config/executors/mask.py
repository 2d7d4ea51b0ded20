"""`mask`: hides what fields hold, or puts a keyed hash in its place."""

from typing import Annotated, Self

from pydantic import ConfigDict, Field, model_validator

from headgate_gateway.config.auth import SecretName
from headgate_gateway.config.base import ContractModel, FieldPath, cel

_ONE_WAY = ("has(self.redact) != has(self.hash)", "mask takes exactly one of redact and hash")

SecretEntry = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[-._a-zA-Z0-9]+$")]
"""The name of an entry of a Secret: a part of the name of an entry of the credentials Secret, which has 253 characters at most."""


class Redact(ContractModel):
    """Puts the same text in place of every value."""

    text: Annotated[str, Field(max_length=256)] = "***"
    """The text."""


class KeyedHash(ContractModel):
    """Puts HMAC-SHA-256 (RFC 2104) in place of a value, so that equal values stay equal and nobody without the key can find them by trying."""

    secret_ref: SecretName
    """A Secret in the repo's namespace."""
    key: SecretEntry
    """The entry of the Secret that holds the key: 16 bytes at least, used as they are."""
    digits: Annotated[int, Field(ge=16, le=64)] = 32
    """How many of the 64 hexadecimal digits are kept, from the first on."""


class Mask(ContractModel):
    """Hides the values of fields. Absent fields and null stay as they are."""

    model_config = ConfigDict(json_schema_extra=cel(_ONE_WAY))

    fields: Annotated[tuple[FieldPath, ...], Field(min_length=1, max_length=64)]
    """Dotted paths. An object or a list is hidden as a whole."""
    redact: Redact | None = None
    """The value cannot be had back, nor compared."""
    hash: KeyedHash | None = None
    """Equal values become equal hashes: of a text its UTF-8 bytes are hashed, of anything else its JSON text."""

    @model_validator(mode="after")
    def _check_one_way(self) -> Self:
        if (self.redact is None) == (self.hash is None):
            raise ValueError(_ONE_WAY[1])
        return self
