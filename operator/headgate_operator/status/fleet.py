"""The status of a GatewayFleet, from its verdict, its workload and what its gateways say. Pure; time is an argument."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from headgate_operator.api.reasons import GATEWAY_TOO_OLD
from headgate_operator.render.world import Verdict
from headgate_operator.status import reasons
from headgate_operator.status.conditions import Fact, build_conditions, find, ready_facts, truth
from headgate_operator.status.observation import WorkloadProgress
from headgate_operator.status.upgrade import ShownUpgrade, build_upgrade_status, upgrade_facts


@dataclass(frozen=True, slots=True)
class FleetSight:
    """Everything that the status of one fleet depends on."""

    generation: int
    verdict: Verdict
    workload: WorkloadProgress | None
    """None where there is no Deployment or StatefulSet (yet)."""
    ready_gateways: int
    current_gateways: int
    """Ready gateways that report the newest config."""
    unreachable: tuple[str, ...]
    repos: int
    """Repos that the shards carry."""
    contract_version: int
    failures: tuple[str, ...] = ()
    """Objects that could not be applied, with the reason."""
    pod_trouble: str = ""
    too_old: bool = False
    """Whether that is an image which does not know what the spec asks of its gateways."""
    upgrade: ShownUpgrade | None = None
    """None of a fleet that never had one."""
    spool: Mapping[str, Any] | None = None
    """None of a fleet that has neither a spool nor claims of one."""


def build_fleet_status(sight: FleetSight, live: Mapping[str, Any], now: str) -> dict[str, Any]:
    """The status subresource's content."""
    programmed = _programmed(sight)
    accepted = Fact(reasons.ACCEPTED, truth(sight.verdict.accepted), sight.verdict.reason, sight.verdict.message)
    facts = (*_ready(sight, live, programmed), accepted, programmed)
    desired = sight.workload.desired if sight.workload else 0
    upgrade = {"upgrade": build_upgrade_status(sight.upgrade)} if sight.upgrade is not None else {}
    spool = {"spool": sight.spool} if sight.spool is not None else {}
    return (
        upgrade
        | spool
        | {
            "observedGeneration": sight.generation,
            "gateways": f"{sight.ready_gateways}/{desired}",
            "repos": sight.repos,
            "contractVersion": sight.contract_version,
            "conditions": build_conditions(facts, live.get("conditions") or (), sight.generation, now),
        }
    )


def _programmed(sight: FleetSight) -> Fact:
    if not sight.verdict.accepted:
        return Fact(reasons.PROGRAMMED, "False", reasons.NOT_ACCEPTED, "the spec is not accepted")
    if sight.failures:
        return Fact(reasons.PROGRAMMED, "False", reasons.APPLY_FAILED, _failures(sight))
    if not sight.ready_gateways:
        reason = GATEWAY_TOO_OLD if sight.too_old else reasons.NO_GATEWAYS
        return Fact(reasons.PROGRAMMED, "False", reason, sight.pod_trouble or "no gateway is ready")
    if sight.current_gateways == sight.ready_gateways:
        return Fact(reasons.PROGRAMMED, "True", reasons.IS_PROGRAMMED, "every ready gateway reports the newest config")
    if sight.unreachable:
        names = ", ".join(sight.unreachable[:3])
        message = f"cannot read port 8081 of {names}: may the operator's pods reach the gateways' (NetworkPolicy)?"
        return Fact(reasons.PROGRAMMED, "False", reasons.UNREACHABLE, message)
    message = f"{sight.current_gateways} of {sight.ready_gateways} ready gateways report the newest config"
    return Fact(reasons.PROGRAMMED, "False", reasons.PENDING, message)


def _failures(sight: FleetSight) -> str:
    more = f" (and {len(sight.failures) - 1} more)" if len(sight.failures) > 1 else ""
    return sight.failures[0] + more


