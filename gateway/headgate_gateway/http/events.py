"""What is worth a count is worth a word: one function an event, which counts and logs. Decides nothing."""

import logging

from headgate_gateway.http.counters import RepoCounters

log = logging.getLogger("headgate.gateway.http")


def request_broke(repo: str, request_id: str) -> None:
    """A defect of ours ended a request; called while its exception is handled. `request_answered` counts it."""
    log.exception("request broke", extra={"repo": repo, "requestId": request_id})


def request_answered(counters: RepoCounters, repo: str, status: int, request_id: str) -> None:
    """A request on a repo's endpoint has its answer; refusals are logged with the id that the client got."""
    counters.count_request(status)
    if status >= 400:
        level = logging.WARNING if status >= 500 else logging.INFO
        log.log(level, "request refused", extra={"repo": repo, "status": status, "requestId": request_id})
