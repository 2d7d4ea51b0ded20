"""The id that a request's answer, and every log line about it, carries: the client's own where it is sane."""

import re
import secrets
from typing import Final

from headgate_gateway.http.messages import Head

_SANE = re.compile(rb"[A-Za-z0-9._:/+=@-]{1,128}")
_ENDINGS: Final[list[str]] = [f"{number:03x}" for number in range(4096)]
"""Each id's last three digits: putting texts together is cheaper than writing numbers."""


class _Numbers:
    """Counts requests from 1, as the hexadecimal numbers of their ids."""

    def __init__(self) -> None:
        self._count = 0
        self._process = secrets.token_hex(6)
        self._beginning = f"{self._process}-"

    def next(self) -> str:
        """The next request's id."""
        self._count = count = self._count + 1
        ending = count & 4095
        if not ending:
            self._beginning = f"{self._process}-{count >> 12:x}"
        return self._beginning + _ENDINGS[ending]


_numbers = _Numbers()


def new_request_id() -> str:
    """An id that no other request of any gateway has."""
    return _numbers.next()


def request_id_of(head: Head) -> str:
    """The `X-Request-Id` of a request, or a new one."""
    given = head.headers.get("x-request-id")
    if given is not None and _SANE.fullmatch(given):
        return given.decode("ascii")
    return new_request_id()
