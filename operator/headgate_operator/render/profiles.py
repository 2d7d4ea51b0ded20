"""Profiles: whether each is usable, and the producer config and credential files that it resolves to."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from pydantic import ValidationError

from headgate_gateway.config import ProducerConfig, SaslConfig, SaslMechanism, TlsConfig, format_duration
from headgate_gateway.config.status import CREDENTIAL_PREFIX
from headgate_operator.api import reasons
from headgate_operator.api.fleet import FleetSpec
from headgate_operator.api.profile import KafkaProducerProfile, ProfileSpec
from headgate_operator.render.canonical import canonical_json
from headgate_operator.render.intent import Intent, IntentError, profile_intent
from headgate_operator.render.world import FleetWorld, Verdict

Secrets = Mapping[str, Mapping[str, bytes]]

ACCEPTED = Verdict(True, reasons.ACCEPTED, "the spec is usable")


@dataclass(frozen=True, slots=True)
class ResolvedProfile:
    """A profile, ready to be carried by entries. Equal profiles resolve to equal values."""

    name: str
    profile: KafkaProducerProfile
    intent: dict[str, Any]
    """Its part of a revision."""
    verdict: Verdict
    credentials: Mapping[str, bytes]
    """Content of the credential files, by name; empty unless accepted."""


@dataclass(frozen=True, slots=True)
class CredentialSource:
    """Where one credential file comes from."""

    profile: str
    part: str
    secret: str
    key: str

    @property
    def file(self) -> str:
        """Its name."""
        return credential_file(self.profile, self.part, self.secret, self.key)


@dataclass(frozen=True, slots=True)
class Producer:
    """What entries carry of a profile."""

    config: Mapping[str, Any]
    """The `ProducerConfig`, as JSON without defaults; not to be changed."""
    sources: tuple[CredentialSource, ...]
    """Where its credential files come from."""


def credential_file(profile: str, part: str, secret: str, key: str) -> str:
    """The file (and key of the credentials Secret) of one part: username, password, token, ca, certificate, key.

    The place that it comes from is in its name: an entry that is kept as it was served names the Secret that its
    profile named then, and must not be handed what the profile names now.
    """
    source = hashlib.sha256(f"{secret}/{key}".encode()).hexdigest()[:8]
    return f"{CREDENTIAL_PREFIX}{profile}.{source}.{part}"


def credential_sources(profile: KafkaProducerProfile) -> Iterator[CredentialSource]:
    """Every credential file that a profile needs."""
    return _sources(profile.metadata.name, profile.spec)


def _sources(name: str, spec: ProfileSpec) -> Iterator[CredentialSource]:
    tls, sasl = spec.tls, spec.sasl
    if tls and (ca := tls.ca_secret_ref):
        yield CredentialSource(name, "ca", ca.name, ca.key)
    if tls and (certificate := tls.client_certificate_secret_ref):
        yield CredentialSource(name, "certificate", certificate.name, "tls.crt")
        yield CredentialSource(name, "key", certificate.name, "tls.key")
    if sasl and sasl.mechanism is SaslMechanism.OAUTHBEARER:
        yield CredentialSource(name, "token", sasl.secret_ref.name, sasl.secret_ref.token_key)
    elif sasl:
        yield CredentialSource(name, "username", sasl.secret_ref.name, sasl.secret_ref.username_key)
        yield CredentialSource(name, "password", sasl.secret_ref.name, sasl.secret_ref.password_key)


def producers_of(intent: Intent) -> dict[str, Producer]:
    """What entries carry of the profiles of an intent, by name. Raises IntentError."""
    return {name: _producer(name, canonical_json(asked)) for name, asked in sorted(intent.profiles.items())}


def secrets_of(intent: Intent) -> frozenset[str]:
    """Names of the Secrets that an intent's profiles name. Raises IntentError."""
    return frozenset(source.secret for producer in producers_of(intent).values() for source in producer.sources)


