"""One admitted request: its bytes, its way through the pipeline, its records' fate, its answer.

Holds its reservations from the head until the outcome is known, and gives them back exactly once.

    RECEIVING --complete--> PROCESSING --submit--> DELIVERING --on_done--> DONE
        |                       |--refused, nothing to send-----------------^
        |                       |--a defect of ours, at any point: 500------^
        |--abandon, refused-------------------------------------------------^
"""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import islice
from time import monotonic
from typing import TypeVar

from headgate_gateway.config.repo import PartialPolicy
from headgate_gateway.http import refusals
from headgate_gateway.http.admission import Budget
from headgate_gateway.http.application import Reply
from headgate_gateway.http.events import request_answered, request_broke
from headgate_gateway.http.messages import Head, Response
from headgate_gateway.http.ports import Producer, Submission
from headgate_gateway.http.receipt import receipt, refused_body, undelivered
from headgate_gateway.http.router import Route
from headgate_gateway.kafka.outcome import Outcome
from headgate_gateway.pipeline.compile import BodyRun
from headgate_gateway.pipeline.lines import Run, bounded_runs
from headgate_gateway.pipeline.records import Records
from headgate_gateway.pipeline.result import Processed

LINE_OVERHEAD = 128
"""What a record takes beside its bytes: object headers, list slots, its number, its key. Measured, rounded up.

A range of refused lines takes about as much.
"""
RUNS_AT_ONCE = 4
"""Longer bodies go on a run at a time, and others get the event loop in between."""
BAD_LINES_LOOKED_AT = 1_000
"""Under `partial: Reject` the rest of the body is not looked at after so many: it is refused anyhow."""

Subject = TypeVar("Subject")


@dataclass(slots=True)
class SharedByUploads:
    """What all uploads share."""

    budget: Budget
    now_ms: Callable[[], int]


