"""`headgate-gateway`: reads the command line, sets up logs and the event loop, runs the gateway. Decides nothing else."""

import argparse
import asyncio
import logging
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

import uvloop

from headgate_gateway import __version__
from headgate_gateway.admin.logs import configure_logs
from headgate_gateway.allocator import tune_memory
from headgate_gateway.app import Gateway, Settings
from headgate_gateway.config.units import parse_byte_size, parse_duration
from headgate_gateway.descriptors import DEFAULT_CONNECTIONS
from headgate_gateway.spool.errors import SpoolFencedError, SpoolLockedError, SpoolVersionError
from headgate_gateway.spool.settings import SpoolSettings
from headgate_gateway.spool.shared import is_owner

log = logging.getLogger("headgate.gateway")


def _unit(parse: Callable[[str], int]) -> Callable[[str], int]:
    def read(text: str) -> int:
        try:
            return parse(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from error

    return read


def _owner(text: str) -> str:
    if not is_owner(text):
        raise argparse.ArgumentTypeError(f"{text!r} is not the uid of a pod")
    return text


def _count(text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0")
    return int(text)


_duration, _size = _unit(parse_duration), _unit(parse_byte_size)

EXAMPLE = """example:
  headgate render -f examples/quickstart | ...      # or write shard-00.json by hand
  headgate-gateway --config ./config --port 8080
  curl -d '{"status":404}' http://127.0.0.1:8080/log/repo/nginx-access
"""


def _add_places(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "--config",
        type=Path,
        required=True,
        metavar="DIR",
        help="directory of shard-NN.json and credential.* files; changes are noticed",
    )
    add("--host", default="", help="address to listen on (default: all)")
    add("--port", type=int, default=8080, help="traffic port (default: %(default)s)")
    add(
        "--admin-port",
        type=int,
        default=8081,
        help="port of /metrics, /analysis, /livez, /readyz and /status; do not route it (default: %(default)s)",
    )


def _add_bounds(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "--buffer-bytes",
        type=_size,
        default="256Mi",
        metavar="SIZE",
        help="memory that requests may hold; beyond it they get a 503 (default: %(default)s)",
    )
    add(
        "--max-connections",
        type=_count,
        default=DEFAULT_CONNECTIONS,
        metavar="COUNT",
        help="open connections on the traffic port, as far as the process may open files; others get a 503"
        " (default: %(default)s)",
    )


def _add_spool(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "--spool",
        type=Path,
        metavar="DIR",
        help="directory of the durable queue on disk, this process's own (but see --spool-owner); without it Async is answered from memory,"
        " and repos with onFailure: Spool are refused",
    )
    add(
        "--spool-owner",
        type=_owner,
        metavar="UID",
        help="where --spool is shared by many gateways: the uid of this one's pod. Its own directory is DIR/UID; those of pods"
        " that are gone it takes over as spool-grants.json in --config says",
    )
    add(
        "--spool-max-bytes",
        type=_size,
        default="1Gi",
        metavar="SIZE",
        help="what the queue's files may take; beyond it what needs the disk gets a 503 (default: %(default)s)",
    )
    add(
        "--spool-segment-bytes",
        type=_size,
        default="64Mi",
        metavar="SIZE",
        help="size of one of its files, which go when all of it is delivered (default: %(default)s)",
    )
    add(
        "--spool-topic-patience",
        type=_duration,
        default="10m",
        metavar="TIME",
        help="how long what waits is tried for a topic that Kafka refuses, as missing or not authorised, before it goes to"
        " the dead letter or is parked (default: %(default)s)",
    )


def _add_times(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "--grace-period",
        type=_duration,
        default="60s",
        metavar="TIME",
        help="from SIGTERM to exit, at the longest; the pod's terminationGracePeriodSeconds (default: %(default)s)",
    )
    add(
        "--drain-delay",
        type=_duration,
        default="8s",
        metavar="TIME",
        help="how long to serve on after SIGTERM while routes forget this pod; SIGINT skips it (default: %(default)s)",
    )
    add(
        "--keep-alive",
        type=_duration,
        default="65m",
        metavar="TIME",
        help="idle time of a connection; longer than the edge's own (default: %(default)s)",
    )


def _add_words(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "--track",
        default="stable",
        choices=["stable", "canary"],
        help="label of this pod's metrics (default: %(default)s)",
    )
    add("--log-level", default="info", choices=["debug", "info", "warning", "error"], help="(default: %(default)s)")
    add("--version", action="version", version=f"headgate-gateway {__version__}")


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="headgate-gateway",
        description="Takes events over HTTP and answers once Kafka has them.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    for add in (_add_places, _add_bounds, _add_spool, _add_times, _add_words):
        add(parser)
    return parser


def read_settings(arguments: argparse.Namespace) -> Settings:
    """The command line's values in the units that the gateway counts in."""
    return Settings(
        config=arguments.config,
        host=arguments.host,
        port=arguments.port,
        admin_port=arguments.admin_port,
        buffer_bytes=arguments.buffer_bytes,
        max_connections=arguments.max_connections,
        grace_period=arguments.grace_period / 1_000,
        drain_delay=arguments.drain_delay / 1_000,
        keep_alive=arguments.keep_alive / 1_000,
        track=arguments.track,
        spool=read_spool(arguments),
    )


def read_spool(arguments: argparse.Namespace) -> SpoolSettings | None:
    """The same of the spool; None: there is none."""
    if arguments.spool is None:
        return None
    owner = arguments.spool_owner or ""
    return SpoolSettings(
        directory=str(arguments.spool.absolute() / owner),
        owner=owner,
        max_bytes=arguments.spool_max_bytes,
        segment_bytes=arguments.spool_segment_bytes,
        unknown_topic_patience=arguments.spool_topic_patience / 1_000,
        track=arguments.track,
    )


async def _run(settings: Settings) -> None:
    await Gateway(settings, asyncio.get_running_loop()).run()


def _serve(settings: Settings) -> int:
    """Run a gateway to its end; the exit code."""
    try:
        asyncio.Runner(loop_factory=uvloop.new_event_loop).run(_run(settings))
    except (OSError, SpoolLockedError, SpoolVersionError, SpoolFencedError) as error:
        log.critical("cannot serve", extra={"error": str(error)})
        return 1
    except Exception:
        # Broad on purpose: whatever it was, it is logged, and the process ends.
        log.critical("the gateway died", exc_info=True)
        return 1
    return 0


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """Entry point of the console script."""
    arguments = build_parser().parse_args(argv)
    configure_logs(arguments.log_level)
    tune_memory()
    code = _serve(read_settings(arguments))
    # Not by way of the event loop's and the interpreter's own ends: they wait for threads, and one that asks a DNS
    # server that is away for a broker's address comes back long after the grace period.
    logging.shutdown()
    sys.stdout.flush()
    os._exit(code)


if __name__ == "__main__":
    main()
