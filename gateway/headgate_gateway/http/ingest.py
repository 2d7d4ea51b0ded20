"""Admission: decides by a request's head whether its body is read. `upload` has what follows.

Everything that can refuse a request without its body refuses it here, so that `Expect: 100-continue` and the memory
budget mean something.
"""

from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic

from headgate_gateway.config.endpoint import EventFormat
from headgate_gateway.http import refusals
from headgate_gateway.http.admission import Budget
from headgate_gateway.http.application import Reply
from headgate_gateway.http.counters import TrafficCounters
from headgate_gateway.http.decoding import CODINGS
from headgate_gateway.http.events import request_answered
from headgate_gateway.http.express import Express, build_express
from headgate_gateway.http.guard import EXCLUDED, Guard
from headgate_gateway.http.messages import TEXT, Head, HttpError, Response, error_response
from headgate_gateway.http.passwords import Check, Passwords
from headgate_gateway.http.preparation import DECODING_THREADS, BodyDecoding, GuardedBody
from headgate_gateway.http.router import Route, Router
from headgate_gateway.http.upload import BodyUpload, SharedByUploads
from headgate_gateway.http.webhook import answer_handshake, judged_as
from headgate_gateway.http.workers import Workers
from headgate_gateway.pipeline.cloudevents import Mode, mode_of
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


@dataclass(frozen=True, slots=True)
class Doubtful:
    """Where a request goes if the password that it gives is right."""

    route: Route
    check: Check
    refusal: Response | None
    """What its head is refused with in that case: who may not come in learns nothing of it."""