class BodyUpload:
    """One request on a repo's endpoint."""

    __slots__ = (
        "_body_reserved",
        "_completed",
        "_done",
        "_head",
        "_in_flight",
        "_max_buffer_bytes",
        "_now_ms",
        "_processed",
        "_producer",
        "_rejects",
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
        config = route.repo.config
        self._max_buffer_bytes = config.producers[config.kafka.producer_profile].max_buffer_bytes
        self._rejects = config.partial is PartialPolicy.REJECT
        self._reserved = self._body_reserved = self._taken = self._in_flight = 0
        self._now_ms = 0
        self._submitted = 0.0
        self._completed: float | None = None
        self._processed: Processed | None = None
        self._reply: Reply | None = None
        self._done = False
        self._repo.enter()

    # RECEIVING

    def reserve(self, nbytes: int) -> Response | None:
        """Reserve bytes before they are taken, of the gateway's memory and of the profile's; an answer without room."""
        profile = self._repo.config.kafka.producer_profile
        budget, most, reserved = self._shared.budget, self._max_buffer_bytes, self._reserved + nbytes
        if reserved > most:
            return self._refuse(refusals.body_too_large(most, "the profile's maxBufferBytes", self._request_id))
        if reserved > budget.limit:
            return self._refuse(refusals.body_too_large(budget.limit, "the gateway's memory", self._request_id))
        if not budget.reserve(nbytes):
            return self._refuse(refusals.overloaded("the gateway", self._request_id))
        if not self._producer.reserve(nbytes):
            budget.release(nbytes)
            return self._refuse(refusals.overloaded(f"producer {profile}", self._request_id))
        self._reserved = reserved
        return None

    def _release(self, nbytes: int) -> None:
        self._reserved -= nbytes
        self._shared.budget.release(nbytes)
        self._producer.release(nbytes)

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
        self._completed = monotonic()
        self._guard(self._begin, body)

    def _begin(self, body: bytes | bytearray) -> None:
        self._now_ms = self._shared.now_ms()
        self._body_reserved = self._reserved
        self._process(self._repo.compiled.begin(self._head.headers, self._now_ms), bounded_runs(body), RUNS_AT_ONCE)

    def _process(self, run: BodyRun, pieces: Iterator[Run], most: int) -> None:
        """Feed some runs, then decide, or let other requests have the event loop before the next run."""
        fed = 0
        for piece in islice(pieces, most):
            refusal = self._feed(run, piece)
            if refusal is not None:
                return self._say(refusal)
            if self._rejects and run.result.refused.count >= BAD_LINES_LOOKED_AT:
                return self._decide(run.result, whole=next(pieces, None) is None)
            fed += 1
        if fed < most:
            return self._decide(run.result)
        asyncio.get_running_loop().call_soon(self._guard, partial(self._process, run, pieces), 1)
        return None

    def _feed(self, run: BodyRun, piece: Run) -> Response | None:
        records = run.result.accepted
        kept = run.feed(*piece)
        if not kept:
            return None
        # Records keep the piece's lines; ranges of refused lines keep nothing of it.
        return self.reserve(kept * LINE_OVERHEAD + (len(piece[0]) if run.result.accepted > records else 0))

    def _decide(self, processed: Processed, *, whole: bool = True) -> None:
        # The records' own bytes have replaced it.
        self._release(self._body_reserved)
        self._processed = processed
        if not processed.received:
            return self._answer(refusals.empty_body(self._request_id))
        refuses_body = self._rejects and bool(processed.refused)
        self._count_lines(processed, refuses_body)
        if refuses_body:
            return self._answer(refused_body(processed, self._request_id, whole=whole))
        if processed.records is None:
            return self._answer(receipt(processed, Outcome(), self._route.endpoint.response, self._request_id))
        return self._submit(processed.records)

    def _count_lines(self, processed: Processed, refuses_body: bool) -> None:
        counters = self._repo.counters
        counters.received += processed.received
        if refuses_body:
            counters.rejected += processed.received  # the good lines of a refused body are refused with it
            return
        counters.accepted += processed.accepted
        counters.dropped += processed.dropped
        counters.rejected += processed.refused.count

    # DELIVERING

    def _submit(self, records: Records) -> None:
        self._in_flight = len(records.values)
        self._repo.counters.in_flight += self._in_flight
        self._repo.profile_counters.records_per_request.observe(self._in_flight)
        self._submitted = monotonic()
        self._producer.submit(records, self._now_ms, self._delivered)

    def _delivered(self, submission: Submission) -> None:
        if not self._done:  # else submitting broke, and has been answered
            self._guard(self._tell, submission)

    def _tell(self, submission: Submission) -> None:
        outcome, processed = submission.outcome, self._processed
        if processed is None:
            raise RuntimeError("records were delivered of a body that was not processed")
        self._repo.analysis.count_acks(outcome.acks)
        counters = self._repo.counters
        counters.delivered += len(outcome.acked)
        counters.failed += len(outcome.failed)
        counters.unknown += len(outcome.unknown)
        counters.in_flight -= self._in_flight
        self._in_flight = 0
        self._repo.profile_counters.delivery_seconds.observe(monotonic() - self._submitted)
        if outcome.complete:
            self._answer(receipt(processed, outcome, self._route.endpoint.response, self._request_id))
        else:
            self._answer(undelivered(processed, outcome, self._request_id))

    # DONE

    def _guard(self, work: Callable[[Subject], None], subject: Subject) -> None:
        try:
            work(subject)
        except Exception:  # noqa: BLE001
            # Broad on purpose: whatever a defect of ours raises on some line, this one request ends, with an answer,
            # and gives back what it holds; otherwise its reservations are lost and its connection waits for ever.
            self._break()

    def _break(self) -> None:
        request_broke(self._repo.config.name, self._request_id)
        counters = self._repo.counters
        counters.in_flight -= self._in_flight
        counters.unknown += self._in_flight
        self._in_flight = 0
        if not self._done:
            self._finish(500)
        self._say(refusals.internal_error(self._request_id))

    def _refuse(self, response: Response) -> Response:
        self._finish(response.status)
        return response

    def _answer(self, response: Response) -> None:
        self._finish(response.status)
        self._say(response)

    def _say(self, response: Response) -> None:
        reply, self._reply = self._reply, None
        if reply is not None:
            reply(response)

    def _finish(self, status: int) -> None:
        self._done = True
        self._release(self._reserved)
        seconds = None if self._completed is None else monotonic() - self._completed
        self._repo.analysis.count(status, seconds, self._processed, self._rejects)
        self._repo.leave()
        request_answered(self._repo.counters, self._repo.config.name, status, self._request_id)
