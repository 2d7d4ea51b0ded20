"""What a run's gateway is configured as: its repos, and whether it has a spool. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class StageRepo:
    """One repo, and the senders that it has."""

    name: str
    kafka: Mapping[str, Any] = field(default_factory=dict)
    senders: int = 1
    large: bool = False
    """Whether some of its lines are larger than a topic may be told to take."""
    late: bool = False
    """Whether its topic may be made only later."""


@dataclass(frozen=True)
class Stage:
    """All repos of a gateway."""

    name: str
    repos: tuple[StageRepo, ...]
    spools: bool = False


_SPOOL: Mapping[str, Any] = {"onFailure": "Spool"}
_ASYNC: Mapping[str, Any] = {"delivery": "Async"}
SYNC = Stage(
    "sync",
    (StageRepo("logs", senders=2), StageRepo("large", large=True), StageRepo("late", late=True)),
)
SPOOL = Stage(
    "spool",
    (
        StageRepo("logs"),
        StageRepo("kept", _SPOOL, senders=2),
        StageRepo("queued", _ASYNC),
        StageRepo("large", _ASYNC, large=True),
        StageRepo("late", _SPOOL, late=True),
    ),
    spools=True,
)
STAGES = {stage.name: stage for stage in (SYNC, SPOOL)}
