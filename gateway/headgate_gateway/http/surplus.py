"""Connections beyond those that a server takes: each gets one 503 for its first bytes, whatever they ask for, and ends.

Nothing of a request is parsed or kept. The server hands connections over here, and counts them; how many may be open is
its own setting.

    quiet --bytes--> answered, half-closed --the client closes, deadline--> closed
    quiet --deadline--> closed
"""

import asyncio
from typing import TYPE_CHECKING, Final, cast

from headgate_gateway.http.messages import Ending, HttpError, encode_response, error_response
from headgate_gateway.http.receipt import RETRY_BUSY
from headgate_gateway.http.request_id import new_request_id

if TYPE_CHECKING:
    from headgate_gateway.http.server import Server

MOST_SURPLUS: Final = 256
"""So many may wait for their 503 at a time: they hold descriptors too. Those beyond are cut without a word."""


class Surplus(asyncio.Protocol):
    """One connection that is not taken. Follows upon another protocol, whose transport it gets."""

    def __init__(self, server: "Server", transport: asyncio.Transport) -> None:
        self._server = server
        self._transport = transport
        self._answered = False
        # Not swept like others: these live for two seconds, and never become many.
        self._deadline = server.loop.call_later(server.timeouts.linger, self.abort)

    def data_received(self, data: bytes) -> None:
        """A request has begun; its answer before it would be one to nobody."""
        if self._answered:
            return  # read on, since closing with unread bytes resets the connection under the answer
        self._answered = True
        error = HttpError(503, "TooManyConnections", "the gateway has as many connections as it may", (RETRY_BUSY,))
        self._server.application.note_refused_head(error)
        request_id = new_request_id()
        response = error_response(error.status, error.reason, error.message, request_id, *error.headers)
        self._transport.write(encode_response(response, request_id, Ending.CLOSE, self._server.date))
        if self._transport.can_write_eof():
            self._transport.write_eof()

    def connection_lost(self, exc: Exception | None) -> None:
        """Room for another."""
        self._deadline.cancel()
        self._server.surplus.discard(self)

    def abort(self) -> None:
        """Close now."""
        self._transport.abort()


def turn_away(server: "Server", transport: asyncio.BaseTransport) -> None:
    """A connection that was just made is one too many."""
    transport = cast("asyncio.Transport", transport)
    if len(server.surplus) >= MOST_SURPLUS:
        transport.abort()
        return
    surplus = Surplus(server, transport)
    server.surplus.add(surplus)
    transport.set_protocol(surplus)
