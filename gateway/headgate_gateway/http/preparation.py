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
from headgate_gateway.http.passwords import Check
from headgate_gateway.http.rates import OverLimit
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

    __slots__ = ("_check", "_clock", "_endpoint", "_guard", "_next", "_request_id", "_taken", "_upload")

    def __init__(
        self,
        upload: PreparedUpload,
        guard: Guard,
        endpoint: Endpoint,
        request_id: str,
        check: Check | None,
        clock: Clock,
        then: Callable[[Body], None],
    ) -> None:
        self._upload = upload
        self._guard = guard
        self._endpoint = endpoint
        self._request_id = request_id
        self._check = check
        self._clock = clock
        self._taken = 0
        self._next = then

    def take(self, nbytes: int) -> Response | None:
        """Bytes have come; an answer refuses the rest."""
        before, self._taken = self._taken, self._taken + nbytes
        check, rates = self._check, self._guard.rates
        if check is None:
            over = rates.go_on(nbytes, before, self._clock()) if rates is not None else None
            return None if over is None else self._refuse_over(over)
        return self._deny() if check.is_right is False else None

    def begin(self, body: Body) -> None:
        """The body is whole."""
        if self._check is None:
            self._next(body)
        else:
            self._check.tell(partial(self._upload.attempt, partial(self._judged, body)))

    def _judged(self, body: Body, is_right: bool) -> None:
        """The password's verdict. Only now is the request charged, so that guesses use up nobody's limits."""
        rates = self._guard.rates
        if not is_right:
            self._deny()
            return
        over = rates.begin(len(body), self._clock()) if rates is not None else None
        if over is None:
            self._next(body)
        else:
            self._refuse_over(over)

    def _deny(self) -> Response:
        return self._refuse(self._guard.deny(self._request_id))

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
        return all(self._take(next(self._pieces, b"")) for _ in range(INLINE_PIECES))

    def _step(self) -> None:
        self._workers.run(partial(next, self._pieces, b""), partial(self._upload.attempt, self._stepped))

    def _stepped(self, step: "asyncio.Future[bytes]") -> None:
        goes_on = False
        try:
            goes_on = self._take(step.result())
        except (InvalidEncodingError, DecodedTooLargeError) as error:
            self._refuse(error)
        finally:
            if goes_on:
                self._step()
            else:
                self._workers.end_turn()

    def _take(self, piece: bytes) -> bool:
        """Whether there is more to come."""
        if not piece:
            self._upload.release(len(self._body))
            self._body = b""
            self._upload.proceed(self._decoded)
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
