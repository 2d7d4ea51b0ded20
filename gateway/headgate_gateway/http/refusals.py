"""Answers that refuse a request as a whole, one function each. Pure."""

from collections.abc import Iterable

from headgate_gateway.http.messages import Head, Response, error_response, json_response
from headgate_gateway.http.ports import SpoolRefusal
from headgate_gateway.http.rates import OverLimit
from headgate_gateway.http.receipt import RETRY_BUSY, RETRY_DOWN, retry_in

ACCEPTED_CODINGS = "gzip, zstd, lz4, snappy, identity"


def unknown_repo(head: Head, request_id: str) -> Response:
    """404."""
    return error_response(404, "UnknownRepo", f"no repo is served at {head.path}", request_id)


def method_not_allowed(head: Head, allow: bytes, request_id: str) -> Response:
    """405, with what is allowed."""
    message = f"{head.method} is not possible here, only {allow.decode()}"
    return error_response(405, "MethodNotAllowed", message, request_id, (b"Allow", allow))


def wrong_content_type(content_type: bytes, request_id: str) -> Response:
    """415."""
    message = f"content type {content_type.decode('latin-1')} is not JSON lines: send application/x-ndjson"
    return error_response(415, "UnsupportedMediaType", message, request_id)


def unknown_event_format(content_type: bytes, request_id: str) -> Response:
    """415 for CloudEvents in a format other than JSON."""
    message = (
        f"content type {content_type.decode('latin-1')} is not read here: send application/cloudevents+json,"
        " application/cloudevents-batch+json, or the attributes as ce- headers"
    )
    return error_response(415, "UnsupportedMediaType", message, request_id)


def wrong_content_encoding(encoding: bytes, request_id: str) -> Response:
    """415, with what is accepted."""
    message = f"content encoding {encoding.decode('latin-1')} is not supported: send one of {ACCEPTED_CODINGS}"
    accepted = (b"Accept-Encoding", ACCEPTED_CODINGS.encode())
    return error_response(415, "UnsupportedContentEncoding", message, request_id, accepted)


def invalid_encoding(problem: str, request_id: str) -> Response:
    """400 for a body that does not decode."""
    return error_response(400, "InvalidEncoding", problem, request_id)


def unauthenticated(challenges: Iterable[bytes], request_id: str, *, presented: bool) -> Response:
    """401, with the ways in."""
    message = (
        "the key or password is not valid" if presented else "this repo takes requests with a key or password only"
    )
    headers = [(b"WWW-Authenticate", challenge) for challenge in challenges]
    return error_response(401, "Unauthenticated", message, request_id, *headers)


def auth_unavailable(request_id: str) -> Response:
    """503: what keys and passwords are judged by is not there, so nobody is let in."""
    message = "the gateway does not have what this repo's keys and passwords are checked against"
    return error_response(503, "AuthUnavailable", message, request_id, RETRY_DOWN)


def rate_limited(status: int, over: OverLimit, request_id: str) -> Response:
    """429 or 503, with the time after which the request would fit."""
    what = "requests" if over.limit == "requestsPerSecond" else "bytes"
    message = f"the repo takes {over.per_second} {what} a second at each gateway"
    body = {"reason": "RateLimited", "message": message, "limit": over.limit, "requestId": request_id}
    return json_response(status, body, (b"Retry-After", b"%d" % over.retry_after))


def empty_body(request_id: str) -> Response:
    """400."""
    return error_response(400, "EmptyBody", "the body holds no lines", request_id)


def body_too_large(limit: int, whose: str, request_id: str) -> Response:
    """413 for a body that will never fit."""
    return error_response(413, "BodyTooLarge", f"the body takes more than {whose} of {limit} bytes", request_id)


def overloaded(whose: str, request_id: str) -> Response:
    """503 for a request whose bytes no budget has room for at the moment."""
    return error_response(503, "Overloaded", f"{whose} has no room for this request now", request_id, RETRY_BUSY)


def spool_refused(why: SpoolRefusal, request_id: str) -> Response:
    """503: the lines would have to go to the gateway's disk, which takes none now."""
    return error_response(503, why.reason.value, why.message, request_id, retry_in(why.retry_after))


def producer_down(profile: str, down: str, request_id: str) -> Response:
    """503 without trying."""
    message = f"producer {profile} cannot deliver now: {down}"
    return error_response(503, "ProducerDown", message, request_id, RETRY_DOWN)


def topic_refused(refused: str, request_id: str) -> Response:
    """503 without trying: the topic is missing, or not ours to write to."""
    return error_response(503, "KafkaRefused", refused, request_id, RETRY_DOWN)


def internal_error(request_id: str) -> Response:
    """500: a defect of ours. Lines of it may have been delivered."""
    message = "a defect of the gateway ended this request; its lines may be in Kafka, or not"
    return error_response(500, "InternalError", message, request_id)
