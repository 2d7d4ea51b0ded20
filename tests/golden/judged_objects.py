"""The table of objects that two judges must agree on: the Python types (unit) and the API server (integration)."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from headgate_operator.api.names import API_VERSION

_HERE = Path(__file__).parent / "judged"


@dataclass(frozen=True)
class JudgedObject:
    id: str
    manifest: dict[str, Any]
    python: str | None
    server: str | None


def _read(name: str) -> list[JudgedObject]:
    return [
        JudgedObject(
            id=row["id"],
            manifest={
                "apiVersion": API_VERSION,
                "kind": row["kind"],
                "metadata": {"name": row.get("name", "judged")},
                "spec": row["spec"],
            },
            python=row.get("python"),
            server=row.get("server"),
        )
        for row in yaml.safe_load((_HERE / name).read_text())
    ]


GOOD = _read("good.yaml")
BAD = _read("bad.yaml")
