"""Runs the gateway's program with something of it exchanged or watched. For modules of this folder that stand for it.

Without the program's own quick end, so that whoever watches can write down what was seen.
"""

import asyncio
from collections.abc import Sequence

import uvloop

from headgate_gateway.__main__ import build_parser, read_settings
from headgate_gateway.admin.logs import configure_logs
from headgate_gateway.allocator import tune_memory
from headgate_gateway.app import Gateway


def launch(argv: Sequence[str]) -> None:
    """Serve until SIGTERM; `argv` are the gateway's own arguments."""
    arguments = build_parser().parse_args(argv)
    configure_logs(arguments.log_level)
    tune_memory()

    async def run() -> None:
        await Gateway(read_settings(arguments), asyncio.get_running_loop()).run()

    asyncio.Runner(loop_factory=uvloop.new_event_loop).run(run())
