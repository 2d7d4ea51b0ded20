"""One connection: reads requests one at a time, in order, asks the application, writes answers.

While a request waits for its answer, what follows it stays unread (and, past a bound, in the socket), so pipelined
answers keep their order by construction. Deadlines are looked at by the server's one sweep.

    IDLE --bytes--> HEAD --head--> BODY --end--> WAITING --reply--> IDLE
    any --refused, close--> LINGERING --the client closes, deadline--> closed
"""

import asyncio
from enum import IntEnum, auto
from math import inf
from typing import TYPE_CHECKING, Final, cast

from headgate_gateway.http.application import Upload
from headgate_gateway.http.messages import CONTINUE, Ending, Head, HttpError, Response, encode_response, error_response
from headgate_gateway.http.reader import End, RequestReader
from headgate_gateway.http.request_id import new_request_id, request_id_of

if TYPE_CHECKING:
    from headgate_gateway.http.server import Server, Timeouts

MAX_UNREAD: Final = 32 * 2**10
"""Bytes of further requests that wait in memory before the socket is left alone: no budget counts them."""
MAX_SKIPPED_BODY: Final = 256 * 2**10
"""A refused body up to this size is read and forgotten, and the connection lives on."""
MAX_LINGER_BYTES: Final = 4 * 2**20
CLIENT_LEFT: Final = 499
"""What a request counts as whose client left before it was complete (nginx's number for it)."""


class Phase(IntEnum):
    """Where a connection stands. Those before WAITING read requests."""

    IDLE = auto()
    HEAD = auto()
    BODY = auto()
    SKIPPING = auto()
    WAITING = auto()
    LINGERING = auto()
    CLOSED = auto()


# Looked up once: Python 3.11 runs code of its own for every look at a member of an enum.
_IDLE: Final = Phase.IDLE
_BODY: Final = Phase.BODY
_SKIPPING: Final = Phase.SKIPPING
_WAITING: Final = Phase.WAITING
_LINGERING: Final = Phase.LINGERING
_CLOSE: Final = Ending.CLOSE
_KEEP_ALIVE: Final = Ending.KEEP_ALIVE
_UNSAID: Final = Ending.UNSAID


def patience_of(timeouts: "Timeouts") -> tuple[float, ...]:
    """How long a connection may stay in each phase, by the phase's number; BODY has rules of its own."""
    seconds = [inf] * (max(Phase) + 1)  # the producer's deliveryTimeout bounds WAITING
    seconds[Phase.IDLE] = timeouts.keep_alive
    seconds[Phase.HEAD] = timeouts.head
    seconds[Phase.SKIPPING] = timeouts.body_stall
    seconds[Phase.LINGERING] = timeouts.linger
    return tuple(seconds)


