"""One admitted request: its bytes, its way through the pipeline, its records' fate, its answer.

Holds its reservations from the head until the outcome is known, and gives them back exactly once.

    RECEIVING --complete--> PROCESSING --submit--> DELIVERING --on_done of all--> DONE
        |                       |--refused, nothing to send-----------------^
        |                       |--a defect of ours, at any point: 500------^
        |--abandon, refused-------------------------------------------------^

With delivery Async from memory the answer goes out as DELIVERING begins; with a spool, Async is any other request.
"""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from time import monotonic
from typing import TypeVar

from headgate_gateway.config.endpoint import EventFormat
from headgate_gateway.config.repo import PartialPolicy
from headgate_gateway.http import refusals
from headgate_gateway.http.admission import Budget
from headgate_gateway.http.application import Reply
from headgate_gateway.http.delivery import Part, join_outcomes
from headgate_gateway.http.events import executor_broke, records_lost, request_answered, request_broke
from headgate_gateway.http.holding import Holding
from headgate_gateway.http.messages import Head, Response
from headgate_gateway.http.ports import Submission
from headgate_gateway.http.receipt import Durability, receipt, refused_body, undelivered
from headgate_gateway.http.router import Route
from headgate_gateway.http.seldom import Seldom
from headgate_gateway.kafka.outcome import Outcome
from headgate_gateway.pipeline.compile import BodyRun
from headgate_gateway.pipeline.records import Records
from headgate_gateway.pipeline.result import Processed
from headgate_gateway.pipeline.run import Run

RUNS_AT_ONCE = 4
"""Longer bodies go on a run at a time, and others get the event loop in between."""
BAD_LINES_LOOKED_AT = 1_000
"""Under `partial: Reject` the rest of the body is not looked at after so many: it is refused anyhow."""

CUT_AS_RECEIVED = {EventFormat.JSONL, EventFormat.TEXT}
"""Formats whose bodies need not be in one piece of memory that never changes."""

Subject = TypeVar("Subject")


@dataclass(slots=True)
class SharedByUploads:
    """What all uploads share."""

    budget: Budget
    now_ms: Callable[[], int]
    seldom: Seldom = field(default_factory=Seldom)


