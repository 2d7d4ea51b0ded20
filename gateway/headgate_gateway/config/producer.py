"""How a producer talks to one Kafka cluster: the content of a KafkaProducerProfile.

`ProducerSettings` holds the fields that profile and contract share; `ProducerConfig` is the resolved form that an
entry carries, in which credentials are names of files beside the shards, never values.
"""

from enum import StrEnum
from typing import Annotated, Self

from pydantic import ConfigDict, Field, model_validator

from headgate_gateway.config.base import ContractModel, ObjectName, cel
from headgate_gateway.config.units import ByteSize, Duration


class Acks(StrEnum):
    """Which brokers must have a record before it counts as delivered."""

    ALL = "all"
    LEADER = "leader"
    NONE = "none"


class CompressionType(StrEnum):
    """Kafka's codecs."""

    NONE = "none"
    GZIP = "gzip"
    SNAPPY = "snappy"
    LZ4 = "lz4"
    ZSTD = "zstd"


LEVELS: dict[CompressionType, tuple[int, int]] = {
    CompressionType.GZIP: (1, 9),
    CompressionType.LZ4: (0, 12),
    CompressionType.ZSTD: (1, 19),
}
"""Smallest and largest level of the codecs that have levels."""


class Compression(ContractModel):
    """How batches are compressed."""

    model_config = ConfigDict(
        json_schema_extra=cel(
            ("!has(self.level) || self.type in ['gzip', 'lz4', 'zstd']", "only gzip, lz4 and zstd have levels"),
            (
                "!has(self.level) || self.type != 'gzip' || (self.level >= 1 && self.level <= 9)",
                "gzip levels are 1 to 9",
            ),
            (
                "!has(self.level) || self.type != 'lz4' || (self.level >= 0 && self.level <= 12)",
                "lz4 levels are 0 to 12",
            ),
            (
                "!has(self.level) || self.type != 'zstd' || (self.level >= 1 && self.level <= 19)",
                "zstd levels are 1 to 19",
            ),
        )
    )

    type: CompressionType = CompressionType.LZ4
    """none, gzip, snappy, lz4 or zstd."""
    level: Annotated[int, Field(ge=0, le=22)] | None = None
    """The codec's level: gzip 1 to 9, lz4 0 to 12, zstd 1 to 19. Without one, the codec's fast default."""

    @model_validator(mode="after")
    def _check_level(self) -> Self:
        if self.level is None:
            return self
        bounds = LEVELS.get(self.type)
        if bounds is None:
            raise ValueError(f"{self.type} has no levels: remove `level`, or choose gzip, lz4 or zstd")
        if not bounds[0] <= self.level <= bounds[1]:
            raise ValueError(f"{self.type} levels are {bounds[0]} to {bounds[1]}, not {self.level}")
        return self


class Flush(ContractModel):
    """When a batch is sent. Without it, at once when the leader is idle, else once it is."""

    model_config = ConfigDict(
        json_schema_extra=cel(
            (
                "has(self.frequency) || !(has(self.messages) || has(self.bytes))",
                "messages and bytes need a frequency: without one, a request below the threshold would wait for ever",
            )
        )
    )

    max_messages: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    """Hard cap of records in one batch."""
    messages: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    """Records that send a batch early."""
    bytes: Annotated[ByteSize, Field(ge=1)] | None = None
    """Bytes that send a batch early."""
    frequency: Annotated[Duration, Field(ge=1)] | None = None
    """The longest that a record waits for its batch to fill."""

    @model_validator(mode="after")
    def _check_threshold_has_frequency(self) -> Self:
        if self.frequency is None and (self.messages is not None or self.bytes is not None):
            raise ValueError(
                "messages and bytes need a frequency: without one, a request below the threshold would wait for ever"
            )
        return self


FLUSH_FITS_RULE = (
    "!has(self.flush) || !has(self.flush.frequency) || duration(self.flush.frequency) < duration(self.deliveryTimeout)",
    "flush.frequency must be shorter than deliveryTimeout: a request would get its 503 before its batch is sent",
)
"""CEL for `ProducerSettings`; a type that adds rules of its own has to repeat this one, since pydantic replaces them."""


class SaslMechanism(StrEnum):
    """How the producer proves who it is."""

    PLAIN = "PLAIN"
    SCRAM_SHA_256 = "SCRAM-SHA-256"
    SCRAM_SHA_512 = "SCRAM-SHA-512"
    OAUTHBEARER = "OAUTHBEARER"


class ProducerSettings(ContractModel):
    """What a profile and its resolved form share."""

    model_config = ConfigDict(json_schema_extra=cel(FLUSH_FITS_RULE))

    bootstrap_servers: Annotated[
        tuple[Annotated[str, Field(max_length=300, pattern=r"^(\[[0-9a-fA-F:]+\]|[A-Za-z0-9._-]+):[0-9]{1,5}$")], ...],
        Field(min_length=1, max_length=32),
    ]
    """Brokers to ask first, as host:port."""
    acks: Acks = Acks.ALL
    """all: every in-sync replica; leader: the leader alone; none: nobody (a 200 then promises nothing)."""
    compression: Compression = Compression()
    """How batches are compressed."""
    flush: Flush | None = None
    """When a batch is sent. Without it, at once when the leader is idle, and gathered while it is not."""
    delivery_timeout: Annotated[Duration, Field(ge=100, le=600_000)] = 30_000
    """How long Kafka may take to acknowledge a request's lines before the client gets a 503."""
    max_buffer_bytes: Annotated[ByteSize, Field(ge=65_536)] = 64 * 2**20
    """Bytes that requests on this profile may hold in one gateway; beyond it they get a 503 at once."""

    @model_validator(mode="after")
    def _check_flush_fits(self) -> Self:
        frequency = self.flush.frequency if self.flush is not None else None
        if frequency is not None and frequency >= self.delivery_timeout:
            raise ValueError(FLUSH_FITS_RULE[1])
        return self


class TlsConfig(ContractModel):
    """TLS to the brokers; file names are relative to the config directory."""

    ca_file: str | None = None
    """Certificates to trust. Without it, the system's."""
    certificate_file: str | None = None
    """The client's certificate chain."""
    key_file: str | None = None
    """The client certificate's private key."""


class SaslConfig(ContractModel):
    """SASL to the brokers; file names are relative to the config directory."""

    mechanism: SaslMechanism
    username_file: str | None = None
    password_file: str | None = None
    token_file: str | None = None
    """OAUTHBEARER's token."""


class ProducerConfig(ProducerSettings):
    """A resolved profile: what one producer is made from."""

    name: ObjectName
    """The profile's name, unique in its fleet."""
    tls: TlsConfig | None = None
    sasl: SaslConfig | None = None

    @property
    def credential_files(self) -> tuple[str, ...]:
        """Names of the files that its credentials are in."""
        names: list[str | None] = []
        if self.tls is not None:
            names += [self.tls.ca_file, self.tls.certificate_file, self.tls.key_file]
        if self.sasl is not None:
            names += [self.sasl.username_file, self.sasl.password_file, self.sasl.token_file]
        return tuple(name for name in names if name is not None)
