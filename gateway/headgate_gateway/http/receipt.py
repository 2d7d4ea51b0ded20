"""The bodies of answers about lines: receipts, refusals, failed deliveries. Pure.

Line numbers are given as ranges (`"1-40"`, `"57"`), so that lists are complete and yet short.
"""

from collections.abc import Sequence
from typing import Any

from headgate_gateway.config.endpoint import ResponseFormat
from headgate_gateway.http.messages import Response, json_response
from headgate_gateway.kafka.outcome import FailureReason, Outcome
from headgate_gateway.pipeline.result import Processed

RETRY_BUSY = (b"Retry-After", b"1")
RETRY_DOWN = (b"Retry-After", b"5")


def line_ranges(lines: Sequence[int]) -> list[str]:
    """Line numbers as ranges, in order."""
    ranges: list[str] = []
    numbers = sorted(lines)
    start = 0
    for index, number in enumerate(numbers, 1):
        if index == len(numbers) or numbers[index] != number + 1:
            first = numbers[start]
            ranges.append(str(first) if first == number else f"{first}-{number}")
            start = index
    return ranges


def _refused(processed: Processed) -> dict[str, Any]:
    return {
        "lines": [{"line": e.line, "reason": e.reason.value, "message": e.message} for e in processed.errors],
        "rejectedLines": line_ranges(processed.refused),
    }


def refused_body(processed: Processed, request_id: str) -> Response:
    """400 or 413: bad lines refuse the body, nothing was sent."""
    count = len(processed.refused)
    first = processed.errors[0]
    status, reason = (413, "LineTooLarge") if processed.too_large else (400, "InvalidLines")
    message = f"{count} of {processed.received} lines refused, nothing was sent; line {first.line}: {first.message}"
    return json_response(status, {"reason": reason, "message": message, **_refused(processed), "requestId": request_id})


def _partitions(outcome: Outcome) -> list[dict[str, Any]]:
    return [
        {"topic": a.topic, "partition": a.partition, "baseOffset": a.base_offset, "count": a.count}
        for a in outcome.acks
    ]


def _counts(processed: Processed) -> dict[str, Any]:
    return {
        "accepted": processed.accepted,
        "dropped": processed.dropped,
        "rejected": len(processed.refused),
        "deadLettered": 0,
    }


def receipt(processed: Processed, outcome: Outcome, form: ResponseFormat, request_id: str) -> Response:
    """200, or 207 when lines were refused: every accepted line is in Kafka."""
    if not processed.refused and form is ResponseFormat.EMPTY:
        return Response(200)
    body: dict[str, Any] = {
        "status": "partial" if processed.refused else "ok",
        "requestId": request_id,
        **_counts(processed),
        "durability": "kafka",
        "partitions": _partitions(outcome),
    }
    if not processed.refused:
        return json_response(200, body)
    return json_response(207, {**body, **_refused(processed)})


def undelivered(processed: Processed, outcome: Outcome, request_id: str) -> Response:
    """503: Kafka did not take all lines. `failed` and `unknown` are to be sent again."""
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
    if processed.refused:
        body |= _refused(processed)
    return json_response(503, body, RETRY_DOWN if reason is FailureReason.PRODUCER_DOWN else RETRY_BUSY)
