"""From the bytes that are received to the body that the pipeline takes: what only the body can tell, and its coding.

`ingest` gives it to the uploads that need it: those of a guarded repo whose head did not tell enough, and encoded ones,
which are decoded at once where they are small, and a piece at a time in a thread where they are not.
"""

import asyncio
from collections.abc import Callable, Iterator
from functools import partial
from typing import Final, Protocol, TypeVar

from headgate_gateway.config.endpoint import Endpoint
from headgate_gateway.http import refusals
from headgate_gateway.http.decoding import PIECE_BYTES, DecodedTooLargeError, InvalidEncodingError, decode, foretold
from headgate_gateway.http.guard import EXCLUDED, Guard
from headgate_gateway.http.messages import Response
from headgate_gateway.http.passwords import Check, Finding
from headgate_gateway.http.rates import OverLimit
from headgate_gateway.http.webhook import judged_as
from headgate_gateway.http.workers import Workers

INLINE_BYTES: Final = 64 * 2**10
"""Encoded bodies up to this size are begun at once, without a thread."""
INLINE_PIECES: Final = 4
"""What they may decode to before the rest goes to a thread: 1 MiB, about two milliseconds of gzip."""
DECODING_THREADS: Final = 2
"""Bodies that are decoded at once: each holds a decoder's own memory, some 8 MiB at most, beside what is reserved."""

Body = bytes | bytearray
Clock = Callable[[], float]
"""Seconds, from whenever on."""
Subject = TypeVar("Subject")


class PreparedUpload(Protocol):
    """What this asks of an upload."""

    def reserve(self, nbytes: int) -> Response | None:
        """Reserve memory; an answer without room."""
        ...

    def release(self, nbytes: int) -> None:
        """Give reserved memory back."""
        ...

    def proceed(self, body: Body) -> None:
        """The body, as the pipeline takes it."""
        ...

    def refuse(self, response: Response, judged_as: int | None = None) -> None:
        """Answer without processing; what that counts as in analysis, where not as the answer's status."""
        ...

    def attempt(self, work: Callable[[Subject], None], subject: Subject) -> None:
        """Run work; whatever it raises ends the request with a 500."""
        ...


class GuardedBody:
    """One body that the guard has to look at."""

    __slots__ = (
        "_announced",
        "_check",
        "_clock",
        "_endpoint",
        "_guard",
        "_held_back",
        "_request_id",
        "_taken",
        "_upload",
        "then",
    )

    def __init__(
        self,
        upload: PreparedUpload,
        guard: Guard,
        endpoint: Endpoint,
        request_id: str,
        clock: Clock,
        check: Check | None = None,
        held_back: Response | None = None,
    ) -> None:
        self._upload = upload
        self._guard = guard
        self._endpoint = endpoint
        self._request_id = request_id
        self._check = check
        self._clock = clock
        self._announced = self._taken = 0
        self.then: Callable[[Body], None] = upload.proceed
        """What takes the body that may come in."""
        self._held_back = held_back
        """What the head is refused with, told to nobody but who may come in."""

    def announce(self, nbytes: int) -> None:
        """So much is reserved, and has not come; what a wrong password has reserved is given back at the verdict."""
        self._announced = nbytes
        if self._check is not None:
            self._check.tell(partial(self._upload.attempt, self._give_back))

    def _give_back(self, finding: Finding) -> None:
        if finding is not Finding.RIGHT and self._announced > self._taken:
            self._upload.release(self._announced - self._taken)

    def take(self, nbytes: int) -> Response | None:
        """Bytes have come; an answer refuses the rest."""
        before, self._taken = self._taken, self._taken + nbytes
        check, rates = self._check, self._guard.rates
        if check is None:
            over = rates.go_on(nbytes, before, self._clock()) if rates is not None else None
            return None if over is None else self._refuse_over(over)
        return None if check.finding is None else self._refuse_found(check.finding)

    def begin(self, body: Body) -> None:
        """The body is whole."""
        if self._check is None:
            self.then(body)
        else:
            self._check.tell(partial(self._upload.attempt, partial(self._judged, body)))

    def _judged(self, body: Body, finding: Finding) -> None:
        """The password's verdict. Only now is the request charged, so that guesses use up nobody's limits."""
        if self._refuse_found(finding) is not None:
            return
        rates = self._guard.rates
        over = rates.begin(len(body), self._clock()) if rates is not None else None
        if over is None:
            self.then(body)
        else:
            self._refuse_over(over)

    def _refuse_found(self, finding: Finding) -> Response | None:
        if finding is Finding.WRONG:
            return self._refuse(self._guard.deny(self._request_id))
        if finding is Finding.NOTHING:
            return self._refuse(refusals.overloaded("the check of passwords", self._request_id))
        if self._held_back is not None:
            self._upload.refuse(self._held_back, judged_as(self._held_back))
        return self._held_back

    def _refuse_over(self, over: OverLimit) -> Response:
        return self._refuse(self._guard.over_limit(over, self._endpoint, self._request_id))

    def _refuse(self, response: Response) -> Response:
        self._upload.refuse(response, EXCLUDED)
        return response


