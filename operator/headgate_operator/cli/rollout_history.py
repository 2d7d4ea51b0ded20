"""The revisions of a repo and what became of them: the table of `history`, and the difference of two. Pure.

Reads what the operator keeps in the fleet's namespace: a ControllerRevision for each intent, and the rollout's state.
"""

import difflib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import yaml
from pydantic import ValidationError

from headgate_operator.api.names import LABEL_COMPONENT, LABEL_REPO, LABEL_REPO_NAMESPACE, LABEL_REVISION
from headgate_operator.cli.rollout_view import RepoView
from headgate_operator.cli.terminal import Style, clean, cut, table
from headgate_operator.render.revisions import STATE_FILE
from headgate_operator.rollout.model import Outcome, Phase, RolloutState

_ENDED = (Phase.STABLE, Phase.ROLLED_BACK)
_RESULT_LOOKS = {"Promoted": "green", "RolledBack": "red", "Reverted": "yellow", "Superseded": "yellow"}


class NoSuchRevisionError(LookupError):
    """A revision that is asked for is not kept, or its short form fits several."""


@dataclass(frozen=True, slots=True)
class Revision:
    """One intent that is kept."""

    name: str
    """The revision as status has it."""
    number: int
    """Counts up; the newest has the highest."""
    created: str
    """RFC 3339."""
    intent: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class History:
    """What is kept of one repo."""

    revisions: tuple[Revision, ...]
    """Newest first."""
    outcomes: tuple[Outcome, ...]
    """Newest first."""
    stable: str
    candidate: str
    """The revision on its way; empty where none is."""


def selector(view: RepoView, component: str) -> str:
    """The labels of one repo's objects."""
    return f"{LABEL_COMPONENT}={component},{LABEL_REPO}={view.name},{LABEL_REPO_NAMESPACE}={view.namespace}"


def read_history(
    view: RepoView, revisions: Iterable[Mapping[str, Any]], states: Iterable[Mapping[str, Any]]
) -> History:
    """The history from ControllerRevisions and the state's ConfigMap, as they are; what cannot be read is passed over."""
    found = sorted((_read_revision(each) for each in revisions), key=lambda each: -each.number)
    state = next((state for state in map(_read_state, states) if state is not None), None)
    rollout = view.rollout
    return History(
        revisions=tuple(found),
        outcomes=tuple(reversed(state.history)) if state else (),
        stable=(rollout.stable if rollout else None) or (state.stable if state else ""),
        candidate=(rollout.candidate or "") if rollout and rollout.phase not in _ENDED else "",
    )


def _read_revision(manifest: Mapping[str, Any]) -> Revision:
    metadata = manifest.get("metadata") or {}
    name = str(metadata.get("name", ""))
    data = manifest.get("data")
    return Revision(
        name=str((metadata.get("labels") or {}).get(LABEL_REVISION) or name.rpartition(".")[2]),
        number=int(manifest.get("revision") or 0),
        created=str(metadata.get("creationTimestamp", "")),
        intent=data if isinstance(data, Mapping) else {},
    )


def _read_state(manifest: Mapping[str, Any]) -> RolloutState | None:
    try:
        return RolloutState.model_validate_json(str((manifest.get("data") or {}).get(STATE_FILE, "")))
    except ValidationError:
        return None


def draw_history(history: History, style: Style) -> list[str]:
    """A table, newest first. A revision that was tried twice has two rows."""
    rows = [("", "#", "REVISION", "WHEN", "RESULT", "REASON"), *_rows(history, style)]
    if len(rows) == 1:
        return ["no revision is kept of this repo yet"]
    lines = table(rows, right=frozenset({1}))
    shown = [cut(line, style.width) for line in lines]
    return [*shown, "", "* is served. What changed: headgate rollout history REPO --diff REVISION [REVISION]"]


