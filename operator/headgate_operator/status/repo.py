"""The status of an EventRepo, from its verdict and from what the ready gateways say. Pure; time is an argument."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from headgate_operator.render.world import Verdict
from headgate_operator.rollout.model import Phase
from headgate_operator.status import reasons
from headgate_operator.status.conditions import Fact, build_conditions, find, ready_facts, truth
from headgate_operator.status.delivery import Tally
from headgate_operator.status.rollout import Shown, build_rollout_status, is_move, rollout_facts


@dataclass(frozen=True, slots=True)
class RepoSight:
    """Everything that the status of one repo depends on."""

    generation: int
    verdict: Verdict
    revision: str | None
    fleet: str
    """namespace/name."""
    urls: tuple[str, ...]
    served: bool
    """Whether the shard carries an entry for it, of whatever revision."""
    tally: Tally
    trouble: str = ""
    """An object of its own (or its shard) that could not be applied, and why."""
    route_trouble: str = ""
    """What a parent of its HTTPRoute has against it."""
    rollout: Shown | None = None
    """Where its change is; None of a repo that was never accepted."""


def build_repo_status(sight: RepoSight, live: Mapping[str, Any], now: str) -> dict[str, Any]:
    """The status subresource's content."""
    earlier = live.get("conditions") or ()
    programmed, serving = _programmed(sight, live), _serving(sight, earlier)
    accepted = Fact(reasons.ACCEPTED, truth(sight.verdict.accepted), sight.verdict.reason, sight.verdict.message)
    facts = (*_ready(sight, programmed), accepted, programmed, serving)
    status = {
        "observedGeneration": sight.generation,
        "fleet": sight.fleet,
        "conditions": build_conditions(facts, earlier, sight.generation, now),
    }
    if sight.revision:
        status["revision"] = sight.revision
    if sight.urls:
        status["endpoints"] = list(sight.urls)
    if sight.rollout is not None:
        status["rollout"] = build_rollout_status(sight.rollout.state, sight.rollout.policy, sight.rollout.split)
    return status | {"gateways": _gateways(sight, status, live)}


def is_passing(live: Mapping[str, Any], status: Mapping[str, Any]) -> bool:
    """Whether all that a status has to tell is that gateways have yet to confirm: news that the next second makes old.

    Never so where somebody would be told too late: a refusal, a failure, a repo that is served no longer.
    """
    before, after = live.get("conditions") or (), status["conditions"]
    lost = _is(find(before, reasons.SERVING), "True") and not _is(find(after, reasons.SERVING), "True")
    programmed = find(after, reasons.PROGRAMMED) or {}
    # A gateway that has just become ready and was not asked yet counts as out of reach. Where there is no gateway at all,
    # nobody is about to confirm.
    waits = programmed.get("reason") in (reasons.PENDING, reasons.UNREACHABLE)
    return waits and not lost and _is(find(after, reasons.ACCEPTED), "True")


def _is(condition: Mapping[str, Any] | None, status: str) -> bool:
    return condition is not None and condition.get("status") == status


def _gateways(sight: RepoSight, status: Mapping[str, Any], live: Mapping[str, Any]) -> str:
    """Of the gateways, those that have confirmed; counted only when something else of the status changes as well.

    The number of gateways is the fleet's: else each pod that comes or goes would rewrite the status of every repo.
    """
    counted = live.get("gateways")
    if counted and all(live.get(name) == value for name, value in status.items()):
        return str(counted)
    return f"{sight.tally.newest if sight.verdict.accepted else 0}/{sight.tally.ready}"


