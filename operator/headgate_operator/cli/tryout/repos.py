"""From files to what gateways would be given of each repo: its entry, and the credential files that it names.

As in `validate`, what the files do not hold is taken to be in the cluster. Here it has to be something: a fleet and
profiles with their defaults, and a warning that says so.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from secrets import token_hex

from headgate_operator.api.fleet import GatewayFleet
from headgate_operator.api.names import API_VERSION
from headgate_operator.api.profile import KafkaProducerProfile
from headgate_operator.api.repo import EventRepo
from headgate_operator.cli.inventory import Inventory, Key
from headgate_operator.cli.problems import Problem, Severity
from headgate_operator.cli.worlds import ABSENT_ENTRY, absent_secrets, build_world, fleet_key, verdict_problems
from headgate_operator.render.credentials import hash_repo_secrets
from headgate_operator.render.entries import Entry
from headgate_operator.render.judge import Judged, judge_fleet
from headgate_operator.render.memo import RenderMemo
from headgate_operator.render.world import FleetWorld

ABSENT_FLEET: Key = ("headgate-system", "default")
"""The fleet of repos that name none, where the files hold none."""
ABSENT_KAFKA = "not-among-the-files:9092"
_DELIVERY_TIMEOUT = 30_000


@dataclass(frozen=True, slots=True)
class TriedRepo:
    """A repo as a gateway would be given it."""

    key: Key
    entry: bytes
    """Canonical JSON."""
    credentials: Mapping[str, bytes]
    """Content of the files that the entry names."""


def build_repos(
    inventory: Inventory, default_fleet: Key | None, *, auth: bool
) -> tuple[dict[Key, TriedRepo], list[Problem]]:
    """Every repo of the files that the operator would accept. Without `auth`, as if none asked who sends."""
    problems = list(inventory.problems)
    default = default_fleet or next(iter(inventory.fleets), ABSENT_FLEET)
    filled = _fill(inventory, default, problems, auth=auth)
    problems += absent_secrets(filled)
    found: dict[Key, TriedRepo] = {}
    for _, fleet in sorted(filled.fleets.items()):
        world = _shut(build_world(filled, fleet, default), inventory)
        judged = judge_fleet(world)
        problems += verdict_problems(filled, fleet, judged)
        found |= _tried(world, judged)
    return found, problems


def _tried(world: FleetWorld, judged: Judged) -> dict[Key, TriedRepo]:
    entries = {key: one.wanted.entry for key, one in judged.repos.items() if one.wanted is not None}
    known = {file: content for profile in judged.resolved.values() for file, content in profile.credentials.items()}
    known |= hash_repo_secrets(world, entries.values(), judged.overflow, RenderMemo())
    return {key: TriedRepo(key, entry.content, _named(entry, known)) for key, entry in entries.items()}


def _shut(world: FleetWorld, inventory: Inventory) -> FleetWorld:
    """Keys and passwords that the files do not hold are nobody's: `dev` may listen where others come by."""
    known = {
        key: dict.fromkeys(data, token_hex(32).encode()) if _is_stand_in(key, data, inventory) else data
        for key, data in world.repo_secrets.items()
    }
    return replace(world, repo_secrets=known)


def _is_stand_in(key: Key, data: Mapping[str, bytes], inventory: Inventory) -> bool:
    return key not in inventory.secrets and ABSENT_ENTRY in data


def _named(entry: Entry, known: Mapping[str, bytes]) -> dict[str, bytes]:
    return {file: known[file] for file in sorted(entry.credential_files) if file in known}


def _fill(inventory: Inventory, default: Key, problems: list[Problem], *, auth: bool) -> Inventory:
    """The same files, with what repos name and nobody gave."""
    filled = replace(inventory, fleets=dict(inventory.fleets), profiles=dict(inventory.profiles))
    filled.repos = inventory.repos if auth else {key: _open(repo) for key, repo in inventory.repos.items()}
    for key, repo in filled.repos.items():
        where = fleet_key(repo, default) or default
        if where not in filled.fleets and ("GatewayFleet", where) not in inventory.broken:
            filled.fleets[where] = _make_fleet(where)
        if where not in inventory.fleets:
            problems.append(_say(inventory, key, "spec.fleetRef", f"GatewayFleet {_text(where)}"))
        for name in repo.spec.kafka.profiles:
            profile = where[0], name
            if ("KafkaProducerProfile", profile) in inventory.broken or where not in filled.fleets:
                continue
            if profile not in filled.profiles:
                filled.profiles[profile] = _make_profile(profile, filled.fleets[where])
            if profile not in inventory.profiles:
                what = f"KafkaProducerProfile {_text(profile)}"
                problems.append(_say(inventory, key, "spec.kafka.producerProfile", what))
    return filled


def _say(inventory: Inventory, key: Key, field: str, what: str) -> Problem:
    message = f"{what} is not among the files: one with all defaults stands in for it"
    return replace(inventory.complain("EventRepo", key, field, message), severity=Severity.WARNING)


def _open(repo: EventRepo) -> EventRepo:
    return repo.model_copy(update={"spec": repo.spec.model_copy(update={"auth": None})})


def _text(key: Key) -> str:
    return "/".join(key)


def _make_fleet(key: Key) -> GatewayFleet:
    spec = {"image": "not-among-the-files", "allowedRepos": {"namespaces": {"from": "All"}}}
    return GatewayFleet.from_object(_manifest("GatewayFleet", key, spec))


def _make_profile(key: Key, fleet: GatewayFleet) -> KafkaProducerProfile:
    # A fleet with a short grace period refuses profiles with the default timeout.
    longest = fleet.spec.termination_grace_period - fleet.spec.drain_delay
    spec = {"bootstrapServers": [ABSENT_KAFKA], "deliveryTimeout": f"{max(100, min(_DELIVERY_TIMEOUT, longest))}ms"}
    return KafkaProducerProfile.from_object(_manifest("KafkaProducerProfile", key, spec))


def _manifest(kind: str, key: Key, spec: Mapping[str, object]) -> dict[str, object]:
    return {"apiVersion": API_VERSION, "kind": kind, "metadata": {"namespace": key[0], "name": key[1]}, "spec": spec}
