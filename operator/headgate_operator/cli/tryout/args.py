"""The command lines of `headgate test` and `headgate dev`. What they need of the gateway is imported when they are run."""

import argparse
import re
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
_DEV = """\
Serve the repos among the files on this machine, with the gateway's own server, loader and pipeline. Each record is printed
as it would go to Kafka, each request with its answer on standard error. Files are read again when they change; mistakes in
them are told, and what was served is served on. Ctrl-C ends it.
"""
_DEV_EXAMPLES = """\
examples:
  headgate dev -f repo.yaml --port 8080
  curl -d '{"status":404}' http://127.0.0.1:8080/log/repo/nginx-access
  headgate dev -f repo.yaml -o json | jq .value
  headgate dev -f repo.yaml --kafka 127.0.0.1:9092

exit codes: 0 ended, 2 could not begin: mistakes in the files, a port that is taken, wrong usage.
"""
_ADDRESS = re.compile(r"(\[[0-9a-fA-F:]+\]|[A-Za-z0-9._-]+):[0-9]{1,5}")

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
    _add_dev(
        commands.add_parser(
            "dev",
            parents=[files],
            help="serve repos on this machine",
            description=_DEV,
            epilog=_DEV_EXAMPLES,
            formatter_class=raw,
        )
    )


def _add_dev(dev: argparse.ArgumentParser) -> None:
    dev.add_argument("--port", type=int, default=8080, help="0: any that is free (default: %(default)s)")
    dev.add_argument(
        "--host", default="127.0.0.1", help="the address to listen on (default: %(default)s, this machine alone)"
    )
    dev.add_argument(
        "--kafka",
        type=_address,
        metavar="HOST:PORT",
        help="send records to this Kafka, without TLS and SASL, with all else as the profiles have it",
    )
    dev.add_argument(
        "-o", "--output", choices=("text", "json"), default="text", help="of records (default: %(default)s)"
    )
    _add_auth(dev)


def _address(text: str) -> str:
    if not _ADDRESS.fullmatch(text):
        raise argparse.ArgumentTypeError(f"{text!r} is not HOST:PORT")
    return text


def _add_auth(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--no-auth", dest="auth", action="store_false", help="as if no repo had an auth block")


def run_tryout(options: argparse.Namespace) -> int:
    """Run `test` or `dev`; the exit code."""
    try:
        return _run(options)
    except KeyboardInterrupt:
        return 130
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("headgate"):
            raise
        # The operator's image has the command, and no gateway's libraries.
        extras = "cli,gateway" if getattr(options, "kafka", None) else "cli"
        what = f"headgate {options.command} runs the gateway's own code, and its library {error.name} is not installed"
        sys.stderr.write(f"error: {what}: pip install 'headgate[{extras}]'\n")
        return 2


def _run(options: argparse.Namespace) -> int:
    return _test(options) if options.command == "test" else _dev(options)


def _test(options: argparse.Namespace) -> int:
    from headgate_operator.cli.tryout.suites import SuitesRequest, run_test  # noqa: PLC0415

    request = SuitesRequest(options.paths, options.namespace, options.default_fleet, options.auth, options.output)
    return run_test(request, sys.stdout, sys.stderr)


def _dev(options: argparse.Namespace) -> int:
    from headgate_gateway.tryout.serve import Settings  # noqa: PLC0415
    from headgate_operator.cli.tryout.dev import DevRequest, run_dev  # noqa: PLC0415

    settings = Settings(options.host, options.port, options.kafka)
    request = DevRequest(
        options.paths, options.namespace, options.default_fleet, options.auth, options.output, settings
    )
    return run_dev(request, sys.stdout, sys.stderr)
