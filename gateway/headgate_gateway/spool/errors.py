"""Why the spool does not take an entry, and what states that leads to. Raised and passed on; decides nothing."""

import errno
from enum import StrEnum

NO_SPACE = frozenset({errno.ENOSPC, errno.EDQUOT})
"""What a disk says that is full."""


class LogState(StrEnum):
    """Whether a log takes entries."""

    READY = "Ready"
    FULL = "Full"
    """No room, by its own bound or on the disk. Ends by itself once there is."""
    FAILED = "Failed"
    """The disk refuses to write, or to make durable. Ends by itself once a probe succeeds."""
    CLOSED = "Closed"


class SpoolError(Exception):
    """An entry is not durable, and will not become so by waiting. `status` 503: the client may send again."""

    status = 503


class SpoolFullError(SpoolError):
    """There is no room for it."""


class SpoolFailedError(SpoolError):
    """The disk failed. Whether the entry is on it nobody knows: it may be delivered all the same."""


class SpoolFencedError(SpoolFailedError):
    """Another process has the directory now. Whether the entry is delivered nobody knows."""


class SpoolClosedError(SpoolError):
    """The log is being closed."""


class SpoolLockedError(Exception):
    """Another process uses the directory."""


class SpoolSharedError(SpoolLockedError):
    """Gateways on other machines may use the directory, and no lock here says so."""


class SpoolVersionError(Exception):
    """The directory was written by a newer Headgate, in a format that this one does not know."""
