"""`headgate render` and `headgate validate`: what each prints, and its exit code. Both use the operator's own functions."""

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from headgate_operator.cli.documents import read_documents
from headgate_operator.cli.inventory import Inventory, Key, take_inventory
from headgate_operator.cli.problems import Problem, Severity, count, has_errors, tell
from headgate_operator.cli.worlds import absent_fleets, absent_secrets, build_world, verdict_problems
from headgate_operator.cli.yaml_text import write_yaml
from headgate_operator.render.fleet import render_fleet
from headgate_operator.render.template_files import load_templates
from headgate_operator.render.world import RenderedObject

REDACTED = base64.b64encode(b"redacted").decode()


@dataclass(frozen=True, slots=True)
class Request:
    """What the command line asks for."""

    paths: Sequence[str]
    namespace: str
    default_fleet: Key | None
    templates: Path | None
    output: str = "yaml"
    show_secrets: bool = False


def run_render(request: Request, out: TextIO, err: TextIO) -> int:
    """Print all objects of all fleets among the files; problems go to `err`. 1 if something was refused."""
    inventory, objects, problems = _examine(request)
    tell(problems, err)
    if inventory.problems:
        err.write("nothing is rendered before these mistakes are mended\n")
        return 1
    if not inventory.fleets:
        err.write("there is no GatewayFleet among the files, so there is nothing to render: add its file with -f\n")
        return 1
    manifests = [_shown(rendered, request) for rendered in objects]
    if request.output == "json":
        json.dump({"apiVersion": "v1", "kind": "List", "items": manifests}, out, indent=2)
        out.write("\n")
    else:
        out.write(write_yaml(manifests))
    if not request.show_secrets and any(rendered.kind == "Secret" for rendered in objects):
        err.write("values of Secrets are redacted: --show-secrets prints them\n")
    return 1 if has_errors(problems) else 0


def run_validate(request: Request, out: TextIO, err: TextIO) -> int:
    """Name every mistake with file and line. 1 if there is one."""
    inventory, _, problems = _examine(request)
    tell(problems, err)
    errors = sum(problem.severity is Severity.ERROR for problem in problems)
    warnings = len(problems) - errors
    examined = count(len(inventory.places), "resource")
    if errors or warnings:
        err.write(f"{count(errors, 'error')}, {count(warnings, 'warning')} in {examined}\n")
    if not errors:
        out.write(f"{examined} would be accepted\n")
    return 1 if errors else 0


def _examine(request: Request) -> tuple[Inventory, list[RenderedObject], list[Problem]]:
    templates = load_templates(*([request.templates] if request.templates else []))
    documents, unreadable = read_documents(request.paths)
    inventory = take_inventory(documents, request.namespace)
    inventory.problems[:0] = unreadable
    default_fleet = request.default_fleet or _only_fleet(inventory)
    objects: list[RenderedObject] = []
    problems = [*inventory.problems, *absent_fleets(inventory, default_fleet), *absent_secrets(inventory)]
    for _, fleet in sorted(inventory.fleets.items()):
        plan = render_fleet(build_world(inventory, fleet, default_fleet), templates)
        objects.extend(plan.objects)
        problems.extend(verdict_problems(inventory, fleet, plan))
    return inventory, objects, problems


def _only_fleet(inventory: Inventory) -> Key | None:
    """Where nobody says which fleet is the default one, the only one among the files is."""
    return next(iter(inventory.fleets)) if len(inventory.fleets) == 1 else None


def _shown(rendered: RenderedObject, request: Request) -> dict[str, Any]:
    manifest = rendered.manifest
    if rendered.kind == "Secret" and not request.show_secrets:
        manifest["data"] = dict.fromkeys(manifest.get("data") or {}, REDACTED)
    first = ("apiVersion", "kind", "metadata")
    return {name: manifest[name] for name in first} | {k: v for k, v in manifest.items() if k not in first}
