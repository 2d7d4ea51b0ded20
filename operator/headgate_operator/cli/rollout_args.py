"""The command line of `headgate rollout`: arguments and their help. Imports nothing that talks to a cluster."""

import argparse
import re
import sys
from typing import Any, NoReturn

from headgate_gateway.config.units import parse_duration
from headgate_operator.cli.rollout_outcome import Exit
from headgate_operator.cli.rollout_verbs import VERBS

_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")

_DESCRIPTION = """\
See and steer how a change of an EventRepo reaches its traffic. Commands are one annotation on the EventRepo
(headgate.dev/command), for the revision and step that status shows: one that comes late promotes nothing newer.
"""
_EXAMPLES = """\
examples:
  headgate rollout watch access -n web              follow it until it is settled
  headgate rollout status access -n web --wait      for CI: wait, and tell by the exit code
  headgate rollout approve access -n web            let a step with `hold: Manual` go on
  headgate rollout history access -n web --diff 3   what revision 3 changes

`kubectl headgate rollout ...` is the same program.
"""
_EXIT_CODES = """\
exit codes with --wait:
  0   promoted (or nothing was to be changed), and served by every ready gateway
  1   rolled back
  2   the spec is not accepted
  3   not settled within --timeout
  4   paused, or waits for an approval (--through-gates waits on)
  64  wrong usage
  69  no cluster, no such repo, or no right to see it
"""
_VERB_EXIT_CODES = """\
exit codes: 0 obeyed, 1 refused (by the operator, or because status shows it to be pointless: then nothing is written),
3 not answered within --timeout, 64 wrong usage, 69 no cluster, no such repo, or no right.
"""
_WATCH = """\
A live picture of steps, weights and measurements on a terminal, else a line for each change. Ends when the rollout is
settled, with the exit codes of `status --wait`; a step that waits for an approval does not end it. Ctrl-C leaves (130);
the rollout goes on.
"""
_HISTORY = """\
The revisions that are kept of a repo, and what became of each. They lie in the fleet's namespace: whoever may not list
controllerrevisions and configmaps there sees what status has.
"""

_Parsers = Any  # argparse exports no name for what add_subparsers returns


class CodedParser(argparse.ArgumentParser):
    """Leaves with a code of its own on wrong usage: 2 is argparse's, and means something else to `rollout`."""

    usage_code = 2

    def error(self, message: str) -> NoReturn:
        """Tell what is wrong, and leave."""
        self.print_usage(sys.stderr)
        self.exit(self.usage_code, f"{self.prog}: error: {message}\n")


class _VerbParser(CodedParser):
    usage_code = Exit.USAGE


def _name(text: str) -> str:
    if not _NAME.fullmatch(text):
        raise argparse.ArgumentTypeError(f"{text!r} is no name of an EventRepo (the namespace is given with -n)")
    return text


def _seconds(text: str) -> float:
    try:
        seconds = parse_duration(text) / 1_000
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    if seconds <= 0:
        raise argparse.ArgumentTypeError(f"{text!r} is no time to wait")
    return seconds


def _shared() -> argparse.ArgumentParser:
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("repo", metavar="REPO", type=_name, help="the EventRepo's name")
    shared.add_argument("-n", "--namespace", type=_name, help="its namespace (default: the context's)")
    shared.add_argument("--kubeconfig", metavar="PATH", help="(default: $KUBECONFIG, else ~/.kube/config)")
    shared.add_argument("--context", metavar="NAME", help="the context to use (default: the kubeconfig's current one)")
    return shared


def _timeout(parser: argparse.ArgumentParser, default: str | None, what: str) -> None:
    words = f"{what} (default: {default or 'for ever'})"
    parser.add_argument("--timeout", type=_seconds, metavar="DURATION", default=default, help=words)


def add_rollout(commands: _Parsers) -> None:
    """Add `rollout` and all its verbs to the command line."""
    raw = argparse.RawDescriptionHelpFormatter
    words = {"description": _DESCRIPTION, "epilog": _EXAMPLES, "formatter_class": raw}
    rollout = commands.add_parser("rollout", help="see and steer the rollout of a repo's change", **words)
    rollout.usage_code = Exit.USAGE
    verbs = rollout.add_subparsers(dest="verb", required=True, metavar="VERB", parser_class=_VerbParser)
    shared = _shared()
    _add_status(verbs, shared)
    watch = verbs.add_parser("watch", parents=[shared], help="follow it until it is settled", description=_WATCH)
    _timeout(watch, None, "how long to follow it at most")
    for verb, meaning in VERBS.items():
        parser = verbs.add_parser(
            verb, parents=[shared], help=meaning, description=meaning, epilog=_VERB_EXIT_CODES, formatter_class=raw
        )
        parser.add_argument(
            "--no-wait", dest="wait", action="store_false", help="do not wait for the operator's answer"
        )
        _timeout(parser, "1m", "how long to wait for the operator's answer")
    history = verbs.add_parser("history", parents=[shared], help="earlier revisions", description=_HISTORY)
    history.add_argument(
        "--diff",
        metavar="REVISION",
        nargs="+",
        default=[],
        help="what a revision changes, against the one that is served or against a second one; a number of the table, "
        "or (the beginning of) a revision",
    )


def _add_status(verbs: _Parsers, shared: argparse.ArgumentParser) -> None:
    status = verbs.add_parser(
        "status",
        parents=[shared],
        help="where it is, and why",
        description="Where the rollout is, why, and what to do next.",
        epilog=_EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    status.add_argument(
        "-o", "--output", choices=("text", "json", "yaml"), default="text", help="(default: %(default)s)"
    )
    status.add_argument("--wait", action="store_true", help="wait until the rollout of the newest spec is settled")
    status.add_argument("--through-gates", action="store_true", help="with --wait: wait on where somebody has to act")
    _timeout(status, "30m", "with --wait: how long")
