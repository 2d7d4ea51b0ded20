"""What status shows of a rollout, and what it makes of the Ready condition. Pure: the state is given, nothing is judged."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from headgate_operator.api.rollout import (
    CommandStatus,
    MeasurementStatus,
    Rollout,
    RolloutStatus,
    WrittenStatus,
)
from headgate_operator.rollout import reasons
from headgate_operator.rollout.model import OWN_SPEC, Measurement, Phase, RolloutState, Stage
from headgate_operator.status.conditions import Fact, ready_facts

MEASUREMENTS_SHOWN = 64
RANGES_SHOWN = 256
UNDER_WAY = frozenset({Phase.PROGRESSING, Phase.PAUSED})
SETTLED = frozenset({Phase.STABLE, Phase.ROLLED_BACK})


@dataclass(frozen=True, slots=True)
class Split:
    """Requests that the gateways counted since the step's weight was asked for."""

    canary: int
    stable: int

    def __str__(self) -> str:
        total = self.canary + self.stable
        share = f"{100 * self.canary / total:.1f}% of " if total else "none of "
        return f"{share}{total}"


@dataclass(frozen=True, slots=True)
class Shown:
    """What status shows of one repo's rollout."""

    state: RolloutState
    policy: Rollout
    split: Split | None = None


def build_rollout_status(state: RolloutState, policy: Rollout, split: Split | None) -> dict[str, Any]:
    """The `rollout` block of a repo's status. `split`: where requests are being counted."""
    under_way = state.phase in UNDER_WAY
    settled = state.phase in SETTLED
    status = RolloutStatus(
        phase=state.phase,
        stage=state.stage if under_way else None,
        stable=state.stable,
        candidate=state.candidate,
        cause=None if settled or state.cause.kind == OWN_SPEC.kind else state.cause.kind,
        step=f"{state.step + 1}/{len(policy.steps)}" if under_way else None,
        weight=None if settled else state.weight,
        counted_weight=str(split) if split is not None and under_way and state.stage is not Stage.STARTING else None,
        verified=("Verified" if state.verified else "Unverified") if under_way and state.clock is not None else None,
        reason=state.reason or None,
        message=state.message or None,
        started_at=None if state.phase is Phase.STABLE or not state.began else moment(state.began),
        step_started_at=moment(state.clock) if under_way and state.clock is not None else None,
        measurements=tuple(
            MeasurementStatus(
                name=each.name,
                value=each.value,
                stable=each.stable,
                threshold=each.threshold,
                requests=each.requests,
                verdict=each.verdict,
            )
            for each in _figures(state)
        ),
        command=_command(state),
        written=_written(state),
    )
    return status.model_dump(mode="json", by_alias=True, exclude_defaults=True)


def _figures(state: RolloutState) -> tuple[Measurement, ...]:
    """The measurements of the revision under way, promoted or refused; those of one that was taken back say nothing now."""
    if state.phase is Phase.STABLE and state.reason != reasons.PROMOTED:
        return ()
    return state.measurements[:MEASUREMENTS_SHOWN]


def _command(state: RolloutState) -> CommandStatus | None:
    if not state.obeyed:
        return None
    last = state.obeyed[-1]
    return CommandStatus(token=last.token, verb=last.verb, result=last.result)


def _written(state: RolloutState) -> tuple[WrittenStatus, ...]:
    if state.phase is not Phase.ROLLED_BACK:
        return ()
    return tuple(
        WrittenStatus(
            topic=each.topic,
            partition=each.partition,
            first_offset=each.first,
            last_offset=each.last,
            records=each.records,
        )
        for each in state.written[:RANGES_SHOWN]
    )


def is_move(state: RolloutState) -> bool:
    """Whether the repo moves to a new image of its fleet: its own content stays what it is."""
    return state.cause.kind == "Image"


def rollout_facts(state: RolloutState) -> tuple[Fact, ...] | None:
    """Ready and its companions while a rollout has the say; None where nothing is on its way.

    Ready stays Unknown while a change is judged (kstatus: in progress), and False once it was refused: what is served
    is then fine, but it is not what the spec asks for. While the repo moves to a new image it is: that is the fleet's
    affair.
    """
    if state.phase is Phase.STABLE or is_move(state):
        return None
    message = state.message or state.phase
    if state.phase is Phase.ROLLED_BACK:
        return ready_facts("False", state.phase, message, stalled=True)
    return ready_facts("Unknown", state.phase, message, stalled=False)


def moment(seconds: float) -> str:
    """Seconds since the epoch as RFC 3339."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
