"""KafkaProducerProfile (`kpp`): one producer configuration, in its fleet's namespace, referred to by name."""

from typing import Annotated, ClassVar, Self

from pydantic import ConfigDict, Field, model_validator

from headgate_gateway.config import ProducerSettings, SaslMechanism
from headgate_gateway.config.base import ObjectName, cel
from headgate_gateway.config.producer import FLUSH_FITS_RULE
from headgate_operator.api.meta import Conditions, ObjectMeta, ResourceModel
from headgate_operator.api.resource import LABEL_NAME_RULE, Resource, check_label_name

SecretKey = Annotated[str, Field(min_length=1, max_length=253, pattern=r"^[-._a-zA-Z0-9]+$")]


class CaSecretRef(ResourceModel):
    """A Secret that holds certificates to trust."""

    name: ObjectName
    """The Secret's name, in the profile's namespace."""
    key: SecretKey = "ca.crt"
    """The key that holds the PEM certificates."""


class CertificateSecretRef(ResourceModel):
    """A Secret of type kubernetes.io/tls."""

    name: ObjectName
    """The Secret's name, in the profile's namespace; its keys are tls.crt and tls.key."""


class ProfileTls(ResourceModel):
    """TLS to the brokers; an empty object trusts the system's certificates."""

    ca_secret_ref: CaSecretRef | None = None
    """Certificates to trust. Without it, the gateway image's own."""
    client_certificate_secret_ref: CertificateSecretRef | None = None
    """The certificate that the producer shows."""


class SaslSecretRef(ResourceModel):
    """A Secret that holds the producer's credentials."""

    name: ObjectName
    """The Secret's name, in the profile's namespace."""
    username_key: SecretKey = "username"
    """The key that holds the user name (PLAIN, SCRAM)."""
    password_key: SecretKey = "password"  # noqa: S105 (the name of a key)
    """The key that holds the password (PLAIN, SCRAM)."""
    token_key: SecretKey = "token"  # noqa: S105 (the name of a key)
    """The key that holds the token (OAUTHBEARER)."""


class ProfileSasl(ResourceModel):
    """SASL to the brokers."""

    mechanism: SaslMechanism
    """PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 or OAUTHBEARER."""
    secret_ref: SaslSecretRef
    """Where the credentials are."""


NamespacePattern = Annotated[str, Field(min_length=1, max_length=63, pattern=r"^[a-z0-9*?-]+$")]
"""A shell-style pattern: `*` any characters, `?` one."""

TopicPattern = Annotated[str, Field(min_length=1, max_length=253, pattern=r"^([a-zA-Z0-9._*?-]|\{namespace\})+$")]
"""A shell-style pattern: `*` any characters, `?` one, `{namespace}` the repo's namespace."""


class ProfileSpec(ProducerSettings):
    """What the platform team wants of a producer."""

    model_config = ConfigDict(
        json_schema_extra=cel(
            FLUSH_FITS_RULE,
            (
                "!has(self.sasl) || self.sasl.mechanism != 'PLAIN' || has(self.tls)",
                "PLAIN sends the password as it is: set tls (an empty object trusts the system's certificates)",
            ),
        )
    )

    tls: ProfileTls | None = None
    """TLS to the brokers. Without it, plain text."""
    sasl: ProfileSasl | None = None
    """SASL to the brokers. Without it, none."""
    allowed_namespaces: Annotated[tuple[NamespacePattern, ...], Field(max_length=64)] = ("*",)
    """Which namespaces' repos may use the profile, as patterns (`team-*`)."""
    allowed_topics: Annotated[tuple[TopicPattern, ...], Field(max_length=64)] = ("*",)
    """Which topics repos may name, as patterns; `{namespace}` stands for the repo's namespace (`{namespace}.*`)."""

    @model_validator(mode="after")
    def _check_plain_has_tls(self) -> Self:
        if self.sasl is not None and self.sasl.mechanism is SaslMechanism.PLAIN and self.tls is None:
            raise ValueError(
                "PLAIN sends the password as it is: set tls (an empty object trusts the system's certificates)"
            )
        return self


class ProfileStatus(ResourceModel):
    """What the operator has seen of a profile."""

    observed_generation: int = -1
    """The generation that the status speaks of; -1 until somebody has looked."""
    repos: Annotated[int, Field(ge=0)] | None = None
    """How many accepted repos use the profile."""
    conditions: Conditions = ()
    """Ready and Accepted; Reconciling and Stalled while true."""


class KafkaProducerProfile(Resource):
    """One producer configuration: brokers, security, acks, compression, batching."""

    KIND: ClassVar[str] = "KafkaProducerProfile"
    PLURAL: ClassVar[str] = "kafkaproducerprofiles"
    SHORT_NAMES: ClassVar[tuple[str, ...]] = ("kpp",)

    model_config = ConfigDict(json_schema_extra=cel(LABEL_NAME_RULE))

    metadata: ObjectMeta
    spec: ProfileSpec
    status: ProfileStatus = ProfileStatus()

    @model_validator(mode="after")
    def _check_name(self) -> Self:
        check_label_name(self.metadata.name)
        return self