def _rows(history: History, style: Style) -> list[tuple[str, ...]]:
    numbers = {revision.name: str(revision.number) for revision in history.revisions}
    # The mark stands on the last promotion alone: other attempts of the same revision may have ended otherwise.
    served = next((each for each in history.outcomes if _is_promotion(each) and each.revision == history.stable), None)
    told = {outcome.revision for outcome in history.outcomes} - {history.candidate}
    untold = [
        each for each in history.revisions if each.name not in told or (each.name == history.stable and not served)
    ]
    timed = [
        *(
            (each.ended, _outcome_row(each, numbers.get(each.revision, "-"), each is served, style))
            for each in history.outcomes
        ),
        *((_seconds(each.created), _revision_row(history, each, style)) for each in untold),
    ]
    return [row for _, row in sorted(timed, key=lambda each: -each[0])]


def _is_promotion(outcome: Outcome) -> bool:
    return outcome.result == "Promoted"


def _outcome_row(outcome: Outcome, number: str, is_served: bool, style: Style) -> tuple[str, ...]:
    look = _RESULT_LOOKS.get(outcome.result)
    why = ": ".join(part for part in (outcome.reason, outcome.message) if part)
    return (
        "*" if is_served else "",
        number,
        clean(outcome.revision),
        _moment(outcome.ended),
        style.paint(clean(outcome.result), *([look] if look else [])),
        clean(why),
    )


def _revision_row(history: History, revision: Revision, style: Style) -> tuple[str, ...]:
    stable, candidate = revision.name == history.stable, revision.name == history.candidate
    result = "Stable" if stable else "Candidate" if candidate else "-"
    return (
        "*" if stable else "",
        str(revision.number),
        clean(revision.name),
        _moment(_seconds(revision.created)),
        style.paint(result, *(["green"] if stable else ["cyan"] if candidate else [])),
        "",
    )


def _seconds(moment: str) -> float:
    try:
        return datetime.fromisoformat(moment).timestamp()
    except ValueError:
        return 0.0


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%SZ") if seconds else "-"


def pick_pair(history: History, asked: Sequence[str]) -> tuple[Revision, Revision]:
    """The two revisions to compare, older first as asked. One alone is compared with the one served.

    The one served itself is compared with its predecessor. Raises NoSuchRevisionError.
    """
    first = _pick(history, asked[0])
    if len(asked) > 1:
        return first, _pick(history, asked[1])
    if first.name != history.stable:
        return _pick(history, history.stable), first
    older = [revision for revision in history.revisions if revision.number < first.number]
    if not older:
        raise NoSuchRevisionError(f"{first.name} is served, and no older one is kept: name a second revision")
    return older[0], first


def _pick(history: History, asked: str) -> Revision:
    """By number (`3` or `#3`), or by revision or its beginning."""
    number = asked.removeprefix("#")
    exact = [each for each in history.revisions if each.name == asked]
    found = exact or [
        each
        for each in history.revisions
        if (asked and each.name.startswith(asked)) or (number.isdecimal() and each.number == int(number))
    ]
    if len(found) == 1:
        return found[0]
    kept = ", ".join(f"#{each.number} {each.name}" for each in history.revisions) or "none"
    word = "fits several revisions" if found else "is not kept"
    raise NoSuchRevisionError(f"revision {asked or '(the one served)'} {word}; there are {kept}")


def draw_diff(before: Revision, after: Revision, style: Style) -> list[str]:
    """A unified diff of two intents in YAML; fields at their defaults are left out of both."""
    lines = difflib.unified_diff(
        _intent_lines(before), _intent_lines(after), f"#{before.number} {before.name}", f"#{after.number} {after.name}",
        n=6, lineterm="",
    )  # fmt: skip
    shown = [_paint_diff(line, style) for line in lines]
    return shown or [f"{before.name} and {after.name} ask for the same"]


def _intent_lines(revision: Revision) -> list[str]:
    # Through JSON: texts of YAML 1.1 that look like something else are quoted by the safe dumper.
    plain = json.loads(json.dumps(revision.intent, default=str))
    return yaml.safe_dump(plain, sort_keys=True, allow_unicode=False, width=10**6).splitlines()


def _paint_diff(line: str, style: Style) -> str:
    text = line.replace("\x1b", "")
    if line.startswith(("+++", "---")):
        return style.paint(text, "bold")
    looks = {"+": "green", "-": "red", "@": "cyan"}
    return style.paint(text, looks[line[0]]) if line[:1] in looks else text
