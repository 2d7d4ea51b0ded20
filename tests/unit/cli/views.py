"""Builders: an EventRepo on its way, of which a test names only what matters."""

from datetime import UTC, datetime
from typing import Any

from headgate_operator.cli.rollout_view import RepoView, read_view

NOW = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC)
STABLE, CANDIDATE = "5a1e000000000001", "cafe000000000002"


def condition(
    type_: str, status: str = "True", reason: str = "Fine", message: str = "", generation: int = 2
) -> dict[str, Any]:
    return {
        "type": type_, "status": status, "reason": reason, "message": message,
        "observedGeneration": generation, "lastTransitionTime": "2026-11-21T11:00:00Z",
    }  # fmt: skip


def rollout(phase: str = "Progressing", **fields: Any) -> dict[str, Any]:
    found: dict[str, Any] = {"phase": phase, "stable": STABLE}
    if phase in ("Progressing", "Paused"):
        found |= {"candidate": CANDIDATE, "stage": "Measuring", "step": "1/2", "weight": 10}
    elif phase != "Stable":
        found |= {"candidate": CANDIDATE}
    return {name: value for name, value in (found | fields).items() if value is not None}


def manifest(status_rollout: dict[str, Any] | None = None, generation: int = 2, **fields: Any) -> dict[str, Any]:
    """`fields`: of the status, `spec` and `annotations`."""
    spec, annotations = fields.pop("spec", {}), fields.pop("annotations", {})
    status = {
        "observedGeneration": generation,
        "revision": CANDIDATE,
        "fleet": "gateways/default",
        "conditions": [condition("Accepted"), condition("Programmed")],
        "rollout": status_rollout,
        **fields,
    }
    metadata = {"namespace": "web", "name": "access", "generation": generation, "annotations": annotations}
    return {
        "apiVersion": "headgate.dev/v1alpha1", "kind": "EventRepo", "metadata": metadata, "spec": spec,
        "status": {name: value for name, value in status.items() if value is not None},
    }  # fmt: skip


def view(status_rollout: dict[str, Any] | None = None, **fields: Any) -> RepoView:
    return read_view(manifest(status_rollout, **fields))
