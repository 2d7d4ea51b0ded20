"""One repo as a gateway sees it: everything it needs to serve it, resolved."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from headgate_gateway.config.auth import API_KEYS_PART, BASIC_PART, Auth, repo_secret_file
from headgate_gateway.config.base import ContractModel
from headgate_gateway.config.constraint import Constraint
from headgate_gateway.config.endpoint import Endpoint
from headgate_gateway.config.executors import Executors, hash_keys
from headgate_gateway.config.kafka import KafkaRouting
from headgate_gateway.config.producer import ProducerConfig
from headgate_gateway.config.units import ByteSize


class PartialPolicy(StrEnum):
    """What a bad line does to its body."""

    REJECT = "Reject"
    ACCEPT = "Accept"


class RateLimits(ContractModel):
    """How fast requests may come, at each gateway: a fleet of four takes four times as much."""

    requests_per_second: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    """Requests, with bursts of one second's worth."""
    bytes_per_second: Annotated[ByteSize, Field(ge=1_024)] | None = None
    """Bytes of bodies as they are received, with bursts of one second's worth, or of one body where that is larger."""


class Limits(ContractModel):
    """Sizes beyond which a request is refused with 413, and rates beyond which it has to wait."""

    body_bytes: Annotated[ByteSize, Field(ge=1_024, le=64 * 2**20)] = 8 * 2**20
    """Largest body of a request."""
    line_bytes: Annotated[ByteSize, Field(ge=256, le=16 * 2**20)] = 512 * 2**10
    """Largest line of a body. Kafka refuses records over the topic's max.message.bytes (1 MiB by default)."""
    per_gateway: RateLimits | None = None
    """How fast requests may come; those over it are answered as the endpoint's `overLimitStatus` says, with a Retry-After. Without it, as fast as Kafka takes their lines."""


class RepoConfig(ContractModel):
    """An entry of a shard."""

    name: str
    """The repo's name, unique in its fleet; the `repo` label of metrics."""
    namespace: str
    """The namespace of its EventRepo."""
    revision: str
    """Hash of the intent that this entry was rendered from."""
    endpoints: Annotated[tuple[Endpoint, ...], Field(min_length=1)]
    constraint: Constraint | None = None
    executors: Executors = ()
    """What a line goes through once the constraint has let it pass, in order. Without any, its bytes are sent as they came."""
    kafka: KafkaRouting
    partial: PartialPolicy = PartialPolicy.REJECT
    limits: Limits = Limits()
    auth: Auth | None = None
    producers: dict[str, ProducerConfig]
    """The resolved profiles that `kafka` names, by profile name."""

    @property
    def secret_files(self) -> tuple[str, ...]:
        """The credential files that hold what gateways know of the repo's own Secrets."""
        named = [(secret, f"key.{entry}") for secret, entry in hash_keys(self.executors)]
        if self.auth is not None and self.auth.api_keys is not None:
            named.append((self.auth.api_keys.secret_ref.name, API_KEYS_PART))
        if self.auth is not None and self.auth.basic is not None:
            named.append((self.auth.basic.secret_ref.name, BASIC_PART))
        return tuple(repo_secret_file(self.namespace, secret, part) for secret, part in named)

    @property
    def topics(self) -> dict[str, tuple[str, ...]]:
        """All topics that lines may take, by profile name, each once: what is watched, and asked about beforehand."""
        kafka = self.kafka
        found: dict[str, dict[str, None]] = {kafka.producer_profile: {kafka.topic: None}}
        named = [(rule.producer_profile, rule.topic) for rule in kafka.topics]
        named += [
            (None, topic) for e in self.endpoints if e.topic_header is not None for topic in e.topic_header.topics
        ]
        if kafka.dead_letter is not None:
            named.append((kafka.dead_letter.producer_profile, kafka.dead_letter.topic))
        for profile, topic in named:
            found.setdefault(profile or kafka.producer_profile, {})[topic] = None
        return {profile: tuple(topics) for profile, topics in found.items()}
