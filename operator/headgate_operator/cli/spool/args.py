"""The command lines of `headgate spool`. What they need of the gateway is imported when they are run."""

import argparse
import re
import sys
from pathlib import Path
from typing import Any

_SPOOL = """\
Look into the directory in which a gateway keeps lines that Kafka does not have yet, and deliver them without a gateway.
ls, show and verify only read, also while a gateway uses the directory; replay needs it for itself.
"""
_LS = """\
List logs, segments, and what waits for which topic. The main log has what was accepted; side logs have what waits for a
topic that is blocked; the parked log has what Kafka refused for good and no dead letter took, with the reason.
"""
_SHOW = "Print the entries that wait, in order of their record numbers. An entry holds records of one request for one topic."
_VERIFY = """\
Read every byte and name every damaged place. Nothing is changed: a gateway, or replay, sets damaged bytes aside and goes
on with the rest.
"""
_VERIFY_CODES = "exit codes: 0 nothing is damaged, 1 something is, 2 it could not be read, wrong usage."
_REPLAY = """\
Send what waits to Kafka, by the profiles as the directory holds them. What Kafka has acknowledged is marked as delivered,
so that an interrupted replay goes on where it was; entries that do not arrive stay. Delivery is at least once.
"""
_REPLAY_EXAMPLES = """\
examples:
  headgate spool replay /mnt/spool --kafka kafka:9092
  headgate spool replay /mnt/spool --credentials /etc/headgate/config
  headgate spool replay /mnt/spool --log parked --topic access

exit codes: 0 all was delivered, 1 something is left, 2 it could not begin or go on: the directory is in use, or gateways
share its claim, no such directory, wrong usage.
"""
_ADDRESS = re.compile(r"(\[[0-9a-fA-F:]+\]|[A-Za-z0-9._-]+):[0-9]{1,5}")
_LOG = re.compile(r"main|parked|side/[0-9a-f]+")

_Parsers = Any  # argparse exports no name for what add_subparsers returns
RAW = argparse.RawDescriptionHelpFormatter


def add_spool(commands: _Parsers) -> None:
    """Add the command and its verbs."""
    spool = commands.add_parser("spool", help="look into a spool's directory", description=_SPOOL, formatter_class=RAW)
    verbs = spool.add_subparsers(dest="verb", required=True, metavar="VERB")
    listing = _add_verb(verbs, "ls", "list what waits", _LS)
    listing.add_argument("-o", "--output", choices=("text", "json"), default="text", help="(default: %(default)s)")
    _add_show(_add_verb(verbs, "show", "print entries", _SHOW))
    _add_verb(verbs, "verify", "look for damage", _VERIFY, _VERIFY_CODES)
    _add_replay(_add_verb(verbs, "replay", "send what waits", _REPLAY, _REPLAY_EXAMPLES))


def _add_verb(verbs: _Parsers, name: str, text: str, description: str, epilog: str = "") -> argparse.ArgumentParser:
    verb: argparse.ArgumentParser = verbs.add_parser(
        name, help=text, description=description, epilog=epilog, formatter_class=RAW
    )
    verb.add_argument("directory", metavar="DIR", type=Path, help="the directory that the gateway was given as --spool")
    return verb


def _add_show(show: argparse.ArgumentParser) -> None:
    _add_filters(show)
    show.add_argument("--records", action="store_true", help="print their records, too")
    show.add_argument("--all", action="store_true", help="print what is delivered and not deleted yet, too")
    show.add_argument("--limit", type=int, metavar="N", help="at most so many entries")
    show.add_argument(
        "-o",
        "--output",
        choices=("text", "json"),
        default="text",
        help="json: one object a line (default: %(default)s)",
    )


def _add_replay(replay: argparse.ArgumentParser) -> None:
    _add_filters(replay)
    replay.add_argument(
        "--kafka",
        type=_address,
        metavar="HOST:PORT",
        help="send to this Kafka, without TLS and SASL, with all else as the profiles have it",
    )
    replay.add_argument(
        "--credentials",
        type=Path,
        metavar="DIR",
        help="a directory with the files that the profiles name, such as a gateway's --config",
    )
    replay.add_argument("--keep", action="store_true", help="mark nothing as delivered")
    replay.add_argument(
        "--take-over",
        action="store_true",
        help="take a directory on a claim that gateways share from whichever has it; that one acknowledges nothing more in it",
    )


def _add_filters(verb: argparse.ArgumentParser) -> None:
    verb.add_argument(
        "--log",
        dest="logs",
        type=_log,
        metavar="LOG",
        action="append",
        default=[],
        help="main, parked or side/HASH; may be repeated (default: all, for replay all but parked)",
    )
    verb.add_argument(
        "--topic", dest="topics", metavar="TOPIC", action="append", default=[], help="only this topic; may be repeated"
    )


def _address(text: str) -> str:
    if not _ADDRESS.fullmatch(text):
        raise argparse.ArgumentTypeError(f"{text!r} is not HOST:PORT")
    return text


def _log(text: str) -> str:
    if not _LOG.fullmatch(text):
        raise argparse.ArgumentTypeError(f"{text!r} is not main, parked or side/HASH")
    return text


def run_spool(options: argparse.Namespace) -> int:
    """Run a verb; the exit code."""
    try:
        from headgate_operator.cli.spool.verbs import run_verb  # noqa: PLC0415

        return run_verb(options, sys.stdout, sys.stderr)
    except KeyboardInterrupt:
        return 130
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("headgate"):
            raise
        extras = "cli,gateway" if options.verb == "replay" else "cli"
        what = (
            f"headgate spool {options.verb} runs the gateway's own code, and its library {error.name} is not installed"
        )
        sys.stderr.write(f"error: {what}: pip install 'headgate[{extras}]'\n")
        return 2
