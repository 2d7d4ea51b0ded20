"""From files to the worlds that rendering takes, one a fleet, and from its verdicts back to lines of files.

What only the cluster could tell (a fleet, profile, Secret or Namespace that is not among the files) is a warning, and
is taken to be there; what contradicts itself within the files is an error.
"""

from dataclasses import replace

from headgate_operator.api import reasons
from headgate_operator.api.fleet import GatewayFleet, NamespacesFrom
from headgate_operator.api.repo import EventRepo
from headgate_operator.cli.inventory import Inventory, Key
from headgate_operator.cli.problems import Problem, Severity
from headgate_operator.render.judge import Judged
from headgate_operator.render.profiles import credential_sources
from headgate_operator.render.repo_secrets import secrets_of_repo
from headgate_operator.render.world import FleetPlan, FleetWorld, Verdict

ABSENT_SECRET = b"not-among-the-files"
"""Stands for credentials that the files do not hold."""
ABSENT_ENTRY = "not-among-the-files"
"""Stands for the name of an API key or a user."""

_FIELDS = {
    reasons.FLEET_NOT_FOUND: "spec.fleetRef",
    reasons.CONFLICT: "spec.endpoints",
    reasons.SECRET_NOT_FOUND: "spec",
    reasons.SECRET_KEY_MISSING: "spec",
    reasons.DELIVERY_TIMEOUT_TOO_LONG: "spec.deliveryTimeout",
}
"""Where in a resource the remedy for a reason is, unless the verdict says it."""


def fleet_key(repo: EventRepo, default_fleet: Key | None) -> Key | None:
    """The fleet that a repo asks for; None: it names none, and there is no default."""
    ref = repo.spec.fleet_ref
    if ref is None:
        return default_fleet
    return ref.namespace or repo.metadata.namespace, ref.name


def build_world(inventory: Inventory, fleet: GatewayFleet, default_fleet: Key | None) -> FleetWorld:
    """The world of one fleet, as the files have it."""
    namespace = fleet.metadata.namespace
    profiles = {name: profile for (where, name), profile in inventory.profiles.items() if where == namespace}
    world = FleetWorld(
        fleet=fleet,
        repos=tuple(repo for repo in inventory.repos.values() if fleet_key(repo, default_fleet) == fleet.key),
        profiles=profiles,
        secrets={name: values for (where, name), values in inventory.secrets.items() if where == namespace},
        namespace_labels=inventory.namespaces,
        invalid_profiles={
            key[1]: "see the mistakes above"
            for kind, key in inventory.broken
            if kind == "KafkaProducerProfile" and key[0] == namespace
        },
    )
    return replace(
        world,
        secrets=_with_absent_secrets(world),
        repo_secrets=_repo_secrets(world, inventory),
        secret_notes=inventory.secret_notes,
    )


def _with_absent_secrets(world: FleetWorld) -> dict[str, dict[str, bytes]]:
    secrets = {name: dict(values) for name, values in world.secrets.items()}
    for profile in world.profiles.values():
        for source in credential_sources(profile):
            if source.secret not in world.secrets:
                secrets.setdefault(source.secret, {})[source.key] = ABSENT_SECRET
    return secrets


def _repo_secrets(world: FleetWorld, inventory: Inventory) -> dict[Key, dict[str, bytes]]:
    secrets: dict[Key, dict[str, bytes]] = {}
    for named in (named for repo in world.repos for named in secrets_of_repo(repo)):
        if named.key in inventory.secrets:
            secrets[named.key] = inventory.secrets[named.key]
        else:
            secrets.setdefault(named.key, {})[named.entry or ABSENT_ENTRY] = ABSENT_SECRET
    return secrets


def absent_fleets(inventory: Inventory, default_fleet: Key | None) -> list[Problem]:
    """A warning for every repo whose fleet is not among the files."""
    found: list[Problem] = []
    for key, repo in inventory.repos.items():
        fleet = fleet_key(repo, default_fleet)
        if fleet in inventory.fleets or ("GatewayFleet", fleet) in inventory.broken:
            continue
        message = (
            "the repo names no fleet, so it is only checked by itself: pass --default-fleet and the fleet's file"
            if fleet is None
            else f"GatewayFleet {fleet[0]}/{fleet[1]} is not among the files, so the repo is only checked by itself"
        )
        found.append(_warning(inventory.complain("EventRepo", key, "spec.fleetRef", message)))
    return found


def absent_secrets(inventory: Inventory) -> list[Problem]:
    """A warning for every Secret that a profile or a repo names and the files do not hold."""
    found: dict[tuple[Key, str], Problem] = {}
    for key, repo in inventory.repos.items():
        for named in secrets_of_repo(repo):
            if named.key not in inventory.secrets:
                message = f"Secret {named.namespace}/{named.secret} is not among the files: it must be in the cluster"
                problem = inventory.complain("EventRepo", key, named.field, message)
                found.setdefault((key, named.secret), _warning(problem))
    for key, profile in inventory.profiles.items():
        for source in credential_sources(profile):
            if (key[0], source.secret) not in inventory.secrets:
                message = f"Secret {key[0]}/{source.secret} is not among the files: it must be in the cluster"
                problem = inventory.complain("KafkaProducerProfile", key, "spec", message)
                found.setdefault((key, source.secret), _warning(problem))
    return list(found.values())


def verdict_problems(inventory: Inventory, fleet: GatewayFleet, plan: FleetPlan | Judged) -> list[Problem]:
    """What the operator would say of the resources of one fleet."""
    found = [
        inventory.complain(
            "KafkaProducerProfile",
            (fleet.metadata.namespace, name),
            _FIELDS.get(verdict.reason, "spec"),
            _text(verdict),
        )
        for name, verdict in plan.profiles.items()
        if not verdict.accepted and verdict.reason != reasons.INVALID_SPEC
    ]
    for key, repo in plan.repos.items():
        if not repo.verdict.accepted:
            path = repo.verdict.field or _FIELDS.get(repo.verdict.reason, "spec")
            problem = inventory.complain("EventRepo", key, path, _text(repo.verdict))
            found.append(_warning(problem) if _only_cluster_knows(inventory, fleet, key, repo.verdict) else problem)
    return found


def _only_cluster_knows(inventory: Inventory, fleet: GatewayFleet, key: Key, verdict: Verdict) -> bool:
    if verdict.reason == reasons.PROFILE_NOT_FOUND:
        return True
    by_label = fleet.spec.allowed_repos.namespaces.from_ is NamespacesFrom.SELECTOR
    return verdict.reason == reasons.NAMESPACE_NOT_ALLOWED and by_label and key[0] not in inventory.namespaces


def _warning(problem: Problem) -> Problem:
    return replace(problem, severity=Severity.WARNING)


def _text(verdict: Verdict) -> str:
    return f"{verdict.message} ({verdict.reason})"
