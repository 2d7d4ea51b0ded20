"""How many connections fit into the files that the process may have open. Called once, by the composition root."""

import resource
from typing import Final

DEFAULT_CONNECTIONS: Final = 20_000
RESERVE: Final = 1_024
"""For brokers, the admin port, files, and connections that wait to be told that they are too many."""


def decide_max_connections(asked: int, open_files: int) -> int:
    """As many as asked for, or as the open files leave beside the reserve. Of few files half are kept."""
    return min(asked, open_files - min(RESERVE, open_files // 2))


def raise_open_files(wanted: int) -> int:
    """Ask the system for so many; how many there are then.

    The soft limit is a default for programs that use select(2), which cannot count further than 1,024; the hard limit
    is what the process may have.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return wanted
    raised = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (raised, hard))
    return raised


def allow_connections(asked: int) -> int:
    """How many of the connections that were asked for the system lets the process have."""
    return decide_max_connections(asked, raise_open_files(asked + RESERVE))
