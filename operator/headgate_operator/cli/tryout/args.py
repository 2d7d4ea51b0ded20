"""The command lines of `headgate test` and `headgate dev`. What they need of the gateway is imported when they are run."""

import argparse
import sys
from typing import Any

_TEST = """\
Run the tests among the files: documents of kind EventRepoTest, which have the name and the namespace of their EventRepo,
and hold requests and what is to become of each. They go through the gateway's own parser, admission and pipeline, with a
producer that takes every record in Kafka's place; no cluster and no Kafka is needed.
"""
_TEST_CODES = """\
exit codes: 0 every case holds, 1 one does not, 2 they could not be run: mistakes in the files, no test, wrong usage.
"""

_Parsers = Any  # argparse exports no name for what add_subparsers returns


def add_tryout(commands: _Parsers, files: argparse.ArgumentParser) -> None:
    """Add both commands; `files`: the options that name files."""
    raw = argparse.RawDescriptionHelpFormatter
    test = commands.add_parser(
        "test",
        parents=[files],
        help="run the tests beside repos",
        description=_TEST,
        epilog=_TEST_CODES,
        formatter_class=raw,
    )
    test.add_argument(
        "-o", "--output", choices=("text", "json", "junit"), default="text", help="(default: %(default)s)"
    )
    _add_auth(test)


def _add_auth(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--no-auth", dest="auth", action="store_false", help="as if no repo had an auth block")


def run_tryout(options: argparse.Namespace) -> int:
    """Run `test` or `dev`; the exit code."""
    try:
        return _run(options)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("headgate"):
            raise
        # The operator's image has the command, and no gateway's libraries.
        what = f"headgate {options.command} runs the gateway's own code, and its library {error.name} is not installed"
        sys.stderr.write(f"error: {what}: pip install 'headgate[cli]'\n")
        return 2


def _run(options: argparse.Namespace) -> int:
    from headgate_operator.cli.tryout.suites import SuitesRequest, run_test  # noqa: PLC0415

    request = SuitesRequest(options.paths, options.namespace, options.default_fleet, options.auth, options.output)
    return run_test(request, sys.stdout, sys.stderr)
