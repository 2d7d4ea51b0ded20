"""A little room on a claim that others fill: kept in each directory, given back when one cannot be opened for want of it.

Nobody's data: whoever cannot make a directory of its own may take a reserve of those that are there, so that a gateway
that is new on a full claim can begin to empty it. Blocks. Called when directories are opened.
"""

import logging
from contextlib import suppress
from secrets import token_bytes

from headgate_gateway.spool.disk import Disk
from headgate_gateway.spool.durable import replace_file

log = logging.getLogger(__name__)

RESERVE_NAME = "reserve"
RESERVE_BYTES = 64 * 1024
"""For a few small files and directories."""


def make_reserve(disk: Disk, directory: str) -> None:
    """Keep some room, where there is any."""
    path = f"{directory}/{RESERVE_NAME}"
    with suppress(OSError):
        try:
            disk.size(path)
        except FileNotFoundError:
            replace_file(disk, path, token_bytes(RESERVE_BYTES))  # what is all zeros may take no room


def release_reserve(disk: Disk, directory: str) -> bool:
    """Give room back: this directory's, or another's beside it; False: there is none."""
    root, _, own = directory.rpartition("/")
    with suppress(OSError):
        for name in sorted(disk.listdir(root), key=lambda name: name != own):
            with suppress(OSError):
                disk.unlink(f"{root}/{name}/{RESERVE_NAME}")
                log.warning("a spool's reserve is given up, since another cannot be opened", extra={"directory": name})
                return True
    return False
