"""Runs the `rollout` commands: asks the cluster each second, prints what the pure modules say, answers an exit code."""

import asyncio
import json
import os
import secrets
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import TextIO

from headgate_operator.cli.rollout_cluster import CommandError, Target
from headgate_operator.cli.rollout_history import NoSuchRevisionError, draw_diff, draw_history, pick_pair
from headgate_operator.cli.rollout_outcome import Exit, Outcome, describe_pending, judge
from headgate_operator.cli.rollout_text import build_report, draw
from headgate_operator.cli.rollout_verbs import read_answer, read_rival, refuse_early, write_command
from headgate_operator.cli.rollout_view import RepoView
from headgate_operator.cli.rollout_watch import describe_changes
from headgate_operator.cli.terminal import Style, clean, repaint
from headgate_operator.cli.yaml_text import write_yaml
from headgate_operator.rollout.commands import OBEYED

POLL = 1.0
"""Seconds between two looks."""

PATIENCE = 5.0
"""Seconds that a refusal must last: a profile that is applied together with its repo may be seen a moment later."""

EVENTS_SHOWN = 8
_HIDE, _SHOW, _CLEAR = "\x1b[?25l", "\x1b[?25h", "\x1b[2J\x1b[H"


@dataclass(frozen=True, slots=True)
class Terminal:
    """Where the commands write, and what that end can show."""

    out: TextIO
    err: TextIO
    colour: bool
    live: bool
    """Whether a picture can be drawn over the last one."""
    program: str = "headgate"
    poll: float = POLL
    patience: float = PATIENCE

    def style(self) -> Style:
        """Asked anew for each picture: windows change their size."""
        encoding = (getattr(self.out, "encoding", None) or "").lower().replace("-", "")
        return Style(colour=self.colour, width=shutil.get_terminal_size((100, 40)).columns, symbols=encoding == "utf8")

    def rows(self) -> int:
        """Lines that the window has."""
        return shutil.get_terminal_size((100, 40)).lines

    def print(self, lines: Sequence[str]) -> None:
        """Lines on standard output, after which the exit code is known: it counts, whether or not anybody reads on."""
        _write_to_any(self.out, "".join(f"{line}\n" for line in lines))

    def say(self, text: str) -> None:
        """A remark on standard error, which nobody has to read."""
        _write_to_any(self.err, f"{text}\n")


def _write(stream: TextIO, text: str) -> None:
    stream.write(text)
    stream.flush()


def _write_to_any(stream: TextIO, text: str) -> None:
    """Write; where the reader has gone, go on without."""
    try:
        _write(stream, text)
    except BrokenPipeError:
        # Python would try again at exit, and make its own exit code of the failure.
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


@dataclass(slots=True)
class Watcher:
    """Looks at a repo each second until its rollout is settled, time is up, or it is gone."""

    target: Target
    terminal: Terminal
    through_gates: bool
    seconds: float | None
    """How long; None: for ever."""
    remark: Callable[[str], None]
    """Is told of what passes by itself."""
    _refused_since: float | None = None
    _troubled: bool = field(default=False)

    async def follow(self, show: Callable[[RepoView], None]) -> tuple[RepoView, Outcome]:
        """The last view and how it ended. `show` is given each view. Raises CommandError, as `look` does."""
        deadline = None if self.seconds is None else time.monotonic() + self.seconds
        view = await self.target.read()
        fresh: RepoView | None = view
        while True:
            if fresh is not None:
                view = fresh
                show(view)
                if (outcome := self._settled(view)) is not None:
                    return view, outcome
            if deadline is not None and time.monotonic() >= deadline:
                return view, Outcome(Exit.TIMED_OUT, f"not settled within {self.seconds:g}s: {describe_pending(view)}")
            _heed_interruption()
            await asyncio.sleep(self.terminal.poll)
            fresh = await self.look()

    async def look(self) -> RepoView | None:
        """None where the API server did not answer: it may in a moment, and the rollout goes on without us.

        Raises CommandError for what will not heal by itself: the repo is gone, or may no longer be read.
        """
        try:
            view = await self.target.read()
        except CommandError as error:
            if not error.passing:
                raise
            if not self._troubled:
                self.remark(f"{error}; still trying")
            self._troubled = True
            return None
        self._troubled = False
        return view

    def _settled(self, view: RepoView) -> Outcome | None:
        outcome = judge(view, through_gates=self.through_gates)
        if outcome is None or outcome.code is not Exit.NOT_ACCEPTED:
            self._refused_since = None
            return outcome
        self._refused_since = self._refused_since or time.monotonic()
        return outcome if time.monotonic() - self._refused_since >= self.terminal.patience else None


