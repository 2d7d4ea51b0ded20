"""Admission: decides by a request's head whether its body is read. `upload` has what follows.

Everything that can refuse a request without its body refuses it here, so that `Expect: 100-continue` and the memory
budget mean something.
"""

from collections.abc import Callable

from headgate_gateway.http import refusals
from headgate_gateway.http.admission import Budget
from headgate_gateway.http.counters import TrafficCounters
from headgate_gateway.http.decoding import CODINGS
from headgate_gateway.http.events import request_answered
from headgate_gateway.http.messages import TEXT, Head, HttpError, Response, error_response
from headgate_gateway.http.preparation import DECODING_THREADS, BodyDecoding
from headgate_gateway.http.router import Route, Router
from headgate_gateway.http.upload import BodyUpload, SharedByUploads
from headgate_gateway.http.workers import Workers
from headgate_gateway.pipeline.topic import TopicRefusedError

# What clients put on JSON lines: the two names of JSONL, JSON itself, and what tools send when nobody told them:
# curl -d and --data-binary (x-www-form-urlencoded), HTTP libraries (octet-stream, text/plain). None of them changes
# how the body is read. Anything else (multipart, protobuf, XML) is a client that means something else.
_CONTENT_TYPES = frozenset(
    {
        b"",
        b"application/jsonl",
        b"application/x-ndjson",
        b"application/ndjson",
        b"application/x-jsonlines",
        b"application/json",
        b"text/plain",
        b"application/octet-stream",
        b"application/x-www-form-urlencoded",
    }
)
_IDENTITY = frozenset({b"", b"identity"})


class Ingest:
    """The traffic port's application."""

    def __init__(self, budget: Budget, traffic: TrafficCounters, now_ms: Callable[[], int]) -> None:
        self.router: Router = {}
        """Replaced whole by a reload; a request keeps the route it began with."""
        self.traffic = traffic
        self.shared = SharedByUploads(budget, now_ms)
        self.decoders = Workers(DECODING_THREADS)

    def admit(self, head: Head, request_id: str) -> Response | BodyUpload:
        """An answer at once, or the upload that takes the body."""
        route = self.router.get(head.path)
        if route is None:
            return self._without_repo(head, request_id)
        refusal = _refuse_by_head(head, route, request_id)
        if refusal is not None:
            request_answered(route.repo.counters, route.repo.config.name, refusal.status, request_id)
            route.repo.analysis.count(refusal.status, None, None, False)
            return refusal
        upload = BodyUpload(route, head, request_id, self.shared)
        coding = head.headers.get("content-encoding")
        if coding is not None:
            self._undo(coding.lower(), upload, route, request_id)
        return upload.reserve(head.content_length) or upload

    def _undo(self, coding: bytes, upload: BodyUpload, route: Route, request_id: str) -> None:
        if coding not in _IDENTITY:
            limit = route.repo.config.limits.body_bytes
            upload.prepare = BodyDecoding(upload, coding, limit, request_id, self.decoders).begin

    def note_refused_head(self, error: HttpError) -> None:
        """Counts a request that never reached a repo."""
        self.traffic.elsewhere.count_request(error.status)

    def _without_repo(self, head: Head, request_id: str) -> Response:
        if head.path == "/status":
            return _status(head, request_id)
        self.traffic.elsewhere.count_request(404)
        return refusals.unknown_repo(head, request_id)


def _status(head: Head, request_id: str) -> Response:
    if head.method not in {"GET", "HEAD"}:
        return refusals.method_not_allowed(head, b"GET, HEAD", request_id)
    return Response(200, b"ok\n", TEXT)


def _refuse_by_head(head: Head, route: Route, request_id: str) -> Response | None:
    if head.method != "POST":
        return refusals.method_not_allowed(head, b"POST", request_id)
    return (
        _refuse_media(head, request_id)
        or _refuse_size(head, route, request_id)
        or _refuse_target(head, route, request_id)
    )


def _refuse_media(head: Head, request_id: str) -> Response | None:
    content_type = head.headers.get("content-type", b"").partition(b";")[0].strip().lower()
    if content_type not in _CONTENT_TYPES:
        return refusals.wrong_content_type(content_type, request_id)
    encoding = head.headers.get("content-encoding", b"").lower()
    if encoding not in _IDENTITY and encoding not in CODINGS:
        return refusals.wrong_content_encoding(encoding, request_id)
    return None


def _refuse_size(head: Head, route: Route, request_id: str) -> Response | None:
    if not head.has_body:
        return refusals.empty_body(request_id)
    limit = route.repo.config.limits.body_bytes
    return refusals.body_too_large(limit, "the repo's limit", request_id) if head.content_length > limit else None


def _refuse_target(head: Head, route: Route, request_id: str) -> Response | None:
    try:
        topic = route.compiled.choose_topic(head.headers)
    except TopicRefusedError as error:
        return error_response(error.status, error.reason, error.message, request_id)
    kafka, producer = route.repo.config.kafka, route.repo.lease.producer
    if kafka.topics:
        return None  # some lines may go elsewhere
    if producer.down is not None:
        return refusals.producer_down(kafka.producer_profile, producer.down, request_id)
    refused = producer.refusal(topic)
    return None if refused is None else refusals.topic_refused(refused, request_id)