class Connection:
    """One connection of a server: an `asyncio.Protocol` by shape only, since inheriting from a class that is not compiled
    would keep its attributes in a dictionary.
    """

    def __init__(self, server: "Server") -> None:
        self._server = server
        self._reader = RequestReader()
        self._transport: asyncio.Transport | None = None
        self._loop = server.loop
        self.phase = Phase.IDLE
        self.deadline = inf
        self._advancing = self._reading_paused = self._writing_paused = self._peer_done = False
        self._started = 0.0
        self._upload: Upload | None = None
        self._keep_alive = True
        self._head_only = self._old_client = False
        self._request_id = ""
        self._body: bytes | bytearray = b""
        self._received = self._announced = 0

    # Transport's callbacks

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin, unless the server has as many as it takes."""
        if not self._server.take(self, transport):
            return
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is one by shape only
        self._enter(Phase.IDLE)

    def connection_lost(self, exc: Exception | None) -> None:
        """A request whose body is not whole is abandoned; one that waits for its answer runs on, unanswered."""
        self._server.connections.discard(self)
        phase, self.phase = self.phase, Phase.CLOSED
        if self._upload is not None and phase is not Phase.WAITING:
            self._upload.abandon(CLIENT_LEFT)
        self._transport = None

    def data_received(self, data: bytes) -> None:
        """Take bytes."""
        phase = self.phase
        if phase is _LINGERING:
            self._linger_on(len(data))
            return
        self._reader.feed(data)
        if phase is _WAITING or self._writing_paused:
            self._pause_reading_if_full()
        else:
            self._advance()

    def eof_received(self) -> bool:
        """The client sends no more; whole requests that it has sent are still answered."""
        self._peer_done = True
        return self.phase is Phase.WAITING or (self.phase < _WAITING and self._writing_paused)

    def pause_writing(self) -> None:
        """The client does not read its answers: no further request is begun."""
        self._writing_paused = True
        self.deadline = self._loop.time() + self._server.timeouts.write

    def resume_writing(self) -> None:
        """It reads again."""
        self._writing_paused = False
        self._enter(self.phase)
        if self.phase < _WAITING:
            self._advance()  # whatever the phase: a pipelined request may lie half read

    # Reading

    def _advance(self) -> None:
        if self._advancing:
            return
        self._advancing = True
        try:
            while self.phase < _WAITING and not self._writing_paused:
                event = self._reader.next_request()
                if isinstance(event, tuple):
                    self._on_request(*event)
                elif event is None:
                    self._rest()
                    break
                else:
                    self._handle(event)
        except HttpError as error:
            self._refuse(error)
        finally:
            self._advancing = False

    def _rest(self) -> None:
        """No event: say what is waited for, so that the sweep knows the deadline."""
        if self.phase is Phase.IDLE and not self._reader.between_requests:
            self._enter(Phase.HEAD)
        elif self.phase is Phase.BODY:
            self._set_body_deadline()
        if self._peer_done:
            self.close()  # what is not whole by now never will be
        else:
            self._resume_reading()

    def _handle(self, event: Head | bytes | End) -> None:
        if isinstance(event, Head):
            self._on_head(event)
        elif isinstance(event, bytes):
            self._on_body(event)
        else:
            self._on_end()

    def _on_request(self, head: Head, body: bytes) -> None:
        """A head and the whole of its body, as most requests come."""
        request_id = self._begin(head)
        self.phase, self.deadline = _WAITING, inf  # first, since the reply may come at once
        answer = self._server.application.take(head, body, request_id, self._reply)
        if answer is None:
            return
        if isinstance(answer, Response):
            self._answer_early(answer, head)
            if self.phase is _SKIPPING:
                self._after_answer()
            return
        self._upload = answer
        refusal = answer.take(len(body)) if body else None
        if refusal is None:
            answer.complete(body, self._reply)
        else:
            self._reply(refusal)

    def _begin(self, head: Head) -> str:
        self._upload = None
        self._head_only = head.method == "HEAD"
        self._keep_alive, self._old_client = head.keep_alive, head.is_http10
        self._request_id = request_id = request_id_of(head)
        return request_id

    def _on_head(self, head: Head) -> None:
        self._body = b""
        self._received = 0
        answer = self._server.application.admit(head, self._begin(head))
        if isinstance(answer, Response):
            self._answer_early(answer, head)
            return
        self._upload = answer
        self._announced = head.content_length
        self._started = self._loop.time()
        self._enter(Phase.BODY)
        if head.expects_continue and not self._reader.buffered:
            self._write(CONTINUE)

    def _answer_early(self, answer: Response, head: Head) -> None:
        """Answers before the body; a short body is skipped, anything else costs the connection."""
        # Whether a client that expects 100 sends its body after a final status is its own choice: only closing is safe.
        skips = not head.chunked and head.content_length <= MAX_SKIPPED_BODY and not head.expects_continue
        self._keep_alive = self._keep_alive and skips
        self._write_answer(answer)
        self._enter(_SKIPPING)
        if not skips:
            self._linger()

    def _on_body(self, piece: bytes) -> None:
        upload = self._upload
        if upload is None:
            return  # skipping
        self._received += len(piece)
        refusal = upload.take(len(piece))
        if refusal is not None:
            self._upload, self._body, self._keep_alive = None, b"", False
            self._write_answer(refusal)
            self._linger()
        elif not self._body:
            self._body = piece
        else:
            # One growing array: a list of pieces would cost an object for every few bytes of a dripping client.
            if not isinstance(self._body, bytearray):
                self._body = bytearray(self._body)
            self._body += piece

    def _on_end(self) -> None:
        upload, body = self._upload, self._body
        if upload is None:
            self._after_answer()
            return
        self._body = b""
        self._enter(_WAITING)
        upload.complete(body, self._reply)

    # Answering

    def _reply(self, response: Response) -> None:
        self._upload = None
        if self.phase is not _WAITING:
            return  # the client has left
        self._write_answer(response)
        self._after_answer()

    def _write_answer(self, response: Response) -> None:
        # A client that has half-closed may have sent further requests before it did.
        if self._server.draining or (self._peer_done and not self._reader.buffered):
            self._keep_alive = False
        ending = _CLOSE if not self._keep_alive else _KEEP_ALIVE if self._old_client else _UNSAID
        server = self._server
        self._write(encode_response(response, self._request_id, ending, server.date, head_only=self._head_only))

    def _after_answer(self) -> None:
        if not self._keep_alive:
            self.close()
            return
        self._request_id = ""
        self._enter(_IDLE)
        if self._reader.buffered or self._peer_done or self._reading_paused:
            self._advance()

    def _refuse(self, error: HttpError) -> None:
        """The bytes cannot be understood, or took too long: nothing after them can be trusted either."""
        if self._upload is not None:
            self._upload.abandon(error.status)
            self._upload = None
        else:
            self._server.application.note_refused_head(error)
        answered = self.phase is Phase.SKIPPING
        request_id = self._request_id or new_request_id()
        response = error_response(error.status, error.reason, error.message, request_id, *error.headers)
        if not answered:
            self._write(encode_response(response, request_id, Ending.CLOSE, self._server.date))
        self._linger()

    def _write(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)

    # Closing

    def close(self) -> None:
        """Close once what was written is out."""
        self._enter(Phase.LINGERING)
        self.deadline = self._loop.time() + self._server.timeouts.write
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """Close now, whatever is unwritten."""
        if self._transport is not None:
            self._transport.abort()

    def _linger(self) -> None:
        """Half-close, and read on for a moment: closing with unread bytes resets the connection under the answer."""
        self._enter(Phase.LINGERING)
        self._received = 0
        self._resume_reading()
        if self._transport is not None and self._transport.can_write_eof():
            self._transport.write_eof()
        if self._peer_done:
            self.close()

    def _linger_on(self, nbytes: int) -> None:
        self._received += nbytes
        if self._received > MAX_LINGER_BYTES:
            self.close()

    # Deadlines

    def _enter(self, phase: Phase) -> None:
        if self.phase is Phase.CLOSED:
            return
        self.phase = phase
        if self._writing_paused:
            return  # the deadline for reading our answers stands, whatever else goes on
        if phase is _BODY:
            self._set_body_deadline()
        else:
            self.deadline = self._loop.time() + self._server.patience[phase]

    def _set_body_deadline(self) -> None:
        """Progress is both: something came lately, and on the whole it came at a sensible rate.

        The rate is one of what is reserved: an announced body holds all of it from the start, so it is to be whole in
        a time that follows from its size, however evenly it drips.
        """
        timeouts = self._server.timeouts
        reserved = max(self._announced, self._received)
        by_rate = self._started + timeouts.body + reserved / timeouts.body_bytes_per_second
        self.deadline = min(self._loop.time() + timeouts.body_stall, by_rate)

    def on_deadline(self) -> None:
        """Called by the sweep once the deadline has passed."""
        if self._writing_paused or self.phase is Phase.LINGERING:
            self.abort()
        elif self.phase is Phase.HEAD or self.phase is Phase.BODY:
            what = "head" if self.phase is Phase.HEAD else "body"
            self._refuse(HttpError(408, "RequestTimeout", f"the request's {what} did not come in time"))
        else:
            self.close()

    def _pause_reading_if_full(self) -> None:
        if self._reader.buffered > MAX_UNREAD and not self._reading_paused and self._transport is not None:
            self._reading_paused = True
            self._transport.pause_reading()

    def _resume_reading(self) -> None:
        if self._reading_paused and self._transport is not None:
            self._reading_paused = False
            self._transport.resume_reading()
