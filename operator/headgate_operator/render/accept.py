"""Whether a repo's spec is usable: an ordered chain of pure checks, the first objection of which is the verdict.

Checks here look at one repo alone; `claims` settles what repos contend for.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

from headgate_gateway.config import Acks, Delivery, Limits
from headgate_operator.api import reasons
from headgate_operator.api.fleet import GatewayFleet, NamespacesFrom
from headgate_operator.api.repo import EventRepo
from headgate_operator.render.intent import resolve_limits
from headgate_operator.render.profiles import ResolvedProfile
from headgate_operator.render.queries import QueryError, check_query
from headgate_operator.render.world import Verdict


@dataclass(frozen=True, slots=True)
class Candidate:
    """A repo beside everything that its verdict depends on."""

    repo: EventRepo
    fleet: GatewayFleet
    namespace_labels: Mapping[str, str]
    profile: ResolvedProfile | None
    profile_verdict: Verdict | None
    """None: there is no such profile. A profile that does not parse has a verdict, but resolves to nothing."""

    @property
    def limits(self) -> Limits:
        """The limits in force."""
        return resolve_limits(self.repo, self.fleet.spec.limits)


Check = Callable[[Candidate], Verdict | None]


def first_objection(candidate: Candidate) -> Verdict | None:
    """The first reason not to accept, or None."""
    for check in CHECKS:
        if objection := check(candidate):
            return objection
    return None


def fleet_not_found(fleet: tuple[str, str] | None) -> Verdict:
    """The verdict of a repo whose fleet (namespace, name) does not exist; None: it names none and there is no default."""
    if fleet is None:
        return _refuse(
            reasons.FLEET_NOT_FOUND, "spec.fleetRef is absent and there is no default fleet: set spec.fleetRef"
        )
    return _refuse(
        reasons.FLEET_NOT_FOUND,
        f"GatewayFleet {fleet[0]}/{fleet[1]} does not exist: create it, or recreate the EventRepo with another spec.fleetRef",
    )


def fleet_not_accepted(fleet: tuple[str, str], verdict: Verdict) -> Verdict:
    """The verdict of a repo whose fleet (namespace, name) is not usable itself."""
    return _refuse(
        reasons.FLEET_NOT_ACCEPTED,
        f"GatewayFleet {fleet[0]}/{fleet[1]} is not usable ({verdict.reason}): {verdict.message}",
    )


def is_namespace_allowed(fleet: GatewayFleet, namespace: str, labels: Mapping[str, str]) -> bool:
    """Whether the fleet's allowedRepos takes repos of a namespace with these labels."""
    allowed = fleet.spec.allowed_repos.namespaces
    match allowed.from_:
        case NamespacesFrom.SAME:
            return namespace == fleet.metadata.namespace
        case NamespacesFrom.ALL:
            return True
        case NamespacesFrom.SELECTOR:
            return allowed.selector is not None and allowed.selector.matches(dict(labels))


def _refuse(reason: str, message: str) -> Verdict:
    return Verdict(False, reason, message)


def _check_namespace(candidate: Candidate) -> Verdict | None:
    fleet, namespace = candidate.fleet, candidate.repo.metadata.namespace
    if is_namespace_allowed(fleet, namespace, candidate.namespace_labels):
        return None
    return _refuse(
        reasons.NAMESPACE_NOT_ALLOWED,
        f"GatewayFleet {'/'.join(fleet.key)} takes no repos from namespace {namespace!r}: "
        f"its spec.allowedRepos.namespaces.from is {fleet.spec.allowed_repos.namespaces.from_}",
    )


def _check_profile(candidate: Candidate) -> Verdict | None:
    name, namespace = candidate.repo.spec.kafka.producer_profile, candidate.fleet.metadata.namespace
    verdict = candidate.profile_verdict
    if verdict is None:
        return _refuse(
            reasons.PROFILE_NOT_FOUND,
            f"KafkaProducerProfile {namespace}/{name} does not exist: create it, or name another in "
            "spec.kafka.producerProfile",
        )
    if verdict.accepted:
        return None
    return _refuse(
        reasons.PROFILE_NOT_ACCEPTED,
        f"KafkaProducerProfile {namespace}/{name} is not usable ({verdict.reason}): {verdict.message}",
    )


def _check_allowed_namespaces(candidate: Candidate) -> Verdict | None:
    profile, namespace = _profile_of(candidate), candidate.repo.metadata.namespace
    patterns = profile.profile.spec.allowed_namespaces
    if any(fnmatchcase(namespace, pattern) for pattern in patterns):
        return None
    return _refuse(
        reasons.NAMESPACE_NOT_ALLOWED_BY_PROFILE,
        f"KafkaProducerProfile {profile.name} may not be used from namespace {namespace!r}: "
        f"its spec.allowedNamespaces are {_list(patterns)}",
    )


def _check_allowed_topics(candidate: Candidate) -> Verdict | None:
    profile, topic = _profile_of(candidate), candidate.repo.spec.kafka.topic
    namespace = candidate.repo.metadata.namespace
    patterns = tuple(text.replace("{namespace}", namespace) for text in profile.profile.spec.allowed_topics)
    if any(fnmatchcase(topic, pattern) for pattern in patterns):
        return None
    return _refuse(
        reasons.TOPIC_NOT_ALLOWED,
        f"topic {topic!r} is not allowed: for namespace {namespace!r} KafkaProducerProfile {profile.name} allows "
        f"{_list(patterns)}",
    )


def _check_acks(candidate: Candidate) -> Verdict | None:
    profile, kafka = _profile_of(candidate), candidate.repo.spec.kafka
    if kafka.delivery is not Delivery.SYNC or profile.profile.spec.acks is not Acks.NONE:
        return None
    return _refuse(
        reasons.ACKS_NONE_WITH_SYNC,
        f"delivery: Sync answers 200 once Kafka has acknowledged, and KafkaProducerProfile {profile.name} has "
        "acks: none: use a profile with acks: all or leader",
    )


def _check_body_limit(candidate: Candidate) -> Verdict | None:
    fleet, profile, body = candidate.fleet, _profile_of(candidate), candidate.limits.body_bytes
    bounds = {
        f"GatewayFleet {fleet.metadata.name} has spec.limits.bufferBytes": fleet.spec.limits.buffer_bytes,
        f"KafkaProducerProfile {profile.name} has spec.maxBufferBytes": profile.profile.spec.max_buffer_bytes,
    }
    for holder, bound in bounds.items():
        if body > bound:
            return _refuse(
                reasons.BODY_LIMIT_TOO_LARGE,
                f"a body of limits.bodyBytes ({body} bytes) could never be taken, since {holder} {bound}: "
                f"set spec.limits.bodyBytes to {bound} at most",
            )
    return None


def _check_queries(candidate: Candidate) -> Verdict | None:
    for query in candidate.repo.spec.rollout.analysis.queries:
        try:
            check_query(query)
        except QueryError as error:
            return _refuse(reasons.INVALID_SPEC, f"spec.rollout.analysis.queries: {error}")
    return None


def _profile_of(candidate: Candidate) -> ResolvedProfile:
    if candidate.profile is None:
        raise LookupError("checks of the profile come after the check that there is one")
    return candidate.profile


def _list(patterns: tuple[str, ...]) -> str:
    return ", ".join(repr(pattern) for pattern in patterns) or "none"


CHECKS: tuple[Check, ...] = (
    _check_namespace,
    _check_profile,
    _check_allowed_namespaces,
    _check_allowed_topics,
    _check_acks,
    _check_body_limit,
    _check_queries,
)
"""In the order in which they object."""
