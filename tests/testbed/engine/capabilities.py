"""Which capabilities this process may ever have. Pure, besides `read_bounding_set`."""

from __future__ import annotations

from pathlib import Path

# linux/capability.h
SYS_RESOURCE_BIT = 24


def bounding_set(status: str) -> int:
    """The CapBnd mask in the text of /proc/PID/status; all ones where the line is missing."""
    for line in status.splitlines():
        key, _, value = line.partition(":")
        if key == "CapBnd":
            return int(value.strip(), 16)
    return (1 << 64) - 1


def has_sys_resource(mask: int) -> bool:
    """Without CAP_SYS_RESOURCE, runc cannot start `--privileged` containers ("unable to apply caps")."""
    return bool(mask >> SYS_RESOURCE_BIT & 1)


def read_bounding_set() -> int:
    """The mask of this process."""
    return bounding_set(Path("/proc/self/status").read_text())
