"""Free TCP ports on loopback."""

from __future__ import annotations

import itertools
import socket

from .errors import TestbedError

LOOPBACK = "127.0.0.1"
# Linux hands out ports from 32768 on to outgoing connections.
LAST = 32_700


def preferred(port: int) -> int:
    """This port if nobody has it, else the next one that is free."""
    return free(1, port)[0]


def free(count: int, start: int) -> list[int]:
    """Different ports from `start` on that nobody has now.

    Below the range of outgoing connections: a port from that range may be taken by somebody's client while its server
    is stopped, and a client that keeps trying a closed one can end up connected to itself.
    """
    found = list(itertools.islice(filter(_is_free, range(start, LAST)), count))
    if len(found) < count:
        raise TestbedError(f"no {count} free ports between {start} and {LAST} on {LOOPBACK}")
    return found


def answers(port: int, timeout: float = 1.0) -> bool:
    """Does something accept connections there?"""
    try:
        with socket.create_connection((LOOPBACK, port), timeout):
            return True
    except OSError:
        return False


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True
