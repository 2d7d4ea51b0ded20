"""Whether a repo's spec is usable: an ordered chain of pure checks, the first objection of which is the verdict.

Checks here look at one repo alone; `claims` settles what repos contend for.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

from headgate_gateway.config import Acks, Delivery, Limits, OnFailure
from headgate_operator.api import reasons
from headgate_operator.api.fleet import GatewayFleet, NamespacesFrom
from headgate_operator.api.repo import EventRepo
from headgate_operator.api.spool import SpoolMode
from headgate_operator.render.intent import resolve_limits
from headgate_operator.render.profiles import ResolvedProfile
from headgate_operator.render.queries import QueryError, check_query
from headgate_operator.render.targets import Target, show_path, targets_of
from headgate_operator.render.world import Verdict


@dataclass(frozen=True, slots=True)
class Candidate:
    """A repo beside everything that its verdict depends on."""

    repo: EventRepo
    fleet: GatewayFleet
    namespace_labels: Mapping[str, str]
    profiles: Mapping[str, ResolvedProfile]
    """Of the profiles that it names, those that parse."""
    profile_verdicts: Mapping[str, Verdict]
    """Of the profiles that it names, those that exist."""
    secrets: Verdict | None = None
    """What is wrong with the Secrets that it names."""

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


def _refuse(reason: str, message: str, field: str = "") -> Verdict:
    return Verdict(False, reason, message, field)


def _check_namespace(candidate: Candidate) -> Verdict | None:
    fleet, namespace = candidate.fleet, candidate.repo.metadata.namespace
    if is_namespace_allowed(fleet, namespace, candidate.namespace_labels):
        return None
    return _refuse(
        reasons.NAMESPACE_NOT_ALLOWED,
        f"GatewayFleet {'/'.join(fleet.key)} takes no repos from namespace {namespace!r}: "
        f"its spec.allowedRepos.namespaces.from is {fleet.spec.allowed_repos.namespaces.from_}",
        "metadata.namespace",
    )


def _check_profiles(candidate: Candidate) -> Verdict | None:
    namespace = candidate.fleet.metadata.namespace
    for name, target in _profiles_of(candidate):
        verdict = candidate.profile_verdicts.get(name)
        if verdict is None:
            return _refuse(
                reasons.PROFILE_NOT_FOUND,
                f"KafkaProducerProfile {namespace}/{name} does not exist: create it, or name another in "
                f"{show_path(target.profile_field)}",
                target.profile_field,
            )
        if not verdict.accepted:
            return _refuse(
                reasons.PROFILE_NOT_ACCEPTED,
                f"KafkaProducerProfile {namespace}/{name} is not usable ({verdict.reason}): {verdict.message}",
                target.profile_field,
            )
    return None


def _check_allowed_namespaces(candidate: Candidate) -> Verdict | None:
    namespace = candidate.repo.metadata.namespace
    for name, target in _profiles_of(candidate):
        patterns = candidate.profiles[name].profile.spec.allowed_namespaces
        if not any(fnmatchcase(namespace, pattern) for pattern in patterns):
            return _refuse(
                reasons.NAMESPACE_NOT_ALLOWED_BY_PROFILE,
                f"KafkaProducerProfile {name} may not be used from namespace {namespace!r}: "
                f"its spec.allowedNamespaces are {_list(patterns)}",
                target.profile_field,
            )
    return None


def _check_allowed_topics(candidate: Candidate) -> Verdict | None:
    namespace = candidate.repo.metadata.namespace
    for target in targets_of(candidate.repo.spec):
        allowed = candidate.profiles[target.profile].profile.spec.allowed_topics
        patterns = tuple(text.replace("{namespace}", namespace) for text in allowed)
        if not any(fnmatchcase(target.topic, pattern) for pattern in patterns):
            where = "" if target.topic_field == "spec.kafka.topic" else f" ({show_path(target.topic_field)})"
            return _refuse(
                reasons.TOPIC_NOT_ALLOWED,
                f"topic {target.topic!r}{where} is not allowed: for namespace {namespace!r} KafkaProducerProfile "
                f"{target.profile} allows {_list(patterns)}",
                target.topic_field,
            )
    return None


def _check_acks(candidate: Candidate) -> Verdict | None:
    if candidate.repo.spec.kafka.delivery is Delivery.SYNC:
        reason, why = reasons.ACKS_NONE_WITH_SYNC, "delivery: Sync answers 200 once Kafka has acknowledged"
    elif candidate.fleet.spec.spool.mode is not SpoolMode.DISABLED:
        reason, why = reasons.ACKS_NONE_WITH_SPOOL, "the fleet's spool forgets what Kafka has acknowledged"
    else:
        return None
    for name, target in _profiles_of(candidate):
        if candidate.profiles[name].profile.spec.acks is Acks.NONE:
            return _refuse(
                reason,
                f"{why}, and KafkaProducerProfile {name} has acks: none: use a profile with acks: all or leader",
                target.profile_field,
            )
    return None


def _check_spool(candidate: Candidate) -> Verdict | None:
    fleet = candidate.fleet
    wants = candidate.repo.spec.kafka.on_failure is OnFailure.SPOOL
    if not wants or fleet.spec.spool.mode is not SpoolMode.DISABLED:
        return None
    return _refuse(
        reasons.SPOOL_NOT_ENABLED,
        f"onFailure: Spool takes a fleet whose gateways have a spool, and GatewayFleet {'/'.join(fleet.key)} has none: "
        "have its spec.spool.mode set to EmptyDir, VolumeClaim or SharedClaim, or set spec.kafka.onFailure to Reject",
        "spec.kafka.onFailure",
    )


def _check_body_limit(candidate: Candidate) -> Verdict | None:
    fleet, body = candidate.fleet, candidate.limits.body_bytes
    bounds = {f"GatewayFleet {fleet.metadata.name} has spec.limits.bufferBytes": fleet.spec.limits.buffer_bytes}
    for name, _ in _profiles_of(candidate):
        bound = candidate.profiles[name].profile.spec.max_buffer_bytes
        bounds[f"KafkaProducerProfile {name} has spec.maxBufferBytes"] = bound
    for holder, bound in bounds.items():
        if body > bound:
            return _refuse(
                reasons.BODY_LIMIT_TOO_LARGE,
                f"a body of limits.bodyBytes ({body} bytes) could never be taken, since {holder} {bound}: "
                f"set spec.limits.bodyBytes to {bound} at most",
                "spec.limits.bodyBytes",
            )
    return None


def _check_secrets(candidate: Candidate) -> Verdict | None:
    return candidate.secrets


def _check_queries(candidate: Candidate) -> Verdict | None:
    for query in candidate.repo.spec.rollout.analysis.queries:
        try:
            check_query(query)
        except QueryError as error:
            return _refuse(
                reasons.INVALID_SPEC, f"spec.rollout.analysis.queries: {error}", "spec.rollout.analysis.queries"
            )
    return None


def _profiles_of(candidate: Candidate) -> Iterator[tuple[str, Target]]:
    """Each profile that the repo names, once, with the first topic that it takes."""
    first: dict[str, Target] = {}
    for target in targets_of(candidate.repo.spec):
        first.setdefault(target.profile, target)
    yield from first.items()


def _list(patterns: tuple[str, ...]) -> str:
    return ", ".join(repr(pattern) for pattern in patterns) or "none"


CHECKS: tuple[Check, ...] = (
    _check_namespace,
    _check_profiles,
    _check_allowed_namespaces,
    _check_allowed_topics,
    _check_acks,
    _check_spool,
    _check_body_limit,
    _check_secrets,
    _check_queries,
)
"""In the order in which they object."""
