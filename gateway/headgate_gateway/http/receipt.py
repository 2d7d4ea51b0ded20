"""The bodies of answers about lines: receipts, refusals, failed deliveries. Pure.

Line numbers are given as ranges (`"1-40"`, `"57"`), so that lists are complete and yet short. The fates of lines that
were sent are always complete, since clients send again by them; of refused lines the first MAX_RANGES ranges are named,
and `rejectedLinesOmitted` counts the others.
"""

from collections.abc import Iterable
from enum import StrEnum
from typing import Any

from headgate_gateway.config.endpoint import ResponseFormat
from headgate_gateway.http.messages import Response, json_response
from headgate_gateway.kafka.outcome import FailureReason, Outcome
from headgate_gateway.pipeline.ranges import LineRanges
from headgate_gateway.pipeline.result import LineError, Processed


class Durability(StrEnum):
    """What a 200 promises of every accepted line."""

    KAFKA = "kafka"
    """Kafka has acknowledged it."""
    DISK = "disk"
    """It is durably on this gateway's disk, if not in Kafka."""
    MEMORY = "memory"
    """It is in this gateway's memory, on its way."""


RETRY_BUSY = (b"Retry-After", b"1")
RETRY_DOWN = (b"Retry-After", b"5")
RETRY_REFUSED = (b"Retry-After", b"60")
"""Somebody has to grant a right or make a topic first."""

_FAULTS_OF_RECORDS = {FailureReason.RECORD_TOO_LARGE, FailureReason.RECORD_INVALID}
_FOR_GOOD = _FAULTS_OF_RECORDS | {FailureReason.REFUSED}


def retry_in(seconds: int) -> tuple[bytes, bytes]:
    """The header for a state whose end is known, about."""
    return b"Retry-After", b"%d" % max(seconds, 1)


def line_ranges(lines: Iterable[int]) -> list[str]:
    """Line numbers as ranges, in order, all of them."""
    ranges = LineRanges()
    ranges.extend(sorted(lines))
    return ranges.texts()


def _refused(processed: Processed) -> dict[str, Any]:
    body: dict[str, Any] = {
        "lines": [{"line": e.line, "reason": e.reason.value, "message": e.message} for e in processed.errors],
        "rejectedLines": processed.refused.texts(),
    }
    if processed.refused.omitted:
        body["rejectedLinesOmitted"] = processed.refused.omitted
    return body


def refused_body(processed: Processed, request_id: str, *, whole: bool = True) -> Response:
    """400 or 413: bad lines refuse the body, nothing was sent. Not `whole`: nobody looked at all of it."""
    if processed.broken is not None:
        return _broken_body(processed, processed.broken, request_id)
    status, reason = (413, "LineTooLarge") if processed.too_large else (400, "InvalidLines")
    named = processed.too_large or processed.errors[0]
    seen = "" if whole else f", the lines after {processed.counted} were not looked at"
    message = (
        f"{processed.refused.count} of {processed.received} lines refused, nothing was sent{seen}; "
        f"line {named.line}: {named.message}"
    )
    return json_response(status, {"reason": reason, "message": message, **_refused(processed), "requestId": request_id})


def _broken_body(processed: Processed, broken: LineError, request_id: str) -> Response:
    """400 or 413: the body as a whole is no events."""
    body = {"reason": broken.reason.value, "message": f"nothing was sent: {broken.message}", "requestId": request_id}
    return json_response(413 if processed.too_large else 400, {**body, **_refused(processed)})


def _partitions(outcome: Outcome) -> list[dict[str, Any]]:
    return [
        {"topic": a.topic, "partition": a.partition, "baseOffset": a.base_offset, "count": a.count}
        for a in outcome.acks
    ]


def _counts(processed: Processed) -> dict[str, Any]:
    return {
        "accepted": processed.accepted,
        "dropped": processed.dropped,
        "rejected": processed.refused.count,
        "deadLettered": processed.dead_lettered,
    }


def _offset(processed: Processed, outcome: Outcome) -> Response:
    """Where the one event is; offset -1: the repo has dropped it, or put it into its dead letter, or it is on disk."""
    if outcome.spooled:
        return Response(200, b'{"status":"ok","partition":-1,"Offset":-1,"durability":"disk"}\n')
    partition, offset = 0, -1
    if outcome.acks and not processed.dead_lettered:
        partition, offset = outcome.acks[0].partition, outcome.acks[0].base_offset
    return Response(200, b'{"status":"ok","partition":%d,"Offset":%d}\n' % (partition, offset))


def receipt(
    processed: Processed, outcome: Outcome, form: ResponseFormat, request_id: str, durability: Durability
) -> Response:
    """200, or 207 when lines were refused: every accepted line has reached the durability, or is on disk."""
    if not processed.refused and form is ResponseFormat.EMPTY:
        return Response(200)
    if not processed.refused and form is ResponseFormat.OFFSET:
        return _offset(processed, outcome)
    body: dict[str, Any] = {
        "status": "partial" if processed.refused else "ok",
        "requestId": request_id,
        **_counts(processed),
        "durability": Durability.DISK.value if outcome.spooled else durability.value,
        "partitions": _partitions(outcome),
    }
    if outcome.spooled:
        body["spooled"] = len(outcome.spooled)
    if not processed.refused:
        return json_response(200, body)
    return json_response(207, {**body, **_refused(processed)})


def undelivered(processed: Processed, outcome: Outcome, request_id: str) -> Response:
    """503: Kafka did not take all lines, nor did the disk. `failed` and `unknown` are to be sent again.

    413 or 400 where nothing is missing but lines that Kafka will never take: sending them again is of no use, and the
    others are in Kafka. So it is with a line of several records of which Kafka has some, and will never take the others.
    """
    reason = outcome.reason or FailureReason.TIMEOUT
    body: dict[str, Any] = {
        "reason": reason.value,
        "message": outcome.message or "Kafka did not acknowledge all lines in time",
        "requestId": request_id,
        **_counts(processed),
        "acked": line_ranges(outcome.acked),
        "failed": line_ranges(outcome.failed),
        "unknown": line_ranges(outcome.unknown),
        "partitions": _partitions(outcome),
    }
    if outcome.spooled:
        body |= {"spooled": len(outcome.spooled), "spooledLines": line_ranges(outcome.spooled)}
    if processed.refused:
        body |= _refused(processed)
    status, headers = _status_of(outcome)
    return json_response(status, body, *headers)


def _status_of(outcome: Outcome) -> tuple[int, tuple[tuple[bytes, bytes], ...]]:
    if outcome.reasons and outcome.certain and outcome.reasons <= _FOR_GOOD:
        if not outcome.reasons <= _FAULTS_OF_RECORDS:
            return 503, (RETRY_REFUSED,)
        return (413 if outcome.reasons == {FailureReason.RECORD_TOO_LARGE} else 400), ()
    if outcome.retry_after:
        return 503, (retry_in(outcome.retry_after),)
    return 503, (RETRY_DOWN if outcome.reason is FailureReason.PRODUCER_DOWN else RETRY_BUSY,)