def _heed_interruption() -> None:
    """Leave where Ctrl-C was pressed and a library has lost the cancellation, as one that is just connecting may."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


async def run_status(
    target: Target, terminal: Terminal, output: str, *, wait: bool, through_gates: bool, seconds: float
) -> int:
    """Print where the rollout is; with `wait`, once it is settled. Exit codes: docs/cli.md."""
    outcome: Outcome | None = None
    if wait:
        view, outcome = await Watcher(target, terminal, through_gates, seconds, terminal.say).follow(
            _Log(partial(_write_to_any, terminal.err)).show
        )
    else:
        view = await target.read()
    report = build_report(view, (outcome.code, outcome.text) if outcome else None)
    match output:
        case "json":
            terminal.print([json.dumps(report, indent=2, ensure_ascii=False)])
        case "yaml":
            terminal.print([write_yaml([report]).removeprefix("---\n").rstrip("\n")])
        case _:
            terminal.print(draw(view, terminal.style(), _now(), terminal.program))
    if outcome is not None:
        terminal.say(outcome.text)
    return outcome.code if outcome else Exit.FINE


async def run_watch(target: Target, terminal: Terminal, seconds: float | None) -> int:
    """A live picture on a terminal, else a line for each change; ends when the rollout is settled, or nobody reads on."""
    screen = _Screen(terminal) if terminal.live else _Log(partial(_write, terminal.out))
    with screen:
        watcher = Watcher(target, terminal, through_gates=True, seconds=seconds, remark=screen.remark)
        _, outcome = await watcher.follow(screen.show)
    terminal.print([outcome.text])
    return outcome.code


class _Log:
    """A line with a time for each change."""

    def __init__(self, write: Callable[[str], None]) -> None:
        self._write = write
        self._before: RepoView | None = None

    def __enter__(self) -> None:
        """Nothing to prepare."""

    def __exit__(self, *_: object) -> None:
        """Nothing to put back."""

    def remark(self, text: str) -> None:
        """A line of its own."""
        self._write(f"{_stamp()} {text}\n")

    def show(self, view: RepoView) -> None:
        """Print what changed."""
        self._write("".join(f"{_stamp()} {line}\n" for line in describe_changes(self._before, view)))
        self._before = view


class _Screen:
    """The picture, drawn over the last one, with the last changes under it."""

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal
        self._before: RepoView | None = None
        self._events: list[str] = []
        self._height = 0
        self._size: tuple[int, int] | None = None

    def __enter__(self) -> None:
        """Hide the cursor, which would flicker."""
        self._terminal.out.write(_HIDE)

    def __exit__(self, *_: object) -> None:
        """Give the cursor back, whatever happened."""
        self._terminal.out.write(_SHOW)
        self._terminal.out.flush()

    def remark(self, text: str) -> None:
        """Shown with the next picture: another line would shift this one."""
        self._events.append(f"{_stamp()} {clean(text)}")

    def show(self, view: RepoView) -> None:
        """Draw the picture anew."""
        style, rows = self._terminal.style(), self._terminal.rows()
        changes = describe_changes(self._before, view)
        self._events = [*self._events, *(f"{_stamp()} {line}" for line in changes)][-EVENTS_SHOWN:]
        self._before = view
        lines = draw(view, style, _now(), self._terminal.program)
        lines += ["", *(style.paint(line, "dim") for line in self._events)]
        # A window that was resized has folded the last picture: its height is no longer known.
        resized = self._size not in (None, (style.width, rows))
        text, self._height = repaint(lines, 0 if resized else self._height, style, rows)
        self._size = (style.width, rows)
        self._terminal.out.write((_CLEAR if resized else "") + text)
        self._terminal.out.flush()


async def run_verb(target: Target, terminal: Terminal, verb: str, *, wait: bool, seconds: float) -> int:
    """Ask for one verb, and wait for the operator's answer. 0 obeyed, 1 refused, 3 not answered in time."""
    view = await target.read()
    if (refusal := refuse_early(view, verb)) is not None:
        terminal.say(f"{verb} was not asked for: {refusal}")
        return Exit.ROLLED_BACK
    token = secrets.token_hex(8)
    await target.write_command(write_command(view, verb, token))
    candidate = view.rollout.candidate if view.rollout else "-"
    if not wait:
        terminal.print([f"{verb} of {candidate} was asked for (token {token})"])
        return Exit.FINE
    return await _wait_for_answer(target, terminal, verb, token, seconds)


async def _wait_for_answer(target: Target, terminal: Terminal, verb: str, token: str, seconds: float) -> int:
    deadline, rival = time.monotonic() + seconds, None
    watcher = Watcher(target, terminal, through_gates=True, seconds=None, remark=terminal.say)
    while time.monotonic() < deadline:
        view = await watcher.look()
        if view is not None and (answer := read_answer(view, token)) is not None:
            terminal.print([f"{verb}: {answer}"])
            return Exit.FINE if answer == OBEYED else Exit.ROLLED_BACK
        rival = read_rival(view, token) if view is not None else rival
        await asyncio.sleep(terminal.poll / 4)
    replaced = f"somebody has written another command over it ({rival}); " if rival else ""
    terminal.say(
        f"{verb} was asked for, but not answered within {seconds:g}s: {replaced}it may still be obeyed. Look at"
        f" `{terminal.program} rollout status {target.name} -n {target.namespace}`, and whether the operator runs"
        " (kubectl get lease,pods in its namespace)"
    )
    return Exit.TIMED_OUT


async def run_history(target: Target, terminal: Terminal, diff: Sequence[str]) -> int:
    """The table of revisions, or the difference of two."""
    view, style = await target.read(), terminal.style()
    try:
        history = await target.read_history(view)
        if not diff:
            terminal.print(draw_history(history, style))
            return Exit.FINE
        terminal.print(draw_diff(*pick_pair(history, diff), style))
    except NoSuchRevisionError as error:
        raise CommandError(str(error)) from error
    except CommandError as error:
        if diff:
            raise
        terminal.say(f"{error}. What status has:")
        terminal.print(draw(view, style, _now(), terminal.program))
        return Exit.CLUSTER
    return Exit.FINE


def _now() -> datetime:
    return datetime.now(UTC)


def _stamp() -> str:
    return _now().strftime("%H:%M:%SZ")
