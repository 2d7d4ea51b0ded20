"""The way of a request that came whole and is one good event: what BodyUpload does for any request, in few steps.

Takes a request only where nothing about it needs to be refused, and leaves all others untouched to BodyUpload. Counts,
reservations and answers are the same; `ingest` asks it after admission.

    begin --False--> BodyUpload
      +----True----> DELIVERING --on_done--> DONE
"""

from collections.abc import Callable
from itertools import count
from time import monotonic

import msgspec

from headgate_gateway.config.endpoint import ResponseFormat
from headgate_gateway.config.repo import PartialPolicy
from headgate_gateway.http import refusals
from headgate_gateway.http.application import Reply
from headgate_gateway.http.events import express_broke, request_answered, request_broke
from headgate_gateway.http.messages import Head, Response
from headgate_gateway.http.ports import Producer, Submission
from headgate_gateway.http.receipt import Durability, receipt, undelivered
from headgate_gateway.http.router import Route, uses_spool
from headgate_gateway.http.upload import SharedByUploads
from headgate_gateway.kafka.outcome import Outcome, PartitionAck
from headgate_gateway.pipeline.records import RECORD_OVERHEAD, Records
from headgate_gateway.pipeline.result import Processed
from headgate_gateway.pipeline.single import ReadSingle

_encode_json = msgspec.json.Encoder().encode

_RECEIPT = ResponseFormat.RECEIPT
_ONE = Processed(counted=1, received=1, accepted=1)
"""What the body of every such request became, as far as its receipt says."""


_numbers = count(1)


class Express:
    """The short way of one route. Made once, with all that follows from its config."""

    __slots__ = (
        "analysis",
        "auth",
        "budget",
        "chooses_topics",
        "counters",
        "delivery_seconds",
        "form",
        "guard",
        "most",
        "name",
        "now_ms",
        "number",
        "read",
        "records_per_request",
        "rejects",
        "repo",
        "route",
        "seldom",
        "topic",
        "topics",
    )

    def __init__(self, route: Route, read: ReadSingle, shared: SharedByUploads) -> None:
        self.route = route
        self.repo = repo = route.repo
        config = repo.config
        profile = repo.profiles[config.kafka.producer_profile]
        self.read = read
        self.budget, self.now_ms, self.seldom = shared.budget, shared.now_ms, shared.seldom
        self.name = config.name
        self.counters, self.analysis = repo.counters, repo.analysis
        self.records_per_request, self.delivery_seconds = profile.records_per_request, profile.delivery_seconds
        self.most = config.producers[config.kafka.producer_profile].max_buffer_bytes
        self.rejects = config.partial is PartialPolicy.REJECT
        self.form = route.endpoint.response
        self.number = next(_numbers)
        self.guard = repo.guard
        self.auth = repo.guard.auth if repo.guard is not None else None
        """The one that heads which are remembered were judged by."""
        self.chooses_topics = route.endpoint.topic_header is not None
        self.topic = config.kafka.topic
        self.topics: dict[str, bytes] = {}
        """Of receipts, by topic: the part of the text that they share."""

    def remember(self, head: Head) -> None:
        """Admission has taken a request with this head."""
        if not self.chooses_topics and (self.guard is None or self.guard.is_consistent):
            head.taken_by = self.number

    def takes(self, head: Head, clock: Callable[[], float]) -> bool:
        """Whether admission takes it again, charged to the repo's limits: of what it looks at only those, the keys, and what
        Kafka says can have changed.
        """
        guard = self.guard
        if guard is not None and guard.auth is not self.auth:
            self.auth, self.number = guard.auth, next(_numbers)
        if head.taken_by != self.number:
            return False
        producer = self.repo.lease.producer
        if producer.down is not None or producer.refusal(self.topic) is not None:
            return False
        return guard is None or guard.rates is None or guard.rates.begin(head.content_length, clock()) is None

    def begin(self, head: Head, body: bytes, request_id: str, reply: Reply) -> bool:
        """Whether the request is on its way, so that `reply` will be called; else nothing has been done."""
        now_ms = self.now_ms()
        records = self._read(head, body, request_id, now_ms)
        if records is None:
            return False
        # As BodyUpload: the record's bytes are reserved beside the body's, which are then given back.
        producer, nbytes = self.repo.lease.producer, len(body)
        kept = max(nbytes, len(records.values[0])) + RECORD_OVERHEAD
        most = nbytes + kept
        if most > self.most or not self.budget.reserve(most):
            return False
        if not producer.reserve(most):
            self.budget.release(most)
            return False
        self.budget.release(nbytes)
        producer.release(nbytes)
        self.repo.enter()
        counters = self.counters
        counters.bytes_received += nbytes
        counters.received += 1
        counters.accepted += 1
        counters.in_flight += 1
        self.records_per_request.observe(1)
        upload = SingleUpload(self, producer, kept, records, request_id, reply)
        upload.submit(now_ms)
        return True

    def _read(self, head: Head, body: bytes, request_id: str, now_ms: int) -> Records | None:
        if "content-encoding" in head.headers:
            return None
        try:
            return self.read(body, head.headers, now_ms)
        except Exception:  # noqa: BLE001
            # Broad on purpose: a defect of ours. BodyUpload meets it too, or does not, and answers in either case.
            express_broke(self.seldom, self.name, request_id)
            return None

    def receipt(self, ack: PartitionAck, request_id: str) -> bytes:
        """As `receipt` has it. A request id holds nothing that JSON would escape."""
        shared = self.topics.get(ack.topic)
        if shared is None:
            self.topics[ack.topic] = shared = _shared_text(ack.topic)
        return b'{"status":"ok","requestId":"%b%b%d,"baseOffset":%d,"count":1}]}' % (
            request_id.encode(),
            shared,
            ack.partition,
            ack.base_offset,
        )