def _ready(sight: FleetSight, live: Mapping[str, Any], programmed: Fact) -> tuple[Fact, ...]:
    workload, earlier = sight.workload, find(live.get("conditions") or (), reasons.READY) or {}
    if not sight.verdict.accepted:
        return ready_facts("False", sight.verdict.reason, sight.verdict.message, stalled=True)
    if sight.failures:
        return ready_facts("False", reasons.APPLY_FAILED, _failures(sight), stalled=True)
    if workload is None:
        return ready_facts("Unknown", reasons.ROLLING_OUT, "the gateways' workload is being created", stalled=False)
    upgrade = upgrade_facts(sight.upgrade.state) if sight.upgrade is not None else None
    if upgrade is not None and sight.ready_gateways and not (workload.stuck or sight.pod_trouble):
        return upgrade
    if sight.too_old and not workload.complete:
        # Kubernetes would go on trying until a deadline; waiting helps nobody here.
        message = f"{workload.ready} of {workload.desired} gateways are ready: {sight.pod_trouble}"
        return ready_facts("False", GATEWAY_TOO_OLD, message, stalled=True)
    if not workload.observed:
        return _unobserved(sight, earlier)
    if workload.desired == 0 and workload.total == 0:
        return ready_facts("True", reasons.SCALED_TO_ZERO, "no gateways are asked for", stalled=False)
    if workload.stuck and not workload.complete:
        return _stuck(sight, workload)
    if not workload.complete and not _is_scaled(sight, workload, live, earlier):
        return _incomplete(sight, workload, earlier)
    if programmed.status != "True" and programmed.reason == reasons.UNREACHABLE:
        return ready_facts("Unknown", programmed.reason, programmed.message, stalled=False)
    # A change of config under way does not make a fleet unready: its gateways serve throughout.
    message = f"{workload.ready} of {workload.desired} gateways are ready"
    return ready_facts("True", reasons.IS_READY, message, stalled=False)


def _unobserved(sight: FleetSight, earlier: Mapping[str, Any]) -> tuple[Fact, ...]:
    """An autoscaler's word makes a new generation too: the fleet stays what it was until the controller has looked."""
    if _was_ready(sight, earlier):
        return ready_facts("True", str(earlier["reason"]), str(earlier.get("message", "")), stalled=False)
    return ready_facts("Unknown", reasons.ROLLING_OUT, "the gateways' workload has just been changed", stalled=False)


def _was_ready(sight: FleetSight, earlier: Mapping[str, Any]) -> bool:
    """Whether the fleet was ready at this very spec."""
    return earlier.get("status") == "True" and earlier.get("observedGeneration") == sight.generation


def _is_scaled(
    sight: FleetSight, workload: WorkloadProgress, live: Mapping[str, Any], earlier: Mapping[str, Any]
) -> bool:
    """Whether an autoscaler merely asks for another number: no older pod is left, and no gateway was lost."""
    if workload.updated < workload.total or not workload.settled or not _was_ready(sight, earlier):
        return False
    counted = str(live.get("gateways") or "").partition("/")[0]
    before = int(counted) if counted.isdecimal() else workload.desired
    return not sight.pod_trouble and sight.ready_gateways >= min(before, workload.desired)


def _stuck(sight: FleetSight, workload: WorkloadProgress) -> tuple[Fact, ...]:
    message = f"{workload.ready} of {workload.desired} gateways are ready: {sight.pod_trouble or workload.stuck}"
    return ready_facts("False", reasons.PROGRESS_DEADLINE_EXCEEDED, message, stalled=True)


def _incomplete(sight: FleetSight, workload: WorkloadProgress, earlier: Mapping[str, Any]) -> tuple[Fact, ...]:
    if workload.updated < workload.desired:
        return _not_ready(sight, reasons.ROLLING_OUT, f"{workload.updated} of {workload.desired} gateways are new")
    if workload.total > workload.desired:
        return _not_ready(
            sight, reasons.ROLLING_OUT, f"{workload.total - workload.desired} gateways are on their way out"
        )
    message = f"{workload.ready} of {workload.desired} gateways are ready"
    # Pods of a new template, or more of them by a new spec, take their time to start: nothing is lost yet.
    starting = earlier.get("reason") == reasons.ROLLING_OUT and not sight.pod_trouble
    return _not_ready(sight, reasons.ROLLING_OUT if starting else reasons.DEGRADED, message)


def _not_ready(sight: FleetSight, reason: str, message: str) -> tuple[Fact, ...]:
    detail = f"{message}: {sight.pod_trouble}" if sight.pod_trouble else message
    status = "False" if reason == reasons.DEGRADED else "Unknown"
    return ready_facts(status, reason, detail, stalled=False)
