"""Golden fleets: what rendering makes of tests/golden/fleets/*.input.yaml, as text that reviewers read.

Where a *.rollouts.yaml stands beside it, that says what is promoted of each repo, and which canaries there are to be;
the objects that keep revisions and state are then rendered too. A *.upgrade.yaml says how far the fleet's image has come.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from headgate_gateway.config import content_hash
from headgate_operator.api.repo import EventRepo, RepoSpec
from headgate_operator.cli.documents import read_documents
from headgate_operator.cli.inventory import take_inventory
from headgate_operator.cli.worlds import build_world
from headgate_operator.cli.yaml_text import write_yaml
from headgate_operator.render.fleet import render_fleet
from headgate_operator.render.intent import Intent, intent_of, profile_intent
from headgate_operator.render.judge import Judged, judge_fleet
from headgate_operator.render.revisions import build_revision_object, build_state_object, build_upgrade_state_object
from headgate_operator.render.template_files import load_templates
from headgate_operator.render.world import (
    FleetPlan,
    FleetUpgrade,
    FleetWorld,
    GatewayImage,
    RenderedObject,
    RepoKey,
    RepoRollout,
)

DIRECTORY = Path(__file__).parent / "fleets"
NAMES = sorted(path.name.removesuffix(".input.yaml") for path in DIRECTORY.glob("*.input.yaml"))
STEADY_NAMES = [
    name for name in NAMES if not any((DIRECTORY / f"{name}.{of}.yaml").exists() for of in ("rollouts", "upgrade"))
]
"""Those that are nothing but files, as `headgate render` is given them."""
CANARY_NAMES = [name for name in NAMES if (DIRECTORY / f"{name}.rollouts.yaml").exists()]
TEMPLATES = load_templates()


def expected_file(name: str) -> Path:
    return DIRECTORY / f"{name}.expected.yaml"


def plan_of(name: str) -> FleetPlan:
    documents, problems = read_documents([str(DIRECTORY / f"{name}.input.yaml")])
    inventory = take_inventory(documents, "default")
    assert not problems + inventory.problems
    (fleet,) = inventory.fleets.values()
    world = build_world(inventory, fleet, fleet.key)
    if name in STEADY_NAMES:
        return render_fleet(world, TEMPLATES)
    if (DIRECTORY / f"{name}.upgrade.yaml").exists():
        plan = render_fleet(replace(world, upgrade=_read_upgrade(name, world)), TEMPLATES)
        record = build_upgrade_state_object(TEMPLATES, world.fleet, '{"phase":"Upgrading"}')
        return replace(plan, objects=(*plan.objects, record))
    judged = judge_fleet(world)
    rollouts = dict(_read_rollouts(name, world, judged))
    plan = render_fleet(replace(world, rollouts=rollouts), TEMPLATES, judged=judged)
    return replace(plan, objects=(*plan.objects, *_records(world, rollouts)))


def _read_rollouts(name: str, world: FleetWorld, judged: Judged) -> Iterator[tuple[RepoKey, RepoRollout]]:
    repos = {repo.key: repo for repo in world.repos}
    for row in yaml.safe_load((DIRECTORY / f"{name}.rollouts.yaml").read_text()):
        namespace, _, repo = row["repo"].partition("/")
        stable = _promoted(world, repos[namespace, repo], row["promoted"])
        candidate = judged.repos[namespace, repo].desired
        replicas = row.get("canaryReplicas", 0)
        yield (
            (namespace, repo),
            RepoRollout(
                stable=stable,
                stable_revision=stable.revision,
                candidate=candidate if replicas else None,
                canary_replicas=replicas,
                weight=row.get("weight", 0),
                hold_stable="stableFloor" in row,
                stable_floor=row.get("stableFloor", 0),
            ),
        )


def _read_upgrade(name: str, world: FleetWorld) -> FleetUpgrade:
    said = yaml.safe_load((DIRECTORY / f"{name}.upgrade.yaml").read_text())
    image = world.fleet.spec.image
    return FleetUpgrade(
        stable=GatewayImage(said["stable"], "IfNotPresent"),
        candidate=GatewayImage(image, world.fleet.spec.image_pull_policy),
        revision=content_hash(image.encode()),
        replicas=said["replicas"],
        weights={(repo.partition("/")[0], repo.partition("/")[2]): weight for repo, weight in said["weights"].items()},
        stable_floor=said["stableFloor"],
    )


def _promoted(world: FleetWorld, repo: EventRepo, spec: dict[str, Any]) -> Intent:
    before = repo.model_copy(update={"spec": RepoSpec.model_validate(spec)})
    profile = before.spec.kafka.producer_profile
    return intent_of(before, {profile: profile_intent(world.profiles[profile])}, world.fleet.spec.limits)


def _records(world: FleetWorld, rollouts: dict[RepoKey, RepoRollout]) -> Iterator[RenderedObject]:
    for key, rollout in rollouts.items():
        intents = [each for each in (rollout.stable, rollout.candidate) if each]
        for sequence, intent in enumerate(intents, start=1):
            yield build_revision_object(TEMPLATES, world.fleet, key, intent, sequence)
        phase = "Progressing" if rollout.candidate else "Stable"
        yield build_state_object(TEMPLATES, world.fleet, key, f'{{"phase":"{phase}"}}')


def write_plan(plan: FleetPlan) -> str:
    """Verdicts first, then the objects; shards without a repo are counted, not shown."""
    shown = [one.manifest for one in plan.objects if not _is_empty_shard(one.manifest)]
    summary = {
        "fleet": f"{plan.fleet.reason}: {plan.fleet.message}",
        "profiles": {name: f"{one.reason}: {one.message}" for name, one in sorted(plan.profiles.items())},
        "repos": {
            "/".join(key): {
                "verdict": f"{one.verdict.reason}: {one.verdict.message}",
                "revision": one.revision,
                "urls": list(one.urls),
            }
            for key, one in plan.repos.items()
        },
        "emptyShards": len(plan.objects) - len(shown),
        "credentialsHash": plan.credentials_hash,
    }
    return write_yaml([summary, *shown])


def _is_empty_shard(manifest: dict[str, Any]) -> bool:
    return manifest["kind"] == "ConfigMap" and all('"repos":[]' in text for text in manifest["data"].values())
