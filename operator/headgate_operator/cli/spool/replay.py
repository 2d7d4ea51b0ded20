"""`headgate spool replay`: sends a directory's entries, and says how it goes."""

import argparse
import asyncio
from collections.abc import Mapping
from typing import TextIO

from headgate_gateway.spool.disk import OsDisk
from headgate_gateway.spool.replaying import ReplayRequest, replay_to_kafka
from headgate_gateway.spool.sending import Tally
from headgate_operator.cli.terminal import clean


def run_replay(
    directory: str, options: argparse.Namespace, credentials: Mapping[str, bytes], out: TextIO, err: TextIO
) -> int:
    """Send; 0: all was delivered, 1: something is left. Raises SpoolLockedError, SpoolVersionError, SpoolFencedError, OSError."""
    request = ReplayRequest(
        directory=directory,
        kafka=options.kafka,
        credentials=credentials,
        logs=frozenset(options.logs),
        topics=frozenset(options.topics),
        keep=options.keep,
        takes_over=options.take_over,
    )
    tallies = asyncio.run(_send(request, err))
    out.writelines("".join(f"{line}\n" for line in tally_text(name, tally)) for name, tally in tallies.items())
    if not tallies:
        out.write("there is nothing to send\n")
    return 1 if any(tally.left for tally in tallies.values()) else 0


async def _send(request: ReplayRequest, err: TextIO) -> dict[str, Tally]:
    def tell(name: str, tally: Tally) -> None:
        err.write(f"{name}: {tally.delivered} records delivered\n")
        err.flush()

    return await replay_to_kafka(OsDisk(), request, tell)


def tally_text(name: str, tally: Tally) -> list[str]:
    """What became of a log."""
    lines = [f"{name}: {tally.delivered} records delivered, {sum(tally.left.values())} left"]
    for destination, count in tally.left.items():
        why = tally.problems.get(destination) or tally.refused.get(destination) or ""
        lines.append(clean(f"{count} left for topic {destination.topic} of profile {destination.profile}: {why}"))
    return [lines[0], *(f"  {line}" for line in lines[1:])]