class BodyDecoding:
    """One body on its way through a decoder."""

    __slots__ = ("_body", "_coding", "_decoded", "_held", "_limit", "_pieces", "_request_id", "_upload", "_workers")

    def __init__(self, upload: PreparedUpload, coding: bytes, limit: int, request_id: str, workers: Workers) -> None:
        self._upload = upload
        self._coding = coding
        self._limit = limit
        self._request_id = request_id
        self._workers = workers
        self._body: Body = b""
        self._pieces: Iterator[bytes] = iter(())
        self._decoded = bytearray()
        self._held = 0

    def begin(self, body: Body) -> None:
        """The body is whole."""
        self._body = body
        self._pieces = decode(self._coding, body, self._limit)
        try:
            ahead = foretold(self._coding, body)
            if ahead > self._limit:
                raise DecodedTooLargeError
            small = len(body) <= INLINE_BYTES and ahead <= INLINE_PIECES * PIECE_BYTES
            goes_on = self._hold(ahead) and (not small or self._take_some())
        except (InvalidEncodingError, DecodedTooLargeError) as error:
            self._refuse(error)
        else:
            if goes_on:
                self._workers.take_turn(self._step)

    def _take_some(self) -> bool:
        return all(self._take(next(self._pieces, None)) for _ in range(INLINE_PIECES))

    def _step(self) -> None:
        self._workers.run(partial(next, self._pieces, None), partial(self._upload.attempt, self._stepped))

    def _stepped(self, step: "asyncio.Future[bytes | None]") -> None:
        goes_on = False
        try:
            goes_on = self._go_on(step)
        finally:
            if goes_on:
                self._step()
            else:
                self._workers.end_turn()

    def _go_on(self, step: "asyncio.Future[bytes | None]") -> bool:
        # Raised here, a body's error would refer to this frame, this frame to `step`, and `step` to the error.
        error = step.exception()
        if isinstance(error, InvalidEncodingError | DecodedTooLargeError):
            self._refuse(error)
            return False
        return self._take(step.result())

    def _take(self, piece: bytes | None) -> bool:
        """Whether there is more to come; None: there is not."""
        if piece is None:
            self._upload.release(len(self._body))
            self._body = b""
            # Not kept, since from now on what is reserved is for its records too.
            decoded, self._decoded = self._decoded, bytearray()
            self._upload.proceed(decoded)
            return False
        size = len(self._decoded) + len(piece)
        if size > self._held and not self._hold(size - self._held):
            return False
        self._decoded += piece
        return True

    def _hold(self, nbytes: int) -> bool:
        refusal = self._upload.reserve(nbytes)
        if refusal is not None:
            self._upload.refuse(refusal)
            return False
        self._held += nbytes
        return True

    def _refuse(self, error: InvalidEncodingError | DecodedTooLargeError) -> None:
        if isinstance(error, DecodedTooLargeError):
            self._upload.refuse(refusals.body_too_large(self._limit, "the repo's limit", self._request_id))
        else:
            self._upload.refuse(refusals.invalid_encoding(str(error), self._request_id))
