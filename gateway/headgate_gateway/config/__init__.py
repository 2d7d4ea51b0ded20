"""THE CONTRACT: what the operator writes and the gateway reads, declared once.

Pure: imports pydantic and the standard library's value modules, nothing else. The operator's resource types
embed these types, so that a field has one name, one description and one check. The gateway's loader
(`headgate_gateway.reload`) is its only reader, the operator's `render` package its only writer.
"""

from headgate_gateway.config.base import ContractModel
from headgate_gateway.config.constraint import Constraint, ConstraintOperator, MatchExpression, OnMismatch
from headgate_gateway.config.endpoint import Endpoint, EventFormat, ResponseFormat
from headgate_gateway.config.kafka import (
    Delivery,
    HeaderSource,
    KafkaRouting,
    KeySource,
    TimestampFormat,
    TimestampSource,
)
from headgate_gateway.config.producer import (
    Acks,
    Compression,
    CompressionType,
    Flush,
    ProducerConfig,
    ProducerSettings,
    SaslConfig,
    SaslMechanism,
    TlsConfig,
)
from headgate_gateway.config.repo import Limits, PartialPolicy, RepoConfig
from headgate_gateway.config.shard import (
    CONTRACT_VERSIONS,
    SHARD_COUNT,
    Shard,
    content_hash,
    required_contract_version,
    shard_file_name,
    shard_of,
)
from headgate_gateway.config.status import (
    CREDENTIAL_PREFIX,
    BrokerStatus,
    GatewayStatus,
    MemoryStatus,
    ProducerStatus,
    RefusedRepo,
    RefusedShard,
    TopicStatus,
    credentials_hash,
)
from headgate_gateway.config.units import ByteSize, Duration, format_duration, parse_byte_size, parse_duration

__all__ = [
    "CONTRACT_VERSIONS",
    "CREDENTIAL_PREFIX",
    "SHARD_COUNT",
    "Acks",
    "BrokerStatus",
    "ByteSize",
    "Compression",
    "CompressionType",
    "Constraint",
    "ConstraintOperator",
    "ContractModel",
    "Delivery",
    "Duration",
    "Endpoint",
    "EventFormat",
    "Flush",
    "GatewayStatus",
    "HeaderSource",
    "KafkaRouting",
    "KeySource",
    "Limits",
    "MatchExpression",
    "MemoryStatus",
    "OnMismatch",
    "PartialPolicy",
    "ProducerConfig",
    "ProducerSettings",
    "ProducerStatus",
    "RefusedRepo",
    "RefusedShard",
    "RepoConfig",
    "ResponseFormat",
    "SaslConfig",
    "SaslMechanism",
    "Shard",
    "TimestampFormat",
    "TimestampSource",
    "TlsConfig",
    "TopicStatus",
    "content_hash",
    "credentials_hash",
    "format_duration",
    "parse_byte_size",
    "parse_duration",
    "required_contract_version",
    "shard_file_name",
    "shard_of",
]
