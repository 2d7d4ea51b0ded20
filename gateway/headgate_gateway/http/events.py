"""What is worth a count is worth a word: one function an event, which counts and logs. Decides nothing."""

import logging
import sys
from time import monotonic

from headgate_gateway.http.counters import RepoCounters
from headgate_gateway.http.seldom import Seldom
from headgate_gateway.kafka.outcome import Outcome

log = logging.getLogger("headgate.gateway.http")


def request_broke(seldom: Seldom, repo: str, request_id: str) -> None:
    """A defect of ours ended a request; called while its exception is handled. `request_answered` counts it.

    Told now and then: a request that meets it can be sent at any rate, and a traceback is long.
    """
    if _allows(seldom, "request", repo):
        log.exception("request broke", extra={"repo": repo, "requestId": request_id})


def executor_broke(repo: str, step: str, error: Exception, request_id: str) -> None:
    """A defect of an executor cost a line; the caller sees to it that this is not said for each of them."""
    extra = {"repo": repo, "step": step, "requestId": request_id}
    log.error("an executor broke, and its line was refused", exc_info=error, extra=extra)


def records_lost(repo: str, outcome: Outcome, request_id: str) -> None:
    """Records of an answered request did not reach Kafka; counted one by one, told now and then."""
    extra = {
        "repo": repo,
        "failed": len(outcome.failed),
        "unknown": len(outcome.unknown),
        "reason": outcome.reason,
        "error": outcome.message,
        "requestId": request_id,
    }
    log.error("lines that were answered from memory did not reach Kafka", extra=extra)


def express_broke(seldom: Seldom, repo: str, request_id: str) -> None:
    """A defect of ours keeps a request off the short way; called while its exception is handled. Told now and then."""
    if _allows(seldom, "express", repo):
        log.exception("the short way broke", extra={"repo": repo, "requestId": request_id})


def _allows(seldom: Seldom, what: str, repo: str) -> bool:
    return seldom.allows((what, repo, sys.exc_info()[0]), monotonic())


def request_answered(counters: RepoCounters, repo: str, status: int, request_id: str) -> None:
    """A request on a repo's endpoint has its answer; refusals are logged with the id that the client got."""
    counters.count_request(status)
    if status >= 400:
        level = logging.WARNING if status >= 500 else logging.INFO
        log.log(level, "request refused", extra={"repo": repo, "status": status, "requestId": request_id})