def _programmed(sight: RepoSight, live: Mapping[str, Any]) -> Fact:
    tally = sight.tally
    if not sight.verdict.accepted:
        return _not_programmed(reasons.NOT_ACCEPTED, "the spec is not accepted, so no gateway takes it up")
    if sight.rollout is not None and sight.rollout.state.phase is not Phase.STABLE and not is_move(sight.rollout.state):
        state = sight.rollout.state
        return _not_programmed(
            state.phase, f"the stable gateways serve {state.stable} until {sight.revision} is promoted"
        )
    if sight.trouble:
        return _not_programmed(reasons.APPLY_FAILED, sight.trouble)
    if tally.refusals:
        gateway, why = tally.refusals[0]
        return _not_programmed(reasons.REFUSED, f"{len(tally.refusals)} of {tally.ready} gateways: {gateway}: {why}")
    if not tally.ready:
        return _not_programmed(reasons.NO_GATEWAYS, "no gateway is ready; see the fleet's conditions")
    if tally.newest == tally.ready or _still_programmed(sight, live):
        return Fact(reasons.PROGRAMMED, "True", reasons.IS_PROGRAMMED, f"every ready gateway serves {sight.revision}")
    if tally.unreachable:
        return _not_programmed(reasons.UNREACHABLE, _unreachable(tally))
    return _not_programmed(reasons.PENDING, f"{tally.newest} of {tally.ready} ready gateways serve {sight.revision}")


def _not_programmed(reason: str, message: str) -> Fact:
    return Fact(reasons.PROGRAMMED, "False", reason, message)


def _unreachable(tally: Tally) -> str:
    return f"cannot read port 8081 of {', '.join(tally.unreachable[:3])}: may the operator's pods reach the gateways' (NetworkPolicy)?"


def _still_programmed(sight: RepoSight, live: Mapping[str, Any]) -> bool:
    """Whether the earlier Programmed=True may stand, since what is known does not contradict it.

    After an operator's restart a gateway may not have been asked yet, or report a hash that this process never wrote.
    """
    condition = find(live.get("conditions") or (), reasons.PROGRAMMED)
    return (
        sight.tally.newest + sight.tally.unknown + len(sight.tally.unreachable) == sight.tally.ready
        and condition is not None
        and condition.get("status") == "True"
        and condition.get("observedGeneration") == sight.generation
        and live.get("revision") == sight.revision
    )


def _serving(sight: RepoSight, earlier: Any) -> Fact:
    tally = sight.tally
    if not sight.served:
        return Fact(reasons.SERVING, "False", reasons.NOT_SERVED, "no config of this repo was ever accepted")
    if not tally.ready:
        return Fact(reasons.SERVING, "False", reasons.NO_GATEWAYS, "no gateway is ready; see the fleet's conditions")
    if tally.serving == tally.ready:
        return Fact(reasons.SERVING, "True", reasons.IS_SERVING, "every ready gateway serves the repo")
    before = find(earlier, reasons.SERVING)
    if tally.serving + tally.unknown + len(tally.unreachable) == tally.ready and before is not None:
        return Fact(reasons.SERVING, str(before["status"]), str(before["reason"]), str(before.get("message", "")))
    why = f": {tally.refusals[0][0]}: {tally.refusals[0][1]}" if tally.refusals else ""
    message = f"{tally.serving} of {tally.ready} ready gateways serve the repo{why}"
    return Fact(reasons.SERVING, "False", reasons.NOT_SERVED, message)


def _ready(sight: RepoSight, programmed: Fact) -> tuple[Fact, ...]:
    if not sight.verdict.accepted:
        return ready_facts("False", sight.verdict.reason, sight.verdict.message, stalled=True)
    if sight.rollout is not None and (facts := rollout_facts(sight.rollout.state)):
        return facts
    if programmed.status == "True" and sight.route_trouble:
        return ready_facts("False", reasons.ROUTE_NOT_ACCEPTED, sight.route_trouble, stalled=True)
    if programmed.status == "True":
        return ready_facts("True", reasons.IS_READY, programmed.message, stalled=False)
    if programmed.reason in (reasons.REFUSED, reasons.APPLY_FAILED):
        return ready_facts("False", programmed.reason, programmed.message, stalled=True)
    return ready_facts("Unknown", programmed.reason, programmed.message, stalled=False)
