"""Golden fleets: what rendering makes of tests/golden/fleets/*.input.yaml, as text that reviewers read."""

from pathlib import Path
from typing import Any

from headgate_operator.cli.documents import read_documents
from headgate_operator.cli.inventory import take_inventory
from headgate_operator.cli.worlds import build_world
from headgate_operator.cli.yaml_text import write_yaml
from headgate_operator.render.fleet import render_fleet
from headgate_operator.render.template_files import load_templates
from headgate_operator.render.world import FleetPlan

DIRECTORY = Path(__file__).parent / "fleets"
NAMES = sorted(path.name.removesuffix(".input.yaml") for path in DIRECTORY.glob("*.input.yaml"))
TEMPLATES = load_templates()


def expected_file(name: str) -> Path:
    return DIRECTORY / f"{name}.expected.yaml"


def plan_of(name: str) -> FleetPlan:
    documents, problems = read_documents([str(DIRECTORY / f"{name}.input.yaml")])
    inventory = take_inventory(documents, "default")
    assert not problems + inventory.problems
    (fleet,) = inventory.fleets.values()
    return render_fleet(build_world(inventory, fleet, fleet.key), TEMPLATES)


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
