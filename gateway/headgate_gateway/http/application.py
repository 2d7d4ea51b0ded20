"""What a connection asks of whoever answers its requests: the traffic port's Ingest, or the admin port's pages."""

from collections.abc import Callable
from typing import Protocol

from headgate_gateway.http.messages import Head, HttpError, Response

Reply = Callable[[Response], None]


class Upload(Protocol):
    """An admitted request whose body is on its way."""

    def take(self, nbytes: int) -> Response | None:
        """Bytes of the body have come. An answer instead of None refuses the rest."""
        ...

    def complete(self, body: bytes | bytearray, reply: Reply) -> None:
        """The body is whole. `reply` is called once, now or later."""
        ...

    def abandon(self, status: int) -> None:
        """The body will never be whole; what the request counts as."""
        ...


class Application(Protocol):
    """Answers requests."""

    def admit(self, head: Head, request_id: str) -> "Response | Upload":
        """Decide by the head alone: an answer at once, or the body is read."""
        ...

    def take(self, head: Head, body: bytes, request_id: str, reply: Reply) -> "Response | Upload | None":
        """As `admit`, for a request whose body is there; None: nothing is asked any more, and `reply` is called later."""
        ...

    def note_refused_head(self, error: HttpError) -> None:
        """A request could not be understood, or not in time, and was answered by the connection."""
        ...
