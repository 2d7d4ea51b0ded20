"""The CustomResourceDefinitions, made from the types: `python -m headgate_operator.api.crd` writes them.

`build_crd` is pure. Only `main` touches files: `--check` compares instead of writing, for `make check`.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

import yaml

from headgate_operator.api import names
from headgate_operator.api.fleet import GatewayFleet
from headgate_operator.api.profile import KafkaProducerProfile
from headgate_operator.api.repo import EventRepo
from headgate_operator.api.resource import Resource
from headgate_operator.api.structural import model_schema

RESOURCES: tuple[type[Resource], ...] = (GatewayFleet, KafkaProducerProfile, EventRepo)
DIRECTORIES = (Path("crds"), Path("charts/headgate/files/crds"))

_HEADER = "# Generated from operator/headgate_operator/api by `make generate`: change the types, not this file.\n"


def _condition(condition: str, field: str) -> str:
    return f'.status.conditions[?(@.type=="{condition}")].{field}'


def _column(name: str, path: str, kind: str = "string", priority: int = 0) -> dict[str, Any]:
    column: dict[str, Any] = {"name": name, "type": kind, "jsonPath": path}
    return column | ({"priority": priority} if priority else {})


_READY = _column("Ready", _condition("Ready", "status"))
_REASON = _column("Reason", _condition("Ready", "reason"))
_MESSAGE = _column("Message", _condition("Ready", "message"), priority=1)
_AGE = _column("Age", ".metadata.creationTimestamp", "date")

PRINTER_COLUMNS: dict[str, list[dict[str, Any]]] = {
    "GatewayFleet": [
        _READY,
        _REASON,
        _column("Gateways", ".status.gateways"),
        _column("Repos", ".status.repos", "integer"),
        _column("Image", ".spec.image"),
        _column("Upgrade", ".status.upgrade.phase"),
        _column("Moved", ".status.upgrade.moved"),
        _column("Backlog", ".status.spool.backlogRecords", "integer"),
        _MESSAGE,
        _AGE,
    ],
    "KafkaProducerProfile": [
        _READY,
        _REASON,
        _column("Brokers", ".spec.bootstrapServers"),
        _column("Repos", ".status.repos", "integer"),
        _MESSAGE,
        _AGE,
    ],
    "EventRepo": [
        _READY,
        _column("Phase", ".status.rollout.phase"),
        _column("Step", ".status.rollout.step"),
        _column("Weight", ".status.rollout.weight", "integer"),
        _column("Revision", ".status.revision"),
        _column("Gateways", ".status.gateways"),
        _REASON | {"priority": 1},
        _column("Topic", ".spec.kafka.topic", priority=1),
        _column("Fleet", ".status.fleet", priority=1),
        _MESSAGE,
        _AGE,
    ],
}


def build_schema(resource: type[Resource]) -> dict[str, Any]:
    """The schema of a whole object. `status` starts at observedGeneration -1, so nothing unseen looks healthy."""
    schema = model_schema(resource, leave_out=frozenset({"metadata"}))
    properties = schema["properties"]
    properties["status"]["default"] = {"observedGeneration": -1}
    properties = {
        "apiVersion": {"type": "string", "description": "The version of the schema: headgate.dev/v1alpha1."},
        "kind": {"type": "string", "description": f"{resource.KIND}."},
        # The API server owns metadata's schema and takes no other.
        "metadata": {"type": "object"},
    } | properties
    return schema | {"required": ["spec"], "properties": properties}


def build_crd(resource: type[Resource]) -> dict[str, Any]:
    """The CustomResourceDefinition of one resource."""
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {
            "name": f"{resource.PLURAL}.{names.GROUP}",
            # An uninstalled chart must not take every team's resources with it.
            "annotations": {"helm.sh/resource-policy": "keep"},
        },
        "spec": {
            "group": names.GROUP,
            "scope": "Namespaced",
            "names": {
                "kind": resource.KIND,
                "listKind": f"{resource.KIND}List",
                "plural": resource.PLURAL,
                "singular": resource.KIND.lower(),
                "shortNames": list(resource.SHORT_NAMES),
                "categories": [names.CATEGORY],
            },
            "versions": [
                {
                    "name": names.VERSION,
                    "served": True,
                    "storage": True,
                    "subresources": {"status": {}},
                    "additionalPrinterColumns": PRINTER_COLUMNS[resource.KIND],
                    "schema": {"openAPIV3Schema": build_schema(resource)},
                }
            ],
        },
    }


class _Dumper(yaml.SafeDumper):
    """Writes shared values out instead of using anchors."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def crd_files() -> dict[str, str]:
    """The text of each file, by name."""
    return {
        f"{names.GROUP}_{resource.PLURAL}.yaml": _HEADER
        + yaml.dump(build_crd(resource), Dumper=_Dumper, sort_keys=False, width=120, allow_unicode=True)
        for resource in RESOURCES
    }


def _stale_files(directories: list[Path]) -> list[Path]:
    return [
        path
        for directory in directories
        for name, text in crd_files().items()
        if not (path := directory / name).is_file() or path.read_text(encoding="utf-8") != text
    ]


def _write(directories: list[Path]) -> None:
    for directory in directories:
        directory.mkdir(parents=True, exist_ok=True)
        for name, text in crd_files().items():
            (directory / name).write_text(text, encoding="utf-8")


def main(argv: list[str] | None = None) -> int:
    """Write the CRDs, or compare them. Exit code 1 where a file differs."""
    parser = argparse.ArgumentParser(prog="python -m headgate_operator.api.crd", description=__doc__)
    parser.add_argument(
        "--out", type=Path, action="append", help="a directory to write to (default: all of the project's)"
    )
    parser.add_argument("--check", action="store_true", help="write nothing; fail if a file is not up to date")
    options = parser.parse_args(argv)
    directories = options.out or list(DIRECTORIES)
    if not options.check:
        _write(directories)
        return 0
    stale = _stale_files(directories)
    for path in stale:
        sys.stderr.write(f"{path} is not what the types say: run 'make generate'\n")
    return 1 if stale else 0


if __name__ == "__main__":
    raise SystemExit(main())
