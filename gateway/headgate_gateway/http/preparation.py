"""From the bytes that were received to the body that the pipeline takes: undoes a content coding.

Small bodies at once, others a piece at a time in a thread; what comes out is reserved as it comes. `ingest` gives it to
the uploads that need it.
"""

import asyncio
from collections.abc import Callable, Iterator
from functools import partial
from typing import Final, Protocol

from headgate_gateway.http import refusals
from headgate_gateway.http.decoding import PIECE_BYTES, DecodedTooLargeError, InvalidEncodingError, decode, foretold
from headgate_gateway.http.messages import Response
from headgate_gateway.http.workers import Workers

INLINE_BYTES: Final = 64 * 2**10
"""Encoded bodies up to this size are begun at once, without a thread."""
INLINE_PIECES: Final = 4
"""What they may decode to before the rest goes to a thread: 1 MiB, about two milliseconds of gzip."""
DECODING_THREADS: Final = 2
"""Bodies that are decoded at once: each holds a decoder's own memory, some 8 MiB at most, beside what is reserved."""

Body = bytes | bytearray


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

    def refuse(self, response: Response) -> None:
        """Answer without processing."""
        ...

    def attempt(self, work: Callable[["asyncio.Future[bytes]"], None], subject: "asyncio.Future[bytes]") -> None:
        """Run work; whatever it raises ends the request with a 500."""
        ...


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
