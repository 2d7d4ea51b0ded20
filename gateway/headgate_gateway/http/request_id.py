"""The id that a request's answer, and every log line about it, carries: the client's own where it is sane."""

import itertools
import re
import secrets

from headgate_gateway.http.messages import Head

_SANE = re.compile(rb"[A-Za-z0-9._:/+=@-]{1,128}")
_prefix = secrets.token_hex(6)
_count = itertools.count(1)


def new_request_id() -> str:
    """An id that no other request of any gateway has."""
    return f"{_prefix}-{next(_count):x}"


def request_id_of(head: Head) -> str:
    """The `X-Request-Id` of a request, or a new one."""
    given = head.headers.get("x-request-id")
    if given is not None and _SANE.fullmatch(given):
        return given.decode("ascii")
    return new_request_id()
