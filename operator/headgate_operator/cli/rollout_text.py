"""The picture of one rollout, as `status` and `watch` draw it, and what to do next. Pure: time and width are arguments."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from headgate_operator.api.rollout import MeasurementStatus, RolloutStatus
from headgate_operator.cli.rollout_outcome import describe_pending
from headgate_operator.cli.rollout_verbs import fitting_verbs
from headgate_operator.cli.rollout_view import RepoView, read_counted, seconds_since
from headgate_operator.cli.terminal import LABEL_WIDTH, Style, bar, clean, labelled, span, table
from headgate_operator.rollout.model import Phase, Stage, Verdict
from headgate_operator.status import reasons

PROGRAM = "headgate"

_PHASE_LOOKS = {
    Phase.STABLE: "green",
    Phase.ROLLED_BACK: "red",
    Phase.ROLLING_BACK: "red",
    Phase.PAUSED: "yellow",
    Phase.WAITING: "yellow",
}
_VERDICT_LOOKS = {Verdict.PASS: "green", Verdict.FAIL: "red", Verdict.INCONCLUSIVE: "yellow"}
_WRITTEN_SHOWN = 10


def draw(view: RepoView, style: Style, now: datetime, program: str = PROGRAM) -> list[str]:
    """The whole picture."""
    lines = [style.paint(f"EventRepo {view.namespace}/{view.name}", "bold") + f"  generation {view.generation}"]
    lines += _freshness(view, style)
    rollout = view.rollout
    if rollout is None:
        lines += labelled("Rollout", describe_pending(view), style)
    else:
        lines += [*_head(view, rollout, style), *_traffic(view, rollout, style, now)]
        lines += _measurements(rollout.measurements, style)
        lines += _why(rollout, style)
        lines += _written(rollout, style)
    lines += _conditions(view, style)
    for label, step in zip(("Next", *[""] * 9), next_steps(view, program), strict=False):
        lines += labelled(label, step, style, "bold")
    return lines


def _freshness(view: RepoView, style: Style) -> list[str]:
    if view.is_current:
        return []
    old = f"status speaks of generation {view.observed_generation}: the operator has not looked at the newest spec yet"
    return labelled("", old, style, "yellow")


def _head(view: RepoView, rollout: RolloutStatus, style: Style) -> list[str]:
    stage = f" ({clean(rollout.stage)})" if rollout.stage else ""
    look = _PHASE_LOOKS.get(Phase(rollout.phase), "cyan") if rollout.phase in list(Phase) else "cyan"
    lines = [f"{'Phase':<{LABEL_WIDTH}}{style.paint(clean(rollout.phase), look, 'bold')}{stage}"]
    lines += labelled("Stable", rollout.stable or "none", style)
    if rollout.candidate:
        lines += labelled("Candidate", rollout.candidate + _beside(view, rollout), style)
    return lines


def _beside(view: RepoView, rollout: RolloutStatus) -> str:
    if rollout.cause == "Image":
        return "; a new image of the fleet, both are hashes of images"
    return "" if rollout.candidate == view.revision or not view.revision else f"; the spec asks for {view.revision}"


def _traffic(view: RepoView, rollout: RolloutStatus, style: Style, now: datetime) -> list[str]:
    lines = list[str]()
    if view.step or rollout.phase in (Phase.WAITING, Phase.PROMOTING):
        lines += _steps(view, style)
    if rollout.weight is not None:
        share = bar(rollout.weight / 100, style)
        lines.append(f"{'Asked':<{LABEL_WIDTH}}{share} {rollout.weight}%")
    if rollout.counted_weight:
        lines.append(_counted(rollout, style))
    lines += _ages(view, rollout, style, now)
    return lines


def _counted(rollout: RolloutStatus, style: Style) -> str:
    counted = read_counted(rollout.counted_weight)
    share = bar(counted[0], style) + " " if counted else ""
    word = rollout.verified or "not verified yet"
    look = "green" if rollout.verified == "Verified" else "yellow"
    return f"{'Counted':<{LABEL_WIDTH}}{share}{clean(rollout.counted_weight or '')} requests, {style.paint(clean(word), look)}"


def _steps(view: RepoView, style: Style) -> list[str]:
    """`10% > [50%] > 100%`: the step under way in brackets."""
    if not view.steps:
        return []
    at = view.step[0] if view.step else 0
    parts = [
        style.paint(f"[{step.weight}% {step.hold}]", "bold", "cyan") if index == at else f"{step.weight}% {step.hold}"
        for index, step in enumerate(view.steps, start=1)
    ]
    return [f"{'Steps':<{LABEL_WIDTH}}{' > '.join([*parts, '100%'])}"]


def _ages(view: RepoView, rollout: RolloutStatus, style: Style, now: datetime) -> list[str]:
    age, step_age = seconds_since(rollout.started_at, now), seconds_since(rollout.step_started_at, now)
    parts = [f"rollout {span(age)}"] if age is not None and view.step else []
    if age is not None and not parts:
        parts = [f"began {span(age)} ago"]
    if step_age is not None and view.step:
        parts.append(f"step {view.step[0]} of {view.step[1]} measured for {span(step_age)}{_hold(view)}")
    elif view.step:
        parts.append(f"step {view.step[0]} of {view.step[1]}, its clock has not started")
    return labelled("Age", ", ".join(parts), style) if parts else []


def _hold(view: RepoView) -> str:
    if view.step is None or view.step[0] > len(view.steps):
        return ""
    step = view.steps[view.step[0] - 1]
    return ", until it is approved" if step.is_manual else f" of {step.hold}"


def _measurements(measurements: Sequence[MeasurementStatus], style: Style) -> list[str]:
    if not measurements:
        return []
    header = ("MEASUREMENT", "VALUE", "STABLE", "THRESHOLD", "REQUESTS", "VERDICT")
    rows = [
        (
            clean(each.name),
            clean(each.value),
            clean(each.stable or "-"),
            clean(each.threshold),
            str(each.requests),
            style.paint(clean(each.verdict), *_verdict_look(each.verdict)),
        )
        for each in measurements
    ]
    return ["", *(f"  {line}" for line in table([header, *rows], right=frozenset({1, 2, 4}))), ""]


def _verdict_look(verdict: str) -> tuple[str, ...]:
    return tuple(look for known, look in _VERDICT_LOOKS.items() if known == verdict)


def _why(rollout: RolloutStatus, style: Style) -> list[str]:
    lines = list[str]()
    if rollout.reason or rollout.message:
        lines += labelled("Reason", ": ".join(part for part in (rollout.reason, rollout.message) if part), style)
    if rollout.command:
        lines += labelled("Command", f"{rollout.command.verb}: {rollout.command.result}", style)
    return lines


def _written(rollout: RolloutStatus, style: Style) -> list[str]:
    """What the revision that went back leaves in Kafka."""
    shown = [
        f"{each.topic}[{each.partition}] offsets {each.first_offset} to {each.last_offset}, {each.records} records of it"
        for each in rollout.written[:_WRITTEN_SHOWN]
    ]
    if len(rollout.written) > _WRITTEN_SHOWN:
        shown.append(f"and {len(rollout.written) - _WRITTEN_SHOWN} more partitions: -o yaml shows them")
    labels = ("Wrote", *[""] * len(shown))
    return [line for label, text in zip(labels, shown, strict=False) for line in labelled(label, text, style)]


def _conditions(view: RepoView, style: Style) -> list[str]:
    lines = list[str]()
    for type_ in (reasons.READY, reasons.SERVING):
        condition = view.condition(type_)
        # What the rollout itself says stands above already.
        if condition is None or (view.rollout and condition.message == view.rollout.message):
            continue
        message = f": {condition.message}" if condition.message and condition.status != "True" else ""
        look = {"True": "green", "False": "red"}.get(condition.status, "yellow")
        lines += labelled(type_, f"{condition.status} ({condition.reason}){message}", style, look)
    return lines


def next_steps(view: RepoView, program: str = PROGRAM) -> list[str]:
    """What somebody can do now, a sentence each."""
    accepted = view.condition(reasons.ACCEPTED)
    if view.is_current and accepted is not None and accepted.status == "False":
        return ["mend the spec and apply it again; what is promoted stays served"]
    rollout = view.rollout
    if rollout is None:
        return []

    def command(verb: str) -> str:
        return f"{program} rollout {verb} {view.name} -n {view.namespace}"

    match rollout.phase, rollout.stage:
        case (Phase.PROGRESSING, Stage.GATED):
            return [f"{command('approve')} lets it go on", f"{command('abort')} takes it back"]
        case (Phase.PROGRESSING, Stage.UNDECIDED):
            return [
                "send more requests, and it is decided by itself",
                f"or decide: {command('promote')}, or {command('abort')}",
            ]
        case (Phase.PAUSED, _):
            return [
                f"{command('resume')} goes on",
                f"or decide: {command('promote')}, or {command('abort')}",
            ]
        case (Phase.ROLLED_BACK, _):
            return [
                "mend the spec (another revision starts a rollout of its own), or take the change back in Git",
                f"or try the same revision again: {command('retry')}",
            ]
        case (Phase.WAITING | Phase.PROGRESSING, _):
            return [f"nothing: it goes on by itself. You can {' or '.join(fitting_verbs(view))}"]
        case _:
            return []


def build_report(view: RepoView, outcome: tuple[int, str] | None = None) -> dict[str, Any]:
    """`-o json|yaml`: the same facts for programs, in the words of the resource."""
    rollout = view.rollout
    report: dict[str, Any] = {
        "namespace": view.namespace,
        "name": view.name,
        "generation": view.generation,
        "observedGeneration": view.observed_generation,
        "revision": view.revision or None,
        "fleet": view.fleet or None,
        "rollout": rollout.model_dump(mode="json", by_alias=True, exclude_none=True) if rollout else None,
        "conditions": [condition.model_dump(mode="json", by_alias=True) for condition in view.conditions],
    }
    if outcome is not None:
        report["outcome"] = {"code": int(outcome[0]), "message": outcome[1]}
    return report
