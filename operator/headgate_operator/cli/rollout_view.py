"""What the `rollout` commands know of one EventRepo: a manifest, read leniently. Pure.

A command of another release than the operator's must still understand it: unknown fields are passed over.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import TypeAdapter, ValidationError

from headgate_operator.api.meta import Condition, Conditions
from headgate_operator.api.names import ANNOTATION_COMMAND
from headgate_operator.api.rollout import Rollout, RolloutStatus, RolloutStep

_CONDITIONS: TypeAdapter[tuple[Condition, ...]] = TypeAdapter(Conditions)
_STEP = re.compile(r"(\d+)/(\d+)")
_COUNTED = re.compile(r"(?:(\d+(?:\.\d+)?)%|none) of (\d+)")


class UnreadableError(ValueError):
    """The status is not what this release of the command can read."""


@dataclass(frozen=True, slots=True)
class RepoView:
    """One EventRepo as it is now."""

    namespace: str
    name: str
    generation: int
    observed_generation: int
    """-1: nobody has looked yet."""
    revision: str
    """That of the spec at the observed generation; empty where there is none."""
    fleet: str
    """namespace/name, or empty."""
    rollout: RolloutStatus | None
    steps: tuple[RolloutStep, ...]
    """Of the spec; empty where they cannot be read."""
    conditions: tuple[Condition, ...]
    command: str
    """The command annotation, or empty."""

    def condition(self, type_: str) -> Condition | None:
        """The condition of a type."""
        return next((condition for condition in self.conditions if condition.type == type_), None)

    @property
    def is_current(self) -> bool:
        """Whether the status speaks of the newest spec."""
        return self.observed_generation >= self.generation

    @property
    def step(self) -> tuple[int, int] | None:
        """The step under way, of how many; 1-based."""
        found = _STEP.fullmatch(self.rollout.step or "") if self.rollout else None
        return (int(found[1]), int(found[2])) if found else None


def read_view(manifest: Mapping[str, Any]) -> RepoView:
    """The view of a manifest. Raises UnreadableError."""
    metadata, status = manifest.get("metadata") or {}, manifest.get("status") or {}
    try:
        rollout = status.get("rollout")
        return RepoView(
            namespace=str(metadata.get("namespace", "")),
            name=str(metadata.get("name", "")),
            generation=int(metadata.get("generation", 0)),
            observed_generation=int(status.get("observedGeneration", -1)),
            revision=str(status.get("revision") or ""),
            fleet=str(status.get("fleet") or ""),
            rollout=RolloutStatus.model_validate(rollout, extra="ignore") if rollout else None,
            steps=_read_steps(manifest.get("spec") or {}),
            conditions=_CONDITIONS.validate_python(status.get("conditions") or (), extra="ignore"),
            command=str((metadata.get("annotations") or {}).get(ANNOTATION_COMMAND, "")),
        )
    except ValidationError as error:
        raise UnreadableError(
            f"the status of {metadata.get('namespace')}/{metadata.get('name')} is not what this headgate reads"
            f" ({error.errors()[0]['loc']}: {error.errors()[0]['msg']}): use the command of the operator's release"
        ) from error


def _read_steps(spec: Mapping[str, Any]) -> tuple[RolloutStep, ...]:
    try:
        return Rollout.model_validate(spec.get("rollout") or {}, extra="ignore").steps
    except ValidationError:
        return ()


def read_counted(text: str | None) -> tuple[float, int] | None:
    """The counted share (0 to 1) and the requests that it rests on, from `9.8% of 1240`."""
    found = _COUNTED.fullmatch(text or "")
    return (float(found[1] or 0) / 100, int(found[2])) if found else None


def seconds_since(moment: str | None, now: datetime) -> float | None:
    """How long ago an RFC 3339 time was; None for none, or one that cannot be read."""
    try:
        return (now - datetime.fromisoformat(moment)).total_seconds() if moment else None
    except (ValueError, TypeError):
        return None