def _shared_text(topic: str) -> bytes:
    return (
        b'","accepted":1,"dropped":0,"rejected":0,"deadLettered":0,"durability":"kafka","partitions":[{"topic":%b,'
        b'"partition":' % _encode_json(topic)
    )


class SingleUpload:
    """One request on the short way."""

    __slots__ = ("_begun", "_express", "_in_flight", "_nbytes", "_producer", "_records", "_reply", "_request_id")

    def __init__(
        self, express: Express, producer: Producer, nbytes: int, records: Records, request_id: str, reply: Reply
    ) -> None:
        self._express = express
        # Kept, since a lease may change its producer when credentials do, and what is reserved here is released here.
        self._producer = producer
        self._nbytes = nbytes
        self._records = records
        self._request_id = request_id
        self._reply: Reply | None = reply
        self._in_flight = 1
        self._begun = monotonic()

    def submit(self, now_ms: int) -> None:
        """Hand the record to the producer."""
        try:
            self._producer.submit(self._records, now_ms, self._delivered)
        except Exception:  # noqa: BLE001
            # Broad on purpose, here and below: a defect of ours ends this one request, with an answer (see BodyUpload).
            self._break()

    def _delivered(self, submission: Submission) -> None:
        if self._reply is None:
            return  # submitting broke, and has been answered
        try:
            self._tell(submission.outcome)
        except Exception:  # noqa: BLE001
            self._break()

    def _tell(self, outcome: Outcome) -> None:
        express, counters, acks = self._express, self._express.counters, outcome.acks
        counters.in_flight -= 1
        self._in_flight = 0
        seconds = monotonic() - self._begun
        express.delivery_seconds.observe(seconds)
        express.analysis.count_acks(acks)
        if not outcome.complete:
            self._tell_undelivered(outcome, seconds)
            return
        counters.delivered += 1
        express.analysis.count_delivered(seconds, self._records.topic)
        counters.count_request(200)
        self._release()
        if express.form is _RECEIPT and len(acks) == 1:
            self._say(Response(200, express.receipt(acks[0], self._request_id)))
        else:
            self._say(receipt(_ONE, outcome, express.form, self._request_id, Durability.KAFKA))

    def _tell_undelivered(self, outcome: Outcome, seconds: float) -> None:
        counters = self._express.counters
        counters.failed += len(outcome.failed)
        counters.unknown += len(outcome.unknown)
        response = undelivered(_ONE, outcome, self._request_id)
        self._finish(response.status, seconds)
        self._say(response)

    def _finish(self, status: int, seconds: float) -> None:
        express = self._express
        processed = Processed(counted=1, received=1, accepted=1, records=[self._records])
        express.analysis.count(status, seconds, processed, express.rejects)
        request_answered(express.counters, express.name, status, self._request_id)
        self._release()

    def _release(self) -> None:
        nbytes, self._nbytes = self._nbytes, 0
        self._express.budget.release(nbytes)
        self._producer.release(nbytes)
        self._express.repo.leave()

    def _say(self, response: Response) -> None:
        reply, self._reply = self._reply, None
        if reply is not None:
            reply(response)

    def _break(self) -> None:
        express = self._express
        request_broke(express.seldom, express.name, self._request_id)
        express.counters.in_flight -= self._in_flight
        express.counters.unknown += self._in_flight
        self._in_flight = 0
        if self._nbytes:
            self._finish(500, monotonic() - self._begun)
        self._say(refusals.internal_error(self._request_id))


def build_express(route: Route, shared: SharedByUploads) -> Express | None:
    """The short way of a route; None where requests wait for anything but Kafka, or never are one plain event."""
    read = route.compiled.single
    if read is None or uses_spool(route.repo.config):
        return None
    return Express(route, read, shared)
