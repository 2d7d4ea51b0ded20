"""`headgate rollout`: from parsed arguments into the loop, and back with an exit code. The edge: signals, environment."""

import argparse
import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Mapping

from headgate_operator.cli.rollout_cluster import CommandError, Target, close, open_target
from headgate_operator.cli.rollout_outcome import Exit
from headgate_operator.cli.rollout_run import Terminal, run_history, run_status, run_verb, run_watch

MOST_COMPARED = 2

INTERRUPT_AGAIN = 0.5
"""Seconds until an interruption that nobody has heeded is tried again."""


def run_rollout(options: argparse.Namespace, program: str) -> int:
    """Run one verb. Answers the exit code; says what went wrong on standard error."""
    terminal = _standard_terminal(program, os.environ)
    if problem := _misuse(options):
        terminal.say(f"{program} rollout {options.verb}: error: {problem}")
        return Exit.USAGE
    try:
        return asyncio.run(_run_interruptibly(options, terminal))
    except CommandError as error:
        terminal.say(f"error: {error}")
        return Exit.CLUSTER
    except (KeyboardInterrupt, asyncio.CancelledError):
        terminal.say("")
        return Exit.INTERRUPTED


async def _run_interruptibly(options: argparse.Namespace, terminal: Terminal) -> int:
    """Ctrl-C is pressed once and counts until it is heeded: libraries lose cancellations while they connect."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()

    def interrupt() -> None:
        if task is not None and not task.done():
            task.cancel()
            loop.call_later(INTERRUPT_AGAIN, interrupt)

    # Not in the main thread: then nobody presses anything here.
    with contextlib.suppress(ValueError, RuntimeError):
        loop.add_signal_handler(signal.SIGINT, interrupt)
    return await _run(options, terminal)


def _misuse(options: argparse.Namespace) -> str:
    if options.verb == "history" and len(options.diff) > MOST_COMPARED:
        return "--diff takes one or two revisions; write REPO before it"
    if options.verb == "status" and options.through_gates and not options.wait:
        return "--through-gates means nothing without --wait"
    return ""


async def _run(options: argparse.Namespace, terminal: Terminal) -> int:
    target = await open_target(options.kubeconfig, options.context, options.namespace, options.repo, os.environ)
    try:
        return await _dispatch(options, target, terminal)
    finally:
        await close(target)


async def _dispatch(options: argparse.Namespace, target: Target, terminal: Terminal) -> int:
    match options.verb:
        case "status":
            waiting = {"wait": options.wait, "through_gates": options.through_gates, "seconds": options.timeout}
            return await run_status(target, terminal, options.output, **waiting)
        case "watch":
            return await run_watch(target, terminal, options.timeout)
        case "history":
            return await run_history(target, terminal, options.diff)
        case verb:
            return await run_verb(target, terminal, verb, wait=options.wait, seconds=options.timeout)


def _standard_terminal(program: str, environment: Mapping[str, str]) -> Terminal:
    """The process's own streams. A character that they cannot show becomes a question mark, not an error."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    # https://no-color.org: any text but an empty one.
    capable = sys.stdout.isatty() and environment.get("TERM") != "dumb"
    return Terminal(
        sys.stdout, sys.stderr, colour=capable and not environment.get("NO_COLOR"), live=capable, program=program
    )
