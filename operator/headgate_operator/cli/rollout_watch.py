"""What happened between two looks at a rollout, in sentences. Pure; `watch` prints them, and draws the picture above."""

from headgate_operator.api.rollout import RolloutStatus
from headgate_operator.cli.rollout_view import RepoView
from headgate_operator.cli.terminal import clean
from headgate_operator.rollout.model import Verdict


def describe_changes(before: RepoView | None, after: RepoView) -> list[str]:
    """One sentence a change, in the order in which they matter; the first look tells where things stand."""
    if before is None:
        return [_standing(after)]
    happened = list[str]()
    if before.generation != after.generation:
        happened.append(f"the spec was changed: generation {after.generation}")
    was, now = before.rollout, after.rollout
    if now is None:
        return happened
    if was is None:
        return [*happened, _standing(after)]
    happened += _phase_changes(was, now)
    happened += _traffic_changes(was, now)
    happened += _verdict_changes(was, now)
    if now.command is not None and now.command != was.command:
        happened.append(f"command {now.command.verb}: {now.command.result}")
    return [clean(line) for line in happened]


def _standing(view: RepoView) -> str:
    rollout = view.rollout
    if rollout is None:
        return "no rollout in status yet"
    what = f" {rollout.candidate}" if rollout.candidate else f", serving {rollout.stable}"
    step = f", step {rollout.step}" if rollout.step else ""
    weight = f", {rollout.weight}% asked" if rollout.weight is not None else ""
    return clean(f"{rollout.phase}{what}{step}{weight}{_message(rollout)}")


def _message(rollout: RolloutStatus) -> str:
    return f": {rollout.message}" if rollout.message else ""


def _phase_changes(was: RolloutStatus, now: RolloutStatus) -> list[str]:
    happened = list[str]()
    if now.candidate and now.candidate != was.candidate:
        happened.append(f"candidate {now.candidate}")
    if now.stable != was.stable:
        happened.append(f"stable is now {now.stable}")
    if now.phase != was.phase:
        happened.append(f"{was.phase} -> {now.phase}{_message(now)}")
    elif now.stage != was.stage and now.stage:
        happened.append(f"{now.phase}: {now.stage}{_message(now)}")
    return happened


def _traffic_changes(was: RolloutStatus, now: RolloutStatus) -> list[str]:
    happened = list[str]()
    if now.step and now.step != was.step:
        happened.append(f"step {now.step}")
    if now.weight is not None and now.weight != was.weight:
        happened.append(f"weight {was.weight or 0}% -> {now.weight}%")
    if now.verified and now.verified != was.verified:
        counted = f", counted {now.counted_weight}" if now.counted_weight else ""
        happened.append(f"split {now.verified}{counted}")
    return happened


def _verdict_changes(was: RolloutStatus, now: RolloutStatus) -> list[str]:
    before = {each.name: each.verdict for each in was.measurements}
    return [
        f"{each.name} {each.verdict}: {each.value} against {each.threshold}, {each.requests} requests"
        for each in now.measurements
        if each.verdict != before.get(each.name) and each.verdict != Verdict.WAITING
    ]