def read_credentials(sources: Iterable[CredentialSource], secrets: Secrets) -> dict[str, bytes]:
    """Content of one profile's credential files; none where one is missing: half of a rotation would serve nobody."""
    found = {source.file: secrets.get(source.secret, {}).get(source.key) for source in sources}
    whole = {file: content for file, content in found.items() if content}
    return whole if len(whole) == len(found) else {}


# Thousands of repos share a few profiles.
@lru_cache(maxsize=1_024)
def _producer(name: str, asked: bytes) -> Producer:
    try:
        spec = ProfileSpec.model_validate_json(asked)
        config = build_producer(name, spec)
    except ValidationError as error:
        raise IntentError(f"profile {name} is no profile of this operator: {error}") from error
    dumped = config.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    return Producer(dumped, tuple(_sources(name, spec)))


def resolve_profiles(world: FleetWorld) -> dict[str, ResolvedProfile]:
    """All profiles of the fleet's namespace that parse, by name."""
    return {
        name: _resolve(profile, world.fleet.spec, world.secrets) for name, profile in sorted(world.profiles.items())
    }


def profile_verdicts(world: FleetWorld, resolved: Mapping[str, ResolvedProfile]) -> dict[str, Verdict]:
    """A verdict for every profile, those that do not parse included."""
    invalid = {name: Verdict(False, reasons.INVALID_SPEC, text) for name, text in world.invalid_profiles.items()}
    return invalid | {name: profile.verdict for name, profile in resolved.items()}


def _resolve(profile: KafkaProducerProfile, fleet: FleetSpec, secrets: Secrets) -> ResolvedProfile:
    sources = tuple(credential_sources(profile))
    verdict = _check_timeout(profile, fleet) or _check_secrets(sources, profile, secrets) or ACCEPTED
    return ResolvedProfile(
        name=profile.metadata.name,
        profile=profile,
        intent=profile_intent(profile),
        verdict=verdict,
        credentials={source.file: secrets[source.secret][source.key] for source in sources} if verdict.accepted else {},
    )


def build_producer(name: str, spec: ProfileSpec) -> ProducerConfig:
    """A profile as a gateway sees it: credentials are names of files."""
    shared = spec.model_dump(exclude={"tls", "sasl", "allowed_namespaces", "allowed_topics"})
    files = {source.part: source.file for source in _sources(name, spec)}
    tls = TlsConfig(ca_file=files.get("ca"), certificate_file=files.get("certificate"), key_file=files.get("key"))
    sasl = spec.sasl and SaslConfig(
        mechanism=spec.sasl.mechanism,
        username_file=files.get("username"),
        password_file=files.get("password"),
        token_file=files.get("token"),
    )
    return ProducerConfig.model_validate(shared | {"name": name, "tls": tls if spec.tls else None, "sasl": sasl})


def _check_timeout(profile: KafkaProducerProfile, fleet: FleetSpec) -> Verdict | None:
    longest = fleet.termination_grace_period - fleet.drain_delay
    if profile.spec.delivery_timeout <= longest:
        return None
    return Verdict(
        False,
        reasons.DELIVERY_TIMEOUT_TOO_LONG,
        f"deliveryTimeout is {format_duration(profile.spec.delivery_timeout)}, but a stopping gateway has only "
        f"{format_duration(longest)} for it (terminationGracePeriod {format_duration(fleet.termination_grace_period)} "
        f"less drainDelay {format_duration(fleet.drain_delay)} of the fleet): shorten the one or lengthen the other",
    )


def _check_secrets(
    sources: tuple[CredentialSource, ...], profile: KafkaProducerProfile, secrets: Secrets
) -> Verdict | None:
    for source in sources:
        where = f"Secret {profile.metadata.namespace}/{source.secret}"
        if source.secret not in secrets:
            return Verdict(
                False, reasons.SECRET_NOT_FOUND, f"{where} does not exist: create it with a key {source.key!r}"
            )
        if not secrets[source.secret].get(source.key):
            return Verdict(
                False, reasons.SECRET_KEY_MISSING, f"{where} has no value under the key {source.key!r}: add it"
            )
    return None
