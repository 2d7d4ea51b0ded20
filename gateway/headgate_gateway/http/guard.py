"""What stands before a repo that is not open to all, or not at any rate: authentication and limits, request by request.

A repo with neither has no guard. `ingest` asks by the head, `preparation` as the body comes.
"""

import logging
from typing import Final

from headgate_gateway.config.endpoint import Endpoint, EventFormat
from headgate_gateway.http import refusals
from headgate_gateway.http.auth import Admitted, Authenticator, Denied, Encoded
from headgate_gateway.http.counters import RepoCounters
from headgate_gateway.http.messages import Head, Response
from headgate_gateway.http.passwords import Check, Passwords
from headgate_gateway.http.rates import OverLimit, RepoRates

log = logging.getLogger("headgate.gateway.auth")

EXCLUDED: Final = 429
"""What refusals by a guard count as in a canary's analysis, whatever their status: they say nothing of a revision."""


class Guard:
    """Of one config of a repo."""

    __slots__ = ("auth", "counters", "rates", "repo")

    def __init__(self, repo: str, auth: Authenticator | None, rates: RepoRates | None, counters: RepoCounters) -> None:
        self.repo = repo
        self.auth = auth
        """Replaced when keys or passwords change."""
        self.rates = rates
        self.counters = counters

    @property
    def problem(self) -> str:
        """Why some who should be let in cannot be; empty when all can."""
        return self.auth.problem if self.auth is not None else ""

    @property
    def is_consistent(self) -> bool:
        """Whether it lets a head in again that it has let in, for as long as `auth` is the same; limits aside."""
        return (self.auth is None or self.auth.has_keys_only) and not log.isEnabledFor(logging.DEBUG)

    def identify(self, head: Head, request_id: str, passwords: Passwords) -> Response | Check | None:
        """None: come in; a check: perhaps."""
        auth = self.auth
        if auth is None:
            return None
        verdict: Admitted | Denied | Encoded | Check | None = auth.judge(head.headers)
        if isinstance(verdict, bytes):
            verdict = passwords.judge(auth, verdict, self.repo)
        if isinstance(verdict, Admitted):
            if log.isEnabledFor(logging.DEBUG):
                log.debug("authenticated", extra={"repo": self.repo, "who": verdict.name, "requestId": request_id})
            return None
        if isinstance(verdict, Check):
            return verdict
        if verdict is None:
            return refusals.overloaded("the check of passwords", request_id)
        if verdict is Denied.UNAVAILABLE:
            return refusals.auth_unavailable(request_id)
        return self.deny(request_id, presented=verdict is Denied.NOT_VALID)

    def deny(self, request_id: str, *, presented: bool = True) -> Response:
        """401, counted, with the ways in."""
        self.counters.unauthenticated += 1
        challenges = self.auth.challenges if self.auth is not None else ()
        return refusals.unauthenticated(challenges, request_id, presented=presented)

    def over_limit(self, over: OverLimit, endpoint: Endpoint, request_id: str) -> Response:
        """429 or 503, counted."""
        self.counters.over_limit += 1
        status = endpoint.over_limit_status or (503 if endpoint.format is EventFormat.JSONL else 429)
        return refusals.rate_limited(status, over, request_id)