class Ingest:
    """The traffic port's application."""

    def __init__(
        self,
        budget: Budget,
        traffic: TrafficCounters,
        now_ms: Callable[[], int],
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._router: Router = {}
        self._express: dict[str, Express] = {}
        """By path."""
        self.traffic = traffic
        self.shared = SharedByUploads(budget, now_ms)
        self.decoders = Workers(DECODING_THREADS)
        self.passwords = Passwords(clock)
        self._clock = clock

    @property
    def router(self) -> Router:
        """Replaced whole by a reload; a request keeps the route it began with."""
        return self._router

    @router.setter
    def router(self, router: Router) -> None:
        self._router = router
        self._express = {
            path: express for path, route in router.items() if (express := build_express(route, self.shared))
        }

    def admit(self, head: Head, request_id: str) -> Response | BodyUpload:
        """An answer at once, or the upload that takes the body."""
        found = self._find(head, request_id)
        return found if isinstance(found, Response) else self._receive(found, head, request_id)

    def take(self, head: Head, body: bytes, request_id: str, reply: Reply) -> Response | BodyUpload | None:
        """As `admit`, for a request whose body is there: None where that was enough to send it on its way."""
        express = self._express.get(head.path)
        if express is not None and express.takes(head, self._clock):
            found: Response | Route | Doubtful = express.route
        else:
            found = self._find(head, request_id)
        if isinstance(found, Response):
            return found
        if express is not None and isinstance(found, Route):
            express.remember(head)
            if express.begin(head, body, request_id, reply):
                return None
        return self._receive(found, head, request_id)

    def _find(self, head: Head, request_id: str) -> Response | Route | Doubtful:
        """Where a request goes that its head does not refuse."""
        route = self._router.get(head.path)
        if route is None:
            return self._without_repo(head, request_id)
        guard = route.repo.guard
        if guard is not None:
            return self._find_guarded(head, route, guard, request_id)
        refusal = _refuse_by_head(head, route, request_id)
        return route if refusal is None else _refuse(refusal, route, request_id)

    def _find_guarded(self, head: Head, route: Route, guard: Guard, request_id: str) -> Response | Route | Doubtful:
        """The same of a repo that is not open to all, or not at any rate. Who may not come in learns nothing else."""
        check = guard.identify(head, request_id, self.passwords)
        if isinstance(check, Response):
            # Hashes that are not there may well be the fault of the revision that names them.
            return _refuse(check, route, request_id, None if guard.problem else EXCLUDED)
        refusal = _refuse_by_head(head, route, request_id)
        if check is not None:
            return Doubtful(route, check, refusal)
        if refusal is not None:
            return _refuse(refusal, route, request_id)
        over = guard.rates.begin(head.content_length, self._clock()) if guard.rates is not None else None
        if over is not None:
            return _refuse(guard.over_limit(over, route.endpoint, request_id), route, request_id, EXCLUDED)
        return route

    def _receive(self, found: Route | Doubtful, head: Head, request_id: str) -> Response | BodyUpload:
        if isinstance(found, Doubtful):
            return self._receive_doubtful(found, head, request_id)
        upload, guard = BodyUpload(found, head, request_id, self.shared), found.repo.guard
        self._undo(head, upload, found, request_id)
        rates = guard.rates if guard is not None else None
        if guard is not None and rates is not None and head.chunked:
            _put_before(upload, GuardedBody(upload, guard, found.endpoint, request_id, self._clock))
        refusal = upload.reserve(head.content_length)
        if refusal is not None and rates is not None:
            rates.give_back(head.content_length)
        return refusal or upload

    def _receive_doubtful(self, found: Doubtful, head: Head, request_id: str) -> Response | BodyUpload:
        """The guard looks at the body once the password's verdict is there; until then it waits."""
        route, guard = found.route, found.route.repo.guard
        upload = BodyUpload(route, head, request_id, self.shared)
        if guard is None:
            raise RuntimeError("a password is checked for a repo that is open to all")
        body = GuardedBody(upload, guard, route.endpoint, request_id, self._clock, found.check, found.refusal)
        if found.refusal is not None:
            # Nothing is reserved of what it announces, and little of it will come.
            upload.as_it_comes = True
            return _put_before(upload, body)
        self._undo(head, upload, route, request_id)
        _put_before(upload, body)
        refusal = upload.reserve(head.content_length)
        if refusal is None:
            body.announce(head.content_length)
        return refusal or upload

    def _undo(self, head: Head, upload: BodyUpload, route: Route, request_id: str) -> None:
        coding = head.headers.get("content-encoding", b"").lower()
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


def _put_before(upload: BodyUpload, body: GuardedBody) -> BodyUpload:
    """Let the guard look at a body before whatever else prepares it."""
    body.then = upload.prepare or upload.proceed
    upload.gate, upload.prepare = body.take, body.begin
    return upload


def _status(head: Head, request_id: str) -> Response:
    if head.method not in {"GET", "HEAD"}:
        return refusals.method_not_allowed(head, b"GET, HEAD", request_id)
    return Response(200, b"ok\n", TEXT)


def _refuse(response: Response, route: Route, request_id: str, judged: int | None = None) -> Response:
    """An answer without a body, counted."""
    repo = route.repo
    request_answered(repo.counters, repo.config.name, response.status, request_id)
    repo.analysis.count(judged or judged_as(response) or response.status, None, None, False)
    return response


def _refuse_by_head(head: Head, route: Route, request_id: str) -> Response | None:
    """An answer that needs no body: to what is refused, and to the handshake of a webhook."""
    if head.method != "POST":
        consent = answer_handshake(head, route.endpoint, route.repo.config.limits)
        return consent or refusals.method_not_allowed(head, b"POST", request_id)
    return (
        _refuse_media(head, route, request_id)
        or _refuse_size(head, route, request_id)
        or _refuse_target(head, route, request_id)
    )


def _refuse_media(head: Head, route: Route, request_id: str) -> Response | None:
    content_type = head.headers.get("content-type", b"").partition(b";")[0].strip().lower()
    if route.endpoint.format is EventFormat.CLOUD_EVENTS:
        if mode_of(content_type) is Mode.UNKNOWN:
            return refusals.unknown_event_format(content_type, request_id)
    elif content_type not in _CONTENT_TYPES:
        return refusals.wrong_content_type(content_type, request_id)
    encoding = head.headers.get("content-encoding", b"").lower()
    if encoding not in _IDENTITY and encoding not in CODINGS:
        return refusals.wrong_content_encoding(encoding, request_id)
    return None


def _refuse_size(head: Head, route: Route, request_id: str) -> Response | None:
    if not head.has_body and not _may_lack_body(head, route):
        return refusals.empty_body(request_id)
    limit = route.repo.config.limits.body_bytes
    return refusals.body_too_large(limit, "the repo's limit", request_id) if head.content_length > limit else None


def _may_lack_body(head: Head, route: Route) -> bool:
    """Whether headers alone may be an event: a CloudEvent without data."""
    if route.endpoint.format is not EventFormat.CLOUD_EVENTS:
        return False
    return mode_of(head.headers.get("content-type", b"")) is Mode.BINARY


def _refuse_target(head: Head, route: Route, request_id: str) -> Response | None:
    try:
        topic = route.compiled.choose_topic(head.headers)
    except TopicRefusedError as error:
        return error_response(error.status, error.reason, error.message, request_id)
    kafka, producer = route.repo.config.kafka, route.repo.lease.producer
    if kafka.topics:
        return None  # some lines may go elsewhere
    return route.repo.refuse_target(kafka.producer_profile, topic, producer, request_id)
