"""Who may start: the fleet's slots, the order in line, and waves that have stopped. Pure; called once per reconcile.

A wave is what one edit of something shared (a profile, the fleet's limits) starts in all repos that use it. Repos of a
wave go in the order of the line like everybody else; when as many as its failure budget were rolled back, those that
still wait stay where they are, and those under way go on.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from headgate_operator.rollout import reasons
from headgate_operator.rollout.model import OWN_SPEC, Cause, Phase, RolloutState

RepoKey = tuple[str, str]

UNDER_WAY = frozenset({Phase.PROGRESSING, Phase.PAUSED, Phase.PROMOTING, Phase.ROLLING_BACK, Phase.SUPERSEDED})
"""Phases that hold one of the fleet's slots."""
NAMED = 3
"""Repos that a message names before it counts the rest."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One repo of the fleet, as the line sees it."""

    key: RepoKey
    """Namespace and name."""
    state: RolloutState
    wants: bool
    """Whether it would start a rollout if it might (see `wants_rollout`)."""
    cause: Cause = OWN_SPEC
    """What made the change that it wants."""
    retries: bool = False
    """Whether it wants it by command: it waits for a slot like everybody, but no stopped wave holds it."""

    @property
    def wave(self) -> str:
        """The wave that may hold it; empty for none."""
        return "" if self.retries else self.cause.wave


@dataclass(frozen=True, slots=True)
class Admission:
    """Whether a repo may start, and otherwise what it waits for."""

    may_start: bool
    line: str = ""


MAY_START = Admission(may_start=True)


def wants_rollout(state: RolloutState, desired: str | None, *, immediate: bool, retries: bool = False) -> bool:
    """Whether the repo is in line, or would come into it at the next step. `retries`: see `commands.is_retry`."""
    if desired is None or desired == state.stable or immediate:
        return False
    if state.phase is Phase.ROLLED_BACK:
        return retries or desired != state.candidate
    return state.phase in (Phase.STABLE, Phase.WAITING)


def admit(entries: Iterable[Entry], max_concurrent: int, failure_budget: int) -> Mapping[RepoKey, Admission]:
    """An answer for each repo. `failure_budget` (at least 1): rolled back repos that stop a wave.

    One whose rollout is under way keeps its slot, also for the newer change that supersedes it, unless that one's wave
    has stopped.
    """
    known = sorted(entries, key=_place)
    failures = _failures_by_wave(known)
    stopped = {wave: repos for wave, repos in failures.items() if len(repos) >= failure_budget}
    holders = [entry.key for entry in known if entry.state.phase in UNDER_WAY]
    waiting = [entry for entry in known if entry.wants and entry.wave not in stopped]
    free = max(0, max_concurrent - len(holders))
    answers = dict.fromkeys((entry.key for entry in known), MAY_START)
    for place, entry in enumerate(waiting[free:], start=1):
        answers[entry.key] = Admission(
            may_start=False, line=_in_line(place, len(waiting) - free, holders, waiting[:free])
        )
    for entry in known:
        if entry.wave in stopped and (entry.wants or entry.state.phase is Phase.SUPERSEDED):
            told = _stopped(entry.wave, stopped[entry.wave], failure_budget)
            answers[entry.key] = Admission(may_start=False, line=told)
    return answers


def _place(entry: Entry) -> tuple[float, RepoKey]:
    """Those in line by when they came; those that come now after them."""
    return (entry.state.queued if entry.state.phase is Phase.WAITING else float("inf"), entry.key)


def _failures_by_wave(entries: Iterable[Entry]) -> dict[str, list[RepoKey]]:
    """Repos whose rollout went back or is on its way back, by wave; one that somebody's edit took back is no failure."""
    found: dict[str, list[RepoKey]] = {}
    for entry in entries:
        state = entry.state
        back = state.phase in (Phase.ROLLED_BACK, Phase.ROLLING_BACK) and state.reason not in reasons.TAKEN_BACK
        if back and state.cause.wave:
            found.setdefault(state.cause.wave, []).append(entry.key)
    return {wave: sorted(repos) for wave, repos in found.items()}


def _in_line(place: int, length: int, holders: Sequence[RepoKey], starting: Sequence[Entry]) -> str:
    ahead = _names([*holders, *(entry.key for entry in starting)])
    held = f"the fleet's slots are held by {ahead}" if ahead else "the fleet has no slot for rollouts"
    return f"{place} of {length} in line; {held}"


def _stopped(wave: str, failed: Sequence[RepoKey], budget: int) -> str:
    return (
        f"the wave {wave} stopped: {len(failed)} of {budget} failures ({_names(failed)}); "
        f"fix {_remedy(wave)}, or retry what failed"
    )


def _remedy(wave: str) -> str:
    return {"Profile": "the profile", "Fleet": "the fleet", "Image": "the image"}.get(
        wave.partition("/")[0], "its cause"
    )


def _names(keys: Sequence[RepoKey]) -> str:
    named = ", ".join("/".join(key) for key in keys[:NAMED])
    return named if len(keys) <= NAMED else f"{named} and {len(keys) - NAMED} more"
