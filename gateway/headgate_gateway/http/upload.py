"""One admitted request: its bytes, its way through the pipeline, its records' fate, its answer.

Holds its reservations from the head until the outcome is known, and gives them back exactly once.

    RECEIVING --complete--> PROCESSING --submit--> DELIVERING --on_done--> DONE
        |                       |--refused, nothing to send-----------------^
        |--abandon, refused-------------------------------------------------^
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from time import monotonic

from headgate_gateway.config.repo import PartialPolicy
from headgate_gateway.http import refusals
from headgate_gateway.http.admission import Budget
from headgate_gateway.http.application import Reply
from headgate_gateway.http.events import request_answered
from headgate_gateway.http.messages import Head, Response
from headgate_gateway.http.ports import Producer, Submission
from headgate_gateway.http.receipt import receipt, refused_body, undelivered
from headgate_gateway.http.router import Route
from headgate_gateway.kafka.outcome import Outcome
from headgate_gateway.pipeline.compile import BodyRun
from headgate_gateway.pipeline.lines import runs
from headgate_gateway.pipeline.records import Records
from headgate_gateway.pipeline.result import Processed

LINE_OVERHEAD = 128
"""What a record takes beside its bytes: object headers, list slots, its number, its key. Measured, rounded up."""
YIELD_BYTES = 256 * 2**10
"""Larger bodies are processed a run at a time, and others get the event loop in between."""


@dataclass(slots=True)
class SharedByUploads:
    """What all uploads share."""

    budget: Budget
    now_ms: Callable[[], int]
    tasks: set[asyncio.Task[None]] = field(default_factory=set)


class BodyUpload:
    """One request on a repo's endpoint."""

    __slots__ = (
        "_done",
        "_head",
        "_now_ms",
        "_producer",
        "_profile_reserved",
        "_reply",
        "_repo",
        "_request_id",
        "_reserved",
        "_route",
        "_shared",
        "_submitted",
        "_taken",
    )

    def __init__(self, route: Route, head: Head, request_id: str, shared: SharedByUploads) -> None:
        self._route = route
        self._repo = route.repo
        self._head = head
        self._request_id = request_id
        self._shared = shared
        # Kept, since a lease may change its producer when credentials do, and what is reserved here is released here.
        self._producer: Producer = route.repo.lease.producer
        self._reserved = self._profile_reserved = self._taken = 0
        self._now_ms = 0
        self._submitted = 0.0
        self._reply: Reply | None = None
        self._done = False
        self._repo.enter()

    # RECEIVING

    def reserve(self, nbytes: int) -> Response | None:
        """Reserve bytes of the body before they are read; an answer when there is no room."""
        profile = self._repo.config.kafka.producer_profile
        limit = self._repo.config.producers[profile].max_buffer_bytes
        if self._profile_reserved + nbytes > limit:
            return self._refuse(refusals.body_too_large(limit, "the profile's maxBufferBytes", self._request_id))
        refusal = self._reserve_memory(nbytes)
        if refusal is not None:
            return refusal
        if not self._producer.reserve(nbytes):
            return self._refuse(refusals.overloaded(f"producer {profile}", self._request_id))
        self._profile_reserved += nbytes
        return None

    def _reserve_memory(self, nbytes: int) -> Response | None:
        budget = self._shared.budget
        if self._reserved + nbytes > budget.limit:
            return self._refuse(refusals.body_too_large(budget.limit, "the gateway's memory", self._request_id))
        if not budget.reserve(nbytes):
            return self._refuse(refusals.overloaded("the gateway", self._request_id))
        self._reserved += nbytes
        return None

    def take(self, nbytes: int) -> Response | None:
        """Bytes have come; those of a chunked body are reserved now, since nobody announced them."""
        self._taken += nbytes
        self._repo.counters.bytes_received += nbytes
        if not self._head.chunked:
            return None
        limit = self._repo.config.limits.body_bytes
        if self._taken > limit:
            return self._refuse(refusals.body_too_large(limit, "the repo's limit", self._request_id))
        return self.reserve(nbytes)

    def abandon(self, status: int) -> None:
        """The body will never be whole; what the request counts as."""
        if not self._done:
            self._finish(status)

    # PROCESSING

    def complete(self, body: bytes | bytearray, reply: Reply) -> None:
        """The body is whole: process it, submit its records, answer when their fate is known."""
        self._reply = reply
        self._now_ms = self._shared.now_ms()
        run = self._repo.compiled.begin(self._head.headers, self._now_ms)
        if len(body) <= YIELD_BYTES:
            self._process(run, body)
            return
        task = asyncio.get_running_loop().create_task(self._process_in_turns(run, body))
        self._shared.tasks.add(task)
        task.add_done_callback(self._shared.tasks.discard)

    def _process(self, run: BodyRun, body: bytes | bytearray) -> None:
        for piece in runs(body):
            refusal = self._feed(run, piece)
            if refusal is not None:
                return self._say(refusal)
        return self._decide(run.result)

    async def _process_in_turns(self, run: BodyRun, body: bytes | bytearray) -> None:
        try:
            for piece in runs(body):
                refusal = self._feed(run, piece)
                if refusal is not None:
                    return self._say(refusal)
                await asyncio.sleep(0)
        except asyncio.CancelledError:
            self.abandon(503)
            raise
        return self._decide(run.result)

    def _feed(self, run: BodyRun, piece: bytes) -> Response | None:
        records = run.feed(piece)
        return self._reserve_memory(len(piece) + records * LINE_OVERHEAD) if records else None

    def _decide(self, processed: Processed) -> None:
        if not processed.received:
            return self._answer(refusals.empty_body(self._request_id))
        refuses_body = bool(processed.refused) and self._repo.config.partial is PartialPolicy.REJECT
        self._count_lines(processed, refuses_body)
        if refuses_body:
            return self._answer(refused_body(processed, self._request_id))
        if processed.records is None:
            return self._answer(receipt(processed, Outcome(), self._route.endpoint.response, self._request_id))
        return self._submit(processed, processed.records)

    def _count_lines(self, processed: Processed, refuses_body: bool) -> None:
        counters = self._repo.counters
        counters.received += processed.received
        if refuses_body:
            counters.rejected += processed.received  # the good lines of a refused body are refused with it
            return
        counters.accepted += processed.accepted
        counters.dropped += processed.dropped
        counters.rejected += len(processed.refused)

    # DELIVERING

    def _submit(self, processed: Processed, records: Records) -> None:
        self._repo.counters.in_flight += len(records.values)
        self._repo.profile_counters.records_per_request.observe(len(records.values))
        self._submitted = monotonic()
        self._producer.submit(records, self._now_ms, lambda submission: self._delivered(processed, submission))

    def _delivered(self, processed: Processed, submission: Submission) -> None:
        outcome, counters = submission.outcome, self._repo.counters
        counters.delivered += len(outcome.acked)
        counters.failed += len(outcome.failed)
        counters.unknown += len(outcome.unknown)
        counters.in_flight -= processed.accepted
        self._repo.profile_counters.delivery_seconds.observe(monotonic() - self._submitted)
        if outcome.complete:
            self._answer(receipt(processed, outcome, self._route.endpoint.response, self._request_id))
        else:
            self._answer(undelivered(processed, outcome, self._request_id))

    # DONE

    def _refuse(self, response: Response) -> Response:
        self._finish(response.status)
        return response

    def _answer(self, response: Response) -> None:
        self._finish(response.status)
        self._say(response)

    def _say(self, response: Response) -> None:
        if self._reply is not None:
            self._reply(response)

    def _finish(self, status: int) -> None:
        self._done = True
        self._shared.budget.release(self._reserved)
        self._producer.release(self._profile_reserved)
        self._reserved = self._profile_reserved = 0
        request_answered(self._repo.counters, self._repo.config.name, status, self._request_id)
        self._repo.leave()