class BodyUpload:
    """One request on a repo's endpoint."""

    __slots__ = (
        "_body_reserved",
        "_completed",
        "_done",
        "_head",
        "_holding",
        "_in_flight",
        "_now_ms",
        "_open",
        "_parts",
        "_processed",
        "_rejects",
        "_reply",
        "_repo",
        "_request_id",
        "_route",
        "_shared",
        "_submitted",
        "_taken",
        "_told",
        "as_it_comes",
        "gate",
        "prepare",
    )

    def __init__(self, route: Route, head: Head, request_id: str, shared: SharedByUploads) -> None:
        self._route = route
        self._repo = route.repo
        self._head = head
        self._request_id = request_id
        self._shared = shared
        self._holding = Holding(route.repo, shared.budget, request_id)
        config = route.repo.config
        self._rejects = config.partial is PartialPolicy.REJECT
        self._body_reserved = self._taken = self._in_flight = 0
        self._open = 0
        """Submissions whose outcome is not known yet."""
        self._parts: list[Part] = []
        self._now_ms = 0
        self._submitted = 0.0
        self._completed: float | None = None
        self._processed: Processed | None = None
        self._reply: Reply | None = None
        self._told = False
        """Whether the request has its answer, or will not get one."""
        self._done = False
        """Whether it holds nothing any more."""
        self.gate: Callable[[int], Response | None] | None = None
        """What is told of bytes as they come, and may refuse."""
        self.prepare: Callable[[bytes | bytearray], None] | None = None
        """What takes the whole body in place of the pipeline, and calls `proceed` or `refuse`."""
        self.as_it_comes = head.chunked
        """Whether bytes are reserved as they come, since nothing has been for the whole body."""
        self._repo.enter()

    # RECEIVING

    def reserve(self, nbytes: int) -> Response | None:
        """Reserve bytes before they are taken, of the gateway's memory and of the profile's; an answer without room."""
        refusal = self._holding.reserve(nbytes)
        return None if refusal is None else self._refuse(refusal)

    def take(self, nbytes: int) -> Response | None:
        """Bytes have come; those that nobody announced, as of a chunked body, are reserved now."""
        self._taken += nbytes
        self._repo.counters.bytes_received += nbytes
        if self.gate is not None:
            refusal = self.gate(nbytes)
            if refusal is not None:
                return refusal
        if not self.as_it_comes:
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
        self._guard(self.prepare or self._begin, body)

    def proceed(self, body: bytes | bytearray) -> None:
        """The body is ready for the pipeline."""
        self._guard(self._begin, body)

    def refuse(self, response: Response, judged_as: int | None = None) -> None:
        """The body never gets to the pipeline; what that counts as in analysis, where not as the answer's status."""
        if not self._done:
            self._finish(response.status, judged_as)
        self._say(response)

    def attempt(self, work: Callable[[Subject], None], subject: Subject) -> None:
        """Do some of the preparing; whatever it raises ends the request with a 500."""
        self._guard(work, subject)

    def release(self, nbytes: int) -> None:
        """Give back what the preparing no longer needs."""
        if not self._done:
            self._holding.release(nbytes)

    def _begin(self, body: bytes | bytearray) -> None:
        if isinstance(body, bytearray) and self._route.endpoint.format not in CUT_AS_RECEIVED:
            # Cutting takes a copy of it: this one is reserved, and takes the body's place.
            refusal = self.reserve(len(body))
            if refusal is not None:
                return self._say(refusal)
            received, body = body, bytes(body)
            received.clear()  # others refer to it still
            self._holding.release(len(body))
        self._now_ms = self._shared.now_ms()
        self._body_reserved = self._holding.reserved
        run = self._route.compiled.begin(self._head.headers, self._now_ms)
        return self._process(run, run.cut(body), RUNS_AT_ONCE)

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
        kept = run.feed(*piece)
        return self.reserve(kept) if kept else None

    def _decide(self, processed: Processed, *, whole: bool = True) -> None:
        # The records' own bytes have replaced it.
        self._holding.release(self._body_reserved)
        if not processed.received and not processed.may_be_empty:
            return self._answer(refusals.empty_body(self._request_id))
        self._tell_defects(processed)
        refuses_body = processed.broken is not None or (self._rejects and bool(processed.refused))
        refusal = None if refuses_body else self._holding.move_all(processed.records)
        if refusal is not None:
            return self._answer(refusal)
        self._processed = processed
        self._count_lines(processed, refuses_body)
        if refuses_body:
            return self._answer(refused_body(processed, self._request_id, whole=whole))
        if not processed.records:
            return self._tell(processed, Outcome())
        self._submit(processed.records)
        if self._repo.durability is Durability.MEMORY:
            self._answer_early(processed)
        return None

    def _tell_defects(self, processed: Processed) -> None:
        for step, error in processed.defects.items():
            if self._shared.seldom.allows((self._repo.full_name, step), monotonic()):
                executor_broke(self._repo.config.name, step, error, self._request_id)
        processed.defects = {}  # their tracebacks hold events

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

    def _submit(self, made: list[Records]) -> None:
        self._in_flight = sum(len(records.values) for records in made)
        self._repo.counters.in_flight += self._in_flight
        self._submitted = monotonic()
        self._open = len(made)
        for records in made:
            self._repo.profiles[records.profile].records_per_request.observe(len(records.values))
            producer = self._holding.producer_of(records.profile)
            producer.submit(records, self._now_ms, partial(self._delivered, records))

    def _delivered(self, records: Records, submission: Submission) -> None:
        if not self._done:  # else submitting broke, and has been answered
            self._guard(partial(self._settle, records), submission)

    def _settle(self, records: Records, submission: Submission) -> None:
        """One submission's fate is known; with the last one the request's."""
        outcome, processed = submission.outcome, self._processed
        if processed is None:
            raise RuntimeError("records were delivered of a body that was not processed")
        self._count_records(records, outcome)
        self._open -= 1
        if self._open or self._parts or not processed.one_each:
            self._parts.append((records, outcome))
            if self._open:
                return None
            outcome = join_outcomes(self._parts)
        if not self._told:
            return self._tell(processed, outcome)
        if not outcome.complete:
            self._repo.analysis.count_lost()
            self._tell_lost(outcome)
        return self._let_go()

    def _answer_early(self, processed: Processed) -> None:
        """Async from memory: the records are on their way, and hold what they have reserved until their fate is known."""
        form = self._route.endpoint.response
        response = receipt(processed, Outcome(), form, self._request_id, Durability.MEMORY)
        self._count_answer(response.status)
        self._say(response)

    def _tell_lost(self, outcome: Outcome) -> None:
        if self._shared.seldom.allows((self._repo.full_name, outcome.reason), monotonic()):
            records_lost(self._repo.config.name, outcome, self._request_id)

    def _count_records(self, records: Records, outcome: Outcome) -> None:
        self._repo.analysis.count_acks(outcome.acks)
        counters = self._repo.counters
        if records.dead_letter:
            counters.dead_lettered += len(outcome.acked)
        else:
            counters.delivered += len(outcome.acked)
        counters.spooled += len(outcome.spooled)
        counters.failed += len(outcome.failed)
        counters.unknown += len(outcome.unknown)
        counters.in_flight -= len(records.values)
        self._in_flight -= len(records.values)
        self._repo.profiles[records.profile].delivery_seconds.observe(monotonic() - self._submitted)

    def _tell(self, processed: Processed, outcome: Outcome) -> None:
        if outcome.complete:
            form = self._route.endpoint.response
            durability = self._repo.durability
            # A revision whose lines Kafka does not take is no good one because there was a disk to put them on.
            missed = outcome.spooled and durability is Durability.KAFKA
            self._answer(receipt(processed, outcome, form, self._request_id, durability), 503 if missed else None)
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
        request_broke(self._shared.seldom, self._repo.config.name, self._request_id)
        counters = self._repo.counters
        counters.in_flight -= self._in_flight
        counters.unknown += self._in_flight
        self._in_flight = 0
        if not self._done:
            if self._told:
                self._repo.analysis.count_lost()  # its answer was 200, and can no longer be changed
            self._finish(500)
        self._say(refusals.internal_error(self._request_id))

    def _refuse(self, response: Response) -> Response:
        self._finish(response.status)
        return response

    def _answer(self, response: Response, judged_as: int | None = None) -> None:
        self._finish(response.status, judged_as)
        self._say(response)

    def _say(self, response: Response) -> None:
        reply, self._reply = self._reply, None
        if reply is not None:
            reply(response)

    def _finish(self, status: int, judged_as: int | None = None) -> None:
        self._count_answer(status, judged_as)
        self._let_go()

    def _let_go(self) -> None:
        self._done = True
        # They refer to this upload: each would be left, body and all, to the garbage collector.
        self.prepare = self.gate = self._processed = None
        self._holding.release_all()
        self._repo.leave()

    def _count_answer(self, status: int, judged_as: int | None = None) -> None:
        if self._told:
            return
        self._told = True
        seconds = None if self._completed is None else monotonic() - self._completed
        self._repo.analysis.count(judged_as or status, seconds, self._processed, self._rejects)
        request_answered(self._repo.counters, self._repo.config.name, status, self._request_id)
