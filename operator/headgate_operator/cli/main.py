"""The `headgate` command: parses arguments and hands over. `rollout` talks to a cluster, everything else to files.

kubectl finds it as a plugin, by the name `kubectl-headgate`.
"""

import argparse
import os
import sys
from pathlib import Path

from headgate_operator import __version__
from headgate_operator.cli.commands import Request, run_render, run_validate
from headgate_operator.cli.inventory import Key
from headgate_operator.cli.rollout_args import CodedParser, add_rollout
from headgate_operator.cli.rollout_outcome import Exit
from headgate_operator.cli.spool.args import add_spool, run_spool
from headgate_operator.cli.tryout.args import add_tryout, run_tryout
from headgate_operator.render.templates import TemplateError

_RENDER = """\
Print exactly what the operator would apply for the fleets among the files, without a cluster: for GitOps repositories
and for review. Problems go to standard error. Fleets that were never applied have no uid, so ownerReferences are left out.
"""
_VALIDATE = """\
Name every mistake with its file and line: fields that do not fit, and what the operator would refuse (topics that are
not allowed, two repos with one path, and so on). What only the cluster can tell (a fleet, profile, Secret or Namespace that
is not among the files) is a warning. Exit code 1 if there is an error.
"""
_EXAMPLES = """\
examples:
  headgate validate -f deploy/
  headgate render -f fleet.yaml -f profile.yaml -f repo.yaml
  kustomize build . | headgate render -f - --default-fleet headgate-system/default
  headgate test -f deploy/
  headgate dev -f repo.yaml --port 8080
  headgate rollout watch access -n web
  headgate rollout status access -n web --wait --timeout 30m
  headgate spool ls /var/spool/headgate

As `kubectl headgate ...` it is a plugin of kubectl: the same program under the name kubectl-headgate.
"""


def _fleet(text: str) -> Key:
    namespace, slash, name = text.partition("/")
    if not (namespace and slash and name) or "/" in name:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAMESPACE/NAME")
    return namespace, name


def _directory(text: str) -> Path:
    path = Path(text)
    if not path.is_dir():
        raise argparse.ArgumentTypeError(f"{text!r} is no directory")
    return path


PLUGIN = "kubectl-headgate"


def program_name(path: str) -> str:
    """What people call it: `headgate`, or `kubectl headgate` where kubectl has started it as a plugin."""
    return "kubectl headgate" if Path(path).name == PLUGIN else "headgate"


def build_parser(program: str = "headgate") -> argparse.ArgumentParser:
    """The command line."""
    files = CodedParser(add_help=False)
    files.add_argument(
        "-f",
        "--filename",
        dest="paths",
        metavar="PATH",
        action="extend",
        nargs="+",
        required=True,
        help="a YAML or JSON file, a directory, or - for standard input; may be repeated",
    )
    files.add_argument(
        "-n", "--namespace", default="default", help="the namespace of manifests that name none (default: %(default)s)"
    )
    files.add_argument(
        "--default-fleet",
        metavar="NAMESPACE/NAME",
        type=_fleet,
        help="the fleet of repos without fleetRef (default: the only fleet among the files)",
    )
    shared = CodedParser(add_help=False, parents=[files])
    shared.add_argument("--templates", metavar="DIR", type=_directory, help="templates that override the operator's")
    parser = argparse.ArgumentParser(
        prog=program,
        description="See what the operator would apply and what is wrong, and try repos out, without a cluster; see and "
        "steer rollouts in one.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"headgate {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND", parser_class=CodedParser)
    raw = argparse.RawDescriptionHelpFormatter
    render = commands.add_parser(
        "render", parents=[shared], help="print what the operator would apply", description=_RENDER, formatter_class=raw
    )
    render.add_argument("-o", "--output", choices=("yaml", "json"), default="yaml", help="(default: %(default)s)")
    render.add_argument("--show-secrets", action="store_true", help="print the values of Secrets")
    commands.add_parser(
        "validate", parents=[shared], help="name every mistake", description=_VALIDATE, formatter_class=raw
    )
    add_tryout(commands, files)
    add_rollout(commands)
    add_spool(commands)
    return parser


def main(argv: list[str] | None = None) -> int:
    """Run the command. Exit codes: 0 fine, 1 mistakes, 2 wrong usage; those of `test` and `rollout`: docs/cli.md."""
    program = program_name(sys.argv[0])
    options = build_parser(program).parse_args(argv)
    try:
        match options.command:
            case "rollout":
                return _rollout(options, program)
            case "test" | "dev":
                return run_tryout(options)
            case "spool":
                return run_spool(options)
            case _:
                return _examine_files(options)
    except BrokenPipeError:
        # `headgate render … | head`: the reader has seen enough. Python would complain again at exit. A rollout whose end
        # is not known yet must not look like a good one.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Exit.UNREAD if options.command == "rollout" else 0


def _rollout(options: argparse.Namespace, program: str) -> int:
    # The client library takes half a second to import, which `render` and `validate` do without.
    from headgate_operator.cli.rollout import run_rollout  # noqa: PLC0415

    return run_rollout(options, program)


def _examine_files(options: argparse.Namespace) -> int:
    request = Request(
        paths=options.paths,
        namespace=options.namespace,
        default_fleet=options.default_fleet,
        templates=options.templates,
        output=getattr(options, "output", "yaml"),
        show_secrets=getattr(options, "show_secrets", False),
    )
    run = run_render if options.command == "render" else run_validate
    try:
        return run(request, sys.stdout, sys.stderr)
    except TemplateError as error:
        sys.stderr.write(f"error: {error}\n")
        return 1


if __name__ == "__main__":
    raise SystemExit(main())
